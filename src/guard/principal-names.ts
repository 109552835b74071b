/** Who a caller is: how it came, by which names a policy knows it, and how messages call it. Pure. */
import { printable, shownName } from '../core/index.ts';
import type { Did } from '../core/index.ts';
import { peerIdFromDid, shortId } from '../identity/index.ts';
import type { OnBehalfOf, Principal } from './types.ts';

const AGENT = 'agent:';

/** The operator, as one object: what is kept for the operator is kept by this key. */
export const OPERATOR: Extract<Principal, { kind: 'operator' }> = Object.freeze({
  kind: 'operator',
});

/** The operator by the page in a browser. */
export const DASHBOARD: Extract<Principal, { kind: 'operator' }> = Object.freeze({
  kind: 'operator',
  dashboard: true,
});

/** The operator by a command that shows the node anew each second. */
export const WATCHING: Extract<Principal, { kind: 'operator' }> = Object.freeze({
  kind: 'operator',
  dashboard: true,
});

/** True for whoever sees all that there is at this node: the operator who does not only look. */
export function seesAll(principal: Principal): boolean {
  return principal.kind === 'operator' && principal.dashboard !== true;
}

/** How callers come, the most trusted first. */
export const ZONES = ['local', 'trusted', 'external'] as const;
/** How a caller came. */
export type Zone = (typeof ZONES)[number];

/** The least trusted of some zones; undefined of none. */
export function leastTrusted(zones: readonly Zone[]): Zone | undefined {
  return ZONES.toReversed().find((zone) => zones.includes(zone));
}

/** The zone of what does not come from this node alone. */
export type Taint = Exclude<Zone, 'local'>;

/** The least trusted zone that something may be made of; undefined where all of it is this node's own. */
export function worstTaint(...taints: readonly (Zone | undefined)[]): Taint | undefined {
  if (taints.includes('external')) return 'external';
  return taints.includes('trusted') ? 'trusted' : undefined;
}

/** A taint by the word of somebody else, who can make of it nothing better than it is; undefined for any other word. */
export function readTaint(said: unknown): Taint | undefined {
  return said === 'trusted' || said === 'external' ? said : undefined;
}

/** What is known of the mesh when zones are told apart. */
export interface MeshFacts {
  /** True for a mesh that anybody may join. */
  isOpen(): boolean;
  /** True for the did of a member of our mesh. */
  isMember(did: Did): boolean;
  /** Keys that whoever has `did` had before. */
  formerly(did: Did): readonly Did[];
}

const CALLER_NAME = /^(operator|(peer|client):[^\s]{1,128}|12D3Koo\w{20,80}|did:key:z\w{20,80})$/;

/** True for a key of `callers` in the policy file. */
export function isCallerName(text: string): boolean {
  return CALLER_NAME.test(text);
}

/**
 * How `principal` came. Local: by this node's socket, token or keys. Trusted: a member of a private
 * mesh, by whatever door. External: everybody else.
 */
export function zoneOf(principal: Principal, mesh: MeshFacts): Zone {
  switch (principal.kind) {
    case 'operator':
    case 'client':
      return 'local';
    case 'peer':
      return mesh.isOpen() ? 'external' : 'trusted';
    default:
      return !mesh.isOpen() && mesh.isMember(principal.did) ? 'trusted' : 'external';
  }
}

/**
 * The names under which the policy may speak of `principal`. An agent's name is not among them: it
 * chose that itself.
 */
export function namesOf(principal: Principal): readonly string[] {
  switch (principal.kind) {
    case 'operator':
      return ['operator'];
    case 'client':
      return [`client:${principal.name}`];
    case 'peer':
      return [principal.did, principal.peerId, `peer:${principal.alias}`];
    default:
      return [principal.did];
  }
}

/** The names of {@link namesOf}, and those of keys that `principal` had before: what was said of them holds. */
export function allNamesOf(principal: Principal, mesh: MeshFacts): readonly string[] {
  const names = namesOf(principal);
  const former = 'did' in principal ? mesh.formerly(principal.did) : [];
  if (former.length === 0) return names;
  return [...names, ...former.flatMap((did) => [did, peerIdFromDid(did)])];
}

/** The one name that nobody else can have, the first of {@link namesOf}: tells askers apart. Each call asks, so no list is made. */
export function keyOf(principal: Principal): string {
  switch (principal.kind) {
    case 'operator':
      return 'operator';
    case 'client':
      return `client:${principal.name}`;
    default:
      return principal.did;
  }
}

/** Whom an agent of this node has been that has retired: a name that nobody can take, so that nobody has its rights. */
export function goneOf<T extends Extract<Principal, { kind: 'client' }>>(agent: T): T {
  return { ...agent, name: `${agent.name} (retired)` };
}

/** True where both are the same MCP client, by whatever session. */
export function isSameClient(one: Principal, other: Principal): boolean {
  return one.kind === 'client' && keyOf(one) === keyOf(other);
}

/** True where the person who owns the node sits before whoever calls: elsewhere a program would fill in a form. */
export function hasPerson(principal: Principal): boolean {
  return (
    principal.kind === 'operator' || (principal.kind === 'client' && principal.person === true)
  );
}

/**
 * For whom a peer says that it calls, as the audit log has it: a did, or a name that its node gave. Of an agent that
 * this node runs: whoever it works for.
 */
export function behalfOf(principal: Principal): string | undefined {
  if (principal.kind === 'client' && principal.worksFor !== undefined) {
    return principal.worksFor.map((one) => behalfOf(one) ?? keyOf(one)).join(', ');
  }
  if (principal.kind !== 'peer' || principal.onBehalfOf === undefined) return undefined;
  const { did, name = '' } = principal.onBehalfOf;
  // With the node's did, so that no client of ours is ever taken for it.
  return did ?? `client:${printable(name)}@${principal.did}`;
}

/** How messages call it. */
export function nameOf(principal: Principal): string {
  switch (principal.kind) {
    case 'operator':
      return 'the operator';
    case 'client':
      return clientName(principal.name);
    case 'peer':
      return `${printable(shownName(principal))} (${shortId(principal.peerId)})${wordsFor(principal.onBehalfOf)}`;
    default:
      return `${printable(principal.name)} (${shortId(principal.did)})`;
  }
}

/** An agent that the node runs is the client `agent:<name>`. */
function clientName(name: string): string {
  return name.startsWith(AGENT)
    ? `the agent ${printable(name.slice(AGENT.length))}`
    : `the client ${printable(name)}`;
}

/** In full: only a whole did can be compared. */
function wordsFor(onBehalfOf: OnBehalfOf | undefined): string {
  if (onBehalfOf === undefined) return '';
  const { did, name, worksFor = [] } = onBehalfOf;
  const called = name === undefined ? '' : ` '${printable(name)}'`;
  const further = worksFor.length === 0 ? '' : `, which works for ${worksFor.join(', ')}`;
  const whom = did === undefined ? ` for its client${called}` : ` for the agent${called} ${did}`;
  return `${whom}${further}`;
}
