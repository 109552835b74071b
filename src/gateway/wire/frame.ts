/**
 * JSON-RPC frames (JSON-RPC 2.0, MCP `basic`): parsed once to validate and to route, and rewritten by
 * splicing, so that every byte that is not ours to change crosses as it came: unknown fields, big
 * numbers, key order. A batch is split before, and its answers are gathered after (`batch.ts`).
 */
import { isUtf8 } from 'node:buffer';
import { ERRORS, StarlingError, isObject } from '../../core/index.ts';
import type { Json, JsonObject } from '../../core/index.ts';
import { readAnswer } from './answer-frame.ts';
import { twinInCall } from './envelope.ts';
import { idAtEdge } from './edge-id.ts';
import { idText, isFrameId, jsonOfId, keyOfId, numberId } from './frame-id.ts';
import { scanSpans } from './json-scan.ts';
import { TRACEPARENT, traceParentPlace } from './trace-parent.ts';
import type {
  Frame,
  FrameEdits,
  FrameError,
  FrameId,
  NotificationFrame,
  RequestFrame,
  Span,
  Spans,
} from '../frame-types.ts';

const METHOD_KEY = Buffer.from('"method"');
const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
/**
 * Up to so many bytes are copied and written one by one: a call into Node costs as much as some sixty of them. More = slower
 * for the long ones, less = a call for parts of a few bytes.
 */
const SHORT_BYTES = 64;
/** Around the id of a result of our own. */
export const RESULT_HEAD = '{"jsonrpc":"2.0","id":';
export const RESULT_MIDDLE = ',"result":';
/** Methods whose `arguments` may be absent. */
const TAKES_ARGUMENTS: ReadonlySet<string> = new Set(['tools/call', 'prompts/get']);

/** JSON-RPC error codes of our own making (JSON-RPC 2.0 §5.1). */
export const RPC = {
  parse: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internal: -32603,
} as const;

/**
 * Parses one message. A byte order mark before it (RFC 8259 §8.1) is no part of it, and `params` or `arguments` that
 * are null are as if absent.
 * @throws STARLING_PROTOCOL_VIOLATION with `data.rpc` (-32700 or -32600) and, where it could be read,
 * `data.id`; also for a message that two parsers could read in two ways
 */
export function parseFrame(raw: Buffer): Frame {
  const bytes = withoutMark(raw);
  const value = parseJson(bytes);
  if (!isObject(value)) throw violation(RPC.invalidRequest, 'a message must be a JSON object');
  const { method, result, error } = value;
  // Some write all members that there are: null is none.
  const isAnswer = method === null && (isGiven(result) || isGiven(error));
  if (method !== undefined && !isAnswer) return parseCall(value, bytes);
  if (result !== undefined || error !== undefined) return readAnswer(value, bytes);
  const { id } = value;
  const what = 'a message needs one of "method", "result" and "error"';
  throw violation(RPC.invalidRequest, what, isFrameId(id) ? id : undefined);
}

/** A request or a notification. */
function parseCall(value: JsonObject, bytes: Buffer): Frame {
  const spans = scanSpans(bytes);
  const id = callId(value['id'], spans);
  const wrong = (what: string): StarlingError =>
    violation(RPC.invalidRequest, what, id === null ? undefined : id);
  if (value['jsonrpc'] !== '2.0') throw wrong('"jsonrpc" must be "2.0"');
  if (id === null) throw wrong('"id" must be a string or a number, and not null');
  const { method, params } = value;
  if (typeof method !== 'string') throw wrong('"method" must be a string');
  if (spans.repeated !== undefined) {
    throw wrong(`the message repeats the key "${spans.repeated}"`);
  }
  // Who looks for these first takes the message for the answer to a question of its own.
  const answering = isGiven(value['result']) ? 'result' : 'error';
  if (isGiven(value[answering])) throw wrong(`a message with a "method" has no "${answering}"`);
  const given = isNothing(params) ? {} : params;
  if (!isObject(given)) throw wrong('"params" must be an object');
  const twin = twinInCall(method, spans);
  if (twin !== undefined) throw wrong(twin);
  if (spans.oddParams !== undefined || given['_meta'] === null || given['arguments'] === null) {
    const emptied = emptiedIn(method, given, spans);
    // What is judged is what is sent: with the text of the message its places change.
    if (emptied.length > 0) return parseFrame(spliced(bytes, emptied));
  }
  if (id === undefined) return { kind: 'notification', bytes, spans, method, params: given };
  return { kind: 'request', bytes, spans, id, method, params: given };
}

function isGiven(member: Json | undefined): boolean {
  return member !== undefined && member !== null;
}

/** Undefined for a message without id; null for what is no id. */
function callId(id: Json | undefined, spans: Spans): FrameId | null | undefined {
  if (typeof id !== 'number') return id === undefined || typeof id === 'string' ? id : null;
  return spans.id === undefined ? null : (numberId(id, spans.bytes, spans.id) ?? null);
}

/** Values that are there and mean nothing, with what is sent in their place. */
function emptiedIn(method: string, params: JsonObject, spans: Spans): readonly Splice[] {
  const emptied: Splice[] = [];
  const empty = (span: Span | undefined): void => {
    if (span !== undefined) emptied.push({ ...span, text: '{}' });
  };
  empty(spans.oddParams);
  if (params['_meta'] === null) empty(spans.oddMeta);
  const { arguments: args } = params;
  if (args === null && TAKES_ARGUMENTS.has(method)) empty(spans.arguments);
  return emptied.toSorted((one, other) => one.start - other.start);
}

/** `null` and `[]` say as much as nothing. */
function isNothing(params: Json | undefined): boolean {
  return params === undefined || params === null || (Array.isArray(params) && params.length === 0);
}

/** The places in the frame's bytes. */
export function spansOf({ bytes, spans }: Pick<Frame, 'bytes' | 'spans'>): Spans {
  // A frame that was made from another one may have the places of that.
  return spans?.bytes === bytes ? spans : scanSpans(bytes);
}

/** The request that a `notifications/cancelled` names, by {@link keyOfId}; undefined when it names none. */
export function cancelledBy(frame: NotificationFrame): string | number | undefined {
  const { requestId } = frame.params;
  if (typeof requestId === 'string' || Number.isSafeInteger(requestId)) {
    return requestId as string | number;
  }
  const id = typeof requestId === 'number' ? writtenAt(requestId, frame, 'requestId') : undefined;
  return id === undefined ? undefined : keyOfId(id);
}

/** The progress token of a request, as its caller wrote it. */
export function progressTokenOf(request: RequestFrame): FrameId | undefined {
  const meta = request.params['_meta'];
  const token = isObject(meta) ? meta['progressToken'] : undefined;
  if (typeof token === 'string' || Number.isSafeInteger(token)) return token as string | number;
  return typeof token === 'number' ? writtenAt(token, request, 'metaProgressToken') : undefined;
}

function writtenAt(
  value: number,
  frame: Frame,
  place: 'requestId' | 'metaProgressToken',
): FrameId | undefined {
  const spans = spansOf(frame);
  const span = spans[place];
  return span === undefined ? undefined : numberId(value, spans.bytes, span);
}

/**
 * The frame's bytes with `edits` spliced in, safe as a line: no raw line ends.
 * @throws STARLING_PROTOCOL_VIOLATION when a place to edit is missing, or a decisive key is repeated
 */
export function rewriteFrame(frame: Frame, edits: FrameEdits): Buffer {
  const spans = spansOf(frame);
  if (spans.repeated !== undefined) {
    throw violation(RPC.invalidRequest, `the message repeats the key "${spans.repeated}"`);
  }
  const splices: Splice[] = [];
  editId(splices, spans.id, edits.id, '"id"');
  editId(splices, spans.name, edits.name, '"params.name"');
  editId(splices, spans.uri, edits.uri, '"params.uri"');
  if (edits.arguments !== undefined) {
    edit(splices, spans.arguments, edits.arguments, '"params.arguments"');
  }
  editId(splices, spans.refName, edits.refName, '"params.ref.name"');
  editId(splices, spans.refUri, edits.refUri, '"params.ref.uri"');
  editId(splices, spans.requestId, edits.requestId, '"params.requestId"');
  editId(splices, spans.taskId, edits.taskId, '"params.taskId"');
  const token = frame.kind === 'request' ? spans.metaProgressToken : spans.progressToken;
  editId(splices, token, edits.progressToken, 'progress token');
  if (edits.clientCapabilities !== undefined) {
    const text = JSON.stringify(edits.clientCapabilities);
    edit(splices, spans.clientCapabilities, text, 'client capabilities');
  }
  if (edits.params !== undefined) splices.push(insertParams(frame.bytes, spans, edits.params));
  const meta = metaWithTrace(splices, spans, edits);
  if (meta !== undefined) splices.push(insertMeta(frame.bytes, spans, meta));
  if (edits.result !== undefined && spans.result !== undefined) {
    splices.push(insertInto(frame.bytes, spans.result, edits.result));
  }
  if (splices.length > 1) splices.sort((one, other) => one.start - other.start);
  return toLine(spliced(frame.bytes, splices));
}

/**
 * {@link rewriteFrame} with nothing but another id and, of a request, another name: what happens to nearly every message, and
 * needs no list of what else might change. @throws as that
 */
export function renumbered(frame: Frame, id: FrameId, name?: string): Buffer {
  const spans = spansOf(frame);
  const { id: idAt, name: nameAt } = spans;
  const lacks = idAt === undefined || (name !== undefined && nameAt === undefined);
  if (lacks || spans.repeated !== undefined) {
    return rewriteFrame(frame, name === undefined ? { id } : { id, name });
  }
  const other = { start: idAt.start, end: idAt.end, text: idText(id) };
  if (name === undefined || nameAt === undefined) return toLine(spliced(frame.bytes, [other]));
  const named = { start: nameAt.start, end: nameAt.end, text: idText(name) };
  const inOrder = named.start < other.start ? [named, other] : [other, named];
  return toLine(spliced(frame.bytes, inOrder));
}

/** The members that are new in `_meta`: the trace among them, where the message names none, else that is put in its place. */
function metaWithTrace(splices: Splice[], spans: Spans, edits: FrameEdits): JsonObject | undefined {
  const { meta, traceparent } = edits;
  // What is no object holds no trace, and is for its server to refuse.
  if (traceparent === undefined || spans.oddMeta !== undefined) return meta;
  const place = traceParentPlace(spans);
  if (place === 'none') return { ...meta, [TRACEPARENT]: traceparent };
  if (place !== 'many') splices.push({ ...place, text: JSON.stringify(traceparent) });
  return meta;
}

/** A value's place, and the JSON to put there. */
export interface Splice extends Span {
  readonly text: string;
}

function editId(
  splices: Splice[],
  span: Span | undefined,
  value: FrameId | undefined,
  what: string,
): void {
  if (value !== undefined) edit(splices, span, idText(value), what);
}

function edit(splices: Splice[], span: Span | undefined, text: string, what: string): void {
  if (span === undefined) throw violation(RPC.invalidRequest, `the message has no ${what}`);
  splices.push({ start: span.start, end: span.end, text });
}

/** `bytes` with other text at the given places, which are in order. */
export function spliced(bytes: Buffer, splices: readonly Splice[]): Buffer {
  let sizeBytes = bytes.length;
  for (const { start, end, text } of splices) sizeBytes += sizeOf(text) - (end - start);
  const changed = Buffer.allocUnsafe(sizeBytes);
  let from = 0;
  let at = 0;
  for (const { start, end, text } of splices) {
    at = copyTo(changed, at, bytes, from, start);
    at = putTo(changed, at, text);
    from = end;
  }
  copyTo(changed, at, bytes, from, bytes.length);
  return changed;
}

/** The bytes of `text` as UTF-8. */
function sizeOf(text: string): number {
  return text.length <= SHORT_BYTES && isAscii(text) ? text.length : Buffer.byteLength(text);
}

function isAscii(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) if (text.charCodeAt(at) > 0x7f) return false;
  return true;
}

/** Copies a part of `source` to `at`; gives where it ends. */
function copyTo(target: Buffer, at: number, source: Buffer, from: number, to: number): number {
  const size = to - from;
  if (size > SHORT_BYTES) return at + source.copy(target, at, from, to);
  for (let one = 0; one < size; one += 1) target[at + one] = source[from + one] ?? 0;
  return at + size;
}

/** Writes `text` at `at`; gives where it ends. */
function putTo(target: Buffer, at: number, text: string): number {
  if (text.length > SHORT_BYTES || !isAscii(text)) return at + target.write(text, at);
  for (let one = 0; one < text.length; one += 1) target[at + one] = text.charCodeAt(one);
  return at + text.length;
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
  if (spans.oddMeta !== undefined) {
    throw violation(RPC.invalidParams, '"params._meta" must be an object');
  }
  return insertParams(bytes, spans, { _meta: members });
}

/** A message without params gets them as its last member. */
function afterMethod(bytes: Buffer, params: string): Splice {
  const at = bytes.lastIndexOf('}');
  return { start: at, end: at, text: `,"params":${params}` };
}

/** The same JSON without raw line ends, which JSON allows between its tokens and lines do not. */
export function toLine(bytes: Buffer): Buffer {
  if (!hasLineEnd(bytes)) return bytes;
  const line = Buffer.from(bytes);
  for (let at = 0; at < line.length; at += 1) {
    if (line[at] === NEWLINE || line[at] === CARRIAGE_RETURN) line[at] = SPACE;
  }
  return line;
}

/** By two searches of Node: a look at each byte takes five times as long, also in short messages. */
function hasLineEnd(bytes: Buffer): boolean {
  return bytes.includes(NEWLINE) || bytes.includes(CARRIAGE_RETURN);
}

/** A request of our own. */
export function requestBytes(id: FrameId, method: string, params: JsonObject): Buffer {
  const rest = JSON.stringify({ method, params }).slice(1);
  return Buffer.from(`{"jsonrpc":"2.0","id":${idText(id)},${rest}`);
}

/** A notification of our own. */
export function notificationBytes(method: string, params?: JsonObject): Buffer {
  return Buffer.from(JSON.stringify({ jsonrpc: '2.0', method, ...(params && { params }) }));
}

/** A result of our own. */
export function resultBytes(id: FrameId, result: JsonObject): Buffer {
  return resultBytesOf(id, JSON.stringify(result));
}

/** A result of our own by its JSON. */
export function resultBytesOf(id: FrameId, text: string): Buffer {
  return Buffer.from(`${RESULT_HEAD}${idText(id)}${RESULT_MIDDLE}${text}}`);
}

/** An error of our own. `id` is null when the request's could not be read. */
export function errorBytes(id: FrameId | null, error: FrameError): Buffer {
  return Buffer.from(`{"jsonrpc":"2.0","id":${idText(id)},"error":${JSON.stringify(error)}}`);
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
  const { rpc, id, ...facts } = error.data;
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
      // The answer itself has the id as it was written.
      ...(id === undefined ? {} : { id: isFrameId(id) ? jsonOfId(id) : (id as Json) }),
    },
  };
}

/** The error that a peer or upstream sent; an error of ours where the code in its data is one of ours. */
export function errorFrom(error: FrameError): StarlingError {
  const data = isObject(error.data) ? error.data : {};
  const { code, reason, hint } = data;
  const known = typeof code === 'string' && Object.hasOwn(ERRORS, code);
  // Errors about agents have a word for a reason, for programs; people read the message.
  const isSentence = typeof reason === 'string' && reason.includes(' ');
  return new StarlingError(
    known ? (code as keyof typeof ERRORS) : 'STARLING_UPSTREAM_UNAVAILABLE',
    known && isSentence ? reason : withoutHint(error.message, hint),
    { data: { rpc: error.code }, ...(typeof hint === 'string' ? { hint } : {}) },
  );
}

/** {@link errorOf} puts the hint behind the message. */
function withoutHint(message: string, hint: Json | undefined): string {
  const end = typeof hint === 'string' ? ` — ${hint}` : '';
  return end !== '' && message.endsWith(end) ? message.slice(0, -end.length) : message;
}

function parseJson(bytes: Buffer): Json {
  if (!isUtf8(bytes)) throw violation(RPC.parse, 'the message is not UTF-8');
  try {
    return JSON.parse(bytes.toString('utf8')) as Json;
  } catch (error) {
    // Whoever waits for an answer to a request would wait for ever. An answer has the id of somebody else's request.
    const id = bytes.includes(METHOD_KEY) ? idAtEdge(bytes, bytes) : undefined;
    throw violation(RPC.parse, 'the message is not JSON', id, error);
  }
}

/** The message without a byte order mark, which some programs write before the first. */
function withoutMark(bytes: Buffer): Buffer {
  return bytes[0] === BYTE_ORDER_MARK[0] && bytes.subarray(0, 3).equals(BYTE_ORDER_MARK)
    ? bytes.subarray(3)
    : bytes;
}

function violation(rpc: number, what: string, id?: FrameId, cause?: unknown): StarlingError {
  return new StarlingError('STARLING_PROTOCOL_VIOLATION', what, {
    data: { rpc, ...(id === undefined ? {} : { id }) },
    ...(cause === undefined ? {} : { cause }),
  });
}
