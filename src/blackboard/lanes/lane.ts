/**
 * One lane of a board: what one run of one writer wrote, as a Yjs document of its own that nobody else writes. With
 * one client in it the clock of Yjs says exactly what of the lane was seen, and the document of a lane that is
 * not its owner's own can be refused, replaced and let go of without a look at any other.
 */
import * as Y from 'yjs';
import type { Did } from '../../core/index.ts';
import { UNNAMED } from './draft.ts';
import type { Drafter } from './draft.ts';
import { ENTRIES, HEAD, LANE, headOf, rawHead, writeOf } from './lane-format.ts';
import type { Head, Place, RawHead, RawWrite, Seen, Write } from './lane-format.ts';
import { deletionBytes, withoutDeletions } from './yjs-deletions.ts';

/** One lane. Its name is its writer, the run of the writer, and how often that run has begun it anew. */
export interface Lane {
  readonly did: Did;
  /** The Yjs client id that writes it: one run of the writer. */
  readonly client: number;
  readonly gen: number;
  readonly name: string;
  readonly doc: Y.Doc;
  readonly entries: Y.Map<RawWrite>;
  /** Absent of an empty lane, and until {@link laneHead} was asked for. */
  head?: Head;
  /** Of the lane that own changes go to. */
  drafter?: Drafter<RawWrite>;
  /** How many of its writes are the newest of their key on the whole board, and how much of the board's size these are. */
  winning: number;
  winningBytes: number;
  /** How many of these are entries now. */
  live: number;
  /** It stands for all that it replaces. */
  isEffective: boolean;
}

/** What tells a lane from all others. */
export interface LaneId {
  readonly did: Did;
  readonly client: number;
  readonly gen: number;
}

/** Bytes of a piece of a long update, about: what is applied in one go, which should take some ms. */
const PIECE_BYTES = 24 * 1024;
const PIECE_STRUCTS = 256;
const PIECE_STRUCTS_MAX = 512;
/** The id of the document itself, which writes nothing; client ids are smaller. */
const NOBODY = 2 ** 33;

/** An empty lane. */
export function createLane({ did, client, gen }: LaneId): Lane {
  const doc = new Y.Doc(UNNAMED);
  doc.clientID = NOBODY;
  // Both types must be there before anything is read: else Yjs would make them of another kind.
  doc.getMap<RawHead>(LANE);
  const entries = doc.getMap<RawWrite>(ENTRIES);
  const name = laneName({ did, client, gen });
  const counts = { winning: 0, winningBytes: 0, live: 0 };
  return { did, client, gen, name, doc, entries, ...counts, isEffective: false };
}

/** What tells a lane from all others, as a text. */
export function laneName({ did, client, gen }: LaneId): string {
  return `${did} ${client} ${gen}`;
}

/** How much of the lane is here. */
export function clockOf({ doc, client }: Lane): number {
  return Y.getState(doc.store, client);
}

/** Where a lane stands. */
export function placeOf(lane: Lane): Place {
  return { client: lane.client, gen: lane.gen, clock: clockOf(lane) };
}

/** Pieces of Yjs' memory that the lane takes, its head included. */
export function structsOf({ doc, client }: Lane): readonly (Y.Item | Y.GC)[] {
  return doc.store.clients.get(client) ?? [];
}

/** The head of a lane; undefined of an empty one. */
export function laneHead(lane: Lane): Head | undefined {
  const head = lane.head ?? headOf(lane.doc.getMap<RawHead>(LANE).get(HEAD));
  if (head !== undefined) lane.head = head;
  return head;
}

/** The newest write of a key in this lane, with its clock. */
export function writeIn(lane: Lane, key: string): { write: Write; clock: number } | undefined {
  const item = lane.entries._map.get(key);
  return item === undefined ? undefined : readItem(item, key);
}

/**
 * As {@link writeIn}, and has the write take no more memory than it needs: Yjs fills arrays piece by piece as it reads, and V8
 * leaves room at their ends. What the writer had seen is the same array as `before` where it says the same.
 */
export function trimmedWriteIn(
  { entries }: Lane,
  key: string,
  before?: Seen,
): { write: Write; clock: number } | undefined {
  const item = entries._map.get(key);
  if (item === undefined || item.deleted || !(item.content instanceof Y.ContentAny)) {
    return undefined;
  }
  const raw = item.content.arr[0] as RawWrite;
  item.content.arr = [raw];
  shareSeen(raw, before);
  return { write: writeOf(key, raw), clock: item.id.clock };
}

/** Has what the writer had seen be the same array as `before` where it says the same, else one that is no longer than it need be. */
export function shareSeen(raw: RawWrite & { s?: Seen }, before: Seen | undefined): void {
  const { s } = raw;
  if (s === undefined) return;
  const isSame = s.length === before?.length && s.every((one, at) => one === before[at]);
  raw.s = isSame ? before : s.slice();
}

/** Whether the lane holds a write of this key. */
export function holds(lane: Lane, key: string): boolean {
  return lane.entries._map.get(key)?.deleted === false;
}

/** The writes of a lane that the lane itself has not replaced, in the order in which they were written. */
export function* writesOf(lane: Lane): Iterable<{ write: Write; clock: number }> {
  for (const struct of structsOf(lane)) {
    if (struct instanceof Y.GC || struct.parent !== lane.entries) continue;
    const found = readItem(struct, struct.parentSub ?? '');
    if (found !== undefined) yield found;
  }
}

/** A lane with all of `writes`, as Yjs writes it in one go: the same bytes wherever it is made. */
export function fillLane(
  id: LaneId,
  head: Head,
  writes: Iterable<{ readonly key: string; readonly raw: RawWrite }>,
): Lane {
  const lane = createLane(id);
  const { doc, entries, client } = lane;
  doc.clientID = client;
  doc.transact(() => {
    doc.getMap<RawHead>(LANE).set(HEAD, rawHead(head));
    for (const { key, raw } of writes) entries.set(key, raw);
  });
  doc.clientID = NOBODY;
  return lane;
}

/** The raw form of a write that stands in a lane. */
export function rawIn(lane: Lane, key: string): RawWrite | undefined {
  return lane.entries.get(key);
}

/** All of a lane, as one update. */
export function wholeOf(lane: Lane): Uint8Array {
  return encodeStructs(lane, structsOf(lane), 0);
}

/** What of a lane comes after the clock `from`, up to where the lane stands now, in pieces that follow each other. */
export function* piecesOf(lane: Lane, from: number): Iterable<Uint8Array> {
  const end = clockOf(lane);
  let count = PIECE_STRUCTS;
  for (let clock = from; clock < end;) {
    const structs = structsOf(lane);
    const first = Y.findIndexSS(structs as (Y.Item | Y.GC)[], clock);
    const some = structs.slice(first, first + count);
    const update = encodeStructs(lane, some, clock);
    if (update.length > PIECE_BYTES && some.length > 1) {
      count = Math.max(1, Math.floor(count / 2));
      continue;
    }
    yield update;
    const last = some.at(-1);
    if (last === undefined) return;
    clock = last.id.clock + last.length;
    if (update.length < PIECE_BYTES / 2) count = Math.min(count * 2, PIECE_STRUCTS_MAX);
  }
}

/** One for all: to make a document costs more than to fill it. */
const scratch = new Y.Doc();

function encodeStructs(
  { client }: Lane,
  structs: readonly (Y.Item | Y.GC)[],
  from: number,
): Uint8Array {
  scratch.store.clients.clear();
  scratch.store.clients.set(client, [...structs]);
  const vector = Y.encodeStateVector(new Map([[client, from]]));
  const update = Y.encodeStateAsUpdateV2(scratch, vector);
  const bytes = deletionBytes(Y.createDeleteSetFromStructStore(scratch.store));
  scratch.store.clients.clear();
  return withoutDeletions(update, bytes);
}

function readItem(item: Y.Item, key: string): { write: Write; clock: number } | undefined {
  if (item.deleted || !(item.content instanceof Y.ContentAny)) return undefined;
  return { write: writeOf(key, item.content.arr[0] as RawWrite), clock: item.id.clock };
}
