/** By whom a membership was ended, and when. Pure. */
import { StarlingError, localTime } from '../../core/index.ts';
import type { Did } from '../../core/index.ts';
import type { Grant, GrantBook, Revocation, SuccessionView } from '../../grants/index.ts';
import { shortId } from '../../identity/index.ts';
import type { Mesh } from '../types.ts';

/** Why a node is no member any more. */
export interface MembershipEnd {
  /** Who ended it; the node itself when it left. */
  readonly by: Did;
  /** Whose membership was ended. */
  readonly of: Did;
  /** True when that is one above the node, by whom the node came in. */
  readonly isAbove: boolean;
  /** ms since the epoch */
  readonly at: number;
  readonly reason?: string;
  /** The signed text that says so. */
  readonly jws: string;
}

/** What an end is looked for with. */
export interface EndComponents {
  readonly grants: Pick<GrantBook, 'findRevocation' | 'isRevoked'>;
  readonly successions: SuccessionView;
}

/**
 * The revocation that ends `chain`, a membership and those above it, leaf first; undefined when none does.
 * The holder of the leaf may end its own membership.
 */
export function endOfChain(
  { grants, successions }: EndComponents,
  chain: readonly Grant[],
): MembershipEnd | undefined {
  for (const [index, link] of chain.entries()) {
    const issuers = chain.slice(index).map(({ claims }) => claims.iss);
    const mayRevoke = index === 0 ? [...issuers, link.claims.aud] : issuers;
    if (!grants.isRevoked(link, mayRevoke)) continue;
    const keys = new Set(mayRevoke.flatMap((did) => successions.heirs(did)));
    const [first] = [...keys]
      .flatMap((did) => grants.findRevocation(link.claims.jti, [did]) ?? [])
      .toSorted((a, b) => a.claims.iat - b.claims.iat);
    if (first !== undefined) return endBy(first, link.claims.aud, index > 0);
  }
  return undefined;
}

function endBy({ claims, jws }: Revocation, of: Did, isAbove: boolean): MembershipEnd {
  const { iss: by, iat, reason } = claims;
  return { by, of, isAbove, at: iat * 1000, jws, ...(reason === undefined ? {} : { reason }) };
}

/** The end of this node's own membership, as a sentence. `nameOf` gives names of peers that are known. */
export function describeEnd(
  end: MembershipEnd,
  mesh: Mesh,
  nameOf: (did: Did) => string | undefined = () => undefined,
): string {
  const called = (did: Did): string => {
    const name = nameOf(did);
    return name === undefined ? shortId(did) : `${name} (${shortId(did)})`;
  };
  const who = end.isAbove ? `${called(end.of)}, by whom this node came in,` : 'this node';
  const hasLeft = end.by === end.of;
  const what = `${hasLeft ? 'left' : 'was put out of'} the mesh '${mesh.name}' (${mesh.fingerprint})`;
  const by = hasLeft ? '' : ` by ${called(end.by)}`;
  const why = end.reason === undefined ? '' : `: ${end.reason}`;
  const so = end.isAbove ? '; this node is no member of it any more' : '';
  return `${who} ${what}${by} at ${localTime(end.at)}${why}${so}`;
}

/** What whoever is out can do. */
export const ENDED_HINT =
  'ask a member for a new ticket, and start with: starling up --join <ticket>; or go without them: starling leave';

/** The error of a node whose membership was ended. */
export function membershipEnded(text: string, end?: MembershipEnd): StarlingError {
  return new StarlingError('STARLING_MEMBERSHIP_ENDED', text, {
    hint: ENDED_HINT,
    ...(end === undefined ? {} : { data: { by: end.by, at: end.at } }),
  });
}
