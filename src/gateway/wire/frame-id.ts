/**
 * Ids of JSON-RPC (2.0 §4): a text, or any JSON number. A number that JavaScript would write otherwise than it
 * came (`1.0`, `1e3`, `12345678901234567890`) keeps its text, because clients look for the id that they wrote.
 */
import type { Json } from '../../core/index.ts';
import type { FrameId, WrittenNumber } from '../frame-types.ts';

/** `-0`, an exponent of any size and 400 digits are numbers too; longer ones are nobody's ids. */
const WRITTEN_MAX = 1024;
const PLAIN_MAX = 15;
const ZERO = 0x30;
const NINE = 0x39;

/** A number by its text. A class, so that no JSON from elsewhere can pass for one. */
class Written implements WrittenNumber {
  readonly written: string;

  constructor(written: string) {
    this.written = written;
  }
}

/** True for an id, also one that {@link numberId} gave. */
export function isFrameId(value: unknown): value is FrameId {
  return typeof value === 'string' || typeof value === 'number' || isWrittenNumber(value);
}

/** The id as a value of JSON, for where its text does not matter: a number as near as a double comes. */
export function jsonOfId(id: FrameId): Json {
  return isWrittenNumber(id) ? Number(id.written) : id;
}

/** The id that stands at `start` to `end` of `bytes` and that JSON.parse reads as `value`; undefined for one that is too long. */
export function numberId(
  value: number,
  bytes: Buffer,
  { start, end }: { readonly start: number; readonly end: number },
): FrameId | undefined {
  if (isPlain(bytes, start, end)) return value;
  if (end - start > WRITTEN_MAX) return undefined;
  const written = bytes.toString('latin1', start, end);
  return String(value) === written ? value : new Written(written);
}

/** True for a whole number of at most 15 digits as JavaScript writes it, as nearly all ids are. */
function isPlain(bytes: Buffer, start: number, end: number): boolean {
  if (end - start > PLAIN_MAX || (bytes[start] === ZERO && end - start > 1)) return false;
  for (let at = start; at < end; at += 1) {
    const byte = bytes[at] ?? 0;
    if (byte < ZERO || byte > NINE) return false;
  }
  return true;
}

/** The id as JSON. */
export function idText(id: FrameId | null): string {
  // Nearly all ids are such numbers, which `JSON.stringify` writes in several times the time.
  if (Number.isSafeInteger(id)) return `${id as number}`;
  return isWrittenNumber(id) ? id.written : JSON.stringify(id);
}

/** Tells ids apart, in a map: equal numbers are one id, however they are written. */
export function keyOfId(id: FrameId): string | number {
  if (!isWrittenNumber(id)) return id;
  const value = Number(id.written);
  if (Number.isSafeInteger(value)) return value;
  return `number ${digitsOf(id.written)}`;
}

/** An id that is not text, as a whole number of ours, and one that is text by the number in it; undefined for others. */
export function ownIdOf(id: FrameId | null): number | undefined {
  if (typeof id === 'number') return id;
  if (id === null) return undefined;
  const text = isWrittenNumber(id) ? id.written : id;
  const value = /^[0-9.eE+]{1,20}$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(value) ? value : undefined;
}

function isWrittenNumber(value: unknown): value is WrittenNumber {
  return value instanceof Written;
}

/** Sign, significant digits and exponent: one text for each number. */
function digitsOf(written: string): string {
  const [, sign = '', whole = '', part = '', power = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(written) ?? [];
  const digits = `${whole}${part}`.replace(/^0+/, '');
  const bare = digits.replace(/0+$/, '');
  const exponent = BigInt(power) + BigInt(digits.length - bare.length - part.length);
  return bare === '' ? '0' : `${sign}${bare}e${exponent}`;
}
