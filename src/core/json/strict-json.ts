/**
 * JSON for signed things: one text must mean one value, to every reader.
 * Refuses duplicate member names (RFC 8259 §4 leaves their meaning open) and deep nesting.
 */
import { JSON_BYTE, endOfJsonString, jsonStringAt, skipJsonSpace } from './json-scanner.ts';

const { quote: QUOTE, colon: COLON, openBrace: OPEN_BRACE, closeBrace: CLOSE_BRACE } = JSON_BYTE;
const { openBracket: OPEN_BRACKET, closeBracket: CLOSE_BRACKET } = JSON_BYTE;
const ZERO = 0x30;
const NINE = 0x39;
const POINT = 0x2e;
const CAPITAL_E = 0x45;
const SMALL_E = 0x65;
/** A number of fewer digits, its point counted, and without an exponent is in a double as it is written. */
const LONG_NUMBER_BYTES = 16;

/**
 * Parses `text`, at most `depthMax` levels deep.
 * @throws SyntaxError also for a member name that occurs twice in one object, or is `__proto__`
 */
export function parseStrictJson(text: string, depthMax: number): unknown {
  const value: unknown = JSON.parse(text);
  checkStructure(Buffer.from(text), depthMax);
  return value;
}

/**
 * Checks a text in UTF-8, which JSON.parse has read already, as {@link parseStrictJson} does. Gives whether there may be a
 * number in it that a double can't hold (`json-numbers.ts`): false says that there is none.
 * @throws SyntaxError as {@link parseStrictJson}
 */
export function checkStrictJson(bytes: Buffer, depthMax: number): boolean {
  return checkStructure(bytes, depthMax);
}

/** Walks a text that is known to be JSON: a string before a colon is a member name. Gives what {@link checkStrictJson} gives. */
function checkStructure(bytes: Buffer, depthMax: number): boolean {
  const levels: (Names | undefined)[] = [];
  let numberBytes = 0;
  let mayBeLarge = false;
  let at = 0;
  while (at < bytes.length) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      const start = at;
      at = endOfJsonString(bytes, start);
      if (bytes[skipJsonSpace(bytes, at)] === COLON) {
        const name = jsonStringAt(bytes, start, at);
        levels[levels.length - 1] = withName(levels.at(-1), name);
      }
      continue;
    }
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      levels.push(byte === OPEN_BRACE ? null : undefined);
      if (levels.length > depthMax) throw new SyntaxError(`nested deeper than ${depthMax} levels`);
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      levels.pop();
    }
    if (isOfNumber(byte)) numberBytes += 1;
    else {
      if (byte === SMALL_E || byte === CAPITAL_E) mayBeLarge ||= numberBytes > 0;
      numberBytes = 0;
    }
    mayBeLarge ||= numberBytes >= LONG_NUMBER_BYTES;
    at += 1;
  }
  return mayBeLarge;
}

function isOfNumber(byte: number | undefined): boolean {
  return byte !== undefined && ((byte >= ZERO && byte <= NINE) || byte === POINT);
}

/** The names of an object so far: none, the only one, or several. Most objects of calls have one. */
type Names = null | string | Set<string>;

/** `names` with one more. A list has none. @throws SyntaxError */
function withName(names: Names | undefined, name: string): Names {
  const isThere = typeof names === 'string' ? names === name : names?.has(name) === true;
  if (names === undefined || isThere || name === '__proto__') {
    throw new SyntaxError(`member ${JSON.stringify(name)} is there twice or not allowed`);
  }
  if (names === null) return name;
  return typeof names === 'string' ? new Set([names, name]) : names.add(name);
}
