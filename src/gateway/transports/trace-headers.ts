/** The trace that an HTTP client names in the headers of W3C Trace Context, put where MCP has it: in `params._meta`. */
import type { IncomingHttpHeaders } from 'node:http';
import { isObject } from '../../core/index.ts';
import type { JsonObject } from '../../core/index.ts';
import { metaOf } from '../wire/era.ts';
import { parseFrame, rewriteFrame } from '../wire/frame.ts';
import { TRACEPARENT, readTraceParent } from '../wire/trace-parent.ts';
import type { BatchFrames } from '../wire/batch.ts';
import type { Frame, RequestFrame } from '../frame-types.ts';

/** What vendors add to a trace: printable ASCII, of a length that all must hand on (W3C Trace Context §3.3). */
const TRACESTATE = /^[\x20-\x7e]{1,512}$/;

/** The members of `_meta` that stand for the headers; none where the headers name no trace. */
export function traceMetaOf(headers: IncomingHttpHeaders): JsonObject {
  const { [TRACEPARENT]: parent, tracestate } = headers;
  if (typeof parent !== 'string' || readTraceParent(parent) === undefined) return {};
  const state = typeof tracestate === 'string' && TRACESTATE.test(tracestate) ? { tracestate } : {};
  return { [TRACEPARENT]: parent, ...state };
}

/** The request with the trace of its headers; as it is where it names one itself, or can't. */
export function withTraceOf(headers: IncomingHttpHeaders, frame: RequestFrame): RequestFrame {
  if (headers[TRACEPARENT] === undefined) return frame;
  const { _meta: meta } = frame.params;
  if (meta !== undefined && !isObject(meta)) return frame;
  const known = metaOf(frame.params);
  const given = traceMetaOf(headers);
  if (TRACEPARENT in known || Object.keys(given).length === 0) return frame;
  const { tracestate, ...parent } = given;
  const isNew = tracestate !== undefined && !('tracestate' in known);
  const added = isNew ? { ...parent, tracestate } : parent;
  const read = parseFrame(rewriteFrame(frame, { meta: added }));
  return read.kind === 'request' ? read : frame;
}

/** What came as one message, each request of it with the trace of the headers: a batch is one step of its client. */
export function withTraceOfAll<T extends Frame | BatchFrames>(
  headers: IncomingHttpHeaders,
  incoming: T,
): T {
  if (headers[TRACEPARENT] === undefined) return incoming;
  if (incoming.kind === 'request') return withTraceOf(headers, incoming) as T;
  if (incoming.kind !== 'batch') return incoming;
  const frames = incoming.frames.map((frame) =>
    frame.kind === 'request' ? withTraceOf(headers, frame) : frame,
  );
  return { ...incoming, frames };
}
