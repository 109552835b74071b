/**
 * Finds in a JSON text that is known to be valid where the values stand that a relay may change.
 * It reads keys of the top level, of `params` and of `params._meta`, and skips everything else. A key
 * that decides something and is repeated is reported, because parsers differ on which one counts.
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
  /** `params.arguments` */
  arguments?: Span;
  /** `params.requestId` */
  requestId?: Span;
  /** `params.progressToken` */
  progressToken?: Span;
  /** `params._meta.progressToken` */
  metaProgressToken?: Span;
  /** A repeated key among those that decide where a message goes and what it asks. */
  repeated?: string;
}

const DECISIVE: ReadonlySet<string> = new Set([
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
]);

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const COMMA = 0x2c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

type Visit = (key: string, start: number) => number;

/** Scans `bytes`, which JSON.parse accepts and which hold an object. */
export function scanSpans(bytes: Buffer): Spans {
  const spans: Spans = {};
  const once = (visit: Visit): Visit => {
    const seen = new Set<string>();
    return (key, start) => {
      if (DECISIVE.has(key)) {
        if (seen.has(key)) spans.repeated = key;
        seen.add(key);
      }
      return visit(key, start);
    };
  };
  const meta: Visit = (key, start) => {
    const end = skipValue(bytes, start);
    if (key === 'progressToken') spans.metaProgressToken = { start, end };
    return end;
  };
  const ref: Visit = (key, start) => {
    const end = skipValue(bytes, start);
    if (key === 'name') spans.refName = { start, end };
    return end;
  };
  const params: Visit = (key, start) => {
    if (key === '_meta' && bytes[start] === OPEN_BRACE) {
      const end = visitObject(bytes, start, once(meta));
      spans.meta = { start, end };
      return end;
    }
    if (key === 'ref' && bytes[start] === OPEN_BRACE) return visitObject(bytes, start, once(ref));
    const end = skipValue(bytes, start);
    if (isPlace(key)) spans[key] = { start, end };
    return end;
  };
  const top: Visit = (key, start) => {
    if (key === 'params' && bytes[start] === OPEN_BRACE) {
      const end = visitObject(bytes, start, once(params));
      spans.params = { start, end };
      return end;
    }
    const end = skipValue(bytes, start);
    if (key === 'id') spans.id = { start, end };
    else if (key === 'result') spans.result = { start, end };
    return end;
  };
  visitObject(bytes, skipSpace(bytes, 0), once(top));
  return spans;
}

function isPlace(key: string): key is 'name' | 'uri' | 'arguments' | 'requestId' | 'progressToken' {
  return (
    key === 'name' ||
    key === 'uri' ||
    key === 'arguments' ||
    key === 'requestId' ||
    key === 'progressToken'
  );
}

/** Calls `visit` for each member of the object at `start`; `visit` returns where its value ends. */
function visitObject(bytes: Buffer, start: number, visit: Visit): number {
  let at = skipSpace(bytes, start + 1);
  while (at < bytes.length && bytes[at] !== CLOSE_BRACE) {
    const keyEnd = skipString(bytes, at);
    const key = readKey(bytes, at, keyEnd);
    at = skipSpace(bytes, keyEnd);
    if (bytes[at] === COLON) at = skipSpace(bytes, at + 1);
    at = skipSpace(bytes, visit(key, at));
    if (bytes[at] === COMMA) at = skipSpace(bytes, at + 1);
  }
  return at + 1;
}

function readKey(bytes: Buffer, start: number, end: number): string {
  const text = bytes.toString('latin1', start + 1, end - 1);
  if (!text.includes('\\')) return text;
  return JSON.parse(bytes.toString('utf8', start, end)) as string;
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
    const quote = bytes.indexOf(QUOTE, at);
    if (quote === -1) return bytes.length;
    let slashes = 0;
    while (bytes[quote - 1 - slashes] === BACKSLASH) slashes += 1;
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
