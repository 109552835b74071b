/**
 * Queries to agents of other nodes that need nothing of this one: whoever asks is no agent, and all that is said is whom,
 * what, and for how long. The node of the agent answers such a call as this one would, so that the call goes there as it
 * came, and its answer to the caller as it comes: it is read once at each node. All else goes the long road, by
 * `messages.ts`; so does what is wrong with a call, which is said there.
 */
import type { Json, PeerId } from '../../core/index.ts';
import type { ChannelCall, OnwardCall, RelayedCall } from '../../gateway/index.ts';
import { keyOf } from '../../guard/index.ts';
import type { Principal } from '../../guard/index.ts';
import type { Membership, PeerView } from '../../membership/index.ts';
import type { AgentDirectory } from '../directory/directory.ts';
import type { LocalAgents } from '../directory/local-agents.ts';
import { MESSAGE_BYTES_MAX, QUERY_MS, WAY_MS } from '../limits.ts';
import { readPlainQuery } from './plain-query.ts';
import type { PlainQuery } from './plain-query.ts';

/** What queries are handed on by. */
export interface OnwardComponents {
  readonly membership: Pick<Membership, 'byAlias'>;
  readonly local: Pick<LocalAgents, 'all'>;
  readonly directory: Pick<AgentDirectory, 'elsewhere' | 'require'>;
  /** Has a tool of a peer's built-in server answer a call. */
  relayToPeer(peer: PeerView, onward: OnwardCall): ChannelCall;
  /** What is known of the agents of a peer is wrong. */
  forget(peer: PeerId): void;
}

const TOOL = 'agent_message';
/**
 * Hands a call of `agent_message` on to the node of its agent; undefined for one that this node has to do itself.
 * @throws STARLING_CALL_REFUSED
 */
export function handOn(components: OnwardComponents, call: RelayedCall): ChannelCall | undefined {
  const { principal, request } = call;
  const query = plainQuery(request.params['arguments'], request.bytes.length);
  if (query === undefined || !isNoAgent(components, principal)) return undefined;
  const found = components.directory.elsewhere(query.to);
  const peer = found === undefined ? undefined : components.membership.byAlias(found.node);
  if (found === undefined || peer?.state !== 'alive') return undefined;
  // The address may mean another agent than when the guard was asked.
  components.directory.require(principal, found, { what: 'message' });
  const { timeoutMs, type, message, priority } = query;
  const from = keyOf(principal).split('@', 1)[0] ?? '';
  return components.relayToPeer(peer, {
    tool: TOOL,
    args: { agentId: found.name, from, type, message, priority, timeoutMs },
    principal,
    timeoutMs: timeoutMs + WAY_MS,
    call,
    refused: (code) => {
      if (code === 'STARLING_AGENT_UNKNOWN') components.forget(peer.peerId);
    },
  });
}

/** Whoever works for nobody else, has read nothing that is worth less, and has no agent by whose name it could write. */
function isNoAgent({ local }: Pick<OnwardComponents, 'local'>, principal: Principal): boolean {
  if (principal.kind !== 'operator' && principal.kind !== 'client') return false;
  if (principal.kind === 'client') {
    const { hops = 0, taint, worksFor = [] } = principal;
    if (hops > 0 || taint !== undefined || worksFor.length > 0) return false;
  }
  const owner = keyOf(principal);
  return !local.all().some((agent) => agent.owner === owner);
}

/** What is asked of whom. */
interface PlainCall extends Pick<PlainQuery, 'message' | 'type'> {
  readonly to: string;
  readonly priority: NonNullable<PlainQuery['priority']>;
  readonly timeoutMs: number;
}

/** What is asked of whom; undefined for what names two agents, or a sender. */
function plainQuery(given: Json | undefined, bytes: number): PlainCall | undefined {
  const query = bytes > MESSAGE_BYTES_MAX ? undefined : readPlainQuery(given);
  if (query === undefined || query.from !== undefined) return undefined;
  const { agentId, to = agentId, type, message, priority = 'normal', timeout = QUERY_MS } = query;
  if (to === undefined || (agentId ?? to) !== to) return undefined;
  return { to, type, message, priority, timeoutMs: query.timeoutMs ?? timeout };
}
