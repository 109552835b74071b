/** What a board may be called and hold. */
import { StarlingError } from '../core/index.ts';
import type { Json } from '../core/index.ts';

/** Bounds of boards: the same on every node, so that all accept the same. */
export const LIMITS = {
  boards: 64,
  keyBytes: 512,
  valueBytes: 48 * 1024,
  keys: 100_000,
  /** Encoded size of one board. */
  boardBytes: 64 * 1024 * 1024,
} as const;

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** True for a board's name. */
export function isBoardName(name: string): boolean {
  return NAME.test(name);
}

/** @throws STARLING_BOARD_INVALID */
export function checkName(name: string): void {
  if (isBoardName(name)) return;
  throw invalid(
    `'${name.slice(0, 80)}' is no name for a board`,
    'use 1 to 64 of A-Z, a-z, 0-9, ., _ and -',
  );
}

/** @throws STARLING_BOARD_INVALID */
export function checkKey(key: string): void {
  const bytes = Buffer.from(key, 'utf8');
  const wellFormed = bytes.toString('utf8') === key;
  if (key.length > 0 && bytes.length <= LIMITS.keyBytes && wellFormed) return;
  throw invalid(
    'this key is empty, malformed or too long',
    `a key is 1 to ${LIMITS.keyBytes} bytes of text`,
  );
}

/** @throws STARLING_BOARD_INVALID */
export function checkValue(value: Json): void {
  const sizeBytes = Buffer.byteLength(JSON.stringify(value) ?? '');
  if (sizeBytes > 0 && sizeBytes <= LIMITS.valueBytes) return;
  throw invalid(
    `this value is ${sizeBytes} bytes of JSON`,
    `the limit is ${LIMITS.valueBytes}; keep large things in a file, and its address here`,
  );
}

/** An error about a board. */
export function invalid(what: string, hint: string): StarlingError {
  return new StarlingError('STARLING_BOARD_INVALID', what, { hint });
}
