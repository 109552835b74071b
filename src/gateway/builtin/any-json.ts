/**
 * Any JSON as a zod schema. What zod has for that (`z.json()`) tries each kind of value in turn, and makes an error of each that
 * a value is not: that takes most of the time of reading a message. This one walks through the value once.
 */
import { z } from 'zod';
import type { Json } from '../../core/index.ts';

/** How deep a value may be: as deep as JSON that is read from a message. */
const DEPTH_MAX = 512;

/** Any JSON value. */
export const anyJson: z.ZodType<Json> = z
  .unknown()
  .refine((value) => isJson(value), { message: 'it is no JSON' }) as unknown as z.ZodType<Json>;

/** Whether it is a JSON value that is no deeper than one that is read from a message. */
export function isJson(value: unknown, depth: number = 0): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true;
    case 'number':
      return Number.isFinite(value);
    case 'object':
      if (value === null) return true;
      if (depth >= DEPTH_MAX) return false;
      return Array.isArray(value)
        ? value.every((one) => isJson(one, depth + 1))
        : isPlain(value) && Object.values(value).every((one) => isJson(one, depth + 1));
    default:
      return false;
  }
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
