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
  const names: (Set<string> | undefined)[] = [];
  let at = 0;
  while (at < bytes.length) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      const start = at;
      at = endOfJsonString(bytes, start);
      if (bytes[skipJsonSpace(bytes, at)] === COLON) {
        addName(names.at(-1), jsonStringAt(bytes, start, at));
      }
      continue;
    }
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      names.push(byte === OPEN_BRACE ? new Set() : undefined);
      if (names.length > depthMax) throw new SyntaxError(`nested deeper than ${depthMax} levels`);
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      names.pop();
    }
    at += 1;
  }
}

function addName(names: Set<string> | undefined, name: string): void {
  if (names === undefined || names.has(name) || name === '__proto__') {
    throw new SyntaxError(`member ${JSON.stringify(name)} is there twice or not allowed`);
  }
  names.add(name);
}
