/**
 * The one yes or no. Knows grants and nothing of tools: what it says is the same whether a tool
 * exists or not. A decision is a look-up and a match, no signature check and no I/O.
 */
import type { Did } from '../core/index.ts';
import { allows, encodeSegment, printable, tryParseTarget } from '../grants/index.ts';
import type { Grant, GrantBook, Refusal, ResourceTarget, Wanted } from '../grants/index.ts';
import type { Decision, Guard, Principal } from './types.ts';

/** What the guard asks. With `issued` and `state` it can say why an old grant no longer helps. */
type GuardGrants = Pick<GrantBook, 'held'> & Partial<Pick<GrantBook, 'issued' | 'state'>>;

/** What the guard works with. */
export interface GuardComponents {
  readonly grants: GuardGrants;
  /** This node, as refusals name it. */
  readonly self: { readonly name: string; readonly did: Did };
}

type Peer = Extract<Principal, { kind: 'peer' }>;

const ALLOW: Decision = { allow: true };
/** What may stand unquoted in a command. */
const ALIAS = /^[a-z0-9][a-z0-9-]{0,31}$/;
/** Parsed resources kept; the whole cache is dropped when it is full. */
const TARGETS_MAX = 1024;

/** Makes the guard of this node. */
export function createGuard(components: GuardComponents): Guard {
  const { grants } = components;
  const targets = new Map<string, ResourceTarget>();

  const targetOf = (resource: string): ResourceTarget | undefined => {
    const known = targets.get(resource);
    if (known !== undefined) return known;
    const target = tryParseTarget(resource);
    if (target === undefined) return undefined;
    if (targets.size >= TARGETS_MAX) targets.clear();
    targets.set(resource, target);
    return target;
  };

  return {
    decide(principal, wanted) {
      if (principal.kind === 'operator') return ALLOW;
      const target = targetOf(wanted.resource);
      if (target === undefined) return refuse(components, principal, wanted, undefined);
      for (const grant of grants.held(principal.did)) {
        for (const capability of grant.claims.cap) {
          if (allows(capability, wanted.ability, target)) return ALLOW;
        }
      }
      return refuse(components, principal, wanted, target);
    },
  };
}

function refuse(
  components: GuardComponents,
  peer: Peer,
  wanted: Wanted,
  target: ResourceTarget | undefined,
): Decision {
  // Explained only when somebody reads it: a list of tools asks for the yes or no alone.
  return {
    allow: false,
    get refusal() {
      return {
        rule: 'not-granted',
        text: sentenceOf(components, peer, wanted),
        causes: [reasonOf(components, peer, wanted, target)],
      };
    },
    get hint() {
      return hintOf(components, peer, target);
    },
  };
}

function sentenceOf({ self }: GuardComponents, peer: Peer, wanted: Wanted): string {
  const who = `${printable(peer.alias)} (${peer.peerId.slice(0, 8)}…${peer.peerId.slice(-4)})`;
  const what = `${printable(wanted.ability)} on ${printable(wanted.resource)}`;
  return `${who} may not ${what} on node ${printable(self.name)}`;
}

function reasonOf(
  { grants }: GuardComponents,
  peer: Peer,
  wanted: Wanted,
  target: ResourceTarget | undefined,
): Refusal {
  if (target === undefined) {
    return { rule: 'malformed', text: 'no grant can name this resource' };
  }
  const isAbout = (grant: Grant): boolean =>
    grant.claims.cap.some((capability) => allows(capability, wanted.ability, target));
  const past = (grants.issued?.() ?? [])
    .filter((grant) => grant.claims.aud === peer.did && isAbout(grant))
    .sort((a, b) => b.claims.exp - a.claims.exp);
  const revoked = past.find((grant) => grants.state?.(grant) === 'revoked');
  if (revoked !== undefined) {
    return { rule: 'revoked', text: `the grant for it (${idOf(revoked)}) is revoked` };
  }
  const expired = past.find((grant) => grants.state?.(grant) === 'expired');
  if (expired !== undefined) {
    const at = new Date(expired.claims.exp * 1000).toISOString();
    return { rule: 'expired', text: `the grant for it (${idOf(expired)}) expired at ${at}` };
  }
  if (grants.held(peer.did).length === 0) {
    return { rule: 'no-grant', text: 'it holds no valid grant of this node' };
  }
  return { rule: 'not-covered', text: 'its grants of this node cover other things only' };
}

/** The command that grants it. Wildcards and quotes in a caller's words are percent-encoded. */
function hintOf({ self }: GuardComponents, peer: Peer, target: ResourceTarget | undefined): string {
  const where = printable(self.name);
  if (target === undefined) return `on ${where}: starling tools`;
  if (target.scheme !== 'tool') return `ask the operator of ${where}`;
  const who = ALIAS.test(peer.alias) ? peer.alias : encodeSegment(peer.peerId);
  return `starling grant create ${who} --tool '${target.segments.map(encodeSegment).join('/')}'`;
}

function idOf(grant: Grant): string {
  return grant.claims.jti.slice(0, 8);
}
