/**
 * How long a call takes at this node, step by step, for a caller that asks for that by `_meta["starling/trace"]` and
 * wants progress: told by one progress notification right before the answer. A peer's node hands such a notification
 * on as any other of the call, so that the caller hears of each node on the way, the one next to the server first.
 */
import { performance } from 'node:perf_hooks';
import type { JsonObject } from '../../core/index.ts';
import { metaOf } from '../wire/era.ts';
import { notificationBytes, parseFrame, rewriteFrame } from '../wire/frame.ts';
import { TRACE_META } from '../wire/peer-protocol.ts';
import type { Reply } from '../wire/reply.ts';
import type { ServerTarget } from '../channel-types.ts';
import type { FrameId, RequestFrame } from '../frame-types.ts';

/** As much of a call as is needed to trace it. */
export interface TracedCall {
  readonly request: Pick<RequestFrame, 'params'>;
  /** The caller's progress token. */
  readonly token: FrameId | undefined;
  readonly reply: Pick<Reply, 'interim'>;
}

/** The steps of one call. */
export interface CallTrace {
  /** The call may be made, to this server. */
  cleared(target: ServerTarget): void;
  /** The way to the server is open, and the request goes out. */
  sent(): void;
  /** The caller gets its answer now: it is told of the steps first. */
  over(): void;
}

/** Traces a call from now on, where its caller asks for that; `self` is this node's name. */
export function traceOf(call: TracedCall, self: string): CallTrace | undefined {
  if (call.token === undefined || metaOf(call.request.params)[TRACE_META] !== true)
    return undefined;
  return new StepTimes(call, self);
}

class StepTimes implements CallTrace {
  readonly #call: TracedCall;
  readonly #self: string;
  readonly #startedAt = performance.now();
  #target: ServerTarget | undefined;
  #clearedMs: number | undefined;
  #sentMs: number | undefined;

  constructor(call: TracedCall, self: string) {
    this.#call = call;
    this.#self = self;
  }

  cleared(target: ServerTarget): void {
    this.#target = target;
    this.#clearedMs = this.#nowMs();
    this.#sentMs = undefined;
  }

  sent(): void {
    this.#sentMs = this.#nowMs();
  }

  over(): void {
    const { token, reply } = this.#call;
    if (token === undefined) return;
    const told = parseFrame(
      notificationBytes('notifications/progress', {
        progressToken: 0,
        // Below what a tool begins with, as of all that nodes say themselves.
        progress: -1,
        _meta: { [TRACE_META]: this.#steps() },
      }),
    );
    reply.interim(rewriteFrame(told, { progressToken: token }));
  }

  #steps(): JsonObject {
    const { peer, server } = this.#target ?? {};
    return {
      node: this.#self,
      ...(server === undefined ? {} : { server }),
      ...(peer === undefined ? {} : { peer: peer.peerId, peerName: peer.alias }),
      ...(this.#clearedMs === undefined ? {} : { clearedMs: this.#clearedMs }),
      ...(this.#sentMs === undefined ? {} : { sentMs: this.#sentMs }),
      totalMs: this.#nowMs(),
    };
  }

  /** Since the call came, to the microsecond. */
  #nowMs(): number {
    return Math.round((performance.now() - this.#startedAt) * 1000) / 1000;
  }
}
