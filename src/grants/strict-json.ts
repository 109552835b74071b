/**
 * JSON for signed things: one text must mean one value, to every reader.
 * Refuses duplicate member names (RFC 8259 §4 leaves their meaning open) and deep nesting.
 */

const STRING = /"(?:[^"\\]|\\.)*"/y;
const BLANK = /\s*/y;

/** A JSON object whose members are not known yet. */
export type Fields = Readonly<Record<string, unknown>>;

/** True for a JSON object. */
export function isRecord(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Parses `text`, at most `depthMax` levels deep.
 * @throws SyntaxError also for a member name that occurs twice in one object, or is `__proto__`
 */
export function parseStrictJson(text: string, depthMax: number): unknown {
  const value: unknown = JSON.parse(text);
  checkStructure(text, depthMax);
  return value;
}

/** Walks a text that is known to be JSON: a string before a colon is a member name. */
function checkStructure(text: string, depthMax: number): void {
  const names: (Set<string> | undefined)[] = [];
  let index = 0;
  while (index < text.length) {
    const char = text[index];
    if (char === '"') {
      const literal = matchAt(STRING, text, index);
      index += literal.length;
      const after = index + matchAt(BLANK, text, index).length;
      if (text[after] === ':') addName(names.at(-1), String(JSON.parse(literal)));
      continue;
    }
    if (char === '{' || char === '[') {
      names.push(char === '{' ? new Set() : undefined);
      if (names.length > depthMax) throw new SyntaxError(`nested deeper than ${depthMax} levels`);
    } else if (char === '}' || char === ']') {
      names.pop();
    }
    index += 1;
  }
}

function matchAt(pattern: RegExp, text: string, index: number): string {
  pattern.lastIndex = index;
  return pattern.exec(text)?.[0] ?? '';
}

function addName(names: Set<string> | undefined, name: string): void {
  if (names === undefined || names.has(name) || name === '__proto__') {
    throw new SyntaxError(`member ${JSON.stringify(name)} is there twice or not allowed`);
  }
  names.add(name);
}
