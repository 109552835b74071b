/** How a message goes: into an inbox here, to the node that has the agent, or to the disk until that node is back. */
import { StarlingError, isObject } from '../../core/index.ts';
import type { Json, JsonObject } from '../../core/index.ts';
import { createAllowance, keyOf } from '../../guard/index.ts';
import type { Allowance, Principal } from '../../guard/index.ts';
import type { Membership, PeerView } from '../../membership/index.ts';
import { definitionFor, misfits } from '../capabilities/schemas.ts';
import {
  FOLLOWING_PER_MINUTE,
  HOPS_MAX,
  MESSAGES_PER_MINUTE,
  MESSAGE_BYTES_MAX,
  QUERY_MS,
} from '../limits.ts';
import { unknownAgent } from '../directory/local-agents.ts';
import type { LocalAgent } from '../directory/local-agents.ts';
import { parseAddress } from '../names.ts';
import { hopsOf, newMessage } from './new-message.ts';
import { PeerMessages } from './peer-messages.ts';
import { peerSender, senderOf } from './message-sender.ts';
import type { Sender } from './message-sender.ts';
import type { PlainQuery } from './plain-query.ts';
import type { PeerMessagesComponents } from './peer-messages.ts';
import { createQueries, failed, misfit } from './queries.ts';
import { Responses } from './responses.ts';
import { openedInit, sealedResponse } from './sealing.ts';
import { senderKey } from '../inbox/sender.ts';
import type { Answer, Queries } from './queries.ts';
import { MESSAGE_TYPES } from '../types.ts';
import type {
  AgentMessage,
  AgentMessageResult,
  AgentResponsesResult,
  MessageInit,
  MessageType,
  ResponseInit,
} from '../types.ts';

/** What messages go by. */
export interface MessagesComponents extends PeerMessagesComponents {
  readonly membership: Pick<Membership, 'byAlias' | 'find' | 'resolve'>;
  /**
   * The agent of this address, or the parts of one that is spread over several nodes, in the order to try them; asks peers
   * where this node does not know it. What has the same `affinity` goes to the same part while that one lives.
   */
  find(
    principal: Principal,
    address: string,
    affinity: string | undefined,
  ): Promise<readonly { readonly name: string; readonly node: string }[]>;
  /** @throws STARLING_CALL_REFUSED */
  require(
    principal: Principal,
    address: { name: string; node?: string },
    /** The agent of the caller's own that sends, and whether what is sent is a task. */
    how: { readonly from: string | undefined; readonly isTask: boolean },
  ): void;
}

/** Sends. */
export interface Messages {
  start(): Promise<void>;
  stop(): void;
  /** @throws see `Agents.message` */
  message(
    principal: Principal,
    init: MessageInit,
    signal: AbortSignal,
  ): Promise<AgentMessageResult>;
  /** See `Agents.begin`. @throws STARLING_CALL_REFUSED */
  begin(
    principal: Principal,
    query: PlainQuery,
    settled: (outcome: JsonObject | StarlingError) => void,
  ): (() => void) | undefined;
  /** Answers several queries. @throws STARLING_AGENT_UNKNOWN, STARLING_AGENT_TAKEN; STARLING_RATE_LIMITED */
  respondAll(
    principal: Principal,
    from: string | undefined,
    responses: readonly ResponseInit[],
  ): AgentResponsesResult;
  /** What an agent that this node runs answers to a query which it was given. @throws STARLING_AGENT_FAILED where nobody waits for that */
  answered(agent: LocalAgent, query: AgentMessage, answer: Answer): void;
  peerIsHere(peer: PeerView): void;
  /** Whoever waits for the agent's answer waits no more. */
  endOf(agent: LocalAgent, why: string): void;
}

/** Makes the messages of a node. */
export function createMessages(components: MessagesComponents): Messages {
  return new NodeMessages(components);
}

/** What a plain query has as a message besides what is said: names and ids, which are bounded. */
const AROUND_BYTES = 1024;

class NodeMessages implements Messages {
  readonly #components: MessagesComponents;
  readonly #queries: Queries;
  readonly #responses: Responses;
  readonly #peers: PeerMessages;
  readonly #allowance: Allowance;
  readonly #following: Allowance;

  constructor(components: MessagesComponents) {
    this.#components = components;
    this.#queries = createQueries(components.clock);
    this.#allowance = createAllowance(components.clock, 'messages');
    this.#responses = new Responses(components, this.#queries, this.#allowance);
    this.#following = createAllowance(components.clock, 'messages because of others');
    this.#peers = new PeerMessages(components);
  }

  start(): Promise<void> {
    return this.#peers.start();
  }

  stop(): void {
    this.#peers.stop();
    this.#queries.stop();
  }

  peerIsHere(peer: PeerView): void {
    this.#peers.peerIsHere(peer);
  }

  endOf(agent: LocalAgent, why: string): void {
    this.#queries.end(agent, why);
  }

  async message(
    principal: Principal,
    given: MessageInit,
    signal: AbortSignal,
  ): Promise<AgentMessageResult> {
    // Queries are bounded by how many may wait for an answer.
    if (typeOf(given) !== 'query') this.#allowance.take(keyOf(principal), MESSAGES_PER_MINUTE);
    const init = this.#opened(principal, given);
    const type = typeOf(init);
    if (type !== 'response') this.#checkBreeding(principal, init);
    const sender = senderOf(this.#components, principal, init);
    try {
      const result = await this.#route(
        principal,
        Object.assign({}, init, { type }),
        sender,
        signal,
      );
      if (sender.agent === undefined) return result;
      sender.agent.metrics.sent += 1;
      return init.from === undefined ? Object.assign({}, result, { from: sender.from }) : result;
    } catch (error) {
      if (sender.agent !== undefined) sender.agent.metrics.errors += 1;
      throw error;
    }
  }

  begin(
    principal: Principal,
    query: PlainQuery,
    settled: (outcome: JsonObject | StarlingError) => void,
  ): (() => void) | undefined {
    const { to, agentId: address = to, from, timeout = QUERY_MS, timeoutMs = timeout } = query;
    const agent = address === undefined ? undefined : this.#components.local.find(nameIn(address));
    if (principal.kind !== 'peer' || agent === undefined || agent.stopped) return undefined;
    const { id: label, name } = agent.announcement;
    // The address may mean another agent than when the guard was asked.
    this.#components.require(principal, { name }, { from: undefined, isTask: false });
    const { message: said, priority } = query;
    const init = { to: name, from, type: 'query', message: said, priority, timeoutMs } as const;
    const message = newMessage(this.#components, principal, init, peerSender(principal, from));
    const bytes = AROUND_BYTES + Buffer.byteLength(JSON.stringify(said));
    if (bytes > MESSAGE_BYTES_MAX) return undefined;
    const startedAt = this.#components.clock.now();
    const asked = { agent, message, bytes, sender: senderKey(principal), timeoutMs };
    const giveUp = this.#queries.begin(asked, (came) => {
      if (came instanceof StarlingError) return settled(came);
      const { id: messageId, correlationId } = message;
      const responseTime = this.#components.clock.now() - startedAt;
      const { response, taint } = came;
      settled({
        messageId,
        agentId: label,
        status: 'answered',
        correlationId,
        response,
        responseTime,
        ...(taint === undefined ? {} : { taint }),
      });
    });
    if (giveUp !== undefined) agent.metrics.received += 1;
    return giveUp;
  }

  answered(agent: LocalAgent, query: AgentMessage, answer: Answer): void {
    this.#responses.answered(agent, query, answer);
  }

  respondAll(
    principal: Principal,
    from: string | undefined,
    responses: readonly ResponseInit[],
  ): AgentResponsesResult {
    return this.#responses.respondAll(principal, from, responses);
  }

  /** What a peer has sealed is as any other message from here on. @throws STARLING_USAGE */
  #opened(principal: Principal, init: MessageInit): MessageInit {
    if (typeof init.sealed !== 'string') return init;
    if (principal.kind !== 'peer') throw usage('sealed is true or false: the node seals it');
    return openedInit(this.#components.sealing, init, init.sealed);
  }

  /** What follows from messages ends: after so many, one after the other, and so many at a time. */
  #checkBreeding(principal: Principal, init: MessageInit): void {
    const hops = hopsOf(principal, init);
    if (hops > HOPS_MAX) {
      throw new StarlingError(
        'STARLING_LIMIT_EXCEEDED',
        `not sent: ${hops} messages led to this one, each to the next, and ${HOPS_MAX} may`,
        {
          hint: 'agents that write to one another because they were written to go on for ever: let one of them answer instead',
          data: { agentId: (init.to ?? '').slice(0, 128), reason: 'hops', limit: HOPS_MAX },
        },
      );
    }
    if (hops > 0 && principal.kind === 'client') {
      this.#following.take(keyOf(principal), FOLLOWING_PER_MINUTE);
    }
  }

  async #route(
    principal: Principal,
    init: MessageInit & { readonly type: MessageType },
    sender: Sender,
    signal: AbortSignal,
  ): Promise<AgentMessageResult> {
    if (init.type === 'response') return this.#responses.respond(principal, init, sender);
    const { to } = init;
    if (to === undefined) throw usage('say for whom the message is: agentId');
    const message = newMessage(this.#components, principal, init, sender.from);
    const bytes = Buffer.byteLength(JSON.stringify(message));
    if (bytes > MESSAGE_BYTES_MAX) throw tooLong(to, bytes);
    const sending = { principal, init, message, bytes, sender, signal };
    // A peer means an agent of this node: nothing has to be looked for, and no other part is tried.
    if (init.isHere === true) return this.#sendTo({ name: to }, sending);
    if (principal.kind === 'peer') return this.#sendTo({ name: this.#nameHere(to) }, sending);
    const places = await this.#targets(principal, to, affinityOf(message, sender));
    for (const [index, found] of places.entries()) {
      try {
        return await this.#sendTo(found, sending);
      } catch (error) {
        if (index === places.length - 1 || signal.aborted || !isUntouched(error)) throw error;
      }
    }
    throw unknownAgent(to);
  }

  /** @throws as what it gives rejects */
  #sendTo(
    found: { readonly name: string; readonly node?: string },
    {
      principal,
      init,
      message,
      bytes,
      sender,
      signal,
    }: {
      readonly principal: Principal;
      readonly init: MessageInit;
      readonly message: AgentMessage;
      /** Of the message as JSON. */
      readonly bytes: number;
      readonly sender: Sender;
      readonly signal: AbortSignal;
    },
  ): Promise<AgentMessageResult> {
    // The address may mean another agent than when the guard was asked.
    this.#components.require(principal, found, {
      from: sender.agent?.announcement.name,
      isTask: init.isTask === true,
    });
    if (found.node !== undefined) {
      return this.#peers.send(found.node, found.name, { principal, init, message, sender });
    }
    const agent = this.#components.local.find(found.name);
    if (agent === undefined) throw unknownAgent(found.name);
    const isUntimed = init.isUntimed === true;
    const how = { sender: senderKey(principal), signal, isUntimed, bytes };
    const answer = this.#deliver(agent, message, how);
    if (typeof init.sealed !== 'string') return answer;
    return answer.then((open) => this.#sealedFor(principal, open));
  }

  /** The answer to what came sealed is sealed. */
  #sealedFor(principal: Principal, answer: AgentMessageResult): AgentMessageResult {
    const { response, ...rest } = answer;
    if (principal.kind !== 'peer' || response === undefined) return answer;
    const sealed = sealedResponse(this.#components.sealing, principal.did, response);
    return Object.assign(rest, { sealedResponse: sealed });
  }

  /** The agent of this node that a peer means, whatever it calls this node. @throws STARLING_AGENT_UNKNOWN */
  #nameHere(to: string): string {
    const agent = this.#components.local.find(parseAddress(to).name);
    if (agent === undefined) throw unknownAgent(to);
    return agent.announcement.name;
  }

  /** Where an address leads; a node that is away has no list to look it up in. @throws STARLING_AGENT_UNKNOWN */
  async #targets(
    principal: Principal,
    to: string,
    affinity: string | undefined,
  ): Promise<readonly { name: string; node?: string }[]> {
    const { self, membership } = this.#components;
    const found = await this.#components.find(principal, to, affinity);
    if (found.length > 0) {
      return found.map(({ name, node }) => ({ name, ...(node === self.name ? {} : { node }) }));
    }
    const { name, node } = parseAddress(to);
    if (node === undefined || node === self.name) throw unknownAgent(to);
    // An older list may not have it yet, and the node of the agent knows best.
    return [{ name, node: membership.resolve(node).alias }];
  }

  async #deliver(
    agent: LocalAgent,
    message: AgentMessage,
    { bytes, sender, signal, isUntimed }: Delivery,
  ): Promise<AgentMessageResult> {
    const { id: messageId, correlationId, timeoutMs = QUERY_MS } = message;
    const agentId = agent.announcement.id;
    if (agent.stopped) throw failed(agent, 'stopped', 'it is stopped, and takes no messages');
    agent.metrics.received += 1;
    const { capability } = message.metadata;
    if (typeof capability === 'string') agent.metrics.requested(capability.slice(0, 64));
    if (message.type !== 'query') {
      await agent.inbox.add({ message, sender, durable: true });
      return { messageId, agentId, status: 'delivered', correlationId };
    }
    const wanted = typeof capability === 'string' ? capability : undefined;
    const definition = wanted === undefined ? undefined : definitionFor(agent.announcement, wanted);
    requireFit(agent, definition?.input, message.message, 'parameters');
    const startedAt = this.#components.clock.now();
    const time = isUntimed ? {} : { timeoutMs };
    const { response, taint } = await this.#queries.ask({
      agent,
      message,
      bytes,
      sender,
      signal,
      ...time,
    });
    requireFit(agent, definition?.output, response, 'result');
    const responseTime = this.#components.clock.now() - startedAt;
    return {
      messageId,
      agentId,
      status: 'answered',
      correlationId,
      response,
      responseTime,
      ...(taint === undefined ? {} : { taint }),
    };
  }
}

/** @throws STARLING_AGENT_FAILED with `reason` input or output, and the problems by name */
function requireFit(
  agent: LocalAgent,
  schema: JsonObject | undefined,
  value: Json,
  what: 'parameters' | 'result',
): void {
  const problems = misfits(schema, value, what);
  if (problems.length === 0) return;
  if (what === 'result') agent.metrics.failed();
  throw misfit(agent.announcement.name, what, problems);
}

/**
 * Nothing came of the message where it was sent to, and nothing will: another part of the agent may have it. Where nobody
 * knows, none may: a message is dealt with once.
 */
function isUntouched(error: unknown): boolean {
  if (!(error instanceof StarlingError)) return false;
  if (UNTOUCHED.includes(error.code)) return true;
  const { reason } = error.data;
  return error.code === 'STARLING_AGENT_FAILED' && (reason === 'stopped' || reason === 'full');
}

const UNTOUCHED: readonly string[] = [
  'STARLING_AGENT_UNKNOWN',
  'STARLING_CALL_REFUSED',
  'STARLING_LIMIT_EXCEEDED',
  'STARLING_RATE_LIMITED',
];

/** What ties messages of one conversation to one part of an agent, which remembers it. */
function affinityOf({ metadata }: AgentMessage, { from }: Sender): string | undefined {
  const { session } = metadata;
  return typeof session === 'string' ? `${from} ${session}` : undefined;
}

/** The name or id in an address; what is no address is refused on the long road. */
function nameIn(address: string): string {
  const at = address.lastIndexOf('@');
  return at < 0 ? address : address.slice(0, at);
}

/** How a message is delivered to an agent of this node. */
interface Delivery {
  readonly sender: string;
  readonly signal: AbortSignal;
  /** The sender ends the wait for the answer. */
  readonly isUntimed: boolean;
  /** Of the message as JSON. */
  readonly bytes: number;
}

/** What a message is: by its type, by what it says of itself, else a command. */
function typeOf({ message, type }: MessageInit): MessageType {
  return type ?? typeIn(message) ?? 'command';
}

/** VisionFlow's messages say in themselves what they are. */
function typeIn(message: Json): MessageType | undefined {
  if (!isObject(message)) return undefined;
  return MESSAGE_TYPES.find((type) => type === message['type']);
}

function usage(why: string): StarlingError {
  return new StarlingError('STARLING_USAGE', why, { hint: 'see: starling agent message --help' });
}

function tooLong(to: string, size: number): StarlingError {
  return new StarlingError(
    'STARLING_LIMIT_EXCEEDED',
    `the message to ${to} has ${size} bytes, and may have ${MESSAGE_BYTES_MAX}`,
    {
      hint: 'put what is long onto a board or into a resource, and send where it is',
      data: { agentId: to.slice(0, 128), reason: 'size', limit: MESSAGE_BYTES_MAX },
    },
  );
}
