/** What a value from elsewhere (JSON, CBOR, a file) is: the questions that every reader asks. */
import type { Json, JsonObject } from './json.ts';

/** An object whose members are not known yet. */
export type Fields = Readonly<Record<string, unknown>>;

/** An object with members by name: not null, not an array. */
export function isObject(value: Json | undefined): value is JsonObject;
export function isObject(value: unknown): value is Fields;
export function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A whole number from 0 to 2^53 − 1, which a double holds exactly. */
export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

/** A number that is neither infinite nor NaN. */
export function isNumber(value: unknown): value is number {
  return Number.isFinite(value);
}

/** A text of at most `max` UTF-16 units; of any length without `max`. */
export function isText(value: unknown, max = Number.POSITIVE_INFINITY): value is string {
  return typeof value === 'string' && value.length <= max;
}
