/** Who sends a message: an agent of this node, another caller of it, or somebody at a peer. Pure. */
import { keyOf } from '../../guard/index.ts';
import type { OnBehalfOf, Principal } from '../../guard/index.ts';
import type { LocalAgent, LocalAgents } from '../directory/local-agents.ts';
import { parseAddress } from '../names.ts';
import type { MessageInit } from '../types.ts';

/** Who sends a message. */
export interface Sender {
  /** An agent of this node. */
  readonly agent?: LocalAgent;
  readonly from: string;
}

/** Among whom the sender is looked for. */
export interface SenderComponents {
  readonly self: { readonly name: string };
  readonly local: LocalAgents;
}

/** Who sends: an agent of the caller's own, or the caller. @throws STARLING_AGENT_UNKNOWN, STARLING_AGENT_TAKEN */
export function senderOf(
  { local, self }: SenderComponents,
  principal: Principal,
  { from }: Pick<MessageInit, 'from'>,
): Sender {
  if (principal.kind === 'peer') return { from: peerSender(principal, from) };
  const owner = keyOf(principal);
  const own = local.all().filter((agent) => agent.owner === owner);
  const agent = from === undefined ? soleOf(own) : local.owned(principal, parseAddress(from).name);
  if (agent === undefined) return { from: `${keyOf(principal)}@${self.name}` };
  return { agent, from: `${agent.announcement.name}@${self.name}` };
}

/** Programs that are one agent need not say which one. */
function soleOf(own: readonly LocalAgent[]): LocalAgent | undefined {
  return own.length === 1 ? own[0] : undefined;
}

/** What a name may be made of that another node gives; anything else could be taken for another part of the line. */
const NAME = /^[\w.:-]{1,64}$/;

/**
 * `<who>@<alias>`: the agent that the peer's node names, else whoever it says that it calls for, else the person whose
 * node it is. Only the alias is proven, by the peer's key.
 */
export function peerSender(
  { alias, onBehalfOf }: Extract<Principal, { kind: 'peer' }>,
  from: string | undefined,
): string {
  const [agent = ''] = from?.split('@', 1) ?? [];
  return `${NAME.test(agent) ? agent : callerOf(onBehalfOf)}@${alias}`;
}

function callerOf(onBehalfOf: OnBehalfOf | undefined): string {
  if (onBehalfOf === undefined) return 'operator';
  const { did, name } = onBehalfOf;
  const caller = did ?? `client:${name}`;
  return NAME.test(caller) ? caller : 'client';
}
