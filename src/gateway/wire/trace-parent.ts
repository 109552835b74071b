/**
 * The trace that a call belongs to, as W3C Trace Context writes it (`traceparent`, version 00): over MCP it stands in
 * `params._meta`, over HTTP in a header. What a caller says of it is hostile: its form is checked, and nothing else of
 * it is taken over.
 */
import { endOfJsonValue, isObject, jsonStringAt, skipJsonSpace } from '../../core/index.ts';
import type { Json, JsonObject } from '../../core/index.ts';
import type { Span, Spans } from '../frame-types.ts';

/** The key in `_meta`, and the name of the header. */
export const TRACEPARENT = 'traceparent';

/** The place of a call in a trace. */
export interface TraceParent {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits: the span of whoever calls. */
  readonly spanId: string;
  /** Whoever calls keeps this trace. */
  readonly isSampled: boolean;
}

/** Version, trace, span, flags; what a later version says behind that is left out. */
const FORM = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const LENGTH_MAX = 512;
const NO_TRACE = '0'.repeat(32);
const NO_SPAN = '0'.repeat(16);

/** Reads a `traceparent` (W3C Trace Context §3.2); undefined for what is none. Never throws. */
export function readTraceParent(value: Json | undefined): TraceParent | undefined {
  if (typeof value !== 'string' || value.length > LENGTH_MAX) return undefined;
  const [, version = '', traceId = '', spanId = '', flags = '', rest] = FORM.exec(value) ?? [];
  if (traceId === '' || version === 'ff' || (version === '00' && rest !== undefined)) {
    return undefined;
  }
  if (traceId === NO_TRACE || spanId === NO_SPAN) return undefined;
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** The same as text, of version 00. */
export function traceParentText({ traceId, spanId, isSampled }: TraceParent): string {
  return `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}`;
}

/** The trace that the caller of a request names; undefined where it names none. */
export function traceParentOf(params: JsonObject): TraceParent | undefined {
  const { _meta: meta } = params;
  return isObject(meta) ? readTraceParent(meta[TRACEPARENT]) : undefined;
}

/** What a message says of its trace: nothing, once, or more than once, which is left as it came. */
export type TracePlace = Span | 'none' | 'many';

/** Where the value of that key stands in `params._meta` of a message. */
export function traceParentPlace({ bytes, strangers = [] }: Spans): TracePlace {
  let place: TracePlace = 'none';
  for (const { level, start, end } of strangers) {
    if (level !== 'meta' || jsonStringAt(bytes, start, end) !== TRACEPARENT) continue;
    // Each would be replaced by a longer text: a message of such keys would leave as a much bigger one.
    if (place !== 'none') return 'many';
    const colon = skipJsonSpace(bytes, end);
    const from = skipJsonSpace(bytes, colon + 1);
    place = { start: from, end: endOfJsonValue(bytes, from) };
  }
  return place;
}
