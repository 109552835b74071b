/**
 * Reads a Yjs update (V2 encoding) without applying it, and accepts only what a board ever writes:
 * entries set and deleted in the one map. Yjs trusts its input: an update may hold text, arrays,
 * other documents, references that end in the middle of its work, or thirty bytes that unpack to a
 * billion pieces. Nothing that fails here reaches a document.
 *
 * The format is that of yjs 13 (`UpdateEncoderV2`, `Item.write`, `writeDeleteSet`) and lib0's `any`.
 */
import * as Y from 'yjs';
import { isKey } from './limits.ts';
import type { BoardLimits } from './limits.ts';

/** The name of the one map in a board's document. */
export const MAP_NAME = 'entries';

/** What an update holds. */
export interface UpdateFacts {
  readonly structs: number;
  /** Keys that the update writes without reference to an earlier entry: new ones are among them. */
  readonly keys: ReadonlySet<string>;
  /** By client: the clock after its last struct here. */
  readonly clocks: ReadonlyMap<number, number>;
}

/** Bytes with a reading position: what Yjs and lib0 call a decoder. */
interface Cursor {
  readonly arr: Uint8Array<ArrayBuffer>;
  pos: number;
}

type Decoder = Y.UpdateDecoderV2;

/** Low five bits of a struct's info byte. */
const CONTENT_BITS = 0x1f;
const CONTENT_DELETED = 1;
const CONTENT_ANY = 8;
const HAS_PARENT_SUB = 0x20;
const HAS_RIGHT_ORIGIN = 0x40;
const HAS_ORIGIN = 0x80;

const WRITER_CHARS_MAX = 256;
/** A number takes up to nine bytes where JSON needs four with its comma. */
const VALUE_BYTES_FACTOR = 3;
const ENTRY_BYTES_EXTRA = 2048;

/** Thrown and caught in this file only. */
class Unfit extends Error {}

/**
 * What `update` holds; undefined when it is damaged or holds what no board writes. Never throws.
 * `maxStructs` bounds the work: more than that is unfit too.
 */
export function inspectUpdate(
  update: Uint8Array,
  limits: BoardLimits,
  maxStructs: number,
): UpdateFacts | undefined {
  try {
    return readUpdate(update, limits, maxStructs);
  } catch {
    // Yjs and lib0 throw all sorts of errors at bytes that are no update; which one says nothing.
    return undefined;
  }
}

function readUpdate(update: Uint8Array, limits: BoardLimits, maxStructs: number): UpdateFacts {
  // A copy, because lib0 reads past a view's end into whatever else its buffer holds.
  const rest: Cursor = { arr: new Uint8Array(update), pos: 0 };
  const decoder = new Y.UpdateDecoderV2(rest);
  const keys = new Set<string>();
  const clocks = new Map<number, number>();
  let structs = 0;
  for (let clients = readVarUint(rest); clients > 0; clients -= 1) {
    const count = readVarUint(rest);
    structs += count;
    if (count === 0 || structs > maxStructs) throw new Unfit();
    const client = checkedClient(decoder.readClient());
    if (clocks.has(client)) throw new Unfit();
    let clock = readVarUint(rest);
    for (let i = 0; i < count; i += 1) {
      clock += readItem(decoder, rest, { client, clock, keys, limits });
      if (!Number.isSafeInteger(clock)) throw new Unfit();
    }
    clocks.set(client, clock);
  }
  readDeleteSet(rest);
  if (rest.pos !== rest.arr.length) throw new Unfit();
  return { structs, keys, clocks };
}

interface ItemContext {
  readonly client: number;
  readonly clock: number;
  readonly keys: Set<string>;
  readonly limits: BoardLimits;
}

/** Reads one item of a map and returns its length. */
function readItem(decoder: Decoder, rest: Cursor, context: ItemContext): number {
  const info = decoder.readInfo();
  if ((info & HAS_PARENT_SUB) === 0 || (info & HAS_RIGHT_ORIGIN) !== 0) throw new Unfit();
  if ((info & HAS_ORIGIN) !== 0) {
    const origin = decoder.readLeftID();
    checkedClient(origin.client);
    const isClock = Number.isSafeInteger(origin.clock) && origin.clock >= 0;
    const isLater = origin.client === context.client && origin.clock >= context.clock;
    if (!isClock || isLater) throw new Unfit();
  } else {
    if (!decoder.readParentInfo() || decoder.readString() !== MAP_NAME) throw new Unfit();
    const key = decoder.readString();
    if (!isKey(key, context.limits)) throw new Unfit();
    context.keys.add(key);
  }
  const content = info & CONTENT_BITS;
  const length = decoder.readLen();
  if (content === CONTENT_DELETED && Number.isSafeInteger(length) && length > 0) return length;
  if (content !== CONTENT_ANY || length !== 1) throw new Unfit();
  readEntry(rest, context.limits);
  return length;
}

function checkedClient(client: number): number {
  if (!Number.isSafeInteger(client) || client < 0) throw new Unfit();
  return client;
}

function readDeleteSet(rest: Cursor): void {
  const seen = new Set<number>();
  for (let clients = readVarUint(rest); clients > 0; clients -= 1) {
    const client = readVarUint(rest);
    if (seen.has(client)) throw new Unfit();
    seen.add(client);
    let clock = 0;
    for (let ranges = readVarUint(rest); ranges > 0; ranges -= 1) {
      clock += readVarUint(rest);
      clock += readVarUint(rest) + 1;
      if (!Number.isSafeInteger(clock)) throw new Unfit();
    }
  }
}

/** Reads one entry: an object with `v`, `by` and `at`, and what later versions may add. */
function readEntry(rest: Cursor, limits: BoardLimits): void {
  const start = rest.pos;
  if (readByte(rest) !== ANY.object) throw new Unfit();
  const found = new Map<string, AnyKind>();
  for (let members = readVarUint(rest); members > 0; members -= 1) {
    const name = readName(rest);
    const from = rest.pos;
    // One level for the entry itself, which a value does not count.
    const kind = skipAny(rest, limits.valueDepth + 1);
    if (found.has(name)) throw new Unfit();
    if (name === 'by' && rest.pos - from > WRITER_CHARS_MAX) throw new Unfit();
    found.set(name, kind);
  }
  const sizeMax = limits.valueBytes * VALUE_BYTES_FACTOR + ENTRY_BYTES_EXTRA;
  if (rest.pos - start > sizeMax) throw new Unfit();
  if (!found.has('v') || found.get('by') !== 'string' || found.get('at') !== 'number') {
    throw new Unfit();
  }
}

/** Type bytes of lib0's `any` encoding, as far as they stand for JSON. */
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

type AnyKind = 'number' | 'string' | 'other';

/** An integer of more bytes would not be a safe one. */
const VAR_INT_BYTES_MAX = 8;

/** Reads over one value of lib0's `any` encoding, as far as it is JSON. */
function skipAny(rest: Cursor, depth: number): AnyKind {
  if (depth < 0) throw new Unfit();
  const type = readByte(rest);
  switch (type) {
    case ANY.null:
    case ANY.false:
    case ANY.true:
      return 'other';
    case ANY.integer:
      for (let bytes = 1; readByte(rest) >= 0x80; bytes += 1) {
        if (bytes === VAR_INT_BYTES_MAX) throw new Unfit();
      }
      return 'number';
    case ANY.float32:
    case ANY.float64:
      readFloat(rest, type === ANY.float32 ? 4 : 8);
      return 'number';
    case ANY.string:
      readBytes(rest, readVarUint(rest));
      return 'string';
    case ANY.object:
      for (let members = readVarUint(rest); members > 0; members -= 1) {
        readName(rest);
        skipAny(rest, depth - 1);
      }
      return 'other';
    case ANY.array:
      for (let items = readVarUint(rest); items > 0; items -= 1) skipAny(rest, depth - 1);
      return 'other';
    default:
      throw new Unfit();
  }
}

function readFloat(rest: Cursor, size: 4 | 8): void {
  const bytes = readBytes(rest, size);
  const view = new DataView(bytes.buffer, bytes.byteOffset, size);
  const value = size === 4 ? view.getFloat32(0) : view.getFloat64(0);
  if (!Number.isFinite(value)) throw new Unfit();
}

/** A member's name; assigning to `__proto__` would change what the object is. */
function readName(rest: Cursor): string {
  const name = Buffer.from(readBytes(rest, readVarUint(rest))).toString('utf8');
  if (name === '__proto__') throw new Unfit();
  return name;
}

function readByte(rest: Cursor): number {
  const byte = rest.arr[rest.pos];
  if (byte === undefined) throw new Unfit();
  rest.pos += 1;
  return byte;
}

function readBytes(rest: Cursor, size: number): Uint8Array<ArrayBuffer> {
  const end = rest.pos + size;
  if (end > rest.arr.length) throw new Unfit();
  const bytes = rest.arr.subarray(rest.pos, end);
  rest.pos = end;
  return bytes;
}

function readVarUint(rest: Cursor): number {
  let value = 0;
  for (let factor = 1; ; factor *= 0x80) {
    const byte = readByte(rest);
    value += (byte & 0x7f) * factor;
    if (!Number.isSafeInteger(value)) throw new Unfit();
    if (byte < 0x80) return value;
  }
}
