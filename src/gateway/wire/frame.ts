/**
 * JSON-RPC frames (JSON-RPC 2.0, MCP `basic`): parsed once to validate and to route, and rewritten by
 * splicing, so that every byte that is not ours to change crosses as it came: unknown fields, big
 * numbers, key order. A batch is split before, and its answers are gathered after (`batch.ts`).
 */
import { isUtf8 } from 'node:buffer';
import { ERRORS, StarlingError, isObject } from '../../core/index.ts';
import type { Json, JsonObject } from '../../core/index.ts';
import { scanSpans } from './json-scan.ts';
import type { Span, Spans } from './json-scan.ts';
import type { Frame, FrameEdits, FrameError, FrameId } from '../types.ts';

/** Places in messages whose arguments were read strictly: the relay needs the same ones. */
const scanned = new WeakMap<Buffer, Spans>();

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;

/** JSON-RPC error codes of our own making (JSON-RPC 2.0 §5.1). */
export const RPC = {
  parse: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internal: -32603,
} as const;

/**
 * Parses one message.
 * @throws STARLING_PROTOCOL_VIOLATION with `data.rpc` (-32700 or -32600) and, where it could be read,
 * `data.id`
 */
export function parseFrame(bytes: Buffer): Frame {
  const value = parseJson(bytes);
  if (!isObject(value)) throw violation(RPC.invalidRequest, 'a message must be a JSON object');
  const { id, method } = value;
  const known = isFrameId(id) ? id : undefined;
  const wrong = (what: string): StarlingError => violation(RPC.invalidRequest, what, known);
  if (value['jsonrpc'] !== '2.0') throw wrong('"jsonrpc" must be "2.0"');
  if (id !== undefined && id !== null && known === undefined) {
    throw wrong('"id" must be a string or an integer');
  }
  if (method !== undefined) {
    if (typeof method !== 'string') throw wrong('"method" must be a string');
    const params = value['params'] === undefined ? {} : value['params'];
    if (!isObject(params)) throw wrong('"params" must be an object');
    if (id === null) throw wrong('"id" of a request must not be null');
    if (known === undefined) return { kind: 'notification', bytes, method, params };
    return { kind: 'request', bytes, id: known, method, params };
  }
  return parseResponse(value, bytes, known, wrong);
}

function parseResponse(
  value: JsonObject,
  bytes: Buffer,
  id: FrameId | undefined,
  wrong: (what: string) => StarlingError,
): Frame {
  const { result, error } = value;
  if ((result === undefined) === (error === undefined)) {
    throw wrong('a message needs one of "method", "result" and "error"');
  }
  if (error !== undefined) {
    if (!isObject(error) || !Number.isInteger(error['code'])) {
      throw wrong('"error" must be an object with an integer code');
    }
    return { kind: 'response', bytes, id: id ?? null, error: readError(error) };
  }
  if (id === undefined) throw wrong('a result needs an "id"');
  if (!isObject(result)) throw wrong('"result" must be an object');
  return { kind: 'response', bytes, id, result };
}

function readError(error: JsonObject): FrameError {
  const { code, message, data } = error;
  return {
    code: Number(code),
    message: typeof message === 'string' ? message : '',
    ...(data === undefined ? {} : { data }),
  };
}

/** The places in `bytes`, remembered for {@link rewriteFrame}, so that a message is scanned once. */
export function spansOf(bytes: Buffer): Spans {
  const known = scanned.get(bytes);
  if (known !== undefined) return known;
  const spans = scanSpans(bytes);
  scanned.set(bytes, spans);
  return spans;
}

/**
 * The frame's bytes with `edits` spliced in, safe as a line: no raw line ends.
 * @throws STARLING_PROTOCOL_VIOLATION when a place to edit is missing, or a decisive key is repeated
 */
export function rewriteFrame(frame: Frame, edits: FrameEdits): Buffer {
  const spans = scanned.get(frame.bytes) ?? scanSpans(frame.bytes);
  if (spans.repeated !== undefined) {
    throw violation(RPC.invalidRequest, `the message repeats the key "${spans.repeated}"`);
  }
  const splices: Splice[] = [];
  editId(splices, spans.id, edits.id, '"id"');
  editId(splices, spans.name, edits.name, '"params.name"');
  editId(splices, spans.uri, edits.uri, '"params.uri"');
  editId(splices, spans.refName, edits.refName, '"params.ref.name"');
  editId(splices, spans.refUri, edits.refUri, '"params.ref.uri"');
  editId(splices, spans.requestId, edits.requestId, '"params.requestId"');
  const token = frame.kind === 'request' ? spans.metaProgressToken : spans.progressToken;
  editId(splices, token, edits.progressToken, 'progress token');
  if (edits.clientCapabilities !== undefined) {
    const text = JSON.stringify(edits.clientCapabilities);
    edit(splices, spans.clientCapabilities, text, 'client capabilities');
  }
  if (edits.params !== undefined) splices.push(insertParams(frame.bytes, spans, edits.params));
  if (edits.meta !== undefined) splices.push(insertMeta(frame.bytes, spans, edits.meta));
  if (edits.result !== undefined && spans.result !== undefined) {
    splices.push(insertInto(frame.bytes, spans.result, edits.result));
  }
  if (splices.length > 1) splices.sort((one, other) => one.start - other.start);
  return toLine(splice(frame.bytes, splices));
}

/** A value's place, and the JSON to put there. */
interface Splice extends Span {
  readonly text: string;
}

function editId(
  splices: Splice[],
  span: Span | undefined,
  value: FrameId | undefined,
  what: string,
): void {
  if (value !== undefined) edit(splices, span, JSON.stringify(value), what);
}

function edit(splices: Splice[], span: Span | undefined, text: string, what: string): void {
  if (span === undefined) throw violation(RPC.invalidRequest, `the message has no ${what}`);
  splices.push({ start: span.start, end: span.end, text });
}

function splice(bytes: Buffer, splices: readonly Splice[]): Buffer {
  let sizeBytes = bytes.length;
  for (const { start, end, text } of splices) sizeBytes += Buffer.byteLength(text) - (end - start);
  const spliced = Buffer.allocUnsafe(sizeBytes);
  let from = 0;
  let at = 0;
  for (const { start, end, text } of splices) {
    at += bytes.copy(spliced, at, from, start);
    at += spliced.write(text, at);
    from = end;
  }
  bytes.copy(spliced, at, from);
  return spliced;
}

/** New members at the front of the object at `span`. */
function insertInto(bytes: Buffer, span: Span, members: JsonObject): Splice {
  const at = span.start + 1;
  const text = JSON.stringify(members).slice(1, -1);
  const isEmpty = /^\s*\}$/.test(bytes.toString('latin1', at, Math.min(span.end, at + 64)));
  return { start: at, end: at, text: text === '' || isEmpty ? text : `${text},` };
}

function insertParams(bytes: Buffer, spans: Spans, members: JsonObject): Splice {
  if (spans.params !== undefined) return insertInto(bytes, spans.params, members);
  return afterMethod(bytes, JSON.stringify(members));
}

function insertMeta(bytes: Buffer, spans: Spans, members: JsonObject): Splice {
  if (spans.meta !== undefined) return insertInto(bytes, spans.meta, members);
  return insertParams(bytes, spans, { _meta: members });
}

/** A message without params gets them as its last member. */
function afterMethod(bytes: Buffer, params: string): Splice {
  const at = bytes.lastIndexOf('}');
  return { start: at, end: at, text: `,"params":${params}` };
}

/** The same JSON without raw line ends, which JSON allows between its tokens and lines do not. */
export function toLine(bytes: Buffer): Buffer {
  if (!bytes.includes(NEWLINE) && !bytes.includes(CARRIAGE_RETURN)) return bytes;
  const line = Buffer.from(bytes);
  for (let at = 0; at < line.length; at += 1) {
    if (line[at] === NEWLINE || line[at] === CARRIAGE_RETURN) line[at] = SPACE;
  }
  return line;
}

/** A request of our own. */
export function requestBytes(id: FrameId, method: string, params: JsonObject): Buffer {
  return Buffer.from(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
}

/** A notification of our own. */
export function notificationBytes(method: string, params?: JsonObject): Buffer {
  return Buffer.from(JSON.stringify({ jsonrpc: '2.0', method, ...(params && { params }) }));
}

/** A result of our own. */
export function resultBytes(id: FrameId, result: JsonObject): Buffer {
  return Buffer.from(JSON.stringify({ jsonrpc: '2.0', id, result }));
}

/** An error of our own. `id` is null when the request's could not be read. */
export function errorBytes(id: FrameId | null, error: FrameError): Buffer {
  return Buffer.from(JSON.stringify({ jsonrpc: '2.0', id, error }));
}

/**
 * Anything thrown as a JSON-RPC error: code by the table of error codes, message with its hint, and
 * `data` that says `code`, `reason`, `retryable` and what else the error carries.
 */
export function errorOf(error: unknown): FrameError {
  if (!(error instanceof StarlingError)) {
    return {
      code: RPC.internal,
      message: 'internal error',
      data: { reason: 'internal', retryable: false },
    };
  }
  const { rpc, ...facts } = error.data;
  const hint = error.hint === undefined ? '' : ` — ${error.hint}`;
  return {
    code: typeof rpc === 'number' ? rpc : error.row.rpc,
    message: `${error.message}${hint}`,
    data: {
      code: error.code,
      reason: error.message,
      retryable: error.row.retryable,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      ...(facts as JsonObject),
    },
  };
}

/** The error that a peer or upstream sent; an error of ours where the code in its data is one of ours. */
export function errorFrom(error: FrameError): StarlingError {
  const data = isObject(error.data) ? error.data : {};
  const { code, reason, hint } = data;
  const known = typeof code === 'string' && Object.hasOwn(ERRORS, code);
  return new StarlingError(
    known ? (code as keyof typeof ERRORS) : 'STARLING_UPSTREAM_UNAVAILABLE',
    typeof reason === 'string' && known ? reason : error.message,
    { data: { rpc: error.code }, ...(typeof hint === 'string' ? { hint } : {}) },
  );
}

function parseJson(bytes: Buffer): Json {
  if (!isUtf8(bytes)) throw violation(RPC.parse, 'the message is not UTF-8');
  try {
    return JSON.parse(bytes.toString('utf8')) as Json;
  } catch (error) {
    throw violation(RPC.parse, 'the message is not JSON', undefined, error);
  }
}

/** An id of JSON-RPC 2.0 §4 as MCP narrows it: a text or an integer. */
export function isFrameId(value: unknown): value is FrameId {
  return typeof value === 'string' || Number.isSafeInteger(value);
}

function violation(rpc: number, what: string, id?: FrameId, cause?: unknown): StarlingError {
  return new StarlingError('STARLING_PROTOCOL_VIOLATION', what, {
    data: { rpc, ...(id === undefined ? {} : { id }) },
    ...(cause === undefined ? {} : { cause }),
  });
}
