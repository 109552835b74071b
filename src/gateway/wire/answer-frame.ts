/**
 * Answers as servers and clients really write them. What JSON-RPC 2.0 §5 wants is taken as it came; what differs
 * and can be read all the same (an `error: null` beside the result, no `jsonrpc`, an error without a code) is
 * taken with its envelope written anew; and of the rest the answer says what is wrong with it, so that whoever waits
 * for it hears at once.
 */
import { isObject, messageOf, parseStrictJson, printable } from '../../core/index.ts';
import type { Json, JsonObject } from '../../core/index.ts';
import type { FrameError, FrameId, ResponseFrame, Spans } from '../frame-types.ts';
import { twinInAnswer } from './envelope.ts';
import { idText, isFrameId } from './frame-id.ts';
import { placesOf, scanSpans } from './json-scan.ts';

/** Keys of a result by which this node decides what becomes of the call. */
const RESULT_KEYS = ['resultType', 'inputRequests', 'requestState', 'task', 'taskId'];
/** Those of them that this node looks into. */
const LOOKED_INTO = ['inputRequests', 'task'];
/** Levels of what is looked into. */
const DEPTH_MAX = 64;
const INTERNAL = -32603;
const SHOWN_MAX = 200;

/** Reads an object that has a `result` or an `error`, and no method. */
export function readAnswer(value: JsonObject, bytes: Buffer): ResponseFrame {
  const { id, result, error } = value;
  const known = isFrameId(id) ? id : null;
  if (known !== null && error === undefined && isObject(result) && isBare(value)) {
    const spans = scanSpans(bytes);
    // Nearly all answers have known keys alone, none of which is taken for another.
    const twin = spans.strangers === undefined ? undefined : twinInAnswer(value);
    return twin === undefined ? readSound(spans, known, result) : odd(known, bytes, twin);
  }
  const twin = twinInAnswer(value);
  if (twin !== undefined) return odd(known, bytes, twin);
  const isNamed = known !== null || id === null;
  if (isNamed && result === undefined && isBare(value) && isSoundError(error)) {
    return { kind: 'response', bytes, id: known, error: readError(error) };
  }
  return readOdd(value, bytes, known);
}

/** Without a member that no answer has, not even as null. */
function isBare(value: JsonObject): boolean {
  return value['jsonrpc'] === '2.0' && value['method'] === undefined;
}

/** An answer in its right form: who waits for it may read the first of two keys, where this node reads the last. */
function readSound(spans: Spans, id: FrameId, result: JsonObject): ResponseFrame {
  const { bytes } = spans;
  if (spans.repeated !== undefined) {
    return odd(id, bytes, `it has the key "${spans.repeated}" twice`);
  }
  const why =
    spans.result !== undefined && decides(result)
      ? whyTwofold(bytes, spans.result.start)
      : undefined;
  if (why !== undefined) return odd(id, bytes, why);
  return { kind: 'response', bytes, spans, id, result };
}

/** Whether the result has one of {@link RESULT_KEYS}, each by its name: looked up by a name that varies they cost as much as its id. */
function decides(result: JsonObject): boolean {
  const { resultType, inputRequests, requestState, task, taskId } = result;
  return (
    resultType !== undefined ||
    inputRequests !== undefined ||
    requestState !== undefined ||
    task !== undefined ||
    taskId !== undefined
  );
}

/** Why the result at `start` means one thing to this node and may mean another to the caller. */
function whyTwofold(bytes: Buffer, start: number): string | undefined {
  const { places, repeated } = placesOf(bytes, start, RESULT_KEYS);
  if (repeated !== undefined) return `its result has the key "${repeated}" twice`;
  for (const key of LOOKED_INTO) {
    const place = places.get(key);
    if (place === undefined) continue;
    try {
      parseStrictJson(bytes.toString('utf8', place.start, place.end), DEPTH_MAX);
    } catch (error) {
      return `its "${key}" can't be read in one way: ${messageOf(error)}`;
    }
  }
  return undefined;
}

/** What an answer that can't be read is, in words. */
function odd(id: FrameId | null, bytes: Buffer, what: string): ResponseFrame {
  return { kind: 'response', bytes, id, odd: what };
}

function readOdd(value: JsonObject, bytes: Buffer, id: FrameId | null): ResponseFrame {
  const { result = null, error = null } = value;
  if (error !== null && result !== null) return odd(id, bytes, 'it has both a result and an error');
  if (error !== null) {
    const read = isObject(error) ? readError(error) : errorSaying(textOf(error));
    const text = `{"jsonrpc":"2.0","id":${idText(id)},"error":${JSON.stringify(read)}}`;
    return { kind: 'response', bytes: Buffer.from(text), id, error: read };
  }
  if (result === null) return { ...odd(id, bytes, 'its result is null'), ...withResult(id, '{}') };
  if (!isObject(result)) return odd(id, bytes, `its result is ${kindOf(result)}, not an object`);
  const spans = scanSpans(bytes);
  if (spans.repeated !== undefined || spans.result === undefined) {
    return odd(id, bytes, `it has the key "${spans.repeated ?? 'result'}" twice`);
  }
  const { start, end } = spans.result;
  return { kind: 'response', id, ...withResult(id, bytes.subarray(start, end)), result };
}

/** The envelope anew around the result as it came. */
function withResult(
  id: FrameId | null,
  result: Buffer | string,
): { readonly bytes: Buffer; readonly result: JsonObject } {
  const head = Buffer.from(`{"jsonrpc":"2.0","id":${idText(id)},"result":`);
  return { bytes: Buffer.concat([head, Buffer.from(result), Buffer.from('}')]), result: {} };
}

function isSoundError(error: Json | undefined): error is JsonObject {
  return isObject(error) && Number.isInteger(error['code']) && typeof error['message'] === 'string';
}

function readError(error: JsonObject): FrameError {
  const { code, message, data } = error;
  return {
    code: typeof code === 'number' && Number.isInteger(code) ? code : INTERNAL,
    message: typeof message === 'string' ? message : textOf(message ?? error),
    ...(data === undefined ? {} : { data }),
  };
}

function errorSaying(message: string): FrameError {
  return { code: INTERNAL, message };
}

function textOf(value: Json): string {
  return typeof value === 'string' ? value : printable(JSON.stringify(value), SHOWN_MAX);
}

function kindOf(value: Json): string {
  if (typeof value === 'string') return 'text';
  return Array.isArray(value) ? 'a list' : `a ${typeof value}`;
}
