/** What the parts of the room hand to each other. */
import type { CallSpanEnd, TraceParent } from '../gateway/index.ts';

/** A call that is over, to be sent. */
export interface EndedSpan extends CallSpanEnd {
  readonly traceId: string;
  readonly spanId: string;
  readonly parent: TraceParent | undefined;
  readonly method: string;
  /** Who called, by the name that grants and the audit log have. */
  readonly caller: string;
  /** When it began, by `performance.now()`. */
  readonly beganAt: number;
}

/** What has become of spans since the start. */
export interface SpanCounts {
  /** The collector took them. */
  readonly sent: number;
  /** The collector did not want them. */
  readonly rejected: number;
  /** There were more than the queue holds, or the collector did not answer for too long. */
  readonly dropped: number;
  /** Calls that were to be kept, and came faster than the node keeps them. */
  readonly limited: number;
  readonly waiting: number;
}
