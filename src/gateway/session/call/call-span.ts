/** What keeps the spans of calls, one a call and node; the room above gives it, and nobody below knows who reads. */
import type { Principal } from '../../../guard/index.ts';
import type { TraceParent } from '../../wire/trace-parent.ts';
import type { CallOutcome } from './call-meter.ts';

/** A call that begins. */
export interface BeginningCall {
  readonly method: string;
  readonly principal: Principal;
  /** The span of whoever calls, as that says. */
  readonly parent: TraceParent | undefined;
  /** The caller wants to know what the call takes where: it is kept whatever is drawn. */
  readonly isAskedFor: boolean;
}

/** What a call was, once it is over: names and figures, and nothing of what it said. */
export interface CallSpanEnd {
  readonly outcome: CallOutcome;
  /** The thing that was called, as the guard knows it; absent of a call that found nothing to call. */
  readonly resource?: string | undefined;
  /** Its owner, where that is another node. */
  readonly peer?: string | undefined;
  /** Why it failed: a code of Starling, or of JSON-RPC. */
  readonly error?: string | undefined;
  /** When the request went on to the server, ms since the call came. */
  readonly sentMs?: number | undefined;
  readonly totalMs: number;
}

/** One call in a trace, at this node. */
export interface CallSpan {
  /** What the call says of its trace from here on, to peers and servers. */
  readonly traceparent: string;
  readonly traceId: string;
  /** Absent where the call is not kept. */
  readonly spanId?: string;
  /** The call is over; called once. */
  ended(end: CallSpanEnd): void;
}

/** Hears of each call as it begins. */
export interface CallTracer {
  /** The span of a call; undefined where the call goes on as it came. Never throws. */
  begin(call: BeginningCall): CallSpan | undefined;
}
