/**
 * What replicas of a board tell each other, and what stands in the log: pieces of lanes. A lane is all that
 * one writer wrote, numbered from 1; a piece covers the numbers after `from` up to `to`, and has of them
 * those entries that nothing had replaced where the piece was made. Bytes are UTF-8 of one JSON text:
 *
 *   update := [2, isWhole, [lane, …]]
 *   lane   := [did, epoch, from, to, [entry, …]]
 *   entry  := [number, key, ms, n, value]              set; numbers count from the entry before, ms too
 *           | [number, key, ms, n]                     deleted
 *           | [number, key, ms, n, value or null, { until?, by?, seen?, gone? }]
 *
 * Whatever comes from elsewhere is read strictly, as a whole, before any of it counts.
 */
import { createHash } from 'node:crypto';
import type { Did, Json } from '../core/index.ts';
import { isKey, problemOf } from './limits.ts';
import type { BoardLimits } from './limits.ts';

/** How much a writer had seen of other lanes: mark of the lane and its number, in turn. */
export type Seen = readonly number[];

/** One write, as it stands in its lane. */
export interface LaneEntry {
  /** Its place in the lane, from 1. */
  readonly number: number;
  readonly key: string;
  readonly ms: number;
  readonly n: number;
  /** Undefined when the write deletes the key. */
  readonly value?: Json | undefined;
  /** When the entry ends, ms since the epoch; 0: never. */
  readonly until: number;
  /** Who wrote it first, when that is not the lane's owner, who only carries it. */
  readonly by?: Did | undefined;
  readonly seen: Seen;
  /** Characters of the value as JSON; 0 of a deletion. */
  readonly valueBytes: number;
}

/** A piece of one lane. */
export interface LanePart {
  readonly did: Did;
  /** Tells lanes of one writer apart: it has a new one after its disk was damaged. */
  readonly epoch: number;
  readonly from: number;
  readonly to: number;
  readonly entries: readonly LaneEntry[];
}

/** Pieces of lanes. */
export interface Update {
  /**
   * Entries count although their numbers were covered before: of two replicas that have seen the same numbers
   * and still differ, or of a log's beginning.
   */
  readonly isWhole: boolean;
  readonly parts: readonly LanePart[];
}

/** What a replica has of each lane. */
export type Vector = readonly { readonly did: Did; readonly epoch: number; readonly to: number }[];

const FORMAT = 2;
/** Lanes of one update, or of one board: a bound that an honest mesh does not reach. */
export const LANES_MAX = 4096;
const DID = /^did:key:[A-Za-z0-9]{1,128}$/;
const EPOCHS = 2 ** 48;
const TIME_MAX = 2 ** 48;
const NO_SEEN: Seen = Object.freeze([]);

/** What a lane is called in {@link Seen}: 48 bits of a hash. */
export function markOf(did: string, epoch: number): number {
  return createHash('sha256').update(`${did} ${epoch}`).digest().readUIntBE(0, 6);
}

/** Writes an update. */
export function encodeUpdate({ isWhole, parts }: Update): Uint8Array {
  const lanes = parts.map(({ did, epoch, from, to, entries }) => {
    let number = from;
    let ms = 0;
    let seen = NO_SEEN;
    const rows = entries.map((entry) => {
      const row = rowOf(entry.by === did ? { ...entry, by: undefined } : entry, {
        number,
        ms,
        seen,
      });
      ({ number, ms, seen } = entry);
      return row;
    });
    return [did, epoch, from, to, rows];
  });
  return Buffer.from(JSON.stringify([FORMAT, isWhole ? 1 : 0, lanes]));
}

/** About how many bytes an entry takes in an update. */
export function entryBytes(entry: Pick<LaneEntry, 'key' | 'seen'>, valueBytes: number): number {
  return entry.key.length + valueBytes + 24 + entry.seen.length * 8;
}

/** Writes a vector. */
export function encodeVector(vector: Vector): Uint8Array {
  return Buffer.from(JSON.stringify(vector.map(({ did, epoch, to }) => [did, epoch, to])));
}

/** Reads a vector; undefined when it is none. Never throws. */
export function decodeVector(bytes: Uint8Array): Vector | undefined {
  try {
    const rows = arrayOf(JSON.parse(textOf(bytes)), LANES_MAX);
    return rows.map((row) => {
      const [did, epoch, to] = tuple(row, 3, 3);
      return { did: didOf(did), epoch: whole(epoch, EPOCHS), to: whole(to) };
    });
  } catch {
    // Whatever is wrong with it, it is no vector.
    return undefined;
  }
}

/** Reads an update; undefined when it is damaged or holds what no board writes. Never throws. */
export function decodeUpdate(bytes: Uint8Array, limits: BoardLimits): Update | undefined {
  try {
    const [format, isWhole, lanes] = tuple(JSON.parse(textOf(bytes)), 3, 3);
    if (format !== FORMAT || (isWhole !== 0 && isWhole !== 1)) return undefined;
    const names = new Set<string>();
    const parts = arrayOf(lanes, LANES_MAX).map((lane) => {
      const part = partOf(lane, limits, isWhole === 1);
      const name = `${part.did} ${part.epoch}`;
      if (names.has(name)) throw new Unfit();
      names.add(name);
      return part;
    });
    return { isWhole: isWhole === 1, parts };
  } catch {
    // Parsers throw all sorts of errors at bytes that are no update; which one says nothing.
    return undefined;
  }
}

/**
 * Updates of own writes, in their order, as one: of each key the newest. Undefined when one does not follow on
 * another.
 */
export function joinUpdates(
  updates: readonly Uint8Array[],
  limits: BoardLimits,
): Uint8Array | undefined {
  const [only, ...others] = updates;
  if (only === undefined || others.length === 0) return only;
  const lanes = new Map<string, LanePart>();
  for (const bytes of updates) {
    for (const part of decodeUpdate(bytes, limits)?.parts ?? []) {
      const name = `${part.did} ${part.epoch}`;
      const before = lanes.get(name);
      if (before !== undefined && before.to !== part.from) return undefined;
      lanes.set(name, before === undefined ? part : joined(before, part));
    }
  }
  return encodeUpdate({ isWhole: false, parts: [...lanes.values()] });
}

function joined(first: LanePart, second: LanePart): LanePart {
  const newer = new Set(second.entries.map(({ key }) => key));
  const older = first.entries.filter(({ key }) => !newer.has(key));
  return { ...first, to: second.to, entries: [...older, ...second.entries] };
}

interface Before {
  readonly number: number;
  readonly ms: number;
  readonly seen: Seen;
}

function rowOf(entry: LaneEntry, before: Before): unknown[] {
  const { key, n, value, until, by, seen } = entry;
  const isGone = value === undefined;
  const row: unknown[] = [entry.number - before.number, key, entry.ms - before.ms, n];
  const isSeen = seen === before.seen || seen.join() === before.seen.join();
  if (until === 0 && by === undefined && isSeen) {
    if (!isGone) row.push(value);
    return row;
  }
  row.push(value ?? null, {
    ...(until === 0 ? {} : { until }),
    ...(by === undefined ? {} : { by }),
    ...(isSeen ? {} : { seen }),
    ...(isGone ? { gone: 1 } : {}),
  });
  return row;
}

/** Thrown and caught in this file only. */
class Unfit extends Error {}

function partOf(lane: unknown, limits: BoardLimits, isWhole: boolean): LanePart {
  const fields = tuple(lane, 5, 5);
  const did = didOf(fields[0]);
  const epoch = whole(fields[1], EPOCHS);
  const from = whole(fields[2]);
  const to = whole(fields[3]);
  if (from > to) throw new Unfit();
  let before: Before = { number: from, ms: 0, seen: NO_SEEN };
  const entries = arrayOf(fields[4], limits.keys * 4).map((row) => {
    const entry = entryOf(row, before, limits);
    before = entry;
    return entry;
  });
  // Of a whole replica what is newer than its vector may be there, as it was written meanwhile.
  if (before.number > to && !isWhole) throw new Unfit();
  return { did, epoch, from, to, entries };
}

function entryOf(row: unknown, before: Before, limits: BoardLimits): LaneEntry {
  const fields = tuple(row, 4, 6);
  const [step, key, , n, value] = fields;
  const number = before.number + whole(step);
  const ms = before.ms + integer(fields[2]);
  if (step === 0 || !Number.isSafeInteger(number) || ms < 0 || ms > TIME_MAX) throw new Unfit();
  if (typeof key !== 'string' || !isKey(key, limits)) throw new Unfit();
  if (fields.length < 6) {
    const plain = { number, key, ms, n: whole(n), until: 0, by: undefined, seen: before.seen };
    return { ...plain, ...(fields.length === 4 ? GONE : valueOf(value, limits)) };
  }
  const { until, by, seen, isGone } = extrasOf(fields[5], before.seen);
  if (isGone && value !== null) throw new Unfit();
  const content = isGone ? GONE : valueOf(value, limits);
  return { number, key, ms, n: whole(n), until, by, seen, ...content };
}

const GONE = Object.freeze({ value: undefined, valueBytes: 0 });

function valueOf(value: unknown, limits: BoardLimits): Pick<LaneEntry, 'value' | 'valueBytes'> {
  if (problemOf(value as Json, limits.valueDepth) !== undefined) throw new Unfit();
  const valueBytes = JSON.stringify(value).length;
  if (valueBytes > limits.valueBytes) throw new Unfit();
  return { value: value as Json, valueBytes };
}

function extrasOf(
  value: unknown,
  seenBefore: Seen,
): Pick<LaneEntry, 'until' | 'by' | 'seen'> & { readonly isGone: boolean } {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Unfit();
  const { until, by, seen, gone, ...others } = value as Partial<Record<string, unknown>>;
  // What a later version adds is not kept, so that it must not be there: it would be lost on the way.
  if (Object.keys(others).length > 0) throw new Unfit();
  return {
    until: until === undefined ? 0 : whole(until, TIME_MAX),
    by: by === undefined ? undefined : didOf(by),
    seen: seen === undefined ? seenBefore : seenOf(seen),
    isGone: gone !== undefined,
  };
}

function seenOf(value: unknown): Seen {
  const seen = arrayOf(value, LANES_MAX * 2).map((number) => whole(number));
  if (seen.length % 2 !== 0) throw new Unfit();
  return seen;
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

function tuple(value: unknown, min: number, max: number): readonly unknown[] {
  const items = arrayOf(value, max);
  if (items.length < min) throw new Unfit();
  return items;
}

function arrayOf(value: unknown, max: number): readonly unknown[] {
  if (!Array.isArray(value) || value.length > max) throw new Unfit();
  return value;
}

function didOf(value: unknown): Did {
  if (typeof value !== 'string' || !DID.test(value)) throw new Unfit();
  return value as Did;
}

function whole(value: unknown, end = Number.MAX_SAFE_INTEGER): number {
  const number = integer(value);
  if (number < 0 || number >= end) throw new Unfit();
  return number;
}

function integer(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw new Unfit();
  return value;
}
