/** Messages for agents of other nodes: they go at once, or from the disk when that node is back. */
import { StarlingError, messageOf } from '../../core/index.ts';
import type { Clock, Did, JsonObject, Logger, PeerId, Random } from '../../core/index.ts';
import { OPERATOR, readTaint } from '../../guard/index.ts';
import type { Principal } from '../../guard/index.ts';
import type { PeerToolCall } from '../../gateway/index.ts';
import type { Membership, PeerView } from '../../membership/index.ts';
import type { Table } from '../../store/index.ts';
import { AWAY_WAIT_MAX_MS, AWAY_WAIT_MS, QUERY_MS, WAY_MS } from '../limits.ts';
import { unknownAgent } from '../directory/local-agents.ts';
import type { LocalAgents } from '../directory/local-agents.ts';
import { labelOf } from '../names.ts';
import { NODE_SENDER, senderKey, sendersIn } from '../inbox/sender.ts';
import type { AgentMessage, AgentMessageResult, MessageInit } from '../types.ts';
import type { Sender } from './message-sender.ts';
import { createOutbox } from './outbox.ts';
import type { Outbox, Parcel } from './outbox.ts';
import { openedResponse, sealedArgs } from './sealing.ts';
import type { Sealing } from './sealing.ts';

/** What messages to other nodes go by. */
export interface PeerMessagesComponents {
  readonly table: Table;
  readonly self: { readonly name: string; readonly did: Did };
  readonly local: LocalAgents;
  readonly membership: Pick<Membership, 'byAlias' | 'find'>;
  callPeer(peer: PeerView, call: PeerToolCall): Promise<JsonObject>;
  /** What is known of the agents of a peer is wrong. */
  forget(peer: PeerId): void;
  /** Seals messages, and opens those that are sealed for this node. */
  readonly sealing: Sealing;
  /** Who is meant by a link of a chain; undefined for the operator. */
  readonly callerOf?: (this: void, link: string) => Principal | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

const DELIVERY_TIMEOUT_MS = 15_000;

/** The way to agents of other nodes. */
export class PeerMessages {
  readonly #components: PeerMessagesComponents;
  readonly #outbox: Outbox;

  constructor(components: PeerMessagesComponents) {
    this.#components = components;
    this.#outbox = createOutbox({
      ...components,
      isHere: (peer) => components.membership.find(peer)?.state === 'alive',
      send: (parcel) => this.#sendParcel(parcel),
      givenUp: (parcel, error) => this.#givenUp(parcel, error),
    });
  }

  start(): Promise<void> {
    return this.#outbox.load();
  }

  stop(): void {
    this.#outbox.stop();
  }

  /** What waits for that node is sent. */
  peerIsHere({ did }: PeerView): void {
    this.#outbox.look(did);
  }

  /** @throws STARLING_AGENT_UNKNOWN, and what the peer answers a query with, or why it does not answer */
  async send(
    alias: string,
    name: string,
    { principal, init, message, sender }: Away,
  ): Promise<AgentMessageResult> {
    const peer = this.#components.membership.byAlias(alias);
    if (peer === undefined) throw unknownAgent(`${name}@${alias}`);
    const { sealing } = this.#components;
    const open = argsOf(name, message, sender);
    const args = init.sealed === true ? sealedArgs(sealing, peer.did, open) : open;
    const isQuery = message.type === 'query';
    const parcel: Parcel = {
      to: peer.did,
      args,
      sender: sender.agent?.announcement.name,
      by: senderKey(principal),
      expiresAt:
        this.#components.clock.now() + Math.min(init.ttlMs ?? AWAY_WAIT_MS, AWAY_WAIT_MAX_MS),
    };
    if (!isQuery && (this.#outbox.waiting(peer.did, name) > 0 || peer.state !== 'alive')) {
      return this.#queue(parcel, message, name);
    }
    // Nobody waits until a connection that nobody answers is given up.
    if (isQuery && !isReachable(peer)) throw away(peer, name);
    const timeoutMs = isQuery ? (message.timeoutMs ?? QUERY_MS) + WAY_MS : DELIVERY_TIMEOUT_MS;
    try {
      const call = { tool: 'agent_message', args, principal, timeoutMs };
      const result = await this.#components.callPeer(peer, call);
      const { sealedResponse: sealed } = result;
      const opened =
        typeof sealed === 'string' ? { response: openedResponse(sealing, sealed) } : {};
      return resultIn(Object.assign({}, result, opened), message, name);
    } catch (error) {
      if (isUnknown(error)) this.#components.forget(peer.peerId);
      if (isQuery || !(error instanceof StarlingError) || !isAway(error)) throw error;
      return this.#queue(parcel, message, name);
    }
  }

  async #queue(parcel: Parcel, message: AgentMessage, name: string): Promise<AgentMessageResult> {
    await this.#outbox.add(parcel);
    const { id: messageId, correlationId } = message;
    return { messageId, agentId: name, status: 'queued', correlationId };
  }

  async #sendParcel({ to, args, by }: Parcel): Promise<void> {
    const peer = this.#components.membership.find(to);
    if (peer === undefined) throw gone(to);
    await this.#components.callPeer(peer, {
      tool: 'agent_message',
      args,
      principal: this.#whose(by),
      timeoutMs: DELIVERY_TIMEOUT_MS,
    });
  }

  /** By whose word a parcel was sent. Whoever has gone meanwhile is asked for, too, by the owner. */
  #whose(by: string | undefined): Principal {
    const { callerOf } = this.#components;
    if (by === undefined || callerOf === undefined) return OPERATOR;
    const [first = OPERATOR, ...others] = sendersIn(by)
      .map((link) => callerOf(link))
      .filter((one) => one !== undefined);
    if (first.kind !== 'client' || others.length === 0) return first;
    return Object.assign({}, first, { worksFor: others });
  }

  /** The agent that sent it hears of it as an event. */
  #givenUp({ args, sender }: Parcel, error: StarlingError): void {
    const { clock, local, logger, random, self } = this.#components;
    const { messageId, agentId } = args;
    logger.warn({ messageId, error: error.message }, 'a message was given up');
    const agent = sender === undefined ? undefined : local.find(sender);
    if (agent === undefined) return;
    agent.metrics.errors += 1;
    const id = labelOf('msg', clock.now(), random);
    const message: AgentMessage = {
      id,
      from: self.name,
      to: agent.announcement.name,
      type: 'event',
      message: 'undelivered',
      data: { messageId: messageId ?? null, agentId: agentId ?? null, reason: error.message },
      priority: 'normal',
      correlationId: String(args['correlationId'] ?? id),
      timestamp: new Date(clock.now()).toISOString(),
      metadata: {},
    };
    agent.inbox
      .add({ message, sender: NODE_SENDER, durable: true })
      .catch((other: unknown) => logger.warn({ error: messageOf(other) }, 'an event was lost'));
  }
}

/** A message that goes to another node. */
interface Away {
  readonly principal: Principal;
  readonly init: MessageInit;
  readonly message: AgentMessage;
  readonly sender: Sender;
}

function argsOf(name: string, message: AgentMessage, { from }: Sender): JsonObject {
  const { id, type, message: body, data, priority, correlationId, timeoutMs } = message;
  return {
    agentId: name,
    from: from.split('@')[0] ?? '',
    messageId: id,
    type,
    message: body,
    priority,
    correlationId,
    metadata: message.metadata,
    ...(data === undefined ? {} : { data }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  };
}

/** The peer's answer, of which only what the caller asked for counts. */
function resultIn(result: JsonObject, message: AgentMessage, name: string): AgentMessageResult {
  const { id: messageId, correlationId, type } = message;
  const { agentId, response, responseTime } = result;
  const taint = readTaint(result['taint']);
  const known = {
    messageId,
    agentId: typeof agentId === 'string' ? agentId.slice(0, 64) : name,
    correlationId,
  };
  if (type !== 'query') return { ...known, status: 'delivered' };
  return {
    ...known,
    status: 'answered',
    response: response ?? null,
    ...(typeof responseTime === 'number' ? { responseTime } : {}),
    ...(taint === undefined ? {} : { taint }),
  };
}

/** One that was missed lately may be there. */
function isReachable({ state }: PeerView): boolean {
  return state === 'alive' || state === 'suspect';
}

function away({ alias }: PeerView, name: string): StarlingError {
  return new StarlingError('STARLING_PEER_UNREACHABLE', `the node of ${name}@${alias} is away`, {
    hint: 'see who is there: starling peers; a command or an event waits for it',
    data: { agentId: name, reason: 'away' },
  });
}

function isAway({ code }: StarlingError): boolean {
  return ['STARLING_PEER_UNREACHABLE', 'STARLING_TIMEOUT', 'STARLING_STOPPED'].includes(code);
}

function isUnknown(error: unknown): boolean {
  return error instanceof StarlingError && error.code === 'STARLING_AGENT_UNKNOWN';
}

function gone(did: Did): StarlingError {
  return new StarlingError('STARLING_PEER_UNKNOWN', `${did} is no peer of this node any more`);
}
