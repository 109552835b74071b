/**
 * Reads an update of a lane's Yjs document (V2 encoding) without applying it, and accepts only what a lane's owner
 * ever writes: the head of the lane first, and after it entries, each of a new key or after the newest one of its
 * key. Yjs trusts its input: an update may hold text, arrays, other documents, references that end in the middle
 * of its work, thousands of items that fight for one place, or thirty bytes that unpack to a billion pieces.
 * Nothing that fails here reaches a document.
 *
 * The format is that of yjs 13 (`UpdateEncoderV2`, `Item.write`, `writeDeleteSet`) and lib0's `any`.
 */
import * as Y from 'yjs';
import { ENTRIES, HEAD, LANE, headOf, isClient, isWrite } from './lane-format.ts';
import type { Head, RawWrite } from './lane-format.ts';
import type { Lane } from './lane.ts';
import { Unfit, readAny, readVarUint } from './read-any.ts';
import type { Cursor } from './read-any.ts';
import { isKey } from '../limits.ts';
import type { BoardLimits } from '../limits.ts';

/** One item of an update: an entry, or what is left of entries that were replaced. */
export interface ItemFacts {
  readonly clock: number;
  readonly length: number;
  /** The key of an item that follows on no other. */
  readonly key: string | undefined;
  /** The clock that it follows on. */
  readonly origin: number | undefined;
  /** Undefined of what was replaced already. */
  readonly write: WriteFacts | undefined;
}

/** What of a write counts before it is applied. */
export interface WriteFacts {
  readonly ms: number;
  readonly isGone: boolean;
  readonly raw: RawWrite;
  /** Bytes of the write in the update. */
  readonly sizeBytes: number;
}

/** What an update holds. */
export interface UpdateFacts {
  /** The client that wrote it; undefined when it says nothing. */
  readonly client: number | undefined;
  /** The clock of its first item, and the one after its last. */
  readonly from: number;
  readonly to: number;
  /** Of an update that begins a lane. */
  readonly head?: Head;
  /** Without the head. */
  readonly items: readonly ItemFacts[];
  /** The update without its set of deletions, which follows from the items. */
  readonly update: Uint8Array;
}

/** Keys that an update writes, with what of each it writes last: absent of what was replaced already. */
export type NewestWrites = ReadonlyMap<string, WriteFacts | undefined>;

type Decoder = Y.UpdateDecoderV2;

/** Low five bits of a struct's info byte. */
const CONTENT_BITS = 0x1f;
const CONTENT_DELETED = 1;
const CONTENT_ANY = 8;
const HAS_PARENT_SUB = 0x20;
const HAS_RIGHT_ORIGIN = 0x40;
const HAS_ORIGIN = 0x80;

/** A number takes up to nine bytes where JSON needs four with its comma. */
const VALUE_BYTES_FACTOR = 3;
const ENTRY_BYTES_EXTRA = 2048;
const HEAD_BYTES_MAX = 256 * 1024;

/**
 * What `update` holds; undefined when it is damaged or holds what no lane does. Never throws.
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

/**
 * What of each key `facts` write last, if each item follows on the newest one of its key, in `lane` or before it in
 * the update, which must begin where the lane ends. Undefined when one does not: no owner writes that.
 */
export function newestWrites(lane: Lane, facts: UpdateFacts): NewestWrites | undefined {
  const newest = new Map<string, WriteFacts | undefined>();
  const { from, items } = facts;
  /** The last clock of each key's newest item in the update, and the key, where an item follows on another one in it. */
  const ends = new Map<number, string>();
  const hasChains = items.some(({ origin }) => origin !== undefined && origin >= from);
  for (const { clock, length, key: name, origin, write } of items) {
    const isHere = origin !== undefined && origin >= from;
    const key = origin === undefined ? name : isHere ? ends.get(origin) : keyAt(lane, origin);
    if (key === undefined) return undefined;
    if (origin === undefined && lane.entries._map.has(key)) return undefined;
    if (isHere) ends.delete(origin);
    if (hasChains) ends.set(clock + length - 1, key);
    const { size } = newest;
    newest.set(key, write);
    if (!isHere && newest.size === size) return undefined;
  }
  return newest;
}

/** The key whose newest item in the lane ends at `clock`. */
function keyAt({ doc, client, entries }: Lane, clock: number): string | undefined {
  if (clock >= Y.getState(doc.store, client)) return undefined;
  const item: unknown = Y.getItem(doc.store, Y.createID(client, clock));
  if (!(item instanceof Y.Item) || item.parent !== entries || item.parentSub === null)
    return undefined;
  const isNewest = entries._map.get(item.parentSub) === item && item.lastId.clock === clock;
  return isNewest ? item.parentSub : undefined;
}

function readUpdate(update: Uint8Array, limits: BoardLimits, maxStructs: number): UpdateFacts {
  // A copy, because lib0 reads past a view's end into whatever else its buffer holds.
  const rest: Cursor = { arr: new Uint8Array(update), pos: 0 };
  const decoder = new Y.UpdateDecoderV2(rest);
  const clients = readVarUint(rest);
  if (clients > 1) throw new Unfit();
  if (clients === 0) return { client: undefined, from: 0, to: 0, items: [], update: rest.arr };
  const count = readVarUint(rest);
  if (count === 0 || count > maxStructs) throw new Unfit();
  const client = decoder.readClient();
  if (!isClient(client)) throw new Unfit();
  const from = readVarUint(rest);
  const items: ItemFacts[] = [];
  let clock = from;
  let head: Head | undefined;
  for (let i = 0; i < count; i += 1) {
    if (clock === 0) {
      head = readHead(decoder, rest);
      clock += 1;
      continue;
    }
    const item = readItem(decoder, rest, { client, clock, limits });
    items.push(item);
    clock += item.length;
    if (!Number.isSafeInteger(clock)) throw new Unfit();
  }
  const end = rest.pos;
  readDeleteSet(rest, client, clock);
  if (rest.pos !== rest.arr.length) throw new Unfit();
  const stripped = rest.arr.slice(0, end + 1);
  stripped[end] = 0;
  const facts = { client, from, to: clock, items, update: stripped };
  return head === undefined ? facts : { ...facts, head };
}

interface ItemContext {
  readonly client: number;
  readonly clock: number;
  readonly limits: BoardLimits;
}

/** Reads the first item of a lane. */
function readHead(decoder: Decoder, rest: Cursor): Head {
  const info = decoder.readInfo();
  if (info !== (HAS_PARENT_SUB | CONTENT_ANY)) throw new Unfit();
  if (!decoder.readParentInfo() || decoder.readString() !== LANE) throw new Unfit();
  if (decoder.readString() !== HEAD || decoder.readLen() !== 1) throw new Unfit();
  const start = rest.pos;
  const head = headOf(readAny(rest, 2));
  if (rest.pos - start > HEAD_BYTES_MAX) throw new Unfit();
  if (head === undefined) throw new Unfit();
  return head;
}

/** Reads one item of the map of entries. */
function readItem(decoder: Decoder, rest: Cursor, context: ItemContext): ItemFacts {
  const { clock, client, limits } = context;
  const info = decoder.readInfo();
  if ((info & HAS_RIGHT_ORIGIN) !== 0) throw new Unfit();
  let key: string | undefined;
  let origin: number | undefined;
  if ((info & HAS_ORIGIN) === 0) {
    // Updates that Yjs has merged say it only of items that follow on no other.
    if ((info & HAS_PARENT_SUB) === 0) throw new Unfit();
    if (!decoder.readParentInfo() || decoder.readString() !== ENTRIES) throw new Unfit();
    key = decoder.readString();
    if (!isKey(key, limits)) throw new Unfit();
  } else {
    const left = decoder.readLeftID();
    origin = left.clock;
    const isEarlier = Number.isSafeInteger(origin) && origin < clock;
    // The head is the first item: nothing comes after it in its place.
    if (left.client !== client || !isEarlier || origin < 1) throw new Unfit();
  }
  const content = info & CONTENT_BITS;
  const length = decoder.readLen();
  if (content === CONTENT_DELETED && Number.isSafeInteger(length) && length > 0) {
    return { clock, length, key, origin, write: undefined };
  }
  if (content !== CONTENT_ANY || length !== 1) throw new Unfit();
  return { clock, length, key, origin, write: readEntry(rest, limits) };
}

/** Reads what the update says is deleted, which must be its writer's own and known with the update. */
function readDeleteSet(rest: Cursor, client: number, end: number): void {
  const clients = readVarUint(rest);
  if (clients === 0) return;
  if (clients > 1 || readVarUint(rest) !== client) throw new Unfit();
  let clock = 0;
  for (let ranges = readVarUint(rest); ranges > 0; ranges -= 1) {
    clock += readVarUint(rest);
    clock += readVarUint(rest) + 1;
    if (clock > end) throw new Unfit();
  }
}

/** Reads one write. */
function readEntry(rest: Cursor, limits: BoardLimits): WriteFacts {
  const start = rest.pos;
  // One level for the entry itself, which a value does not count.
  const read = readAny(rest, limits.valueDepth + 1);
  const sizeBytes = rest.pos - start;
  if (sizeBytes > limits.valueBytes * VALUE_BYTES_FACTOR + ENTRY_BYTES_EXTRA) throw new Unfit();
  if (!isWrite(read)) throw new Unfit();
  const raw = read as unknown as RawWrite;
  return { ms: raw.m, isGone: raw.v === undefined, raw, sizeBytes };
}
