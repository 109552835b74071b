/**
 * Where the parts of a JSON text (RFC 8259) begin and end, in bytes of its UTF-8: the one scanner on which
 * the relay's splicing, the splitting of batches and the strict parser stand. A call is scanned more
 * than once, hence bytes and plain functions instead of strings and tokens.
 *
 * The functions check no grammar. On bytes that `JSON.parse` accepts they give the place that it means;
 * on any others they end at the text's end at the latest, and never throw.
 */

/** The bytes by which JSON is told apart. */
export const JSON_BYTE = {
  quote: 0x22,
  comma: 0x2c,
  colon: 0x3a,
  openBracket: 0x5b,
  backslash: 0x5c,
  closeBracket: 0x5d,
  openBrace: 0x7b,
  closeBrace: 0x7d,
} as const;

const QUOTE = JSON_BYTE.quote;
const COMMA = JSON_BYTE.comma;
const BACKSLASH = JSON_BYTE.backslash;
const OPEN_BRACE = JSON_BYTE.openBrace;
const CLOSE_BRACE = JSON_BYTE.closeBrace;
const OPEN_BRACKET = JSON_BYTE.openBracket;
const CLOSE_BRACKET = JSON_BYTE.closeBracket;
/** A string's end is looked for byte by byte so far; only then does a native search pay. */
const STRIDE_BYTES = 24;

/** The first byte at or after `start` that is no white space of JSON. */
export function skipJsonSpace(bytes: Buffer, start: number): number {
  let at = start;
  while (isSpace(bytes[at])) at += 1;
  return at;
}

/** The byte after the value that starts at `start`. */
export function endOfJsonValue(bytes: Buffer, start: number): number {
  const first = bytes[start];
  if (first === QUOTE) return endOfJsonString(bytes, start);
  if (first === OPEN_BRACE || first === OPEN_BRACKET) return endOfContainer(bytes, start);
  let at = start;
  while (at < bytes.length && !endsScalar(bytes[at])) at += 1;
  return at;
}

/** The byte after the string that starts at `start`, which is its opening quote. */
export function endOfJsonString(bytes: Buffer, start: number): number {
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

/** The text of the string from `start` to `end`, quotes included. @throws SyntaxError for a wrong escape */
export function jsonStringAt(bytes: Buffer, start: number, end: number): string {
  for (let at = start + 1; at < end - 1; at += 1) {
    if (bytes[at] === BACKSLASH) return JSON.parse(bytes.toString('utf8', start, end)) as string;
  }
  return bytes.toString('utf8', start + 1, end - 1);
}

function endOfContainer(bytes: Buffer, start: number): number {
  let depth = 0;
  let at = start;
  while (at < bytes.length) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      at = endOfJsonString(bytes, at);
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

function endsScalar(byte: number | undefined): boolean {
  return byte === COMMA || byte === CLOSE_BRACE || byte === CLOSE_BRACKET || isSpace(byte);
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d;
}
