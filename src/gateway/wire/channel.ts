/**
 * The id map of one connection to something that answers MCP requests. Every request, ours or a
 * caller's, gets an id of this channel; a caller's progress token becomes that id too, so that two
 * callers who chose the same id or token never meet. Knows no transport: bytes go to `send`, and
 * come in by `receive`.
 */
import { StarlingError, createChurnMap, messageOf, printable } from '../../core/index.ts';
import type { Clock, JsonObject, Logger } from '../../core/index.ts';
import { isBatch, splitBatch } from './batch.ts';
import { createAnswerQueue } from './answer-queue.ts';
import type { AnswerQueue } from './answer-queue.ts';
import { createCallDeadlines } from './call-deadlines.ts';
import type { CallDeadlines, TimedCall } from './call-deadlines.ts';
import { META, metaOf } from './era.ts';
import { ownIdAtEdge } from './edge-id.ts';
import { idText, isFrameId, keyOfId, ownIdOf } from './frame-id.ts';
import {
  cancelledBy,
  notificationBytes,
  parseFrame,
  progressTokenOf,
  renumbered,
  requestBytes,
  resultBytes,
  rewriteFrame,
} from './frame.ts';
import type { Channel, ChannelCall, ChannelListener, RelayedCall } from '../channel-types.ts';
import type { Frame, NotificationFrame, RequestFrame, ResponseFrame } from '../frame-types.ts';
import { WAITING_NOTIFICATION } from './peers/peer-protocol.ts';

/** What a channel works with. */
export interface ChannelComponents {
  /** Sends one message. `id` is that of the request in it. @throws when it can't be queued */
  send(message: Buffer, id?: number): void;
  /** Hears what belongs to no call, and the server's own requests. */
  readonly listener: ChannelListener;
  /** Hears messages that are no JSON-RPC. */
  invalid?(bytes: Buffer, error: StarlingError): void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Bounds of a channel. */
export interface ChannelInit {
  /** What is at the other end, for messages: `server 'files'`, `peer alice`. */
  readonly title: string;
  /** What the other end is: whose limit it is that a call meets here, and where that is raised. */
  readonly kind: 'server' | 'peer';
  /** What was odd about what came so far, for whom an answer was late. */
  readonly oddity?: () => string | undefined;
  /** Longest time without progress. */
  readonly callTimeoutMs: number;
  /** Longest time in all. */
  readonly callTotalMs: number;
  /** Requests that may wait for an answer. */
  readonly callsMax: number;
}

/** A channel with its lower end. */
export interface ChannelCore extends Channel {
  /** One message from the other end; `relatedId` is the request on whose stream it came. Never throws. */
  receive(bytes: Buffer, relatedId?: number): void;
  /** True while the request waits for its answer. */
  waits(id: number): boolean;
  /** Ends one request: its message could not be delivered or its answer not read. */
  fail(id: number, error: StarlingError): void;
  /** Ends every request that waits; the channel lives on. */
  failAll(error: StarlingError): void;
  /** Ends the channel and every request on it. */
  end(error: StarlingError): void;
}

interface Pending extends TimedCall {
  readonly method: string;
  activeAt: number;
  /** True when the caller wants progress. */
  readonly progress: boolean;
  readonly call: Pick<RelayedCall, 'response' | 'progress' | 'failed'> & Partial<RelayedCall>;
}

const ID_SHOWN_MAX = 80;
const ANSWER_HEAD_BYTES = 1024;
const EMPTY_RESULTS: ReadonlySet<string> = new Set([
  'ping',
  'logging/setLevel',
  'resources/subscribe',
  'resources/unsubscribe',
  'tasks/cancel',
]);

/** Its first request has the id 1; a timer runs only while something is under way. */
export function createChannel(components: ChannelComponents, init: ChannelInit): ChannelCore {
  return new MappedChannel(components, init);
}

class MappedChannel implements ChannelCore {
  readonly #components: ChannelComponents;
  readonly #init: ChannelInit;
  readonly #pending = createChurnMap<number, Pending>();
  #nextId = 1;
  #answered = 0;
  /** Ids of the other end's requests that wait for our answer. */
  readonly #asking = new Set<string | number>();
  #ended: StarlingError | undefined;
  /** The last id in an answer that was no request's of ours. */
  #stray: string | undefined;
  readonly #deadlines: CallDeadlines;
  readonly #answers: AnswerQueue;

  constructor(components: ChannelComponents, init: ChannelInit) {
    this.#components = components;
    this.#init = init;
    const { clock, logger } = components;
    this.#answers = createAnswerQueue({
      send: (message) => components.send(message),
      clock,
      logger,
    });
    this.#deadlines = createCallDeadlines(
      {
        waiting: () => this.#pending.entries(),
        isAsking: () => this.#asking.size > 0,
        late: (id, error) => this.#late(id, error),
        oddities: () => this.#oddities(),
        clock,
      },
      init,
    );
  }

  get inFlight(): number {
    return this.#pending.size;
  }

  get answered(): number {
    return this.#answered;
  }

  get isOver(): boolean {
    return this.#ended !== undefined;
  }

  relay(call: RelayedCall): ChannelCall {
    const { request } = call;
    const token = progressTokenOf(request) !== undefined;
    const { name } = request.params;
    const what = typeof name === 'string' ? `${request.method} of ${name}` : request.method;
    // A subscription is meant to stay.
    const isLasting = request.method === 'subscriptions/listen';
    const { callTimeoutMs } = this.#init;
    const timeoutMs = isLasting ? Number.POSITIVE_INFINITY : (call.timeoutMs ?? callTimeoutMs);
    const id = this.#register({ method: request.method, what, timeoutMs, progress: token, call });
    if (id === undefined) return { cancel: () => undefined };
    try {
      this.#components.send(sentAs(call, id, token), id);
    } catch (error) {
      this.#unsent(id, error);
    }
    return { cancel: (reason) => this.#cancel(id, reason) };
  }

  request(
    method: string,
    params: JsonObject,
    options: { readonly timeoutMs: number; readonly totalMs?: number },
  ): Promise<ResponseFrame> {
    return new Promise((resolve, reject) => {
      const call = { response: resolve, progress: nothing, failed: reject };
      const { timeoutMs, totalMs } = options;
      const what = { method, what: method, timeoutMs, totalMs, progress: false, call };
      const id = this.#register(what);
      if (id === undefined) return;
      try {
        this.#components.send(requestBytes(id, method, params), id);
      } catch (error) {
        this.#unsent(id, error);
      }
    });
  }

  notify(method: string, params: JsonObject): boolean {
    if (this.#ended !== undefined) return false;
    try {
      this.#components.send(notificationBytes(method, params));
      return true;
    } catch (error) {
      this.#components.logger.debug({ method, error: messageOf(error) }, 'notification not sent');
      return false;
    }
  }

  receive(bytes: Buffer, relatedId?: number): void {
    let members: readonly Buffer[] = [bytes];
    // Servers of 2025-03-26 may answer with a batch.
    if (isBatch(bytes)) {
      try {
        members = splitBatch(bytes);
      } catch (error) {
        this.#malformed(bytes, error);
        return;
      }
    }
    for (const member of members) this.#received(member, relatedId);
  }

  waits(id: number): boolean {
    return this.#pending.has(id);
  }

  fail(id: number, error: StarlingError): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#pending.delete(id);
    pending.call.failed(error);
  }

  end(error: StarlingError): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    this.#deadlines.stop();
    this.#answers.stop();
    this.failAll(error);
  }

  failAll(error: StarlingError): void {
    const waiting = [...this.#pending.values()];
    this.#pending.clear();
    for (const pending of waiting) pending.call.failed(error);
  }

  #received(bytes: Buffer, relatedId: number | undefined): void {
    if (this.#ended !== undefined) return;
    let frame: Frame;
    try {
      frame = parseFrame(bytes);
    } catch (error) {
      this.#malformed(bytes, error);
      return;
    }
    if (frame.kind === 'response') this.#response(frame, relatedId);
    else if (frame.kind === 'request') this.#requested(frame, this.#related(relatedId));
    else this.#notification(frame, this.#related(relatedId));
  }

  #register(asked: Omit<Pending, 'startedAt' | 'activeAt'>): number | undefined {
    const { call, timeoutMs } = asked;
    if (this.#ended !== undefined) {
      call.failed(this.#ended);
      return undefined;
    }
    if (this.#pending.size >= this.#init.callsMax) {
      call.failed(
        new StarlingError(
          'STARLING_LIMIT_EXCEEDED',
          `${this.#init.callsMax} calls to ${this.#init.title} wait for an answer already`,
          { hint: 'wait for some of them, or raise limits.callsPerSession' },
        ),
      );
      return undefined;
    }
    const now = this.#components.clock.now();
    const id = this.#nextId;
    this.#nextId += 1;
    const { method, what, progress, totalMs } = asked;
    this.#pending.set(id, {
      method,
      what,
      startedAt: now,
      activeAt: now,
      timeoutMs,
      totalMs,
      progress,
      call,
    });
    this.#deadlines.began(timeoutMs);
    return id;
  }

  #unsent(id: number, error: unknown): void {
    const failed =
      error instanceof StarlingError
        ? error
        : new StarlingError(
            'STARLING_UPSTREAM_UNAVAILABLE',
            `${this.#init.title} can't be written to: ${messageOf(error)}`,
            { cause: error },
          );
    this.fail(id, failed);
  }

  #cancel(id: number, reason: string | undefined): void {
    if (!this.#pending.delete(id)) return;
    this.notify('notifications/cancelled', {
      requestId: id,
      ...(reason === undefined ? {} : { reason }),
    });
  }

  #response(frame: ResponseFrame, relatedId: number | undefined): void {
    const id = this.#answeredBy(frame, relatedId);
    const pending = id === undefined ? undefined : this.#pending.get(id);
    if (pending === undefined || id === undefined) return this.#astray(frame, relatedId);
    this.#pending.delete(id);
    if (isRelayed(pending.call)) this.#answered += 1;
    const { odd, result } = frame;
    const isTaken = odd === undefined || (result !== undefined && hasEmptyResult(pending.method));
    if (isTaken) pending.call.response(frame);
    else pending.call.failed(this.#unreadable(pending.what, odd));
  }

  /**
   * The request that an answer is to: the one that it names, as a number or as text. Where it names none, the one
   * on whose stream it came, or the only one that waits.
   */
  #answeredBy({ id }: ResponseFrame, relatedId: number | undefined): number | undefined {
    if (id !== null) return ownIdOf(id);
    return relatedId ?? this.#onlyOne();
  }

  /**
   * An answer to no request that waits. Where its id was never one of ours, it is meant for the request on whose
   * stream it came, or for the only one that waits, which would wait for another in vain. Of several, those that wait
   * too long hear of it.
   */
  #astray({ id }: ResponseFrame, relatedId: number | undefined): void {
    const shown = printable(idText(id), ID_SHOWN_MAX);
    this.#components.logger.debug({ id: shown }, 'answer to no request of ours');
    const named = id === null ? undefined : ownIdOf(id);
    // Without an id nobody knows whose it is; and who asked in vain may hear late.
    if (id === null || (named !== undefined && this.#hasBeenGiven(named))) return;
    this.#stray = shown;
    this.#failUnread(relatedId ?? this.#onlyOne(), `the id in its answer is another one: ${shown}`);
  }

  #failUnread(id: number | undefined, why: string): boolean {
    const pending = id === undefined ? undefined : this.#pending.get(id);
    if (pending === undefined || id === undefined) return false;
    this.fail(id, this.#unreadable(pending.what, why));
    return true;
  }

  #onlyOne(): number | undefined {
    const [only, another] = this.#pending.entries();
    return another === undefined ? only?.[0] : undefined;
  }

  #hasBeenGiven(id: number): boolean {
    return Number.isInteger(id) && id > 0 && id < this.#nextId;
  }

  /** A message that can't be read. What it was to answer fails at once, where that shows. */
  #malformed(bytes: Buffer, error: unknown): void {
    if (!(error instanceof StarlingError)) throw error;
    const { id } = error.data;
    // What was cut short shows its id at its head alone.
    const named = isFrameId(id) ? ownIdOf(id) : ownIdAtEdge(bytes);
    const meant = named ?? (looksLikeAnswer(bytes) ? this.#onlyOne() : undefined);
    if (!this.#failUnread(meant, error.message)) this.#components.invalid?.(bytes, error);
  }

  #unreadable(what: string, why: string): StarlingError {
    return new StarlingError(
      'STARLING_UPSTREAM_INVALID',
      `${this.#init.title} answered ${what}, and the answer can't be read: ${why}`,
      { hint: 'tell its author; every answer must be as JSON-RPC 2.0 says' },
    );
  }

  #related(id: number | undefined): RelayedCall | undefined {
    const call = id === undefined ? undefined : this.#pending.get(id)?.call;
    return call !== undefined && isRelayed(call) ? call : undefined;
  }

  #requested(request: RequestFrame, related: RelayedCall | undefined): void {
    let isAnswered = false;
    const answer = (message: Buffer): void => {
      if (this.#ended !== undefined || isAnswered) return;
      isAnswered = true;
      this.#asking.delete(keyOfId(request.id));
      this.#touch();
      this.#answers.send(message);
    };
    this.#asking.add(keyOfId(request.id));
    if (request.method === 'ping') answer(resultBytes(request.id, {}));
    else this.#components.listener.request(request, answer, related);
  }

  /** The other end wants no answer any more: nothing waits on its question. */
  #takenBack(id: string | number | undefined): void {
    if (id !== undefined && this.#asking.delete(id)) this.#touch();
  }

  /** What waits on a question of the other end is not late. */
  #touch(): void {
    const now = this.#components.clock.now();
    for (const pending of this.#pending.values()) pending.activeAt = now;
  }

  #notification(frame: NotificationFrame, related: RelayedCall | undefined): void {
    if (frame.method === WAITING_NOTIFICATION) {
      const { requestId } = frame.params;
      const waiting = typeof requestId === 'number' ? this.#pending.get(requestId) : undefined;
      if (waiting !== undefined) waiting.activeAt = this.#components.clock.now();
      return;
    }
    if (frame.method === 'notifications/cancelled') this.#takenBack(cancelledBy(frame));
    if (frame.method !== 'notifications/progress') {
      const subscription = metaOf(frame.params)[META.subscriptionId];
      const listening = typeof subscription === 'number' ? this.#related(subscription) : undefined;
      if (listening !== undefined) listening.notification(frame);
      else this.#components.listener.notification(frame, related);
      return;
    }
    const token = frame.params['progressToken'];
    const id = typeof token === 'string' || typeof token === 'number' ? ownIdOf(token) : undefined;
    const pending = id === undefined ? undefined : this.#pending.get(id);
    if (pending === undefined || !pending.progress) return;
    pending.activeAt = this.#components.clock.now();
    pending.call.progress(frame);
  }

  #late(id: number, error: StarlingError): void {
    const pending = this.#pending.get(id);
    this.#cancel(id, 'timeout');
    pending?.call.failed(error);
  }

  #oddities(): readonly string[] {
    const stray = this.#stray === undefined ? [] : [`it answered under the id ${this.#stray}`];
    return [...stray, this.#init.oddity?.() ?? []].flat();
  }
}

function nothing(): void {}

/** The request as it goes out: under the channel's own id, with what is changed on the way. @throws as `rewriteFrame` */
function sentAs({ request, edits }: RelayedCall, id: number, hasToken: boolean): Buffer {
  if (!hasToken && (edits === undefined || isNameOnly(edits))) {
    return renumbered(request, id, edits?.name);
  }
  // The id stands first: what is spread and then gets a member is of a new class for the engine, each time.
  return rewriteFrame(request, hasToken ? { id, progressToken: id, ...edits } : { id, ...edits });
}

/** True where nothing else is changed than perhaps the name. */
function isNameOnly(edits: NonNullable<RelayedCall['edits']>): boolean {
  for (const key in edits) if (key !== 'name') return false;
  return true;
}

/** True for what can't be read and names the members of an answer at its beginning; other lines are something printed. */
function looksLikeAnswer(bytes: Buffer): boolean {
  const head = bytes.subarray(0, ANSWER_HEAD_BYTES);
  return head.includes('"jsonrpc"') && (head.includes('"result"') || head.includes('"error"'));
}

/** True for a method whose result says nothing, so that null says as much. */
function hasEmptyResult(method: string): boolean {
  return EMPTY_RESULTS.has(method);
}

function isRelayed(call: Partial<RelayedCall>): call is RelayedCall {
  return call.request !== undefined;
}
