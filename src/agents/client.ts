/**
 * What a program is an agent with: the methods of the AI Flock guide, over anything that can call the tools of a node, as
 * the node itself in its own process, or an MCP client at one of its doors.
 */
import { createScope, systemClock } from '../core/index.ts';
import type { Clock, Json, JsonObject, Random, Scope } from '../core/index.ts';
import { HANDLER_MS, PAGE_MAX } from './limits.ts';
import { createInboxReader } from './inbox/inbox-reader.ts';
import type { InboxReader, MessageHandler, TimedHandler } from './inbox/inbox-reader.ts';
import type {
  AgentAnnounceResult,
  AgentInfoResult,
  AgentListResult,
  AgentMessageResult,
  AgentView,
  CapabilityDefinition,
  CapabilityResult,
  MessageType,
  Priority,
} from './types.ts';

/** Calls a tool of the node by its bare name, and gives its structured content. */
export type AgentCall = (
  tool: string,
  args: JsonObject,
  options: { readonly signal: AbortSignal; readonly timeoutMs: number },
) => Promise<JsonObject>;

/** What a client works with. */
export interface AgentClientInit {
  readonly call: AgentCall;
  /** Default: the system's. */
  readonly clock?: Clock;
  readonly random?: Random;
  /** Hears what a handler threw, and why an inbox could not be read. */
  readonly onError?: (error: unknown) => void;
  /** Called when the client has closed: ends what `call` goes over. */
  readonly closes?: () => Promise<void>;
}

/** A capability and what is said of it; `input` and `output` are JSON Schemas. */
export interface NamedCapability extends Omit<CapabilityDefinition, 'typed'> {
  readonly name: string;
  readonly version?: string;
}

/** What an agent says of itself; `timestamp` is taken and not used. */
export interface AgentInit {
  readonly id?: string;
  readonly name?: string;
  readonly kind?: string;
  /** Names, or what is said of each: `{ name, version, description, input, output, readOnly }`. */
  readonly capabilities?: readonly (string | NamedCapability)[];
  /** Messages that are handled at the same time; default 1. */
  readonly maxConcurrentTasks?: number;
  readonly zone?: string;
  readonly tags?: readonly string[];
  readonly listed?: boolean;
  readonly timestamp?: string;
}

/** What goes with a message. */
export interface SendOptions {
  readonly priority?: Priority;
  readonly data?: Json;
  /** How long a query waits for its answer, ms. */
  readonly timeout?: number;
  readonly correlationId?: string;
  readonly metadata?: JsonObject;
}

/** Whom a request by capability goes to. */
export interface RequestOptions {
  /** `+gpu` prefers, `-slow` avoids, `eu` takes no others. */
  readonly tags?: readonly string[];
  /** An agent or a node that is tried first. */
  readonly prefer?: string;
  /** Equal keys go to the same agent while that one lives. */
  readonly affinity?: string;
}

const CALL_TIMEOUT_MS = 30_000;
const WAY_MS = 15_000;
const QUERY_MS = 30_000;

interface AskOptions {
  readonly timeoutMs?: number;
  /** Default: that of the client's own life. */
  readonly signal?: AbortSignal;
}

/** One agent, or nobody yet; see {@link AgentClient.announceAgent}. */
export class AgentClient {
  readonly #call: AgentCall;
  readonly #init: Required<Pick<AgentClientInit, 'clock' | 'onError' | 'random'>>;
  readonly #closes: AgentClientInit['closes'];
  readonly #scope: Scope;
  readonly #handlers = new Map<MessageType, TimedHandler>();
  #name: string | undefined;
  #concurrency = 1;
  #isClosed = false;
  #reader: InboxReader | undefined;

  constructor({
    call,
    clock = systemClock,
    random = Math.random,
    onError = () => undefined,
    closes,
  }: AgentClientInit) {
    this.#call = call;
    this.#closes = closes;
    this.#init = { clock, random, onError };
    this.#scope = createScope(clock);
  }

  /** Becomes an agent of the node. @throws STARLING_AGENT_TAKEN, STARLING_USAGE, STARLING_LIMIT_EXCEEDED */
  async announceAgent(init: AgentInit): Promise<AgentAnnounceResult> {
    const args = JSON.parse(JSON.stringify(init)) as JsonObject;
    const result = await this.#ask<AgentAnnounceResult>('agent_announce', args);
    this.#name = result.name;
    this.#concurrency = Math.min(PAGE_MAX, init.maxConcurrentTasks ?? 1);
    this.#listen();
    return result;
  }

  /** The agents that this one may write to. */
  async listAgents(status: 'online' | 'all' = 'all'): Promise<readonly AgentView[]> {
    return (await this.#ask<AgentListResult>('agent_list', { status })).agents;
  }

  /** @throws STARLING_AGENT_UNKNOWN */
  getAgentInfo(agentId: string): Promise<AgentInfoResult> {
    return this.#ask('agent_info', { agentId });
  }

  /**
   * Sends a message; a query resolves with the answer as `response`.
   * @throws STARLING_AGENT_UNKNOWN, STARLING_AGENT_FAILED, STARLING_CALL_REFUSED, …
   */
  sendMessage(
    agentId: string,
    message: Json,
    type: MessageType = 'command',
    options: SendOptions = {},
  ): Promise<AgentMessageResult> {
    const given = JSON.parse(JSON.stringify(options)) as JsonObject;
    const from = this.#name === undefined ? {} : { from: this.#name };
    const timeoutMs = (options.timeout ?? QUERY_MS) + WAY_MS;
    return this.#ask('agent_message', { agentId, message, type, ...from, ...given }, { timeoutMs });
  }

  /** Answers a query: `metadata` is that of the message. @throws STARLING_AGENT_FAILED where nobody waits any more */
  async sendResponse(
    to: string,
    response: Json,
    metadata: JsonObject,
  ): Promise<AgentMessageResult> {
    const from = this.#name === undefined ? {} : { from: this.#name };
    const { messageId } = metadata;
    if (typeof messageId === 'string') this.#reader?.wasAnswered(messageId);
    const args = { agentId: to, type: 'response', message: response, metadata, ...from };
    return this.#ask('agent_message', args);
  }

  /**
   * Has what is asked for done by an agent that can do it; gives its answer.
   * @throws STARLING_AGENT_UNKNOWN, STARLING_AGENT_FAILED with each candidate's refusal, …
   */
  async requestCapability(
    capability: string,
    parameters: Json,
    timeoutMs: number = QUERY_MS,
    options: RequestOptions = {},
  ): Promise<Json> {
    const { affinity, tags, prefer } = options;
    const args = {
      capability,
      parameters,
      timeoutMs,
      ...(tags === undefined ? {} : { tags: [...tags] }),
      ...(prefer === undefined ? {} : { prefer }),
      ...(affinity === undefined ? {} : { affinity }),
    };
    const answer = await this.#ask<CapabilityResult>('capability_request', args, {
      timeoutMs: timeoutMs + WAY_MS,
    });
    return answer.result;
  }

  /**
   * Has `handler` deal with messages of `type`; what no handler is for is taken as read. A handler that takes longer than
   * `timeoutMs` (default 5 minutes) is given up: its signal is aborted, whoever asked is told, and its place is free.
   */
  registerMessageHandler(
    type: MessageType,
    handler: MessageHandler,
    { timeoutMs = HANDLER_MS }: { readonly timeoutMs?: number } = {},
  ): void {
    this.#handlers.set(type, { handler, timeoutMs });
    this.#listen();
  }

  /** Reads no more messages, and waits a while for the handlers that run. The agent stays announced. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#reader?.stop();
    this.#scope.close();
    await this.#closes?.();
  }

  async #ask<T>(
    tool: string,
    args: JsonObject,
    { timeoutMs = CALL_TIMEOUT_MS, signal = this.#scope.signal }: AskOptions = {},
  ): Promise<T> {
    return (await this.#call(tool, args, { signal, timeoutMs })) as T;
  }

  /** From the first handler of an agent that is announced. */
  #listen(): void {
    if (this.#name === undefined || this.#handlers.size === 0 || this.#isClosed) return;
    this.#reader ??= createInboxReader(
      {
        ...this.#init,
        ask: (tool, args, how) => this.#ask(tool, args, how),
        handlerFor: (type) => this.#handlers.get(type),
      },
      { name: this.#name, places: () => this.#concurrency },
    );
  }
}
