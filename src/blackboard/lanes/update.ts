/**
 * What replicas of a board tell each other, and what stands in the log: updates of lanes' Yjs documents (V2), each
 * with the lane it belongs to. Bytes are deterministic CBOR:
 *
 *   update := [2 or 3, [part, …]]                       3: pieces of a whole replica
 *   part   := [did or null, client, gen, yjs update]    null: who sends it is its writer
 *           | [did or null, client, gen, head, [source, …]]
 *   source := [client, gen, clock, [left out, …]]       clocks of items, each after the one before
 *   sent   := [4, [part, …], at, 0 or 1]                in a log only: as a peer sent it; 1: pieces of a whole replica
 *
 * The second kind makes a lane from others of the same writer, which whoever has these does without being sent
 * their entries again. Whatever comes from elsewhere is read strictly, as a whole, before any of it counts.
 */
import { decode, encode } from 'cborg';
import * as Y from 'yjs';
import type { Did } from '../../core/index.ts';
import { headOf, isBelow, isClient, isDid, rawHead } from './lane-format.ts';
import type { Head, Place } from './lane-format.ts';
import { laneName } from './lane.ts';
import type { LaneId } from './lane.ts';

/** A lane that another is made from. */
export interface Source extends Place {
  /** Clocks of the writes that are left out, ascending. */
  readonly leftOut: readonly number[];
}

/** How a lane is made from others. */
export interface Making {
  readonly head: Head;
  readonly sources: readonly Source[];
}

/** What an update says of one lane: one of both. */
export interface LanePart extends LaneId {
  /** An update of the lane's document. */
  readonly update?: Uint8Array;
  readonly making?: Making;
}

/** Parts of lanes. */
export interface Update {
  /** Pieces of a whole replica: of a log's beginning, or for one that differs though it has seen as much. */
  readonly isWhole: boolean;
  readonly parts: readonly LanePart[];
}

/** What a replica has of each lane. */
export type Vector = readonly (LaneId & { readonly clock: number })[];

const NEWS = 2;
const WHOLE = 3;
const SENT = 4;
/** An array of four items. */
const SENT_START = 0x84;
/** An array of two items, and the number of a whole one. */
const WHOLE_START = Buffer.from([0x82, WHOLE]);
/** Lanes of one update, or of one board: a bound that an honest mesh does not reach. */
export const LANES_MAX = 4096;
const SOURCES_MAX = 256;
const LEFT_OUT_MAX = 500_000;

/** Writes an update; the did of `author` is not written, as whoever receives it knows who sends it. */
export function encodeUpdate({ isWhole, parts }: Update, author?: Did): Uint8Array {
  return encode([isWhole ? WHOLE : NEWS, rowsOf(parts, author)]);
}

/** Whether bytes are pieces of a whole replica, as {@link encodeUpdate} writes them. */
export function isWholeUpdate(bytes: Uint8Array): boolean {
  return WHOLE_START.equals(bytes.subarray(0, WHOLE_START.length));
}

/**
 * Reads an update; undefined when it is damaged. Never throws. Updates of Yjs in it are not looked into. `author`
 * is who sends it, if that is known.
 */
export function decodeUpdate(bytes: Uint8Array, author?: Did): Update | undefined {
  try {
    const [format, rows] = tuple(parse(bytes), 2, 2);
    if (format !== NEWS && format !== WHOLE) return undefined;
    const parts = arrayOf(rows, LANES_MAX).map((row) => partOf(row, author));
    return { isWhole: format === WHOLE, parts };
  } catch {
    // Parsers throw all sorts of errors at bytes that are no update; which one says nothing.
    return undefined;
  }
}

/** What one row of a board's log holds. */
export interface LogUpdate extends Update {
  /**
   * When it came, by this node's clock, ms since the epoch: it stands there as a peer sent it, before it was judged, and
   * is judged when it is read. Absent of what counts.
   */
  readonly sentAt?: number;
}

/** Writes an update of a peer for the log, before it counts. */
export function encodeSent({ isWhole, parts }: Update, atMs: number): Uint8Array {
  return encode([SENT, rowsOf(parts), atMs, isWhole ? 1 : 0]);
}

/** Whether bytes of a log are what a peer sent. */
export function isSentUpdate(bytes: Uint8Array): boolean {
  return bytes[0] === SENT_START;
}

/** Reads an update from a log; undefined when it is damaged. Never throws. */
export function decodeLogUpdate(bytes: Uint8Array): LogUpdate | undefined {
  if (!isSentUpdate(bytes)) return decodeUpdate(bytes);
  try {
    const [format, rows, at, isWhole] = tuple(parse(bytes), 4, 4);
    if (format !== SENT || (isWhole !== 0 && isWhole !== 1)) return undefined;
    const parts = arrayOf(rows, LANES_MAX).map((row) => partOf(row, undefined));
    return { isWhole: isWhole === 1, parts, sentAt: whole(at) };
  } catch {
    // As above: which of its errors a parser throws says nothing.
    return undefined;
  }
}

/** Writes a vector. */
export function encodeVector(vector: Vector): Uint8Array {
  return encode(vector.map(({ did, client, gen, clock }) => [did, client, gen, clock]));
}

/** Reads a vector; undefined when it is none. Never throws. */
export function decodeVector(bytes: Uint8Array): Vector | undefined {
  try {
    return arrayOf(parse(bytes), LANES_MAX).map((row) => {
      const [did, client, gen, clock] = tuple(row, 4, 4);
      return { ...laneOf(did, client, gen), clock: whole(clock) };
    });
  } catch {
    // Whatever is wrong with it, it is no vector.
    return undefined;
  }
}

/** Parts of own lanes, in their order, as few: what follows each other in a lane is merged by Yjs. */
export function joinParts(parts: readonly LanePart[]): readonly LanePart[] {
  const joined: LanePart[] = [];
  let run: LanePart[] = [];
  const finish = (): void => {
    const [first] = run;
    if (first === undefined) return;
    const bytes = run.flatMap(({ update }) => (update === undefined ? [] : [update]));
    joined.push(run.length === 1 ? first : { ...first, update: Y.mergeUpdatesV2(bytes) });
    run = [];
  };
  for (const part of parts) {
    const [first] = run;
    const isMore = first?.update !== undefined && part.update !== undefined;
    if (!isMore || laneName(first) !== laneName(part)) finish();
    run.push(part);
  }
  finish();
  return joined;
}

/** Thrown and caught in this file only. */
class Unfit extends Error {}

function rowsOf(parts: readonly LanePart[], author?: Did): readonly unknown[] {
  return parts.map(({ did, client, gen, update, making }) => {
    const lane = [did === author ? null : did, client, gen];
    if (making === undefined) return [...lane, update ?? new Uint8Array(0)];
    return [...lane, rawHead(making.head), making.sources.map(rowOf)];
  });
}

function rowOf({ client, gen, clock, leftOut }: Source): unknown[] {
  const steps = leftOut.map((one, at) => one - (at === 0 ? 0 : (leftOut[at - 1] ?? 0)));
  return [client, gen, clock, steps];
}

function partOf(row: unknown, author: Did | undefined): LanePart {
  const [did, client, gen, body, sources] = tuple(row, 4, 5);
  const lane = laneOf(did ?? author, client, gen);
  if (sources === undefined) {
    if (!(body instanceof Uint8Array)) throw new Unfit();
    return { ...lane, update: body };
  }
  const head = headOf(body);
  if (head === undefined) throw new Unfit();
  return { ...lane, making: { head, sources: arrayOf(sources, SOURCES_MAX).map(sourceOf) } };
}

function sourceOf(row: unknown): Source {
  const [client, gen, clock, steps] = tuple(row, 4, 4);
  if (!isClient(client)) throw new Unfit();
  let last = 0;
  const leftOut = arrayOf(steps, LEFT_OUT_MAX).map((step) => {
    last += whole(step);
    return whole(last);
  });
  return { client, gen: whole(gen), clock: whole(clock), leftOut };
}

function laneOf(did: unknown, client: unknown, gen: unknown): LaneId {
  if (!isDid(did) || !isClient(client)) throw new Unfit();
  return { did, client, gen: whole(gen) };
}

function parse(bytes: Uint8Array): unknown {
  return decode(bytes, { strict: true, rejectDuplicateMapKeys: true });
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

function whole(value: unknown): number {
  if (!isBelow(value)) throw new Unfit();
  return value;
}
