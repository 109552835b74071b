/**
 * Decides which calls are kept, and makes their spans. A caller that names a trace is followed or not as the sampler
 * says, within bounds that no caller can lift: so many spans a second in all, and half as many for each caller.
 */
import { randomFillSync } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { Config } from '../config/index.ts';
import type { Clock } from '../core/index.ts';
import { traceParentText } from '../gateway/index.ts';
import type {
  BeginningCall,
  CallSpan,
  CallSpanEnd,
  CallTracer,
  TraceParent,
} from '../gateway/index.ts';
import { keyOf } from '../guard/index.ts';
import type { EndedSpan } from './types.ts';

type Sampler = Config['telemetry']['sampler'];

/** What a tracer works with. */
export interface TracerComponents {
  readonly clock: Clock;
  /** Takes a span that is over; never throws. */
  readonly keep: (span: EndedSpan) => void;
}

/** Which calls are kept. */
export interface TracerInit {
  readonly sampler: Sampler;
  /** Share of the traces that begin here which is kept, for samplers with a ratio: 0 to 1. */
  readonly ratio: number;
  /** Spans a second that are kept at the most; half as many of one caller. */
  readonly spansPerSecond: number;
}

/** Makes spans of calls. */
export interface Tracer extends CallTracer {
  /** Calls that were to be kept, and were too many. */
  limited(): number;
}

/** Bytes of randomness that are fetched at a time: 170 ids. */
const POOL_BYTES = 4096;
const TRACE_ID_BYTES = 16;
const SPAN_ID_BYTES = 8;
/** The digits of a trace id that are random (W3C Trace Context Level 2), as far as a number is exact. */
const RATIO_DIGITS = 13;
const SECOND_MS = 1000;

/** Makes a tracer that has kept nothing. */
export function createTracer(components: TracerComponents, init: TracerInit): Tracer {
  return new BoundedTracer(components, init);
}

class BoundedTracer implements Tracer {
  readonly #components: TracerComponents;
  readonly #init: TracerInit;
  readonly #idOf = createIds();
  /** The second that counts now, and what was kept in it: of all, and of each caller. */
  #second = 0;
  #kept = 0;
  readonly #keptOf = new Map<string, number>();
  #limited = 0;

  constructor(components: TracerComponents, init: TracerInit) {
    this.#components = components;
    this.#init = init;
  }

  limited(): number {
    return this.#limited;
  }

  begin(call: BeginningCall): CallSpan | undefined {
    const { sampler } = this.#init;
    const { parent } = call;
    // The operator who wants no spans gets none, whatever a caller asks for.
    if (sampler === 'always_off') return undefined;
    // What is left out here goes on as it came: whoever is next decides by what the caller says.
    if (parent?.isSampled === false && isByParent(sampler) && !call.isAskedFor) return undefined;
    // Most samplers need no id to decide, and most calls beyond the bound get none.
    const drawn = parent?.traceId ?? (isDrawn(sampler) ? this.#idOf(TRACE_ID_BYTES) : undefined);
    if (!this.#isWanted(call, drawn))
      return drawn === undefined ? undefined : this.#unkept(drawn, parent);
    const { principal } = call;
    const caller = keyOf(principal);
    // Those for whom a peer calls are as many as the peer says.
    const counted = principal.kind === 'peer' ? principal.did : caller;
    if (!this.#isWithin(counted)) {
      this.#limited += 1;
      return undefined;
    }
    const traceId = drawn ?? this.#idOf(TRACE_ID_BYTES);
    const ids = { traceId, spanId: this.#idOf(SPAN_ID_BYTES), parent };
    return new KeptSpan(ids, call.method, caller, this.#components.keep);
  }

  #isWanted({ parent, isAskedFor }: BeginningCall, traceId = ''): boolean {
    const { sampler, ratio } = this.#init;
    if (isAskedFor) return true;
    if (parent !== undefined && isByParent(sampler)) return parent.isSampled;
    if (sampler.endsWith('always_on')) return true;
    if (sampler.endsWith('always_off')) return false;
    const place = Number.parseInt(traceId.slice(-RATIO_DIGITS), 16) / 16 ** RATIO_DIGITS;
    return place >= 1 - ratio;
  }

  /** Counts one more call of a caller, if there is room in this second. */
  #isWithin(caller: string): boolean {
    const { spansPerSecond } = this.#init;
    const second = Math.floor(this.#components.clock.now() / SECOND_MS);
    if (second !== this.#second) {
      this.#second = second;
      this.#kept = 0;
      this.#keptOf.clear();
    }
    const own = this.#keptOf.get(caller) ?? 0;
    if (this.#kept >= spansPerSecond || own >= Math.max(1, spansPerSecond / 2)) return false;
    this.#kept += 1;
    this.#keptOf.set(caller, own + 1);
    return true;
  }

  /** Was not drawn: goes on as a trace that is not kept, so that those behind do not begin one of their own. */
  #unkept(traceId: string, parent: TraceParent | undefined): CallSpan {
    const spanId = parent?.spanId ?? this.#idOf(SPAN_ID_BYTES);
    const traceparent = traceParentText({ traceId, spanId, isSampled: false });
    return { traceparent, traceId, ended: () => undefined };
  }
}

class KeptSpan implements CallSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly #parent: TraceParent | undefined;
  readonly #method: string;
  readonly #caller: string;
  readonly #keep: (span: EndedSpan) => void;
  readonly #beganAt = performance.now();

  constructor(
    ids: Pick<EndedSpan, 'traceId' | 'spanId' | 'parent'>,
    method: string,
    caller: string,
    keep: (span: EndedSpan) => void,
  ) {
    this.traceId = ids.traceId;
    this.spanId = ids.spanId;
    this.#parent = ids.parent;
    this.#method = method;
    this.#caller = caller;
    this.#keep = keep;
  }

  get traceparent(): string {
    return traceParentText({ traceId: this.traceId, spanId: this.spanId, isSampled: true });
  }

  ended(end: CallSpanEnd): void {
    const { outcome, resource, peer, error, sentMs, totalMs } = end;
    // Member by member: a copy by `...` takes ten times as long.
    this.#keep({
      outcome,
      resource,
      peer,
      error,
      sentMs,
      totalMs,
      traceId: this.traceId,
      spanId: this.spanId,
      parent: this.#parent,
      method: this.#method,
      caller: this.#caller,
      beganAt: this.#beganAt,
    });
  }
}

function isDrawn(sampler: Sampler): boolean {
  return sampler.endsWith('traceidratio');
}

function isByParent(sampler: Sampler): boolean {
  return sampler.startsWith('parentbased_');
}

/** Gives ids of so many random bytes as hexadecimal digits, never one of zeros alone. */
function createIds(): (sizeBytes: number) => string {
  const pool = Buffer.allocUnsafe(POOL_BYTES);
  let at = POOL_BYTES;
  const next = (sizeBytes: number): string => {
    if (at + sizeBytes > POOL_BYTES) {
      randomFillSync(pool);
      at = 0;
    }
    at += sizeBytes;
    return pool.toString('hex', at - sizeBytes, at);
  };
  return (sizeBytes) => {
    for (;;) {
      const id = next(sizeBytes);
      if (!/^0*$/.test(id)) return id;
    }
  };
}
