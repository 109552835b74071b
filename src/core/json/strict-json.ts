/**
 * JSON for signed things: one text must mean one value, to every reader.
 * Refuses duplicate member names (RFC 8259 §4 leaves their meaning open) and deep nesting.
 */
import { JSON_BYTE, endOfJsonString, jsonStringAt, skipJsonSpace } from './json-scanner.ts';

const { quote: QUOTE, colon: COLON, openBrace: OPEN_BRACE, closeBrace: CLOSE_BRACE } = JSON_BYTE;
const { openBracket: OPEN_BRACKET, closeBracket: CLOSE_BRACKET } = JSON_BYTE;

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
 * Checks `text`, which JSON.parse has read already, as {@link parseStrictJson} does.
 * @throws SyntaxError as {@link parseStrictJson}
 */
export function checkStrictJson(text: string, depthMax: number): void {
  checkStructure(Buffer.from(text), depthMax);
}

/** Walks a text that is known to be JSON: a string before a colon is a member name. */
function checkStructure(bytes: Buffer, depthMax: number): void {
  const levels: (Names | undefined)[] = [];
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
    at += 1;
  }
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
