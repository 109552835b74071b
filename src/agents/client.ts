/**
 * What a program is an agent with: the methods of the AI Flock guide, over anything that can call the tools of a node, as
 * the node itself in its own process, or an MCP client at one of its doors.
 */
import {
  StarlingError,
  backoffMs,
  createScope,
  messageOf,
  sleep,
  systemClock,
} from '../core/index.ts';
import type { Clock, Json, JsonObject, Random, Scope } from '../core/index.ts';
import { PAGE_MAX } from './limits.ts';
import type {
  AgentAnnounceResult,
  AgentInboxResult,
  AgentInfoResult,
  AgentListResult,
  AgentMessage,
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

/** Deals with messages of one type. What it gives for a query is the answer, unless it has sent one itself. */
export type MessageHandler = (message: AgentMessage) => unknown;

const CALL_TIMEOUT_MS = 30_000;
const WAIT_S = 25;
const WAY_MS = 15_000;
const QUERY_MS = 30_000;
/** Between looks into an inbox that can't be read. */
const BACKOFF = { baseMs: 500, capMs: 30_000 };

/** One agent, or nobody yet; see {@link AgentClient.announceAgent}. */
export class AgentClient {
  readonly #call: AgentCall;
  readonly #random: Random;
  readonly #onError: (error: unknown) => void;
  readonly #closes: AgentClientInit['closes'];
  readonly #scope: Scope;
  readonly #handlers = new Map<MessageType, MessageHandler>();
  /** Queries that are being handled and were not answered. */
  readonly #unanswered = new Set<string>();
  #name: string | undefined;
  #concurrency = 1;
  #listening: Promise<void> | undefined;

  constructor({
    call,
    clock = systemClock,
    random = Math.random,
    onError,
    closes,
  }: AgentClientInit) {
    this.#call = call;
    this.#closes = closes;
    this.#random = random;
    this.#onError = onError ?? (() => undefined);
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
    return this.#ask('agent_message', { agentId, message, type, ...from, ...given }, timeoutMs);
  }

  /** Answers a query: `metadata` is that of the message. @throws STARLING_AGENT_FAILED where nobody waits any more */
  async sendResponse(
    to: string,
    response: Json,
    metadata: JsonObject,
  ): Promise<AgentMessageResult> {
    const from = this.#name === undefined ? {} : { from: this.#name };
    const { messageId } = metadata;
    if (typeof messageId === 'string') this.#unanswered.delete(messageId);
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
    const answer = await this.#ask<CapabilityResult>(
      'capability_request',
      args,
      timeoutMs + WAY_MS,
    );
    return answer.result;
  }

  /** Has `handler` deal with messages of `type`; what no handler is for is taken as read. */
  registerMessageHandler(type: MessageType, handler: MessageHandler): void {
    this.#handlers.set(type, handler);
    this.#listen();
  }

  /** Reads no more messages; resolves when the handlers that run have ended. The agent stays announced. */
  async close(): Promise<void> {
    this.#scope.close();
    await this.#listening;
    await this.#closes?.();
  }

  async #ask<T>(tool: string, args: JsonObject, timeoutMs = CALL_TIMEOUT_MS): Promise<T> {
    return (await this.#call(tool, args, { signal: this.#scope.signal, timeoutMs })) as T;
  }

  /** From the first handler of an agent that is announced. */
  #listen(): void {
    if (this.#name === undefined || this.#handlers.size === 0) return;
    this.#listening ??= this.#readAll(this.#name);
  }

  async #readAll(name: string): Promise<void> {
    let cursor: string | undefined;
    let failures = 0;
    while (!this.#scope.closed) {
      try {
        const page = await this.#ask<AgentInboxResult>(
          'agent_inbox',
          {
            name,
            limit: this.#concurrency,
            timeout_s: WAIT_S,
            ...(cursor === undefined ? {} : { cursor }),
          },
          WAIT_S * 1000 + WAY_MS,
        );
        failures = 0;
        await Promise.all(page.messages.map((message) => this.#handle(message)));
        ({ cursor } = page);
      } catch (error) {
        if (this.#scope.closed || isOver(error)) return;
        this.#onError(error);
        await sleep(this.#scope, backoffMs(failures, BACKOFF, this.#random));
        failures += 1;
      }
    }
  }

  /** Never rejects: what a handler throws is the answer of its query. */
  async #handle(message: AgentMessage): Promise<void> {
    const handler = this.#handlers.get(message.type);
    const isQuery = message.type === 'query';
    if (isQuery) this.#unanswered.add(message.id);
    try {
      if (handler === undefined) {
        if (isQuery) await this.#answer(message, null, 'it takes no queries');
        return;
      }
      const answer = await handler(message);
      if (isQuery) await this.#answer(message, (answer ?? null) as Json);
    } catch (error) {
      this.#onError(error);
      if (isQuery) await this.#answer(message, null, messageOf(error)).catch(this.#onError);
    } finally {
      this.#unanswered.delete(message.id);
    }
  }

  async #answer({ from, id }: AgentMessage, response: Json, error?: string): Promise<void> {
    if (!this.#unanswered.delete(id)) return;
    await this.#ask('agent_message', {
      agentId: from,
      type: 'response',
      message: response,
      inReplyTo: id,
      ...(this.#name === undefined ? {} : { from: this.#name }),
      ...(error === undefined ? {} : { error: error.slice(0, 2000) }),
    });
  }
}

/** The node ends, or the name is somebody else's now. */
function isOver(error: unknown): boolean {
  const codes = ['STARLING_STOPPED', 'STARLING_AGENT_UNKNOWN', 'STARLING_AGENT_TAKEN'];
  return error instanceof StarlingError && codes.includes(error.code);
}
