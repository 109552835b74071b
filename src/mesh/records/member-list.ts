/**
 * Who is a member: the memberships that are known, whether the chain of each holds now, and which keys
 * have retired. What is taken in and when it is forgotten is for `records.ts`.
 */
import { StarlingError } from '../../core/index.ts';
import type { Clock, Did, MeshId } from '../../core/index.ts';
import {
  MEMBERSHIP_LINKS_MAX,
  allowsAlways,
  hashJws,
  parseGrant,
  parseTarget,
  retiredBy,
  ruleOf,
  verifyChain,
} from '../../grants/index.ts';
import type { Grant, GrantBook, Refusal, SuccessionView, Successions } from '../../grants/index.ts';
import { endOfChain } from './membership-end.ts';
import type { MembershipEnd } from './membership-end.ts';

/** What the list works with. */
export interface MemberListComponents {
  readonly grants: Pick<GrantBook, 'findRevocation' | 'isRevoked'>;
  readonly successions: Successions;
  readonly clock: Clock;
}

/** The members of a mesh. */
export interface MemberList {
  /**
   * Verifies a membership that is about to be taken in: its chain must hold, whatever is revoked or
   * retired, so that who has the same texts has the same set. @throws STARLING_GRANT_INVALID
   */
  requireSound(grant: Grant): void;
  /** The same of an invite. @throws STARLING_GRANT_INVALID */
  requireSoundInvite(grant: Grant): void;
  /** The chain of an invite that counts now, leaf first. @throws STARLING_TICKET_INVALID, STARLING_TICKET_EXPIRED */
  verifyInvite(grant: Grant): readonly Grant[];
  /** Adds a membership. Returns a function that takes it away again. */
  add(grant: Grant): () => void;
  /** Something is revoked or retired: who is a member is looked at anew. */
  forgetVerdicts(): void;
  /** True when this very grant is a membership, and no invite. */
  holds(grant: Grant): boolean;
  /** True when a membership with this id was ever added. */
  hasId(jti: string): boolean;
  all(): readonly Grant[];
  /** True when `did`, or a key before it, was ever given a membership; the mesh's own key counts. */
  isKnown(did: Did): boolean;
  /** True when the founder gave `did`, or a key before it, its membership with the mesh's own key. */
  isFounder(did: Did): boolean;
  /** A verified membership chain of `did`, leaf first; undefined when none holds now. */
  chainOf(did: Did): readonly Grant[] | undefined;
  /** How the last membership of `did` was ended; undefined while one holds, and of whom never had one. */
  endOf(did: Did): MembershipEnd | undefined;
  /** The memberships that `grant`, a known one, stands on, itself first. */
  above(grant: Grant): readonly Grant[];
  /** That the key `did` was not replaced. @throws STARLING_KEY_RETIRED */
  requireInUse(did: Did): void;
  /** Verifies a membership chain that `did` shows. @throws STARLING_KEY_RETIRED, STARLING_JOIN_REFUSED */
  verifyShown(chain: readonly string[], did: Did): readonly Grant[];
}

/** Makes an empty list. In an open mesh nobody can be put out. */
export function createMemberList(
  components: MemberListComponents,
  init: { readonly mesh: MeshId; readonly open: boolean },
): MemberList {
  return new VerifiedMembers(components, init);
}

/** `mesh:<did>` as grants name it. */
export function meshResource(mesh: MeshId): string {
  return `mesh:${mesh}`;
}

/** True when one of the grant's capabilities allows `ability` on the mesh. */
export function allowsOnMesh(grant: Grant, mesh: MeshId, ability: string): boolean {
  const target = parseTarget(meshResource(mesh));
  return grant.claims.cap.some((capability) => allowsAlways(capability, ability, target));
}

class VerifiedMembers implements MemberList {
  readonly #components: MemberListComponents;
  readonly #mesh: MeshId;
  readonly #open: boolean;
  /** Memberships by hash, as parents are named. */
  readonly #grants = new Map<string, Grant>();
  readonly #byHolder = new Map<Did, Grant[]>();
  readonly #ids = new Set<string>();
  /** Chains that held when they were last verified. */
  readonly #verified = new Map<Did, readonly Grant[]>();
  /** For {@link requireSound}: nobody has retired. */
  readonly #lenient: SuccessionView;

  constructor(
    components: MemberListComponents,
    init: { readonly mesh: MeshId; readonly open: boolean },
  ) {
    this.#components = components;
    this.#mesh = init.mesh;
    this.#open = init.open;
    const { successions } = components;
    this.#lenient = {
      of: () => undefined,
      current: (did) => successions.current(did),
      origin: (did) => successions.origin(did),
      lineage: (did) => successions.lineage(did),
      heirs: (did) => successions.heirs(did),
      follows: (did, before) => successions.follows(did, before),
    };
  }

  requireSound(grant: Grant): void {
    const verdict = this.#verify(grant, this.#grants, grant.claims.aud, true);
    if (!verdict.ok) throw unsound('membership', verdict.refusal);
  }

  requireSoundInvite(grant: Grant): void {
    const verdict = this.#verifyChain(grant, this.#grants, grant.claims.aud, true);
    if (!verdict.ok) throw unsound('invite', verdict.refusal);
  }

  verifyInvite(grant: Grant): readonly Grant[] {
    const verdict = this.#verifyChain(grant, this.#grants, grant.claims.aud);
    if (verdict.ok) return verdict.links;
    const rule = ruleOf(verdict.refusal);
    const { iss } = grant.claims;
    throw new StarlingError(
      rule === 'expired' ? 'STARLING_TICKET_EXPIRED' : 'STARLING_TICKET_INVALID',
      `the ticket does not hold: ${
        rule === 'revoked' && !this.#components.grants.isRevoked(grant, [iss])
          ? 'who made it is no member any more'
          : verdict.refusal.text
      }`,
      { hint: 'ask a member for a new one: starling invite' },
    );
  }

  add(grant: Grant): () => void {
    const { aud, jti } = grant.claims;
    this.#grants.set(grant.hash, grant);
    this.#ids.add(jti);
    this.#byHolder.set(aud, [...(this.#byHolder.get(aud) ?? []), grant]);
    this.#verified.delete(aud);
    return () => {
      this.#grants.delete(grant.hash);
      const left = (this.#byHolder.get(aud) ?? []).filter((one) => one !== grant);
      if (left.length === 0) this.#byHolder.delete(aud);
      else this.#byHolder.set(aud, left);
      this.#verified.delete(aud);
    };
  }

  forgetVerdicts(): void {
    this.#verified.clear();
  }

  holds(grant: Grant): boolean {
    return this.#grants.has(grant.hash);
  }

  hasId(jti: string): boolean {
    return this.#ids.has(jti);
  }

  all(): readonly Grant[] {
    return [...this.#grants.values()];
  }

  isKnown(did: Did): boolean {
    if (did === this.#mesh) return true;
    return this.#components.successions.lineage(did).some((one) => this.#byHolder.has(one));
  }

  isFounder(did: Did): boolean {
    return this.#components.successions
      .lineage(did)
      .some((one) => this.#byHolder.get(one)?.some(({ claims }) => claims.iss === this.#mesh));
  }

  chainOf(did: Did): readonly Grant[] | undefined {
    const { clock, successions } = this.#components;
    if (successions.of(did) !== undefined) return undefined;
    const known = this.#verified.get(did);
    const nowS = clock.now() / 1000;
    if (known?.every((grant) => grant.claims.exp > nowS) === true) return known;
    const chain = successions
      .lineage(did)
      .flatMap((one) => this.#byHolder.get(one) ?? [])
      .map((grant) => this.#verify(grant, this.#grants, did))
      .find((verdict) => verdict.ok);
    const links = chain?.ok === true ? chain.links : undefined;
    if (links !== undefined) this.#verified.set(did, links);
    return links;
  }

  endOf(did: Did): MembershipEnd | undefined {
    if (this.#open || this.chainOf(did) !== undefined) return undefined;
    const { successions } = this.#components;
    const [last] = successions
      .lineage(did)
      .flatMap((one) => this.#byHolder.get(one) ?? [])
      .toSorted((a, b) => b.claims.iat - a.claims.iat);
    return last === undefined ? undefined : endOfChain(this.#components, this.above(last));
  }

  above(grant: Grant): readonly Grant[] {
    return linksFrom(grant, (hash) => this.#grants.get(hash));
  }

  requireInUse(did: Did): void {
    const retired = retiredBy(did, this.#components.successions);
    if (retired === undefined) return;
    throw new StarlingError('STARLING_KEY_RETIRED', retired.text, {
      hint: 'use the state folder that has the new key: this one is older',
      data: { did },
    });
  }

  verifyShown(chain: readonly string[], did: Did): readonly Grant[] {
    this.requireInUse(did);
    const parsed = chain.slice(0, MEMBERSHIP_LINKS_MAX + 1).map((jws) => this.#read(jws));
    const [leaf] = parsed;
    if (leaf === undefined) {
      throw new StarlingError('STARLING_JOIN_REFUSED', 'it shows no membership');
    }
    const byHash = new Map(parsed.map((grant) => [grant.hash, grant]));
    const verdict = this.#verify(leaf, byHash, did);
    if (verdict.ok) return verdict.links;
    const { rule, text } = verdict.refusal;
    const shown = linksFrom(leaf, (hash) => byHash.get(hash) ?? this.#grants.get(hash));
    const ended = this.#open ? undefined : endOfChain(this.#components, shown);
    throw new StarlingError('STARLING_JOIN_REFUSED', `its membership does not hold: ${text}`, {
      data: { rule, ...(ended === undefined ? {} : { ended: ended.jws }) },
    });
  }

  /** A signature that was verified when the membership was taken in is not verified again for each link. */
  #read(jws: string): Grant {
    return this.#grants.get(hashJws(jws)) ?? parseGrant(jws);
  }

  /** That of a membership. */
  #verify(
    leaf: Grant,
    more: ReadonlyMap<string, Grant>,
    holder: Did,
    isTakenIn = false,
  ): ReturnType<typeof verifyChain> {
    const verdict = this.#verifyChain(leaf, more, holder, isTakenIn);
    if (!verdict.ok || allowsOnMesh(leaf, this.#mesh, 'mesh/join')) return verdict;
    const text = 'it does not let its holder join';
    return { ok: false, refusal: { rule: 'not-covered', text } };
  }

  /** That of whatever lets somebody in: who is above it must have been allowed to invite. */
  #verifyChain(
    leaf: Grant,
    more: ReadonlyMap<string, Grant>,
    holder: Did,
    isTakenIn = false,
  ): ReturnType<typeof verifyChain> {
    const { clock, grants, successions } = this.#components;
    const verdict = verifyChain(leaf, {
      find: (hash) => more.get(hash) ?? this.#grants.get(hash),
      nowMs: clock.now(),
      successions: isTakenIn ? this.#lenient : successions,
      // Whoever leaves ends its own membership, and not those of whom it let in.
      isRevoked: (grant, mayRevoke) =>
        !this.#open &&
        !isTakenIn &&
        grants.isRevoked(
          grant,
          grant.hash === leaf.hash ? [...mayRevoke, grant.claims.aud] : mayRevoke,
        ),
      maxLinks: MEMBERSHIP_LINKS_MAX,
      holder,
      owner: this.#mesh,
    });
    if (!verdict.ok) return verdict;
    const barred = verdict.links.find(
      (link) => link.hash !== leaf.hash && !allowsOnMesh(link, this.#mesh, 'mesh/invite'),
    );
    if (barred === undefined) return verdict;
    const text = `${barred.claims.aud} may not let anybody in`;
    return { ok: false, refusal: { rule: 'not-covered', text } };
  }
}

/** `leaf` and what it stands on, as far as `find` finds it. */
function linksFrom(leaf: Grant, find: (hash: string) => Grant | undefined): readonly Grant[] {
  const links = new Map([[leaf.hash, leaf]]);
  for (const link of links.values()) {
    for (const hash of link.claims.prf ?? []) {
      const parent = find(hash);
      if (parent !== undefined && links.size <= MEMBERSHIP_LINKS_MAX) links.set(hash, parent);
    }
  }
  return [...links.values()];
}

function unsound(what: string, refusal: Refusal): StarlingError {
  return new StarlingError('STARLING_GRANT_INVALID', `no ${what}: ${refusal.text}`, {
    data: { rule: ruleOf(refusal) },
  });
}
