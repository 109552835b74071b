/**
 * One call as a part of a trace: how long it takes at this node, step by step. Its span is for whoever collects traces
 * (`call-span.ts`). A caller that asks for the steps by `_meta["starling/trace"]` and wants progress is told by one
 * progress notification right before the answer; a peer's node hands such a notification on as any other of the call,
 * so that the caller hears of each node on the way, the one next to the server first.
 */
import { performance } from 'node:perf_hooks';
import type { JsonObject, LogFields } from '../../../core/index.ts';
import type { Principal } from '../../../guard/index.ts';
import { metaOf } from '../../wire/era.ts';
import { notificationBytes, parseFrame, rewriteFrame } from '../../wire/frame.ts';
import { TRACE_META } from '../../wire/peers/peer-protocol.ts';
import type { Reply } from '../../wire/reply.ts';
import { traceParentOf } from '../../wire/trace-parent.ts';
import type { Route } from '../../catalog/types.ts';
import type { FrameId, RequestFrame } from '../../frame-types.ts';
import type { CallOutcome } from './call-meter.ts';
import type { CallSpan, CallTracer } from './call-span.ts';

/** As much of a call as is needed to trace it. */
export interface TracedCall {
  readonly request: Pick<RequestFrame, 'method' | 'params'>;
  /** The caller's progress token. */
  readonly token: FrameId | undefined;
  readonly reply: Pick<Reply, 'interim'>;
}

/** Who traces, and whose call. */
export interface CallTraceInit {
  /** This node's name. */
  readonly self: string;
  /** Keeps spans; absent: nobody collects them. */
  readonly tracer: CallTracer | undefined;
  readonly principal: Principal;
}

/** The steps of one call. */
export interface CallTrace {
  /** What the call says of its trace to whoever is next; undefined where that stays as it came. */
  readonly traceparent: string | undefined;
  /** The call is to go this way, if it may. */
  toward(route: Pick<Route, 'target' | 'wanted'>): void;
  /** The call may be made. */
  cleared(): void;
  /** The way to the server is open, and the request goes out. */
  sent(): void;
  /** The caller gets its answer now: it is told of the steps first, if it asked for them. */
  over(): void;
  /** The call has ended so; `error` is a code, where there is one. */
  ended(outcome: CallOutcome, error: string | undefined): void;
  /** The ids of the trace, for lines of the log. */
  fields(): LogFields;
}

/** Traces a call from now on, where its caller asks for that or somebody collects spans. */
export function traceOf(call: TracedCall, init: CallTraceInit): CallTrace | undefined {
  const { method, params } = call.request;
  const isAskedFor = call.token !== undefined && metaOf(params)[TRACE_META] === true;
  const { tracer, principal } = init;
  // A listener is there for as long as its caller likes: nobody waits for its end.
  const span =
    method === 'subscriptions/listen'
      ? undefined
      : tracer?.begin({ method, principal, parent: traceParentOf(params), isAskedFor });
  if (!isAskedFor && span === undefined) return undefined;
  return new StepTimes(call, init.self, isAskedFor, span);
}

/** The ids of the trace that a call is in, for lines of the log; nothing where nobody named one. */
export function traceFields(
  trace: CallTrace | undefined,
  { params }: Pick<RequestFrame, 'params'>,
): LogFields {
  const own = trace?.fields() ?? {};
  if (Object.keys(own).length > 0) return own;
  const parent = traceParentOf(params);
  return parent === undefined ? {} : { trace_id: parent.traceId, parent_id: parent.spanId };
}

class StepTimes implements CallTrace {
  readonly #call: TracedCall;
  readonly #self: string;
  readonly #isAskedFor: boolean;
  readonly #span: CallSpan | undefined;
  readonly #startedAt = performance.now();
  #route: Pick<Route, 'target' | 'wanted'> | undefined;
  #isCleared = false;
  #clearedMs: number | undefined;
  #sentMs: number | undefined;

  constructor(call: TracedCall, self: string, isAskedFor: boolean, span: CallSpan | undefined) {
    this.#call = call;
    this.#self = self;
    this.#isAskedFor = isAskedFor;
    this.#span = span;
  }

  get traceparent(): string | undefined {
    return this.#span?.traceparent;
  }

  toward(route: Pick<Route, 'target' | 'wanted'>): void {
    this.#route = route;
    this.#sentMs = undefined;
  }

  cleared(): void {
    this.#isCleared = true;
    this.#clearedMs = this.#nowMs();
  }

  sent(): void {
    this.#sentMs = this.#nowMs();
  }

  over(): void {
    const { token, reply } = this.#call;
    if (token === undefined || !this.#isAskedFor) return;
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

  ended(outcome: CallOutcome, error: string | undefined): void {
    this.#span?.ended({
      outcome,
      error,
      resource: this.#route?.wanted.resource,
      peer: this.#route?.target.peer?.peerId,
      sentMs: this.#sentMs,
      totalMs: this.#nowMs(),
    });
  }

  fields(): LogFields {
    const span = this.#span;
    if (span === undefined) return {};
    const own = span.spanId === undefined ? {} : { span_id: span.spanId };
    return { trace_id: span.traceId, ...own };
  }

  #steps(): JsonObject {
    // Who may not make the call is not told where it would have gone.
    const { peer, server } = (this.#isCleared ? this.#route?.target : undefined) ?? {};
    const span = this.#span;
    return {
      node: this.#self,
      ...(server === undefined ? {} : { server }),
      ...(peer === undefined ? {} : { peer: peer.peerId, peerName: peer.alias }),
      ...(this.#clearedMs === undefined ? {} : { clearedMs: this.#clearedMs }),
      ...(this.#sentMs === undefined ? {} : { sentMs: this.#sentMs }),
      ...(span?.spanId === undefined ? {} : { traceId: span.traceId, spanId: span.spanId }),
      totalMs: this.#nowMs(),
    };
  }

  /** Since the call came, to the microsecond. */
  #nowMs(): number {
    return Math.round((performance.now() - this.#startedAt) * 1000) / 1000;
  }
}
