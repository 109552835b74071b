/**
 * Reads a value as lib0 writes one of any kind (`encoding.writeAny`), as far as that is JSON, in one go: what is none, is nested
 * too deep or ends in the middle is refused before anybody has it. Whatever bytes come, the work is bounded by their number.
 */
import type { Json } from '../../core/index.ts';

/** Bytes with a reading position: what Yjs and lib0 call a decoder. */
export interface Cursor {
  readonly arr: Uint8Array<ArrayBuffer>;
  pos: number;
}

/** Thrown at bytes that hold what no lane does; whoever reads catches it with all that Yjs and lib0 throw. */
export class Unfit extends Error {}

/** Type bytes, as far as they stand for JSON. */
const ANY = {
  null: 126,
  integer: 125,
  float32: 124,
  float64: 123,
  false: 121,
  true: 120,
  string: 119,
  object: 118,
  array: 117,
} as const;

/** An integer of more bytes would not be a safe one. */
const VAR_INT_BYTES_MAX = 8;
/** Texts up to so many bytes are read here if they are ASCII: a call of the decoder costs more. */
const SHORT_BYTES = 24;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
/** For floats, which are big-endian. */
const eight = new DataView(new ArrayBuffer(8));

/** Reads one value; arrays and objects within each other may be `depth` deep. @throws what says nothing, at what is no JSON */
export function readAny(rest: Cursor, depth: number): Json {
  if (depth < 0) throw new Unfit();
  const type = readByte(rest);
  switch (type) {
    case ANY.null:
      return null;
    case ANY.false:
      return false;
    case ANY.true:
      return true;
    case ANY.integer:
      return readInteger(rest);
    case ANY.float32:
    case ANY.float64:
      return readFloat(rest, type === ANY.float32 ? 4 : 8);
    case ANY.string:
      return readText(rest);
    case ANY.object: {
      const members: Record<string, Json> = {};
      for (let count = readVarUint(rest); count > 0; count -= 1) {
        const name = readText(rest);
        // Assigning to it would change what the object is.
        if (name === '__proto__') throw new Unfit();
        members[name] = readAny(rest, depth - 1);
      }
      return members;
    }
    case ANY.array: {
      const items: Json[] = [];
      for (let count = readVarUint(rest); count > 0; count -= 1) {
        items.push(readAny(rest, depth - 1));
      }
      return items;
    }
    default:
      throw new Unfit();
  }
}

/** Reads one byte. @throws at the end */
function readByte(rest: Cursor): number {
  const byte = rest.arr[rest.pos];
  if (byte === undefined) throw new Unfit();
  rest.pos += 1;
  return byte;
}

/** Reads a whole number from zero, seven bits a byte. @throws at one that is not safe */
export function readVarUint(rest: Cursor): number {
  let value = 0;
  for (let factor = 1; ; factor *= 0x80) {
    const byte = readByte(rest);
    value += (byte & 0x7f) * factor;
    if (!Number.isSafeInteger(value)) throw new Unfit();
    if (byte < 0x80) return value;
  }
}

/** Reads a whole number with its sign, which is a bit of the first byte. */
function readInteger(rest: Cursor): number {
  let byte = readByte(rest);
  const sign = (byte & 0x40) === 0 ? 1 : -1;
  let value = byte & 0x3f;
  let factor = 0x40;
  for (let bytes = 1; byte >= 0x80; bytes += 1) {
    if (bytes === VAR_INT_BYTES_MAX) throw new Unfit();
    byte = readByte(rest);
    value += (byte & 0x7f) * factor;
    factor *= 0x80;
  }
  return sign * value;
}

function readFloat(rest: Cursor, size: 4 | 8): number {
  for (let at = 0; at < size; at += 1) eight.setUint8(at, readByte(rest));
  const value = size === 4 ? eight.getFloat32(0) : eight.getFloat64(0);
  if (!Number.isFinite(value)) throw new Unfit();
  return value;
}

function readText(rest: Cursor): string {
  const size = readVarUint(rest);
  const from = rest.pos;
  const end = from + size;
  if (end > rest.arr.length) throw new Unfit();
  rest.pos = end;
  return (
    (size <= SHORT_BYTES ? asciiIn(rest.arr, from, end) : undefined) ??
    utf8.decode(rest.arr.subarray(from, end))
  );
}

/** Bytes as a text; undefined where they are not all ASCII. */
function asciiIn(bytes: Uint8Array, from: number, end: number): string | undefined {
  let text = '';
  for (let at = from; at < end; at += 1) {
    const byte = bytes[at] ?? 0x80;
    if (byte >= 0x80) return undefined;
    text += String.fromCharCode(byte);
  }
  return text;
}
