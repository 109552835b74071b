/** What a peer's message says: the fields of one CBOR map (RFC 8949), read strictly. */
import { decode } from 'cborg';
import type { Fields } from '../../core/index.ts';

/**
 * The fields of the map that `bytes` hold; none when they hold anything else. Never throws: a peer may
 * send anything, and what is no map is no message.
 */
export function messageFields(bytes: Uint8Array): Fields {
  let value: unknown;
  try {
    value = decode(bytes, { strict: true, rejectDuplicateMapKeys: true });
  } catch {
    return NONE;
  }
  if (typeof value !== 'object' || value === null) return NONE;
  if (Array.isArray(value) || value instanceof Uint8Array) return NONE;
  // A key `__proto__` can't be read as a field: only own fields count.
  return Object.assign(Object.create(null), value) as Fields;
}

const NONE: Fields = Object.freeze(Object.create(null) as Fields);
