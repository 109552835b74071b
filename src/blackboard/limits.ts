/**
 * What a board may be called and hold, and the checks of what a local caller wants to write.
 * Whoever writes is held to these bounds; what comes from peers may be {@link PEER_SLACK} times as
 * large in all, so that what was written on both sides of a partition still merges.
 */
import { StarlingError } from '../core/index.ts';
import type { Json, JsonObject } from '../core/index.ts';

/** Bounds of boards: the same on every node, so that all accept the same. */
export interface BoardLimits {
  /** Boards that hold something. */
  readonly boards: number;
  /** UTF-8 bytes of a key. */
  readonly keyBytes: number;
  /** Bytes of a value as JSON. */
  readonly valueBytes: number;
  /** Arrays and objects within each other in a value. */
  readonly valueDepth: number;
  readonly keys: number;
  /** Encoded size of one board. */
  readonly boardBytes: number;
  /** Pieces of Yjs' memory of all lanes of a board, replaced ones included: what peers may bring it to, twice. */
  readonly structs: number;
  /** Dead pieces of a writer's lanes that are left alone; more, and many beside the live ones: the lanes are begun anew. */
  readonly dead: number;
  /** Deletions that are remembered; beyond, the oldest are forgotten. More: a node may be away longer. */
  readonly tombstones: number;
}

/** The bounds of this version. */
export const LIMITS: BoardLimits = {
  boards: 64,
  keyBytes: 512,
  valueBytes: 256 * 1024,
  valueDepth: 64,
  keys: 100_000,
  boardBytes: 16 * 1024 * 1024,
  structs: 1_000_000,
  dead: 128,
  tombstones: 100_000,
};

/** How much larger than a writer's bound a board may get by what peers wrote elsewhere meanwhile. */
export const PEER_SLACK = 2;

/** Bytes of any digest that a peer may send. */
export const DIGEST_CHARS_MAX = 128;

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const SHOWN_CHARS = 80;
/** Bytes of UTF-8 that one unit of UTF-16 takes, at the most. */
const UTF8_MAX = 3;

/** 1 to 64 of A-Z, a-z, 0-9, `.`, `_` and `-`, the first a letter or a digit. */
export function isBoardName(name: string): boolean {
  return NAME.test(name);
}

/** Whether a text may be a key: not empty, not too long, and text that UTF-8 can carry. */
export function isKey(key: string, limits: BoardLimits): boolean {
  // The first test spares the second one a key of megabytes.
  const { length } = key;
  if (length === 0 || length > limits.keyBytes || !isWellFormed(key)) return false;
  return length * UTF8_MAX <= limits.keyBytes || Buffer.byteLength(key) <= limits.keyBytes;
}

/** @throws STARLING_BOARD_INVALID when `name` is no name for a board */
export function checkName(name: string): void {
  if (isBoardName(name)) return;
  throw invalid(
    `'${name.slice(0, SHOWN_CHARS)}' is no name for a board`,
    'use 1 to 64 of A-Z, a-z, 0-9, ., _ and -, the first a letter or digit',
  );
}

/** @throws STARLING_BOARD_INVALID when `key` is no key */
export function checkKey(key: string, limits: BoardLimits): void {
  if (isKey(key, limits) && !key.startsWith('\u0000')) return;
  throw invalid(
    `the key '${key.slice(0, SHOWN_CHARS)}' is empty, malformed or too long`,
    `a key is 1 to ${limits.keyBytes} bytes of text`,
  );
}

/**
 * A copy of `value` that every peer reads back the same, and its size as JSON.
 * @throws STARLING_BOARD_INVALID
 */
export function checkedValue(
  value: unknown,
  limits: BoardLimits,
): { readonly value: Json; readonly sizeBytes: number } {
  const text = jsonOf(value);
  const sizeBytes = Buffer.byteLength(text);
  if (sizeBytes > limits.valueBytes) {
    throw invalid(
      `this value is ${sizeBytes} bytes of JSON`,
      `the limit is ${limits.valueBytes}; keep large things in a file, and its address here`,
    );
  }
  const copy = JSON.parse(text) as Json;
  const problem = problemOf(copy, limits.valueDepth);
  if (problem !== undefined) throw invalid(`this value ${problem}`, 'write it in another form');
  return { value: copy, sizeBytes };
}

/** An error about a board. */
export function invalid(what: string, hint: string): StarlingError {
  return new StarlingError('STARLING_BOARD_INVALID', what, { hint });
}

function jsonOf(value: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    throw new StarlingError('STARLING_BOARD_INVALID', 'this value is no JSON', {
      hint: 'a value is null, a boolean, a number, a string, an array or an object',
      cause: error,
    });
  }
  if (text === undefined) {
    throw invalid('there is no value', 'to remove an entry, delete its key');
  }
  return text;
}

/** What of a JSON value would not be read by every peer as it was written. */
export function problemOf(value: Json, depth: number): string | undefined {
  if (typeof value === 'string') {
    return isWellFormed(value) ? undefined : 'has text with half a surrogate pair';
  }
  if (typeof value === 'number' && !Number.isFinite(value)) return 'has a number that is too large';
  if (typeof value !== 'object' || value === null) return undefined;
  if (depth === 0) return 'is nested too deep';
  if (Array.isArray(value)) {
    for (const inner of value) {
      const problem = problemOf(inner ?? null, depth - 1);
      if (problem !== undefined) return problem;
    }
    return undefined;
  }
  const members = value as JsonObject;
  for (const key of Object.keys(members)) {
    if (key === '__proto__') return `has a member called '__proto__'`;
    const problem = isWellFormed(key)
      ? problemOf(members[key] ?? null, depth - 1)
      : 'has a name with half a surrogate pair';
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function isWellFormed(text: string): boolean {
  // Of ES2024, which Node 20 has.
  return (text as string & { isWellFormed(): boolean }).isWellFormed();
}
