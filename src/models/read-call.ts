/** Reads the body of a request for a model, and puts another model's name into it; every other byte stays. */
import {
  JSON_BYTE,
  StarlingError,
  endOfJsonString,
  endOfJsonValue,
  isObject,
  jsonStringAt,
  skipJsonSpace,
} from '../core/index.ts';
import type { JsonObject } from '../core/index.ts';
import type { ModelCall, ModelForm, ReadCall } from './types.ts';

/**
 * Keys that decide where a request goes and what it may cost: parsers differ on which of two counts, and some (Go's, so Ollama's)
 * take a key in other letters for the same.
 */
const DECIDING: readonly string[] = ['model', 'stream', 'max_tokens', 'max_completion_tokens', 'n'];
/** What a request calls the longest answer that it wants. */
const LIMITS: readonly string[] = ['max_tokens', 'max_completion_tokens'];

/** Reads a request. @throws STARLING_USAGE */
export function readCall(form: ModelForm, body: Buffer, headers: ModelCall['headers']): ReadCall {
  const fields = parse(body);
  const spans = topSpans(body);
  for (const key of DECIDING) {
    const alike = spans.filter(({ name }) => name === key || folded(name) === key);
    if (alike.length > 1) throw wrong(`'${key}' stands in it twice`);
    if (alike.some(({ name }) => name !== key))
      throw wrong(`'${key}' stands in it in other letters`);
  }
  const { model, stream } = fields;
  if (typeof model !== 'string' || model === '') {
    throw wrong("'model' must name one, like gpu/qwen");
  }
  const isStream = form !== 'embeddings' && form !== 'count_tokens' && stream === true;
  return { form, model, body, headers, fields, isStream };
}

/** The same body, asking for `model`. The body is one that {@link readCall} took. */
export function withModel(body: Buffer, model: string): Buffer {
  const span = topSpans(body).find(({ name }) => name === 'model');
  if (span === undefined) return body;
  return replaced(body, span.start, span.end, JSON.stringify(model));
}

/** The same call with that limit, in place of those that it names, or under `key` where it names none. */
export function withLimit(call: ReadCall, key: string, limit: number): ReadCall {
  const named = topSpans(call.body).filter(({ name }) => LIMITS.includes(name));
  const keys = named.length === 0 ? [key] : named.map(({ name }) => name);
  const fields = { ...call.fields, ...Object.fromEntries(keys.map((name) => [name, limit])) };
  const open = skipJsonSpace(call.body, 0) + 1;
  // A request names its model, so that something stands behind what is put first.
  let body = named.length > 0 ? call.body : replaced(call.body, open, open, `"${key}":${limit},`);
  for (const { start, end } of named.toReversed()) body = replaced(body, start, end, `${limit}`);
  return { ...call, body, fields };
}

function replaced(body: Buffer, start: number, end: number, text: string): Buffer {
  return Buffer.concat([body.subarray(0, start), Buffer.from(text), body.subarray(end)]);
}

/** In small letters; by way of capitals, since two letters beyond ASCII (U+017F, U+212A) count as `s` and `k` too. */
function folded(name: string): string {
  return name.toUpperCase().toLowerCase();
}

function parse(body: Buffer): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    throw wrong('it is no JSON');
  }
  if (!isObject(value)) throw wrong('it must be a JSON object');
  return value as JsonObject;
}

interface Span {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

/** Where the values of the top level stand, in a text that JSON.parse accepts. */
function topSpans(bytes: Buffer): readonly Span[] {
  const spans: Span[] = [];
  let at = skipJsonSpace(bytes, skipJsonSpace(bytes, 0) + 1);
  while (bytes[at] === JSON_BYTE.quote) {
    const keyEnd = endOfJsonString(bytes, at);
    const name = jsonStringAt(bytes, at, keyEnd);
    const start = skipJsonSpace(bytes, skipJsonSpace(bytes, keyEnd) + 1);
    const end = endOfJsonValue(bytes, start);
    spans.push({ name, start, end });
    at = skipJsonSpace(bytes, end);
    if (bytes[at] !== JSON_BYTE.comma) break;
    at = skipJsonSpace(bytes, at + 1);
  }
  return spans;
}

function wrong(what: string): StarlingError {
  return new StarlingError('STARLING_USAGE', `the request can't be used: ${what}`);
}
