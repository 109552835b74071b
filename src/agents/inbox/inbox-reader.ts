/**
 * How a program reads the inbox of its agent by the tools of a node: so many messages at a time as it has places for, the
 * oldest first. A handler that takes long keeps its own place and no other; one that takes too long is given up. What has
 * been dealt with is said at once, also of messages behind one that has not been, so that none of them is given again.
 */
import {
  StarlingError,
  backoffMs,
  createScope,
  deadline,
  silentLogger,
  sleep,
} from '../../core/index.ts';
import type { Clock, Json, JsonObject, Random, Scope } from '../../core/index.ts';
import { HANDLER_MS } from '../limits.ts';
import type { AgentInboxResult, AgentMessage, MessageType } from '../types.ts';
import type { InboxPage } from './inbox.ts';
import { createMailbox } from './mailbox.ts';
import type { Mailbox, MailboxComponents, Worker } from './mailbox.ts';

/** Deals with messages of one type. What it gives for a query is the answer, unless it has sent one itself. */
export type MessageHandler = (
  message: AgentMessage,
  /** `signal` is aborted when nobody waits for the handler any more. */
  context: { readonly signal: AbortSignal },
) => unknown;

/** A handler, and how long it may take, ms. */
export interface TimedHandler {
  readonly handler: MessageHandler;
  readonly timeoutMs: number;
}

/** What a reader works with. */
export interface InboxReaderComponents {
  readonly clock: Clock;
  readonly random: Random;
  /** Hears what a handler threw, and why an inbox could not be read. */
  readonly onError: (error: unknown) => void;
  /** Calls a tool of the node. */
  ask<T>(
    tool: string,
    args: JsonObject,
    how: { readonly timeoutMs?: number; readonly signal?: AbortSignal },
  ): Promise<T>;
  /** Undefined: messages of that type are taken as read. */
  handlerFor(type: MessageType): TimedHandler | undefined;
}

/** Whose inbox it is. */
export interface InboxReaderInit {
  readonly name: string;
  /** Messages that are handled at the same time, asked before each look. */
  readonly places: () => number;
}

/** Reads one inbox, from when it was made. */
export interface InboxReader {
  /** The handler of that query has answered it itself. */
  wasAnswered(messageId: string): void;
  /** Takes no more messages, and waits a while for those that are being handled: what is not done by then is given again. */
  stop(): Promise<void>;
}

const WAY_MS = 15_000;
/** How long a stop waits for handlers. */
const FLUSH_MS = 10_000;
/** Between looks into an inbox that can't be read. */
const BACKOFF = { baseMs: 500, capMs: 30_000 };

/** Makes the reader, which reads from now on. */
export function createInboxReader(
  components: InboxReaderComponents,
  init: InboxReaderInit,
): InboxReader {
  return new ProgramReader(components, init);
}

class ProgramReader implements InboxReader {
  readonly #components: InboxReaderComponents;
  readonly #name: string;
  readonly #mailbox: Mailbox;
  /** Ends with the handlers. */
  readonly #scope: Scope;
  /** Queries that are being handled and were not answered. */
  readonly #unanswered = new Set<string>();

  constructor(components: InboxReaderComponents, { name, places }: InboxReaderInit) {
    const { clock } = components;
    this.#components = components;
    this.#name = name;
    this.#scope = createScope(clock);
    const handlers: Worker = {
      isOver: false,
      isReady: true,
      busy: 0,
      deliver: (message) => this.#handle(message),
      // The handler goes on, if it does; its place is free.
      renew: async () => undefined,
    };
    this.#mailbox = createMailbox(
      {
        clock,
        logger: silentLogger,
        replicas: () => [handlers],
        read: (look) => this.#read(look),
        respond: (message, answer) => this.#answer(message, answer),
        // Whoever hears of errors has heard of it.
        givenUp: () => undefined,
      },
      {
        get concurrency() {
          return places();
        },
        timeoutMs: HANDLER_MS,
        flushMs: FLUSH_MS,
      },
    );
  }

  wasAnswered(messageId: string): void {
    this.#unanswered.delete(messageId);
  }

  async stop(): Promise<void> {
    await this.#mailbox.stop();
    this.#scope.close();
  }

  /** Tries again until it is stopped; what only says what has been dealt with is said again by the next look. */
  async #read({
    cursor,
    seen,
    done,
    limit,
    waitMs,
    signal,
  }: Parameters<MailboxComponents['read']>[0]): Promise<InboxPage> {
    const args: JsonObject = {
      name: this.#name,
      limit,
      timeout_s: waitMs / 1000,
      ...(cursor === undefined ? {} : { cursor }),
      ...(seen === undefined ? {} : { seen }),
      ...(done === undefined ? {} : { done: [...done] }),
    };
    // What a stop says of messages that were dealt with goes out all the same.
    const how = { timeoutMs: waitMs + WAY_MS, ...(waitMs === 0 ? {} : { signal }) };
    for (let failures = 0; ; failures += 1) {
      try {
        return pageIn(await this.#components.ask<AgentInboxResult>('agent_inbox', args, how));
      } catch (error) {
        if (waitMs === 0 || signal.aborted) throw error;
        if (isOver(error)) {
          await this.stop();
          throw error;
        }
        this.#components.onError(error);
        await sleep(this.#scope, backoffMs(failures, BACKOFF, this.#components.random));
      }
    }
  }

  /** @throws what the handler throws, which is the answer of its query */
  async #handle(given: JsonObject): Promise<Json> {
    const { messageId, redelivered: _, ...said } = given;
    const message = { id: messageId, ...said } as unknown as AgentMessage;
    const isQuery = message.type === 'query';
    if (isQuery) this.#unanswered.add(message.id);
    const found = this.#components.handlerFor(message.type);
    if (found === undefined) {
      if (isQuery) throw new StarlingError('STARLING_AGENT_FAILED', 'it takes no queries');
      return null;
    }
    try {
      return ((await this.#inTime(found, message)) ?? null) as Json;
    } catch (error) {
      if (!this.#scope.closed) this.#components.onError(error);
      throw error;
    }
  }

  /** What the handler gives. @throws STARLING_TIMEOUT, STARLING_AGENT_FAILED with the reason `ended` after a stop */
  async #inTime({ handler, timeoutMs }: TimedHandler, message: AgentMessage): Promise<unknown> {
    const { signal, clear } = deadline(this.#components.clock, timeoutMs, this.#scope.signal);
    try {
      return await new Promise((resolve, reject) => {
        const over = (): void =>
          reject(this.#scope.closed ? stopped() : tooLong(message, timeoutMs));
        signal.addEventListener('abort', over, { once: true });
        Promise.resolve()
          .then(() => handler(message, { signal }))
          .then(resolve, reject);
      });
    } finally {
      clear();
    }
  }

  async #answer(
    { from, id }: AgentMessage,
    { response, error }: { readonly response: Json; readonly error?: string },
  ): Promise<void> {
    if (!this.#unanswered.delete(id)) return;
    const args: JsonObject = {
      agentId: from,
      type: 'response',
      message: response,
      inReplyTo: id,
      from: this.#name,
      ...(error === undefined ? {} : { error: error.slice(0, 2000) }),
    };
    try {
      await this.#components.ask('agent_message', args, {});
    } catch (trouble) {
      // Whoever asked may have gone meanwhile.
      this.#components.onError(trouble);
    }
  }
}

/** @throws STARLING_PROTOCOL_VIOLATION */
function pageIn({ messages, cursors, cursor, waiting }: AgentInboxResult): InboxPage {
  if (cursors?.length === messages.length) {
    return { messages, cursors, cursor, waiting, senders: messages.map(() => '') };
  }
  throw new StarlingError(
    'STARLING_PROTOCOL_VIOLATION',
    'the inbox has no cursor of each message',
    {
      hint: 'update Starling at the node',
    },
  );
}

/** The node ends, or the name is somebody else's now. */
function isOver(error: unknown): boolean {
  const codes = ['STARLING_STOPPED', 'STARLING_AGENT_UNKNOWN', 'STARLING_AGENT_TAKEN'];
  return error instanceof StarlingError && codes.includes(error.code);
}

function tooLong({ id }: AgentMessage, ms: number): StarlingError {
  return new StarlingError('STARLING_TIMEOUT', `no end of the handler within ${ms} ms`, {
    hint: 'give the handler more time (timeoutMs), or the agent more places (maxConcurrentTasks)',
    data: { messageId: id },
  });
}

/** As of a process that ends with its message: that is given once more. */
function stopped(): StarlingError {
  return new StarlingError('STARLING_AGENT_FAILED', 'its program takes no more messages', {
    data: { reason: 'ended' },
  });
}
