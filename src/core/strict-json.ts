/**
 * JSON for signed things: one text must mean one value, to every reader.
 * Refuses duplicate member names (RFC 8259 §4 leaves their meaning open) and deep nesting.
 */

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
      const start = index;
      index = endOfString(text, start);
      if (text[endOfBlank(text, index)] === ':') {
        addName(names.at(-1), String(JSON.parse(text.slice(start, index))));
      }
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

/** Behind the string that begins at `start`. A regular expression runs out of stack after 8 MB. */
function endOfString(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    let slashes = 0;
    while (text[at - 1 - slashes] === '\\') slashes += 1;
    if (slashes % 2 === 0) return at + 1;
  }
  return text.length;
}

function endOfBlank(text: string, start: number): number {
  let at = start;
  while (text[at] === ' ' || text[at] === '\n' || text[at] === '\r' || text[at] === '\t') at += 1;
  return at;
}

function addName(names: Set<string> | undefined, name: string): void {
  if (names === undefined || names.has(name) || name === '__proto__') {
    throw new SyntaxError(`member ${JSON.stringify(name)} is there twice or not allowed`);
  }
  names.add(name);
}
