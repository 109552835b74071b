/**
 * The one yes or no. Knows grants and nothing of tools: what it says is the same whether a tool
 * exists or not. A decision is a look-up and a match, no signature check and no I/O.
 */
import type { Did } from '../core/index.ts';
import { allows, encodeSegment, judge, printable, targetOf } from '../grants/index.ts';
import type { Grant, GrantBook, Refusal, ResourceTarget, Wanted } from '../grants/index.ts';
import { isInScope } from './scopes.ts';
import type { Decision, Guard, Principal } from './types.ts';

/** What the guard asks. With `issued` and `state` it can say why an old grant no longer helps. */
type GuardGrants = Pick<GrantBook, 'held'> & Partial<Pick<GrantBook, 'issued' | 'state'>>;

/** What the guard works with. */
export interface GuardComponents {
  readonly grants: GuardGrants;
  /** This node, as refusals name it. */
  readonly self: { readonly name: string; readonly did: Did };
}

type Bounded = Exclude<Principal, { kind: 'operator' }>;

const ALLOW: Decision = { allow: true };
/** What may stand unquoted in a command. */
const ALIAS = /^[a-z0-9][a-z0-9-]{0,31}$/;

/** Makes the guard of this node. */
export function createGuard(components: GuardComponents): Guard {
  const { grants } = components;
  return {
    decide(principal, wanted) {
      if (principal.kind === 'operator') return ALLOW;
      const target = targetOf(wanted.resource);
      if (target === undefined) return refuse(components, principal, wanted, undefined);
      if (principal.kind === 'client') {
        return isInScope(principal.scopes, target)
          ? ALLOW
          : refuse(components, principal, wanted, target);
      }
      // Without what caveats need (arguments, counters, approvals), only what is free of them counts.
      const verdict = judge(grants.held(principal.did).filter(isBare), wanted, undefined, 0);
      if ('allow' in verdict && verdict.allow) return ALLOW;
      return refuse(components, principal, wanted, target);
    },
  };
}

function isBare({ claims }: Grant): boolean {
  return claims.cap.every(({ caveats }) => Object.keys(caveats ?? {}).length === 0);
}

function refuse(
  components: GuardComponents,
  caller: Bounded,
  wanted: Wanted,
  target: ResourceTarget | undefined,
): Decision {
  // Explained only when somebody reads it: a list of tools asks for the yes or no alone.
  return {
    allow: false,
    get refusal() {
      return {
        rule: 'not-granted',
        text: sentenceOf(components, caller, wanted),
        causes: [reasonOf(components, caller, wanted, target)],
      };
    },
    get hint() {
      return hintOf(components, caller, target);
    },
  };
}

function sentenceOf({ self }: GuardComponents, caller: Bounded, wanted: Wanted): string {
  const what = `${printable(wanted.ability)} on ${printable(wanted.resource)}`;
  return `${nameOf(caller)} may not ${what} on node ${printable(self.name)}`;
}

function nameOf(caller: Bounded): string {
  if (caller.kind === 'client') return `the client ${printable(caller.name)}`;
  const [name, id] =
    caller.kind === 'peer' ? [caller.alias, caller.peerId] : [caller.name, caller.did.slice(8)];
  return `${printable(name)} (${id.slice(0, 8)}…${id.slice(-4)})`;
}

function reasonOf(
  { grants }: GuardComponents,
  caller: Bounded,
  wanted: Wanted,
  target: ResourceTarget | undefined,
): Refusal {
  if (target === undefined) {
    return { rule: 'malformed', text: 'no grant can name this resource' };
  }
  if (caller.kind === 'client') {
    return { rule: 'not-covered', text: 'its scopes cover other things only' };
  }
  const isAbout = (grant: Grant): boolean =>
    grant.claims.cap.some((capability) => allows(capability, wanted.ability, target).allow);
  const past = (grants.issued?.() ?? [])
    .filter((grant) => grant.claims.aud === caller.did && isAbout(grant))
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
  if (grants.held(caller.did).length === 0) {
    return { rule: 'no-grant', text: 'it holds no valid grant of this node' };
  }
  return { rule: 'not-covered', text: 'its grants of this node cover other things only' };
}

/** The command that grants it. Wildcards and quotes in a caller's words are percent-encoded. */
function hintOf(
  { self }: GuardComponents,
  caller: Bounded,
  target: ResourceTarget | undefined,
): string {
  const where = printable(self.name);
  if (target === undefined) return `on ${where}: starling tools`;
  const path = target.segments.map(encodeSegment).join('/');
  if (caller.kind === 'client') {
    const scope = `'${target.scheme}:${path}'`;
    return ALIAS.test(caller.name)
      ? `starling key create ${caller.name}-2 --scope ${scope}`
      : `ask the operator of ${where} for the scope ${scope}`;
  }
  if (target.scheme !== 'tool') return `ask the operator of ${where}`;
  return `starling grant create ${referenceOf(caller)} --tool '${path}'`;
}

/** How the commands name it. */
function referenceOf(caller: Exclude<Bounded, { kind: 'client' }>): string {
  if (caller.kind === 'agent') return caller.did;
  return ALIAS.test(caller.alias) ? caller.alias : encodeSegment(caller.peerId);
}

function idOf(grant: Grant): string {
  return grant.claims.jti.slice(0, 8);
}
