/**
 * Where a text stops being JSON (RFC 8259). `JSON.parse` does not always say, and quotes the text
 * around, which may be secret.
 */

/** The first fault of a text. Lines and columns count from 1. */
export interface JsonFault {
  readonly line: number;
  readonly column: number;
  /** What should stand there. */
  readonly expected: string;
}

const SPACE = /[ \t\n\r]*/y;
const SCALAR = /(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.+-])/y;
/** A string up to its closing quote or its first fault. */
const STRING_START =
  /"[^"\\\u0000-\u001F]*(?:\\(?:["\\/bfnrt]|u[\dA-Fa-f]{4})[^"\\\u0000-\u001F]*)*/y;

type State = 'value' | 'first value' | 'key' | 'first key' | 'colon' | 'after';

const EXPECTED: Readonly<Record<State, string>> = {
  value: 'a value',
  'first value': "a value or ']'",
  key: 'a key in double quotes',
  'first key': "a key in double quotes, or '}'",
  colon: "':' after the key",
  after: 'the end',
};

/** Finds the first fault of `text`; undefined when it is JSON. */
export function findJsonFault(text: string): JsonFault | undefined {
  const scanner = new Scanner(text);
  const expected = scanner.run();
  if (expected === undefined) return undefined;
  const before = text.slice(0, scanner.at);
  const comment = /^\/[/*]/.test(text.slice(scanner.at, scanner.at + 2));
  return {
    line: before.split('\n').length,
    column: before.length - before.lastIndexOf('\n'),
    expected: `${expected}${comment ? ' (JSON has no comments)' : ''}`,
  };
}

class Scanner {
  at = 0;
  readonly #text: string;
  readonly #open: ('{' | '[')[] = [];
  #state: State = 'value';

  constructor(text: string) {
    this.#text = text;
  }

  /** What was expected at `at`; undefined at the end of good JSON. */
  run(): string | undefined {
    for (;;) {
      this.#take(SPACE);
      if (this.#state === 'after' && this.#open.length === 0) {
        return this.at === this.#text.length ? undefined : EXPECTED.after;
      }
      const expected = this.#step(this.#text[this.at]);
      if (expected !== undefined) return expected;
    }
  }

  #step(next: string | undefined): string | undefined {
    const top = this.#open.at(-1);
    switch (this.#state) {
      case 'colon':
        return next === ':' ? this.#enter('value') : EXPECTED.colon;
      case 'after':
        if (next === ',') return this.#enter(top === '{' ? 'key' : 'value');
        if (next === (top === '{' ? '}' : ']')) return this.#close();
        return top === '{' ? "',' or '}'" : "',' or ']'";
      case 'key':
      case 'first key':
        if (next === '}' && this.#state === 'first key') return this.#close();
        return next === '"' ? this.#string('colon') : EXPECTED[this.#state];
      case 'value':
      case 'first value':
        return this.#value(next);
    }
    return undefined;
  }

  #value(next: string | undefined): string | undefined {
    if (next === ']' && this.#state === 'first value') return this.#close();
    if (next === '"') return this.#string('after');
    if (next === '{' || next === '[') {
      this.#open.push(next);
      return this.#enter(next === '{' ? 'first key' : 'first value');
    }
    if (!this.#take(SCALAR)) return EXPECTED[this.#state];
    this.#state = 'after';
    return undefined;
  }

  #string(then: State): string | undefined {
    this.#take(STRING_START);
    if (this.#text[this.at] !== '"') return "the string's closing '\"', or a good escape";
    return this.#enter(then);
  }

  #close(): undefined {
    this.#open.pop();
    return this.#enter('after');
  }

  /** Steps over one character. */
  #enter(state: State): undefined {
    this.at += 1;
    this.#state = state;
    return undefined;
  }

  #take(pattern: RegExp): boolean {
    pattern.lastIndex = this.at;
    const match = pattern.exec(this.#text);
    if (match === null) return false;
    this.at += match[0].length;
    return true;
  }
}
