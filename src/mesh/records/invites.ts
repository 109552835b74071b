/**
 * The invites of a mesh as its members know them, and who used each. An invite is a grant to the one-time
 * key of a ticket that lets its holder join so many times (caveat `uses`): because of that caveat it is no
 * membership, whatever its holder does with the key.
 */
import type { Did, MeshId } from '../../core/index.ts';
import { allows, parseTarget } from '../../grants/index.ts';
import type { Capability, Grant } from '../../grants/index.ts';
import { isEarlier } from './record-texts.ts';
import type { Spent } from './record-texts.ts';

/** Nodes that one invite may let in at the most. */
export const INVITE_USES_MAX = 100;
/** Invites to one key: only the first comes from who made the ticket, so that no other hides it. */
const PER_KEY_MAX = 8;
/** Users of one invite that are remembered. Members that are cut off from each other count apart. */
const USERS_MAX = 2 * INVITE_USES_MAX;

/** What an invite allows its holder, as a grant says it. */
export function inviteCapabilities(
  resource: string,
  { uses, canInvite }: { readonly uses: number; readonly canInvite: boolean },
): readonly Capability[] {
  const join = { resource, ability: 'mesh/join', caveats: { uses } };
  return canInvite ? [join, { resource, ability: 'mesh/invite', caveats: { uses } }] : [join];
}

/** How many an invite lets in; undefined of a grant that is no invite. */
export function usesOf(grant: Pick<Grant, 'claims'>, mesh: MeshId): number | undefined {
  const target = parseTarget(`mesh:${mesh}`);
  const join = grant.claims.cap.find(
    (one) => allows(one, 'mesh/join', target).allow && one.caveats?.['uses'] !== undefined,
  );
  const uses = join?.caveats?.['uses'];
  if (typeof uses !== 'number' || uses < 1) return undefined;
  return Math.min(uses, INVITE_USES_MAX);
}

/** Whether who comes in by the invite may invite others. */
export function mayPassOn(invite: Grant, mesh: MeshId): boolean {
  const target = parseTarget(`mesh:${mesh}`);
  return invite.claims.cap.some((one) => allows(one, 'mesh/invite', target).allow);
}

/** The invites that are known, and their users. */
export interface Invites {
  /** Whether there is room for another invite to this one-time key. */
  hasRoom(key: Did): boolean;
  /** Adds an invite. Returns a function that takes it away again; undefined when there is no room. */
  add(invite: Grant): (() => void) | undefined;
  all(): readonly Grant[];
  /** The invites to the one-time key `key`: one of them is by who made the ticket. */
  byKey(key: Did): readonly Grant[];
  /** Adds a use. Returns a function that takes it away again. */
  use(spent: Spent): () => void;
  /** Who used the invite with this id, the earliest first. */
  users(jti: string): readonly Did[];
  /** How many may use it; 1 when only its uses are known. */
  usesOf(jti: string): number;
}

/** The earliest first, as many as are remembered. */
function inOrder(uses: readonly Spent[]): readonly Spent[] {
  return uses.toSorted((a, b) => (isEarlier(a, b) ? -1 : 1)).slice(0, USERS_MAX);
}

/** Makes the list, empty. */
export function createInvites(mesh: MeshId): Invites {
  const byKey = new Map<Did, readonly Grant[]>();
  const byId = new Map<string, Grant>();
  const spent = new Map<string, readonly Spent[]>();

  const hasRoom = (key: Did): boolean => (byKey.get(key)?.length ?? 0) < PER_KEY_MAX;

  return {
    hasRoom,
    add(invite) {
      const { aud, jti } = invite.claims;
      const known = byKey.get(aud) ?? [];
      if (!hasRoom(aud)) return undefined;
      byKey.set(aud, [...known, invite]);
      if (!byId.has(jti)) byId.set(jti, invite);
      return () => {
        const left = (byKey.get(aud) ?? []).filter((one) => one !== invite);
        if (left.length === 0) byKey.delete(aud);
        else byKey.set(aud, left);
        if (byId.get(jti) === invite) byId.delete(jti);
      };
    },
    all: () => [...byId.values()],
    byKey: (key) => byKey.get(key) ?? [],
    use(one) {
      const known = spent.get(one.jti) ?? [];
      const before = known.find(({ aud }) => aud === one.aud);
      if (before !== undefined && !isEarlier(one, before)) return () => undefined;
      const others = known.filter(({ aud }) => aud !== one.aud);
      spent.set(one.jti, inOrder([...others, one]));
      return () => {
        const uses = spent.get(one.jti) ?? [];
        if (!uses.includes(one)) return;
        const rest = uses.filter((other) => other !== one);
        // The later use that stood there before is as good as it was.
        const left = before === undefined ? rest : inOrder([...rest, before]);
        if (left.length === 0) spent.delete(one.jti);
        else spent.set(one.jti, left);
      };
    },
    users: (jti) => (spent.get(jti) ?? []).map(({ aud }) => aud),
    usesOf(jti) {
      const invite = byId.get(jti);
      return invite === undefined ? 1 : (usesOf(invite, mesh) ?? 1);
    },
  };
}
