/**
 * Where a text stops being JSON (RFC 8259), or JSON with comments and trailing commas as VS Code reads
 * it. `JSON.parse` does not always say where, and quotes the text around, which may be secret.
 */
import { parseTree, printParseErrorCode, visit } from 'jsonc-parser';
import type { Node } from 'jsonc-parser';
import type { Json } from '../core/index.ts';

/** The first fault of a text. Lines and columns count from 1. */
export interface JsonFault {
  readonly line: number;
  readonly column: number;
  /** What should stand there. */
  readonly expected: string;
}

/** How a text is read: `json` as RFC 8259 says, `jsonc` with comments and trailing commas as well. */
export type JsonDialect = 'json' | 'jsonc';

/** No file of people or their programs is nested so deep; jsonc-parser needs stack for each level. */
const DEPTH_MAX = 256;
const QUOTED = 'a key or a value (text in double quotes)';
const STRING = 'a string that ends on its line, with good escapes';

/** jsonc-parser's names of faults, as what should stand there. */
const EXPECTED: Readonly<Record<string, string>> = {
  InvalidSymbol: QUOTED,
  InvalidNumberFormat: 'a number',
  PropertyNameExpected: 'a key in double quotes',
  ValueExpected: 'a value',
  ColonExpected: "':' after the key",
  CommaExpected: "',' or the closing bracket",
  CloseBraceExpected: "',' or '}'",
  CloseBracketExpected: "',' or ']'",
  EndOfFileExpected: 'the end',
  InvalidCommentToken: 'JSON without comments',
  UnexpectedEndOfComment: "the comment's closing */",
  UnexpectedEndOfString: STRING,
  UnexpectedEndOfNumber: 'a digit',
  InvalidUnicode: STRING,
  InvalidEscapeCharacter: STRING,
  InvalidCharacter: STRING,
};

/** Finds the first fault of `text`; undefined when there is none. */
export function findJsonFault(text: string, dialect: JsonDialect = 'json'): JsonFault | undefined {
  let depth = 0;
  const open = (_offset: number, _length: number, line: number, column: number): void => {
    depth += 1;
    if (depth > DEPTH_MAX) throw new Fault(line, column, `no more than ${DEPTH_MAX} levels`);
  };
  const close = (): void => {
    depth -= 1;
  };
  try {
    visit(
      text,
      {
        onObjectBegin: open,
        onArrayBegin: open,
        onObjectEnd: close,
        onArrayEnd: close,
        onError: (code, _offset, _length, line, column) => {
          throw new Fault(line, column, EXPECTED[printParseErrorCode(code)] ?? 'JSON');
        },
      },
      { disallowComments: dialect === 'json', allowTrailingComma: dialect === 'jsonc' },
    );
    return undefined;
  } catch (error) {
    if (error instanceof Fault) return error.found;
    throw error;
  }
}

/**
 * The value of a text without faults, with comments and trailing commas; undefined for an empty text. Of keys
 * that come twice the last counts, as for `JSON.parse`.
 */
export function readJsonc(text: string): Json | undefined {
  const root = parseTree(text, [], { allowTrailingComma: true });
  return root === undefined ? undefined : valueOf(root);
}

/** The plain value of a node. (jsonc-parser's `getNodeValue` makes objects without a prototype, which equal no others.) */
export function valueOf(node: Node): Json {
  if (node.type === 'array') return (node.children ?? []).map(valueOf);
  if (node.type !== 'object') return node.value as Json;
  const entries = (node.children ?? []).map(({ children: [key, value] = [] }) => [
    key?.value as string,
    value === undefined ? null : valueOf(value),
  ]);
  // `fromEntries` defines: even a key `__proto__` is just a key.
  return Object.fromEntries(entries) as Json;
}

/** Leaves the walk at the first fault, before its recursion meets the end of the stack. */
class Fault extends Error {
  readonly found: JsonFault;

  constructor(line: number, column: number, expected: string) {
    super(expected);
    this.found = { line: line + 1, column: column + 1, expected };
  }
}
