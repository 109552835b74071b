/**
 * Reads the inbox of an agent, and has the processes that the node runs for it, or what stands for them, deal with the
 * messages: as many at a time as they take, the oldest first. What the inbox has acknowledged was dealt with. A command or an
 * event that was with a process when that ended is given once more; a query fails at whoever asked, so that a query which
 * would be the next is taken at once, past the inbox.
 */
import { StarlingError, createScope, messageOf, settledWithin, sleep } from '../../core/index.ts';
import type { Clock, Json, JsonObject, Logger, Scope } from '../../core/index.ts';
import { PAGE_MAX } from '../limits.ts';
import { MessagesUnderWay } from './messages-under-way.ts';
import type { UnderWay } from './messages-under-way.ts';
import type { AgentMessage } from '../types.ts';
import type { InboxPage } from './inbox.ts';

/** What a mailbox works with. */
export interface MailboxComponents {
  readonly clock: Clock;
  readonly logger: Logger;
  /** The processes of now, or what stands for them. */
  replicas(): readonly Worker[];
  /** Messages behind `seen`, waiting for one; all up to the cursor has been dealt with, and those behind it that `done` names. */
  read(init: {
    readonly cursor: string | undefined;
    readonly seen: string | undefined;
    readonly done: readonly string[] | undefined;
    readonly limit: number;
    readonly waitMs: number;
    readonly signal: AbortSignal;
  }): Promise<InboxPage>;
  /** Answers a query. Rejects or throws where nobody waits for that any more. */
  respond(
    message: AgentMessage,
    answer: { readonly response: Json; readonly error?: string },
  ): unknown;
  /** Hears that a message was given up, which is no query. */
  givenUp(message: AgentMessage, error: StarlingError): void;
}

/** What deals with messages: a process, or what stands for one. */
export interface Worker {
  /** Nobody starts it again. */
  readonly isOver: boolean;
  /** Whether it can be given a message now. */
  readonly isReady: boolean;
  /** Messages that it deals with now. */
  readonly busy: number;
  /** @throws STARLING_AGENT_FAILED with `data.reason` `ended` when it ends meanwhile, …; STARLING_TIMEOUT */
  deliver(message: JsonObject, timeoutMs: number, sender: string): Promise<Json>;
  /** Begins anew: it does nothing any more, or it is to work with another one. */
  renew(why: 'hung' | 'with another'): Promise<void>;
}

/** Bounds of a mailbox. */
export interface MailboxInit {
  /** Messages that one process is given at a time. */
  readonly concurrency: number;
  /** How long an agent may take for a message that nobody waits for the answer of. */
  readonly timeoutMs: number;
  /** How long a stop waits for messages that are being dealt with; default 2 s. */
  readonly flushMs?: number;
}

/** Who takes queries for an agent at once, where they are the next and a place is free. */
export interface Taker {
  /** Something is there that deals with messages, busy or not. */
  readonly isHere: boolean;
  /** True where the query is dealt with from now on, and `done` called at the end; false where it has to wait in the inbox. */
  take(query: AgentMessage, sender: string, done: () => void): boolean;
}

/** The mailbox of one agent. */
export interface Mailbox extends Taker {
  /** Messages that a process deals with now, and who sent them. */
  readonly underWay: UnderWay;
  /** Those of them that were never in the inbox. */
  readonly taken: number;
  /** A process may have become ready. */
  look(): void;
  /** Takes no more; waits a while for what is being dealt with. */
  stop(): Promise<void>;
}

const WAIT_MS = 25_000;
/** How long a stop waits for messages that are being dealt with. */
const FLUSH_MS = 2000;
/** Pause after an inbox could not be read. */
const PAUSE_MS = 1000;
/** How often a message is given to a process that ends with it. */
const TRIES = 2;

/** Makes the mailbox, which reads from now on. */
export function createMailbox(components: MailboxComponents, init: MailboxInit): Mailbox {
  return new RunMailbox(components, init);
}

/** A message that is being dealt with. */
interface InWork {
  readonly cursor: string;
  isDone: boolean;
  work: Promise<void>;
}

class RunMailbox implements Mailbox {
  readonly #components: MailboxComponents;
  readonly #init: MailboxInit;
  readonly #scope: Scope;
  readonly #underWay = new MessagesUnderWay();
  readonly #wakers = new Set<() => void>();
  /** What is being dealt with, in the order in which it came. */
  readonly #order: InWork[] = [];
  /** How many are being dealt with that were never in the inbox. */
  #taken = 0;
  readonly #running: Promise<void>;
  #cursor: string | undefined;
  #seen: string | undefined;
  /** A read is under way that waits for messages: it says nothing of what is done meanwhile. */
  #isWaiting = false;
  #isTelling = false;

  constructor(components: MailboxComponents, init: MailboxInit) {
    this.#components = components;
    this.#init = init;
    this.#scope = createScope(components.clock);
    this.#running = this.#run();
  }

  get underWay(): UnderWay {
    return this.#underWay;
  }

  get taken(): number {
    return this.#taken;
  }

  get isHere(): boolean {
    return this.#components.replicas().some(({ isReady }) => isReady);
  }

  take(query: AgentMessage, sender: string, done: () => void): boolean {
    if (this.#scope.closed || this.#places() <= 0) return false;
    const over = (): void => {
      done();
      this.#taken -= 1;
      this.look();
    };
    this.#taken += 1;
    this.#dealWith(query, sender).then(over, over);
    return true;
  }

  look(): void {
    for (const wake of this.#wakers) wake();
  }

  async stop(): Promise<void> {
    this.#scope.close();
    this.look();
    const { flushMs = FLUSH_MS } = this.#init;
    await settledWithin(flushMs, this.#running, this.#components.clock);
  }

  async #run(): Promise<void> {
    while (!this.#scope.closed) {
      const limit = this.#places();
      if (limit <= 0) {
        await this.#change(Infinity);
        continue;
      }
      try {
        this.#isWaiting = true;
        const page = await this.#read(limit, WAIT_MS);
        // What comes with a stop stays where it is.
        if (this.#scope.closed) break;
        for (const [index, message] of page.messages.entries()) {
          // Queries may have taken the places that there were when the read began; what is not begun is read again.
          if (this.#places() <= 0) break;
          this.#begin(message, page.senders[index] ?? '', page.cursors[index] ?? '');
        }
      } catch (error) {
        if (this.#scope.closed) break;
        this.#components.logger.warn({ error: messageOf(error) }, 'an inbox could not be read');
        await sleep(this.#scope, PAUSE_MS);
      } finally {
        this.#isWaiting = false;
      }
    }
    await this.#tell();
    await Promise.all(this.#order.map(({ work }) => work));
    while (this.#taken > 0) await this.#wake(Infinity);
  }

  /** Says what has been dealt with, and reads on. */
  async #read(limit: number, waitMs: number): Promise<InboxPage> {
    const at = this.#order.findIndex(({ isDone }) => !isDone);
    const upTo = this.#order.splice(0, at < 0 ? this.#order.length : at);
    this.#cursor = upTo.at(-1)?.cursor ?? this.#cursor;
    const ahead = this.#order.filter(({ isDone }) => isDone).slice(0, PAGE_MAX);
    const page = await this.#components.read({
      cursor: this.#cursor,
      seen: this.#seen,
      done: ahead.length === 0 ? undefined : ahead.map(({ cursor }) => cursor),
      limit,
      waitMs,
      signal: this.#scope.signal,
    });
    for (const told of ahead) {
      // By now what stood before it may be done, so that it is part of what the cursor says.
      const place = this.#order.indexOf(told);
      if (place >= 0) this.#order.splice(place, 1);
    }
    return page;
  }

  /** Messages that the processes of now take besides those that they have. */
  #places(): number {
    let ready = 0;
    for (const { isReady } of this.#components.replicas()) if (isReady) ready += 1;
    const most = ready * this.#init.concurrency;
    return Math.min(PAGE_MAX, most - this.#underWay.size);
  }

  #begin(message: AgentMessage, sender: string, cursor: string): void {
    const entry: InWork = { cursor, isDone: false, work: Promise.resolve() };
    this.#order.push(entry);
    this.#seen = cursor;
    entry.work = this.#dealWith(message, sender).then(async (isDone) => {
      entry.isDone = isDone;
      this.look();
      // Where a place was all that was waited for, the next read says it.
      if (this.#isWaiting || this.#scope.closed) await this.#tell();
    });
  }

  /** Says what has been dealt with; what is done meanwhile, in one more call. */
  async #tell(): Promise<void> {
    if (this.#isTelling) return;
    this.#isTelling = true;
    try {
      while (this.#order.some(({ isDone }) => isDone)) await this.#read(1, 0);
    } catch (error) {
      // The next read says so again.
      this.#components.logger.debug({ error: messageOf(error) }, 'messages not acknowledged yet');
    } finally {
      this.#isTelling = false;
    }
  }

  /** False for a message that a stop has interrupted. Never rejects. */
  async #dealWith(message: AgentMessage, sender: string): Promise<boolean> {
    const isQuery = message.type === 'query';
    const timeoutMs = message.timeoutMs ?? this.#init.timeoutMs;
    const number = this.#underWay.add(message, sender);
    try {
      const response = await this.#deliver(message, {
        sender,
        timeoutMs,
        tries: isQuery ? 1 : TRIES,
      });
      if (isQuery) await this.#components.respond(message, { response });
      return true;
    } catch (error) {
      const isInterrupted = this.#scope.closed && isEnd(error);
      if (!isInterrupted || isQuery) await this.#failed(message, error);
      return !isInterrupted;
    } finally {
      this.#underWay.delete(number);
    }
  }

  async #deliver(
    message: AgentMessage,
    { sender, timeoutMs, tries }: { sender: string; timeoutMs: number; tries: number },
  ): Promise<Json> {
    const deadline = this.#components.clock.now() + timeoutMs;
    for (let left = tries; ;) {
      const replica = this.#freest() ?? (await this.#free(deadline));
      const leftMs = Math.max(1, deadline - this.#components.clock.now());
      const given = asArguments(message);
      try {
        return await replica.deliver(
          left < tries ? { ...given, redelivered: true } : given,
          leftMs,
          sender,
        );
      } catch (error) {
        if (isLate(error) && message.type !== 'query') await replica.renew('hung');
        if (!isEnd(error) || this.#scope.closed) throw error;
        // What no process has read is no try: one that its sandbox did not let start is started again.
        if (!isUnread(error)) left -= 1;
        if (left === 0) throw error;
      }
    }
  }

  async #failed(message: AgentMessage, error: unknown): Promise<void> {
    const { logger } = this.#components;
    const why = messageOf(error);
    try {
      if (message.type !== 'query') {
        const known =
          error instanceof StarlingError ? error : new StarlingError('STARLING_AGENT_FAILED', why);
        this.#components.givenUp(message, known);
      } else await this.#components.respond(message, { response: null, error: why });
    } catch (other) {
      // Whoever asked has gone meanwhile.
      logger.debug({ id: message.id, error: messageOf(other) }, 'nobody hears that it failed');
    }
  }

  /** The process that does the least of those that can be given a message now. */
  #freest(): Worker | undefined {
    let freest: Worker | undefined;
    for (const one of this.#components.replicas()) {
      if (one.isReady && (freest === undefined || one.busy < freest.busy)) freest = one;
    }
    return freest;
  }

  /** {@link RunMailbox.#freest}, once there is one. @throws STARLING_AGENT_FAILED */
  async #free(deadline: number): Promise<Worker> {
    for (;;) {
      const first = this.#freest();
      if (first !== undefined) return first;
      const leftMs = deadline - this.#components.clock.now();
      if (leftMs <= 0 || this.#scope.closed || this.#isGivenUp()) {
        throw new StarlingError('STARLING_AGENT_FAILED', 'no process of it runs', {
          data: { reason: 'ended' },
        });
      }
      await this.#change(leftMs);
    }
  }

  /** Nobody starts them again. */
  #isGivenUp(): boolean {
    return this.#components.replicas().every(({ isOver }) => isOver);
  }

  #change(waitMs: number): Promise<void> {
    return this.#scope.closed ? Promise.resolve() : this.#wake(waitMs);
  }

  #wake(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#wakers.delete(done);
        cancel();
        resolve();
      };
      const { clock } = this.#components;
      const cancel = waitMs === Infinity ? () => undefined : clock.schedule(waitMs, done);
      this.#wakers.add(done);
    });
  }
}

/** The process ended with it. */
function isEnd(error: unknown): boolean {
  return error instanceof StarlingError && error.data['reason'] === 'ended';
}

function isUnread(error: unknown): boolean {
  return error instanceof StarlingError && error.data['unread'] === true;
}

function isLate(error: unknown): boolean {
  return error instanceof StarlingError && error.code === 'STARLING_TIMEOUT';
}

/** What the tool `message` gets: all that is not JSON is absent in a message, so nothing has to be written and read for that. */
function asArguments({ id, ...rest }: AgentMessage): JsonObject {
  return { messageId: id, ...rest };
}
