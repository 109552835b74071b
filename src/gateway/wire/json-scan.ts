/**
 * Finds in a JSON text that is known to be valid where the values stand that a relay may change.
 * It reads keys of the top level, of `params`, `params.ref` and `params._meta`, and skips everything
 * else. A key that decides something and is repeated is reported, because parsers differ on which one
 * counts. It runs twice for every call, hence bytes and tables instead of strings and closures.
 */

/** A value's place: first byte, and the byte after its last. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** The places found. */
export interface Spans {
  id?: Span;
  /** The object `params`, braces included. */
  params?: Span;
  /** The object `params._meta`. */
  meta?: Span;
  /** The object `result`. */
  result?: Span;
  /** `params.name` */
  name?: Span;
  /** `params.uri` */
  uri?: Span;
  /** `params.ref.name` */
  refName?: Span;
  /** `params.ref.uri` */
  refUri?: Span;
  /** `params.arguments` */
  arguments?: Span;
  /** `params.requestId` */
  requestId?: Span;
  /** `params.progressToken` */
  progressToken?: Span;
  /** `params._meta.progressToken` */
  metaProgressToken?: Span;
  /** `params._meta["io.modelcontextprotocol/clientCapabilities"]` */
  clientCapabilities?: Span;
  /** A repeated key among those that decide where a message goes and what it asks. */
  repeated?: string;
}

/** Keys that decide something; by their index here they are known below. */
const KEYS = [
  'jsonrpc',
  'id',
  'method',
  'params',
  'result',
  'error',
  'name',
  'uri',
  'ref',
  'arguments',
  'requestState',
  'requestId',
  'progressToken',
  '_meta',
  'io.modelcontextprotocol/clientCapabilities',
] as const;
const NONE = -1;

type Key = (typeof KEYS)[number];
type Place = Exclude<keyof Spans, 'repeated'>;

/** An object that is looked into, by index of {@link KEYS}. */
interface Level {
  readonly places: readonly (Place | undefined)[];
  /** Objects in it that are looked into as well; of these only objects have a place. */
  readonly inner: readonly (Level | undefined)[];
}

const KEY_BYTES = KEYS.map((key) => Buffer.from(key));
const KEYS_BY_LENGTH: readonly (readonly number[])[] = Array.from(
  { length: Math.max(...KEYS.map((key) => key.length)) + 1 },
  (_, length) => [...KEYS.keys()].filter((index) => KEYS[index]?.length === length),
);

const META = level({
  progressToken: 'metaProgressToken',
  'io.modelcontextprotocol/clientCapabilities': 'clientCapabilities',
});
const REF = level({ name: 'refName', uri: 'refUri' });
const PARAMS = level(
  {
    name: 'name',
    uri: 'uri',
    arguments: 'arguments',
    requestId: 'requestId',
    progressToken: 'progressToken',
    _meta: 'meta',
  },
  { _meta: META, ref: REF },
);
const TOP = level({ id: 'id', result: 'result', params: 'params' }, { params: PARAMS });

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const COMMA = 0x2c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
/** A string's end is looked for byte by byte so far; only then does a native search pay. */
const STRIDE_BYTES = 24;

function level(
  places: Readonly<Partial<Record<Key, Place>>>,
  inner: Readonly<Partial<Record<Key, Level>>> = {},
): Level {
  return { places: KEYS.map((key) => places[key]), inner: KEYS.map((key) => inner[key]) };
}

/** Scans `bytes`, which JSON.parse accepts and which hold an object. */
export function scanSpans(bytes: Buffer): Spans {
  const spans: Spans = {};
  scanObject(bytes, skipSpace(bytes, 0), TOP, spans);
  return spans;
}

/** Notes what stands in the object at `start`; gives the byte after it. */
function scanObject(bytes: Buffer, start: number, { places, inner }: Level, spans: Spans): number {
  let seen = 0;
  let at = skipSpace(bytes, start + 1);
  while (at < bytes.length && bytes[at] !== CLOSE_BRACE) {
    const keyEnd = skipString(bytes, at);
    const key = keyAt(bytes, at, keyEnd);
    at = skipSpace(bytes, keyEnd);
    if (bytes[at] === COLON) at = skipSpace(bytes, at + 1);
    const from = at;
    if (key === NONE) at = skipValue(bytes, from);
    else {
      if ((seen & (1 << key)) !== 0) spans.repeated = KEYS[key] ?? '';
      seen |= 1 << key;
      const within = inner[key];
      const isObject = bytes[from] === OPEN_BRACE;
      at =
        within !== undefined && isObject
          ? scanObject(bytes, from, within, spans)
          : skipValue(bytes, from);
      const place = places[key];
      if (place !== undefined && (within === undefined || isObject)) {
        spans[place] = { start: from, end: at };
      }
    }
    at = skipSpace(bytes, at);
    if (bytes[at] === COMMA) at = skipSpace(bytes, at + 1);
  }
  return at + 1;
}

/** Index in {@link KEYS} of the string from `start` to `end`, quotes included. */
function keyAt(bytes: Buffer, start: number, end: number): number {
  for (let at = start + 1; at < end - 1; at += 1) {
    if (bytes[at] !== BACKSLASH) continue;
    const text = JSON.parse(bytes.toString('utf8', start, end)) as string;
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

function skipValue(bytes: Buffer, start: number): number {
  const first = bytes[start];
  if (first === QUOTE) return skipString(bytes, start);
  if (first === OPEN_BRACE || first === OPEN_BRACKET) return skipContainer(bytes, start);
  let at = start;
  while (at < bytes.length && !endsScalar(bytes[at])) at += 1;
  return at;
}

function endsScalar(byte: number | undefined): boolean {
  return byte === COMMA || byte === CLOSE_BRACE || byte === CLOSE_BRACKET || isSpace(byte);
}

function skipContainer(bytes: Buffer, start: number): number {
  let depth = 0;
  let at = start;
  while (at < bytes.length) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      at = skipString(bytes, at);
      continue;
    }
    at += 1;
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth += 1;
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      depth -= 1;
      if (depth === 0) return at;
    }
  }
  return at;
}

/** The byte after the string that starts at `start`. */
function skipString(bytes: Buffer, start: number): number {
  let at = start + 1;
  for (;;) {
    const strideEnd = Math.min(bytes.length, at + STRIDE_BYTES);
    while (at < strideEnd) {
      const byte = bytes[at];
      if (byte === QUOTE) return at + 1;
      at += byte === BACKSLASH ? 2 : 1;
    }
    // Here no byte at `at` or after it is escaped by one before.
    const quote = bytes.indexOf(QUOTE, at);
    if (quote === -1) return bytes.length;
    let slashes = 0;
    while (quote - slashes > at && bytes[quote - 1 - slashes] === BACKSLASH) slashes += 1;
    if (slashes % 2 === 0) return quote + 1;
    at = quote + 1;
  }
}

function skipSpace(bytes: Buffer, start: number): number {
  let at = start;
  while (isSpace(bytes[at])) at += 1;
  return at;
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d;
}
