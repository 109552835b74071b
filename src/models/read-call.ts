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
import type { Json, JsonObject } from '../core/index.ts';
import { requireStateless } from './stateless.ts';
import type { ModelCall, ModelForm, ReadCall } from './types.ts';

/**
 * Keys that decide where a request goes and what it may cost: parsers differ on which of two counts, and some (Go's, so Ollama's)
 * take a key in other letters for the same.
 */
const DECIDING: readonly string[] = [
  'background',
  'conversation',
  'max_completion_tokens',
  'max_output_tokens',
  'max_tokens',
  'model',
  'n',
  'previous_response_id',
  'store',
  'stream',
];
/** No request that means something is nested deeper; what is would overrun the stack of whoever walks it. */
const DEPTH_MAX = 1000;
const STREAMED: readonly ModelForm[] = ['chat', 'messages', 'responses'];

/** What a request calls the longest answer that it wants. */
export type LimitKey = 'max_tokens' | 'max_completion_tokens' | 'max_output_tokens';

/** By which names a request of that form bounds its answer. */
export function limitKeys(form: ModelForm): readonly LimitKey[] {
  return form === 'responses' ? ['max_output_tokens'] : ['max_tokens', 'max_completion_tokens'];
}

/** Reads a request. @throws STARLING_USAGE, STARLING_MODEL_UNSUPPORTED */
export function readCall(form: ModelForm, body: Buffer, headers: ModelCall['headers']): ReadCall {
  const fields = parse(body);
  if (isTooDeep(fields)) throw wrong(`it is nested deeper than ${DEPTH_MAX}`);
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
  if (form === 'responses') requireStateless(fields);
  const isStream = STREAMED.includes(form) && stream === true;
  return { form, model, body, headers, fields, isStream };
}

/** The same body, asking for `model`. The body is one that {@link readCall} took. */
export function withModel(body: Buffer, model: string): Buffer {
  const span = topSpans(body).find(({ name }) => name === 'model');
  if (span === undefined) return body;
  return replaced(body, span.start, span.end, JSON.stringify(model));
}

/** The same call with that limit, in place of those that it names, or under `key` where it names none. */
export function withLimit(call: ReadCall, key: LimitKey, limit: number): ReadCall {
  const keys: readonly string[] = limitKeys(call.form);
  const named = topSpans(call.body).flatMap(({ name }) => (keys.includes(name) ? [name] : []));
  let made = call;
  for (const name of named.length === 0 ? [key] : named) made = withField(made, name, limit);
  return made;
}

/** The same call whose field `key` of the top level is `value`, whether it was there or not. */
export function withField(call: ReadCall, key: string, value: Json): ReadCall {
  const span = topSpans(call.body).find(({ name }) => name === key);
  const open = skipJsonSpace(call.body, 0) + 1;
  const text = JSON.stringify(value);
  const body =
    span === undefined
      ? // A request names its model, so that something stands behind what is put first.
        replaced(call.body, open, open, `${JSON.stringify(key)}:${text},`)
      : replaced(call.body, span.start, span.end, text);
  return { ...call, body, fields: { ...call.fields, [key]: value } };
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

/** Level by level, and not by calls of itself. */
function isTooDeep(fields: JsonObject): boolean {
  let level: readonly object[] = [fields];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > DEPTH_MAX) return true;
    level = level.flatMap((one) => Object.values(one).filter(isContainer));
  }
  return false;
}

function isContainer(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
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
