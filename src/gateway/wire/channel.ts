/**
 * The id map of one connection to something that answers MCP requests. Every request, ours or a
 * caller's, gets an id of this channel; a caller's progress token becomes that id too, so that two
 * callers who chose the same id or token never meet. Knows no transport: bytes go to `send`, and
 * come in by `receive`.
 */
import { StarlingError, createChurnMap, messageOf } from '../../core/index.ts';
import type { Clock, Json, JsonObject, Logger } from '../../core/index.ts';
import { META, metaOf } from './era.ts';
import { notificationBytes, parseFrame, requestBytes, resultBytes, rewriteFrame } from './frame.ts';
import type {
  Frame,
  FrameId,
  Channel,
  ChannelCall,
  ChannelListener,
  NotificationFrame,
  RelayedCall,
  RequestFrame,
  ResponseFrame,
} from '../types.ts';
import { WAITING_NOTIFICATION } from './peer-protocol.ts';

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
  /** Ends one request: its message could not be delivered or its answer not read. */
  fail(id: number, error: StarlingError): void;
  /** Ends every request that waits; the channel lives on. */
  failAll(error: StarlingError): void;
  /** Ends the channel and every request on it. */
  end(error: StarlingError): void;
}

interface Pending {
  readonly what: string;
  readonly startedAt: number;
  readonly timeoutMs: number;
  activeAt: number;
  /** True when the caller wants progress. */
  readonly progress: boolean;
  readonly call: Pick<RelayedCall, 'response' | 'progress' | 'failed'> & Partial<RelayedCall>;
}

/** How often deadlines are looked at, as a share of the timeout, and at the most. */
const SWEEP_SHARE = 4;
const SWEEP_MAX_MS = 1000;

/** Makes a channel. */
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
  readonly #asking = new Set<FrameId>();
  #ended: StarlingError | undefined;
  #cancelSweep: (() => void) | undefined;

  constructor(components: ChannelComponents, init: ChannelInit) {
    this.#components = components;
    this.#init = init;
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
    const timeoutMs = isLasting ? Number.POSITIVE_INFINITY : this.#init.callTimeoutMs;
    const id = this.#register(what, timeoutMs, token, call);
    if (id === undefined) return { cancel: () => undefined };
    const own = token ? { id, progressToken: id } : { id };
    const edits = call.edits === undefined ? own : { ...call.edits, ...own };
    this.#transmit(id, () => rewriteFrame(request, edits));
    return { cancel: (reason) => this.#cancel(id, reason) };
  }

  request(
    method: string,
    params: JsonObject,
    options: { readonly timeoutMs: number },
  ): Promise<ResponseFrame> {
    return new Promise((resolve, reject) => {
      const id = this.#register(method, options.timeoutMs, false, {
        response: resolve,
        progress: () => undefined,
        failed: reject,
      });
      if (id !== undefined) this.#transmit(id, () => requestBytes(id, method, params));
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
    if (this.#ended !== undefined) return;
    let frame: Frame;
    try {
      frame = parseFrame(bytes);
    } catch (error) {
      if (!(error instanceof StarlingError)) throw error;
      this.#components.invalid?.(bytes, error);
      return;
    }
    if (frame.kind === 'response') this.#response(frame);
    else if (frame.kind === 'request') this.#requested(frame, this.#related(relatedId));
    else this.#notification(frame, this.#related(relatedId));
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
    this.#cancelSweep?.();
    this.failAll(error);
  }

  failAll(error: StarlingError): void {
    const waiting = [...this.#pending.values()];
    this.#pending.clear();
    for (const pending of waiting) pending.call.failed(error);
  }

  #register(
    what: string,
    timeoutMs: number,
    progress: boolean,
    call: Pending['call'],
  ): number | undefined {
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
    this.#pending.set(id, { what, startedAt: now, activeAt: now, timeoutMs, progress, call });
    if (timeoutMs < Number.POSITIVE_INFINITY) this.#sweepSoon(timeoutMs);
    return id;
  }

  #transmit(id: number, build: () => Buffer): void {
    try {
      this.#components.send(build(), id);
    } catch (error) {
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
  }

  #cancel(id: number, reason: string | undefined): void {
    if (!this.#pending.delete(id)) return;
    this.notify('notifications/cancelled', {
      requestId: id,
      ...(reason === undefined ? {} : { reason }),
    });
  }

  #response(frame: ResponseFrame): void {
    const pending = typeof frame.id === 'number' ? this.#pending.get(frame.id) : undefined;
    if (pending === undefined || typeof frame.id !== 'number') {
      this.#components.logger.debug({ id: frame.id }, 'answer to no request of ours');
      return;
    }
    this.#pending.delete(frame.id);
    if (isRelayed(pending.call)) this.#answered += 1;
    pending.call.response(frame);
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
      this.#asking.delete(request.id);
      this.#touch();
      try {
        this.#components.send(message);
      } catch (error) {
        this.#components.logger.debug({ error: messageOf(error) }, 'answer not sent');
      }
    };
    this.#asking.add(request.id);
    if (request.method === 'ping') answer(resultBytes(request.id, {}));
    else this.#components.listener.request(request, answer, related);
  }

  /** The other end wants no answer any more: nothing waits on its question. */
  #takenBack(id: Json | undefined): void {
    if (typeof id !== 'string' && typeof id !== 'number') return;
    if (this.#asking.delete(id)) this.#touch();
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
    if (frame.method === 'notifications/cancelled') this.#takenBack(frame.params['requestId']);
    if (frame.method !== 'notifications/progress') {
      const subscription = metaOf(frame.params)[META.subscriptionId];
      const listening = typeof subscription === 'number' ? this.#related(subscription) : undefined;
      if (listening !== undefined) listening.notification(frame);
      else this.#components.listener.notification(frame, related);
      return;
    }
    const token = frame.params['progressToken'];
    const pending = typeof token === 'number' ? this.#pending.get(token) : undefined;
    if (pending === undefined || !pending.progress) return;
    pending.activeAt = this.#components.clock.now();
    pending.call.progress(frame);
  }

  #sweepSoon(timeoutMs: number): void {
    if (this.#cancelSweep !== undefined) return;
    const waitMs = Math.min(SWEEP_MAX_MS, Math.ceil(timeoutMs / SWEEP_SHARE));
    this.#cancelSweep = this.#components.clock.schedule(waitMs, () => {
      this.#cancelSweep = undefined;
      this.#sweep();
    });
  }

  #sweep(): void {
    const now = this.#components.clock.now();
    let soonest = Number.POSITIVE_INFINITY;
    for (const [id, pending] of this.#pending.entries()) {
      if (pending.timeoutMs === Number.POSITIVE_INFINITY) continue;
      const quietMs = this.#asking.size > 0 ? 0 : now - pending.activeAt;
      const totalMs = now - pending.startedAt;
      if (quietMs >= pending.timeoutMs || totalMs >= this.#init.callTotalMs) {
        this.#cancel(id, 'timeout');
        pending.call.failed(this.#late(pending, quietMs >= pending.timeoutMs));
      } else {
        soonest = Math.min(soonest, pending.timeoutMs);
      }
    }
    if (soonest < Number.POSITIVE_INFINITY) this.#sweepSoon(soonest);
  }

  #late(pending: Pending, quiet: boolean): StarlingError {
    const limit = quiet ? pending.timeoutMs : this.#init.callTotalMs;
    return new StarlingError(
      'STARLING_TIMEOUT',
      `${this.#init.title} did not answer ${pending.what} within ${limit / 1000} s`,
      {
        hint: quiet
          ? 'raise limits.callTimeoutMs, or `timeout` of the server, if it needs longer'
          : 'raise limits.callTotalMs if it needs longer',
        data: { timeoutMs: limit },
      },
    );
  }
}

function isRelayed(call: Partial<RelayedCall>): call is RelayedCall {
  return call.request !== undefined;
}

/** The caller's progress token, if it gave one. */
export function progressTokenOf(request: RequestFrame): string | number | undefined {
  const meta = request.params['_meta'];
  if (typeof meta !== 'object' || meta === null || Array.isArray(meta)) return undefined;
  const token = (meta as JsonObject)['progressToken'];
  return typeof token === 'string' || typeof token === 'number' ? token : undefined;
}

/**
 * The numeric id of a message of which only the ends are known: it is the second key or the last one,
 * as serialisers write it. Undefined when neither end shows it beyond doubt.
 */
export function idAtEdge(head: Buffer, tail: Buffer): number | undefined {
  const first = /^\s*\{\s*"jsonrpc"\s*:\s*"2\.0"\s*,\s*"id"\s*:\s*(\d{1,15})\s*,/.exec(
    head.toString('latin1'),
  );
  const last = /"id"\s*:\s*(\d{1,15})\s*\}\s*$/.exec(tail.toString('latin1'));
  const text = first?.[1] ?? last?.[1];
  return text === undefined ? undefined : Number(text);
}
