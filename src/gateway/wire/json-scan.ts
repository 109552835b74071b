/**
 * Finds in a JSON text that is known to be valid where the values stand that a relay may change.
 * It reads keys of the top level, of `params`, `params.ref` and `params._meta`, and skips everything
 * else. A key that decides something and comes twice is reported, because parsers differ on which of the
 * two counts. It runs twice for every call, hence bytes and tables instead of strings and closures.
 */

import {
  JSON_BYTE,
  endOfJsonString,
  endOfJsonValue,
  jsonStringAt,
  skipJsonSpace,
} from '../../core/index.ts';
import type { EnvelopeLevel, Span, Spans, Stranger } from '../frame-types.ts';
import { ENVELOPE_KEYS } from './envelope.ts';
import type { EnvelopeKey } from './envelope.ts';

const KEYS: readonly string[] = ENVELOPE_KEYS;
const NONE = -1;

type Place = Exclude<keyof Spans, 'repeated' | 'bytes' | 'strangers'>;

/** An object that is looked into, by index of {@link KEYS}. */
interface Level {
  readonly name: EnvelopeLevel;
  readonly places: readonly (Place | undefined)[];
  /** Objects in this object that are looked into as well; a value there that is no object has no place. */
  readonly inner: readonly (Level | undefined)[];
}

const KEY_BYTES = KEYS.map((key) => Buffer.from(key));
const KEYS_BY_LENGTH: readonly (readonly number[])[] = Array.from(
  { length: Math.max(...KEYS.map((key) => key.length)) + 1 },
  (_, length) => [...KEYS.keys()].filter((index) => KEYS[index]?.length === length),
);

const META = level('meta', {
  progressToken: 'metaProgressToken',
  'io.modelcontextprotocol/clientCapabilities': 'clientCapabilities',
});
const REF = level('ref', { name: 'refName', uri: 'refUri' });
const PARAMS = level(
  'params',
  {
    name: 'name',
    uri: 'uri',
    arguments: 'arguments',
    requestId: 'requestId',
    taskId: 'taskId',
    progressToken: 'progressToken',
    _meta: 'meta',
  },
  { _meta: META, ref: REF, argument: level('argument', {}), task: level('task', {}) },
);
const TOP = level('top', { id: 'id', result: 'result', params: 'params' }, { params: PARAMS });

/** Where the place of a value is noted that should be an object and is none. */
const ODD: Readonly<Partial<Record<Place, Place>>> = { params: 'oddParams', meta: 'oddMeta' };

const { backslash: BACKSLASH, colon: COLON, comma: COMMA } = JSON_BYTE;
const { openBrace: OPEN_BRACE, closeBrace: CLOSE_BRACE } = JSON_BYTE;

function level(
  name: EnvelopeLevel,
  places: Readonly<Partial<Record<EnvelopeKey, Place>>>,
  inner: Readonly<Partial<Record<EnvelopeKey, Level>>> = {},
): Level {
  return {
    name,
    places: ENVELOPE_KEYS.map((key) => places[key]),
    inner: ENVELOPE_KEYS.map((key) => inner[key]),
  };
}

class MessageSpans implements Spans {
  readonly bytes: Buffer;
  id: Span | undefined = undefined;
  params: Span | undefined = undefined;
  oddParams: Span | undefined = undefined;
  meta: Span | undefined = undefined;
  oddMeta: Span | undefined = undefined;
  result: Span | undefined = undefined;
  name: Span | undefined = undefined;
  uri: Span | undefined = undefined;
  refName: Span | undefined = undefined;
  refUri: Span | undefined = undefined;
  arguments: Span | undefined = undefined;
  requestId: Span | undefined = undefined;
  taskId: Span | undefined = undefined;
  progressToken: Span | undefined = undefined;
  metaProgressToken: Span | undefined = undefined;
  clientCapabilities: Span | undefined = undefined;
  strangers: Stranger[] | undefined = undefined;
  repeated: string | undefined = undefined;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }
}

/**
 * A place, by a class: of objects written as literals the engine learns that many outlive a collection while calls wait, and
 * makes them where only a whole collection clears them away.
 */
class FoundSpan implements Span {
  readonly start: number;
  readonly end: number;

  constructor(start: number, end: number) {
    this.start = start;
    this.end = end;
  }
}

/** Notes a place. Those of nearly every message by their names, which costs a tenth of a store by a name that varies. */
function keep(spans: Spans, place: Place, span: Span): void {
  switch (place) {
    case 'id':
      spans.id = span;
      break;
    case 'params':
      spans.params = span;
      break;
    case 'name':
      spans.name = span;
      break;
    case 'arguments':
      spans.arguments = span;
      break;
    case 'result':
      spans.result = span;
      break;
    case 'meta':
      spans.meta = span;
      break;
    default:
      spans[place] = span;
  }
}

/** The places of a message of which nothing is known yet. */
export function emptySpans(bytes: Buffer): Spans {
  return new MessageSpans(bytes);
}

/** Scans `bytes`, which JSON.parse accepts and which hold an object. */
export function scanSpans(bytes: Buffer): Spans {
  const spans = emptySpans(bytes);
  scanObject(bytes, skipJsonSpace(bytes, 0), TOP, spans);
  return spans;
}

/** Where the values of `keys` stand in the object at `start`; `repeated` is one of them that comes twice. */
export function placesOf(
  bytes: Buffer,
  start: number,
  keys: readonly string[],
): { readonly places: ReadonlyMap<string, Span>; readonly repeated?: string } {
  const places = new Map<string, Span>();
  let at = skipJsonSpace(bytes, start + 1);
  while (at < bytes.length && bytes[at] !== CLOSE_BRACE) {
    const keyEnd = endOfJsonString(bytes, at);
    const key = jsonStringAt(bytes, at, keyEnd);
    at = skipJsonSpace(bytes, keyEnd);
    if (bytes[at] === COLON) at = skipJsonSpace(bytes, at + 1);
    const end = endOfJsonValue(bytes, at);
    if (places.has(key)) return { places, repeated: key };
    if (keys.includes(key)) places.set(key, { start: at, end });
    at = skipJsonSpace(bytes, end);
    if (bytes[at] === COMMA) at = skipJsonSpace(bytes, at + 1);
  }
  return { places };
}

/** Notes what stands in the object at `start`; gives the byte after it. */
function scanObject(bytes: Buffer, start: number, level: Level, spans: Spans): number {
  const { places, inner } = level;
  let seen = 0;
  let at = skipJsonSpace(bytes, start + 1);
  while (at < bytes.length && bytes[at] !== CLOSE_BRACE) {
    const keyStart = at;
    const keyEnd = endOfJsonString(bytes, at);
    const key = keyAt(bytes, at, keyEnd);
    at = skipJsonSpace(bytes, keyEnd);
    if (bytes[at] === COLON) at = skipJsonSpace(bytes, at + 1);
    const from = at;
    if (key === NONE) {
      (spans.strangers ??= []).push({ level: level.name, start: keyStart, end: keyEnd });
      at = endOfJsonValue(bytes, from);
    } else {
      if ((seen & (1 << key)) !== 0) spans.repeated = KEYS[key] ?? '';
      seen |= 1 << key;
      const within = inner[key];
      const isObject = bytes[from] === OPEN_BRACE;
      at =
        within !== undefined && isObject
          ? scanObject(bytes, from, within, spans)
          : endOfJsonValue(bytes, from);
      const place = places[key];
      if (place !== undefined) {
        const found = within === undefined || isObject ? place : ODD[place];
        if (found !== undefined) keep(spans, found, new FoundSpan(from, at));
      }
    }
    at = skipJsonSpace(bytes, at);
    if (bytes[at] === COMMA) at = skipJsonSpace(bytes, at + 1);
  }
  return at + 1;
}

/** Index in {@link KEYS} of the string from `start` to `end`, quotes included. */
function keyAt(bytes: Buffer, start: number, end: number): number {
  for (let at = start + 1; at < end - 1; at += 1) {
    if (bytes[at] !== BACKSLASH) continue;
    const text = jsonStringAt(bytes, start, end);
    return KEYS.findIndex((key) => key === text);
  }
  const candidates = KEYS_BY_LENGTH[end - start - 2];
  if (candidates === undefined) return NONE;
  for (const index of candidates) {
    const expected = KEY_BYTES[index];
    if (expected !== undefined && startsWith(bytes, start + 1, expected)) return index;
  }
  return NONE;
}

function startsWith(bytes: Buffer, start: number, expected: Buffer): boolean {
  for (let at = 0; at < expected.length; at += 1) {
    if (bytes[start + at] !== expected[at]) return false;
  }
  return true;
}
