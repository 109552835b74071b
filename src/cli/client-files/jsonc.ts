/**
 * JSON as people keep it by hand: with comments and trailing commas, as VS Code reads it. Parsed with
 * the place of everything, so that an edit can leave the rest of the text as it is.
 */
import { StarlingError } from '../../core/errors.ts';
import type { Json } from '../../core/json.ts';

/** A property of an object, with its place in the text. */
export interface JsoncProperty {
  readonly key: string;
  /** Offset of the key's opening quote. */
  readonly start: number;
  readonly value: JsoncNode;
  /** Offset of the comma behind the value, if there is one. */
  readonly comma?: number;
}

/** A value with its place in the text: `start` inclusive, `end` exclusive. */
export type JsoncNode =
  | {
      readonly kind: 'object';
      readonly start: number;
      readonly end: number;
      readonly properties: readonly JsoncProperty[];
    }
  | {
      readonly kind: 'array';
      readonly start: number;
      readonly end: number;
      readonly items: readonly JsoncNode[];
    }
  | {
      readonly kind: 'scalar';
      readonly start: number;
      readonly end: number;
      readonly value: null | boolean | number | string;
    };

/** Only the objects among the nodes. */
export type JsoncObject = Extract<JsoncNode, { readonly kind: 'object' }>;

/** Spaces and comments. A block comment that does not end is no comment. */
const TRIVIA = /(?:[ \t\r\n]+|\/\/[^\n]*|\/\*[^]*?\*\/)*/y;
const STRING = /"(?:[^"\\\u0000-\u001F]|\\(?:["\\/bfnrt]|u[\dA-Fa-f]{4}))*"/y;
const WORD = /(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.+-])/y;
/** No file of a client is nested so deep, and the stack holds far more. */
const DEPTH_MAX = 256;

/**
 * Parses `text`; `file` is named in the error.
 * @throws STARLING_CONFIG_INVALID with line and column, and none of the text, which may be secret
 */
export function parseJsonc(text: string, file: string): JsoncNode {
  return new Parser(text, file).parse();
}

/** The plain value of a node. Of keys that come twice the last counts, as for `JSON.parse`. */
export function valueOf(node: JsoncNode): Json {
  switch (node.kind) {
    case 'object':
      // `fromEntries` defines: even a key `__proto__` is just a key.
      return Object.fromEntries(node.properties.map(({ key, value }) => [key, valueOf(value)]));
    case 'array':
      return node.items.map(valueOf);
    case 'scalar':
      return node.value;
  }
  return null;
}

/** The property `key` of `node`; of several the last. */
export function propertyOf(node: JsoncNode | undefined, key: string): JsoncProperty | undefined {
  return node?.kind === 'object'
    ? node.properties.findLast((property) => property.key === key)
    : undefined;
}

/** The node at `path`, if there is one. */
export function nodeAt(root: JsoncNode, path: readonly string[]): JsoncNode | undefined {
  let at: JsoncNode | undefined = root;
  for (const key of path) at = propertyOf(at, key)?.value;
  return at;
}

class Parser {
  readonly #text: string;
  readonly #file: string;
  #at = 0;

  constructor(text: string, file: string) {
    this.#text = text;
    this.#file = file;
  }

  parse(): JsoncNode {
    this.#take(TRIVIA);
    const node = this.#value(0);
    this.#take(TRIVIA);
    if (this.#at < this.#text.length) throw this.#fault('the end');
    return node;
  }

  #value(depth: number): JsoncNode {
    if (depth > DEPTH_MAX) throw this.#fault(`no more than ${DEPTH_MAX} levels`);
    const start = this.#at;
    const next = this.#text[start];
    if (next === '{') {
      const properties = this.#list('}', (): JsoncProperty => this.#property(depth));
      return { kind: 'object', start, end: this.#at, properties };
    }
    if (next === '[') {
      const items = this.#list(']', () => ({ value: this.#value(depth + 1) }));
      return { kind: 'array', start, end: this.#at, items: items.map(({ value }) => value) };
    }
    const word = this.#take(next === '"' ? STRING : WORD);
    if (word === undefined) throw this.#fault('a value');
    return {
      kind: 'scalar',
      start,
      end: this.#at,
      value: JSON.parse(word) as null | boolean | number | string,
    };
  }

  #property(depth: number): JsoncProperty {
    const start = this.#at;
    const key = this.#take(STRING);
    if (key === undefined) throw this.#fault('a key in double quotes');
    this.#take(TRIVIA);
    if (this.#text[this.#at] !== ':') throw this.#fault("':' after the key");
    this.#at += 1;
    this.#take(TRIVIA);
    return { key: JSON.parse(key) as string, start, value: this.#value(depth + 1) };
  }

  /** What stands between the bracket here and `close`. */
  #list<T extends object>(close: '}' | ']', one: () => T): (T & { comma?: number })[] {
    const found: (T & { comma?: number })[] = [];
    this.#at += 1;
    for (;;) {
      this.#take(TRIVIA);
      if (this.#text[this.#at] === close) break;
      const last = found.at(-1);
      if (last !== undefined && last.comma === undefined) {
        throw this.#fault(`',' or '${close}'`);
      }
      const item: T & { comma?: number } = one();
      found.push(item);
      this.#take(TRIVIA);
      if (this.#text[this.#at] === ',') {
        item.comma = this.#at;
        this.#at += 1;
      }
    }
    this.#at += 1;
    return found;
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text)?.[0];
    this.#at += match?.length ?? 0;
    return match;
  }

  #fault(expected: string): StarlingError {
    const before = this.#text.slice(0, this.#at);
    const line = before.split('\n').length;
    const column = before.length - before.lastIndexOf('\n');
    return new StarlingError(
      'STARLING_CONFIG_INVALID',
      `${this.#file} is not JSON: line ${line}, column ${column}: expected ${expected}`,
      { hint: 'correct it there and try again; nothing was changed' },
    );
  }
}
