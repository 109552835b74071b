/**
 * One replica of a board: for each key the write that wins, and how much was seen of each writer's lane.
 * Knows no disk and no network: updates come in and go out as bytes. Updates from peers are read strictly
 * by `update.ts` first. The rules of merging are those of a last-writer-wins map with a version vector
 * ("An optimized conflict-free replicated set", Bieniusa et al., 2012): what a writer has replaced leaves
 * nothing behind, so that a board is as large as what it holds, however often it is written.
 */
import { randomInt } from 'node:crypto';
import type { Did, Json } from '../core/index.ts';
import { createContentDigest } from './content-digest.ts';
import { createLane, laneName, putInto, winsOver, writesAfter } from './lane.ts';
import type { Lane, Winner } from './lane.ts';
import { PIECE_BYTES, inPieces, inTime, lastOf } from './lane-parts.ts';
import { LIMITS, PEER_SLACK } from './limits.ts';
import type { BoardLimits } from './limits.ts';
import { createParking } from './parking.ts';
import { AHEAD_MS, compareStamps, nextStamp } from './stamp.ts';
import type { Stamp } from './stamp.ts';
import {
  LANES_MAX,
  decodeUpdate,
  decodeVector,
  encodeUpdate,
  encodeVector,
  entryBytes,
} from './update.ts';
import type { LaneEntry, LanePart, Seen, Update } from './update.ts';
import type { BoardChange, BoardEntry, Tombstone } from './types.ts';

/**
 * What became of an update from a peer. `full`: it would bring the document over a bound, and was
 * dropped. `early`: a part of it is stamped too far ahead of this node's clock, and was left out for now.
 */
export type ApplyResult = 'applied' | 'malformed' | 'full' | 'early';

/** Hears an update that changed the document, and what it changed. */
export type UpdateListener = (
  update: Uint8Array,
  origin: 'local' | 'remote',
  changes: readonly BoardChange[],
) => void;

/** A change of one key; without `value` the key is deleted. */
export interface EntryChange {
  readonly key: string;
  readonly value?: Json;
  /** Bytes of the value as JSON. */
  readonly valueBytes?: number;
  /** When the entry ends, ms since the epoch; 0 or absent: never. */
  readonly until?: number;
  /** Of what is only carried: who wrote it, and when. */
  readonly by?: Did;
  readonly stamp?: Stamp;
}

/** Changes of this node's own that are not applied yet. */
export interface Draft {
  readonly bytes: Uint8Array;
  readonly part: LanePart;
}

/** A board's document. */
export interface BoardDocument {
  get(key: string): BoardEntry | undefined;
  /** Entries whose key starts with `prefix`, by key. */
  entries(prefix: string): readonly BoardEntry[];
  has(key: string): boolean;
  /** The deletion of a key. */
  tombstone(key: string): Tombstone | undefined;
  /** How far each lane was seen. */
  seen(): Seen;
  /** How many writes of each writer were seen. */
  clock(): Readonly<Record<string, number>>;
  /** Keys that are set. */
  readonly size: number;
  /** About as many bytes as it takes on disk. */
  readonly sizeBytes: number;
  /** Deletions and ends that are remembered. */
  readonly tombstones: number;
  /** Nothing was ever written. */
  readonly isBlank: boolean;
  /**
   * Changes of this node's own, which are not applied: {@link commit} does that once they are on disk. One
   * draft at a time, each key once. Undefined when nothing would change.
   */
  draft(changes: readonly EntryChange[]): Draft | undefined;
  /** Applies what {@link draft} gave. */
  commit(draft: Draft): void;
  /** The last draft was given up: the next one is written into another lane. */
  renewWriter(): void;
  /**
   * Applies an update from a peer. Never throws. With `author` nothing but this writer's lanes may be in it,
   * else it is malformed.
   */
  apply(update: Uint8Array, author?: Did): ApplyResult;
  /** An update refers to others that we have not seen. */
  readonly isWaiting: boolean;
  /** Forgets the updates that wait for others. */
  dropWaiting(): void;
  vector(): Uint8Array;
  /** What is missing at whoever has `vector`, in pieces; undefined when the vector is malformed. */
  diff(vector: Uint8Array): Iterable<Uint8Array> | undefined;
  /** The whole document as it is when this is called, and maybe some of what comes meanwhile, in pieces. */
  snapshot(): Iterable<Uint8Array>;
  /** Hash of what was seen and of what is set: equal digests mean equal boards. */
  digest(): string;
  /** When the next entry ends, ms since the epoch. */
  nextEnd(): number | undefined;
  /** Ends the entries whose time is over, and gives their keys. */
  endOver(): readonly BoardChange[];
  onUpdate(listener: UpdateListener): void;
}

/** What a document is made with. */
export interface DocumentInit {
  readonly limits: BoardLimits;
  /** Whose own changes are drafted. */
  readonly self: Did;
  now(): number;
}

/** What a piece of a lane costs besides its entries, about. */
const PART_BYTES = 100;
const EPOCHS = 2 ** 48 - 1;
/** A tombstone is forgotten after this, whoever has not seen it. */
const TOMBSTONE_MS = 30 * 24 * 3_600_000;

/** Keys that begin with this are the board's own: no entries. */
export const HIDDEN = '\u0000';

/** Makes a document from pieces of an earlier one; gives how many could not be read. */
export function createDocument(
  init: DocumentInit,
  updates: readonly Uint8Array[] = [],
): BoardDocument & { readonly unreadable: number } {
  const document = new LaneDocument(init);
  const unreadable = document.load(updates);
  return Object.assign(document, { unreadable });
}

/** A document with the bounds of this version. */
export function createBoardDocument(
  init: { readonly self: string; now(): number },
  updates: readonly Uint8Array[] = [],
): BoardDocument {
  const now = (): number => init.now();
  return createDocument({ limits: LIMITS, self: init.self as Did, now }, updates);
}

class LaneDocument implements BoardDocument {
  readonly #init: DocumentInit;
  readonly #lanes = new Map<string, Lane>();
  readonly #winners = new Map<string, Winner>();
  /** Keys whose winner is no entry any more, the one that was deleted longest ago first. */
  readonly #gone = new Set<string>();
  /** Keys whose entry will end. */
  readonly #ending = new Map<string, number>();
  readonly #listeners: UpdateListener[] = [];
  readonly #digest = createContentDigest();
  readonly #parking = createParking();
  /** The lane that own changes go to. */
  #own: Lane;
  #last: Stamp = [0, 0];
  #size = 0;
  #sizeBytes = 0;
  /** What was seen of others' lanes, until that changes. */
  #seen: Seen | undefined;
  /** Names of writers by mark, for {@link BoardEntry.clock}. */
  readonly #writers = new Map<number, Did>();

  constructor(init: DocumentInit) {
    this.#init = init;
    this.#own = this.#freshLane();
  }

  /** Reads the pieces of an earlier document, and gives how many are damaged. */
  load(updates: readonly Uint8Array[]): number {
    let unreadable = 0;
    for (const bytes of updates) {
      const update = decodeUpdate(bytes, this.#init.limits);
      if (update === undefined) unreadable += 1;
      else for (const part of update.parts) this.#take(part, update.isWhole, new Set());
    }
    // Numbers of a lane that is not whole here may have been used: then this node writes another.
    const mine = [...this.#lanes.values()].filter(({ did }) => did === this.#init.self);
    const [newest] = mine.toSorted((a, b) => compareStamps(lastOf(b), lastOf(a)));
    if (unreadable === 0 && newest !== undefined) this.#own = newest;
    this.endOver();
    return unreadable;
  }

  get size(): number {
    return this.#size;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get tombstones(): number {
    return this.#gone.size;
  }

  get isBlank(): boolean {
    return this.#lanes.size === 0;
  }

  get isWaiting(): boolean {
    return !this.#parking.isEmpty;
  }

  dropWaiting(): void {
    this.#parking.clear();
  }

  has(key: string): boolean {
    return this.#isSet(this.#winners.get(key));
  }

  get(key: string): BoardEntry | undefined {
    const winner = this.#winners.get(key);
    return winner !== undefined && this.#isSet(winner) ? this.#shown(winner) : undefined;
  }

  entries(prefix: string): readonly BoardEntry[] {
    const found: Winner[] = [];
    for (const [key, winner] of this.#winners) {
      if (!key.startsWith(prefix) || !this.#isSet(winner)) continue;
      if (!key.startsWith(HIDDEN)) found.push(winner);
    }
    found.sort((a, b) => (a.key < b.key ? -1 : 1));
    return found.map((winner) => this.#shown(winner));
  }

  tombstone(key: string): Tombstone | undefined {
    const winner = this.#winners.get(key);
    if (winner === undefined || winner.value !== undefined) return undefined;
    const { by, at, clock, via } = this.#shown(winner);
    return { key, by, at, clock, ...(via === undefined ? {} : { via }) };
  }

  clock(): Readonly<Record<string, number>> {
    const clock: Record<string, number> = {};
    for (const { did, to } of this.#lanes.values()) clock[did] = (clock[did] ?? 0) + to;
    return clock;
  }

  seen(): Seen {
    return [...this.#lanes.values()].flatMap(({ mark, to }) => [mark, to]);
  }

  draft(changes: readonly EntryChange[]): Draft | undefined {
    const { did, epoch, to } = this.#own;
    const seen = this.#seenOfOthers();
    let stamp: Stamp = this.#last;
    const entries: LaneEntry[] = [];
    for (const change of changes) {
      if (change.value === undefined && !this.has(change.key)) continue;
      stamp = nextStamp(stamp, this.#init.now());
      const [ms, n] = change.stamp ?? stamp;
      const { key, value, until = 0, by, valueBytes = 0 } = change;
      entries.push({
        number: to + entries.length + 1,
        key,
        ms,
        n,
        value,
        until,
        by,
        seen,
        valueBytes,
      });
    }
    if (entries.length === 0) return undefined;
    const part: LanePart = { did, epoch, from: to, to: to + entries.length, entries };
    return { bytes: encodeUpdate({ isWhole: false, parts: [part] }), part };
  }

  commit({ bytes, part }: Draft): void {
    const changed = this.#mergeAll({ isWhole: false, parts: [part] }, Number.POSITIVE_INFINITY);
    this.#tell(bytes, 'local', changed.keys);
  }

  renewWriter(): void {
    this.#own = this.#freshLane();
  }

  apply(bytes: Uint8Array, author?: Did): ApplyResult {
    const { limits } = this.#init;
    const update = decodeUpdate(bytes, limits);
    if (update === undefined) return 'malformed';
    if (author !== undefined && update.parts.some(({ did }) => did !== author)) return 'malformed';
    if (!this.#hasRoomFor(update)) return 'full';
    const latest = this.#init.now() + AHEAD_MS;
    const own = this.#own;
    const before = own.to;
    const { keys, applied, isEarly, isAsSent } = this.#mergeAll(update, latest);
    // Somebody knows more of our lane than we do: our disk is an older one. No number may be used twice.
    if (own.to > before) this.renewWriter();
    if (applied.length > 0) {
      const { isWhole } = update;
      this.#tell(isAsSent ? bytes : encodeUpdate({ isWhole, parts: applied }), 'remote', keys);
    }
    return isEarly ? 'early' : 'applied';
  }

  vector(): Uint8Array {
    return encodeVector([...this.#lanes.values()].filter(({ to }) => to > 0));
  }

  diff(vector: Uint8Array): Iterable<Uint8Array> | undefined {
    const theirs = decodeVector(vector);
    if (theirs === undefined) return undefined;
    const known = new Map(theirs.map(({ did, epoch, to }) => [laneName(did, epoch), to]));
    const isEqual =
      known.size === this.#lanes.size &&
      [...this.#lanes.values()].every(({ name, to }) => known.get(name) === to);
    return isEqual ? this.snapshot() : this.#piecesAfter(known);
  }

  *snapshot(): Iterable<Uint8Array> {
    const vector = [...this.#lanes.values()].map(({ did, epoch, to }) => ({ did, epoch, to }));
    for (const lane of this.#lanes.values()) {
      for (const entries of inPieces(writesAfter(lane, 0))) {
        const { did, epoch } = lane;
        yield encodeUpdate({ isWhole: true, parts: [{ did, epoch, from: 0, to: 0, entries }] });
      }
    }
    yield encodeUpdate({
      isWhole: true,
      parts: vector.map((lane) => ({ ...lane, from: 0, entries: [] })),
    });
  }

  digest(): string {
    return this.#digest.text(this.#lanes.values());
  }

  nextEnd(): number | undefined {
    let next: number | undefined;
    for (const until of this.#ending.values()) {
      if (next === undefined || until < next) next = until;
    }
    return next;
  }

  endOver(): readonly BoardChange[] {
    const now = this.#init.now();
    const ended: BoardChange[] = [];
    for (const [key, until] of this.#ending) {
      const winner = this.#winners.get(key);
      if (until > now || winner === undefined) continue;
      this.#ending.delete(key);
      winner.hasEnded = true;
      this.#size -= 1;
      this.#gone.add(key);
      ended.push({ key });
    }
    this.#forgetOld();
    return ended;
  }

  onUpdate(listener: UpdateListener): void {
    this.#listeners.push(listener);
  }

  #tell(bytes: Uint8Array, origin: 'local' | 'remote', keys: ReadonlySet<string>): void {
    const changes = [...keys].map((key): BoardChange => {
      const entry = this.get(key);
      if (entry !== undefined) return { key, entry };
      const gone = this.tombstone(key);
      return gone === undefined ? { key } : { key, gone };
    });
    for (const listener of this.#listeners) listener(bytes, origin, changes);
  }

  /** Never one that was used before. */
  #freshLane(): Lane {
    const { self } = this.#init;
    let epoch = randomInt(EPOCHS);
    while (this.#lanes.has(laneName(self, epoch))) epoch = randomInt(EPOCHS);
    return createLane(self, epoch);
  }

  #hasRoomFor({ parts }: Update): boolean {
    const { keys, boardBytes } = this.#init.limits;
    const added = new Set<string>();
    let addedBytes = 0;
    let lanes = this.#lanes.size;
    for (const { did, epoch, to, entries } of parts) {
      const lane = this.#lanes.get(laneName(did, epoch));
      if (lane === undefined) lanes += 1;
      if (lane !== undefined && to <= lane.to) continue;
      for (const { key, value, valueBytes, seen } of entries) {
        addedBytes +=
          entryBytes({ key, seen }, valueBytes) - (this.#winners.get(key)?.sizeBytes ?? 0);
        if (value !== undefined && !this.has(key)) added.add(key);
      }
    }
    if (lanes > LANES_MAX) return false;
    if (added.size > 0 && this.#size + added.size > keys * PEER_SLACK) return false;
    return addedBytes <= 0 || this.#sizeBytes + addedBytes <= boardBytes * PEER_SLACK;
  }

  /** Merges an update and what was waiting for it. */
  #mergeAll(update: Update, latestMs: number): Merged {
    const merged: Merged = { keys: new Set(), applied: [], isEarly: false, isAsSent: true };
    this.#mergeInto(update, latestMs, merged);
    if (update.isWhole || this.#parking.isEmpty) return merged;
    for (;;) {
      const parts = this.#parking.take(({ did, epoch, from }) => {
        return from <= (this.#lanes.get(laneName(did, epoch))?.to ?? 0);
      });
      if (parts.length === 0) return merged;
      merged.isAsSent = false;
      this.#mergeInto({ isWhole: false, parts }, latestMs, merged);
    }
  }

  #mergeInto({ isWhole, parts }: Update, latestMs: number, merged: Merged): void {
    for (const part of parts) {
      const known = this.#lanes.get(laneName(part.did, part.epoch));
      const seenTo = known?.to ?? 0;
      if (!isWhole && part.from > seenTo) this.#parking.put(part);
      if (!isWhole && (part.from > seenTo || part.to <= seenTo)) {
        merged.isAsSent = false;
        continue;
      }
      if (isWhole && part.to <= seenTo && part.entries.length === 0) continue;
      const fit = inTime(part, latestMs, isWhole);
      if (fit !== part) {
        merged.isEarly = true;
        merged.isAsSent = false;
        if (fit.to <= seenTo && fit.entries.length === 0) continue;
      }
      merged.applied.push(fit);
      this.#take(fit, isWhole, merged.keys);
    }
  }

  #take(part: LanePart, isWhole: boolean, keys: Set<string>): void {
    const lane = this.#laneOf(part);
    for (const entry of part.entries) {
      if (!isWhole && entry.number <= lane.to) continue;
      if (this.#put(lane, entry)) keys.add(entry.key);
    }
    if (part.to <= lane.to) return;
    lane.to = part.to;
    this.#seen = undefined;
    this.#digest.seenMore();
  }

  #laneOf({ did, epoch }: LanePart): Lane {
    const name = laneName(did, epoch);
    const known = this.#lanes.get(name);
    if (known !== undefined) return known;
    const lane = name === this.#own.name ? this.#own : createLane(did, epoch);
    this.#lanes.set(name, lane);
    this.#writers.set(lane.mark, did);
    return lane;
  }

  /** Gives whether the write wins. */
  #put(lane: Lane, entry: LaneEntry): boolean {
    const { number, key, ms, n, value, until, seen, valueBytes } = entry;
    const by = entry.by ?? lane.did;
    const sizeBytes = entryBytes({ key, seen }, valueBytes);
    const winner: Winner = {
      number,
      key,
      ms,
      n,
      value,
      until,
      seen,
      valueBytes,
      lane,
      by,
      sizeBytes,
      hasEnded: false,
      isCounted: false,
    };
    const stamp: Stamp = [entry.ms, entry.n];
    if (compareStamps(stamp, this.#last) > 0) this.#last = stamp;
    const before = this.#winners.get(key);
    if (before !== undefined) {
      if (!winsOver(winner, before)) return false;
      this.#remove(before);
    }
    this.#winners.set(key, winner);
    putInto(lane, winner);
    this.#sizeBytes += winner.sizeBytes;
    if (value === undefined) this.#gone.add(key);
    else {
      this.#size += 1;
      if (until > 0) this.#ending.set(key, until);
      else this.#digest.add(winner);
    }
    if (this.#gone.size > this.#init.limits.tombstones) this.#forgetOldest();
    return true;
  }

  #remove(winner: Winner): void {
    const { key, lane, number, value, hasEnded } = winner;
    this.#winners.delete(key);
    lane.live.delete(number);
    this.#gone.delete(key);
    this.#ending.delete(key);
    this.#sizeBytes -= winner.sizeBytes;
    if (value !== undefined && !hasEnded) this.#size -= 1;
    this.#digest.remove(winner);
  }

  #forgetOldest(): void {
    const [key = ''] = this.#gone;
    const winner = this.#winners.get(key);
    if (winner !== undefined) this.#remove(winner);
  }

  #forgetOld(): void {
    const before = this.#init.now() - TOMBSTONE_MS;
    for (const key of this.#gone) {
      const winner = this.#winners.get(key);
      if (winner !== undefined && Math.max(winner.ms, winner.until) < before) this.#remove(winner);
    }
  }

  #isSet(winner: Winner | undefined): boolean {
    if (winner?.value === undefined || winner.hasEnded) return false;
    return winner.until === 0 || winner.until > this.#init.now();
  }

  #shown({ key, value, by, ms, until, lane, number, seen }: Winner): BoardEntry {
    const clock: Record<string, number> = {};
    for (let at = 0; at < seen.length; at += 2) {
      const mark = seen[at] ?? 0;
      const writer = this.#writers.get(mark) ?? mark.toString(16);
      clock[writer] = (clock[writer] ?? 0) + (seen[at + 1] ?? 0);
    }
    clock[lane.did] = (clock[lane.did] ?? 0) + number;
    return {
      key,
      value: value ?? null,
      by,
      at: ms,
      clock,
      ...(until === 0 ? {} : { until }),
      ...(by === lane.did ? {} : { via: lane.did }),
    };
  }

  #seenOfOthers(): Seen {
    if (this.#seen === undefined) {
      const others = [...this.#lanes.values()].filter((lane) => lane !== this.#own);
      this.#seen = others.flatMap(({ mark, to }) => [mark, to]);
    }
    return this.#seen;
  }

  *#piecesAfter(known: ReadonlyMap<string, number>): Iterable<Uint8Array> {
    let parts: LanePart[] = [];
    let sizeBytes = 0;
    // What comes while pieces are taken is not in them.
    const lanes = [...this.#lanes.values()].map((lane) => ({ lane, to: lane.to }));
    for (const { lane, to } of lanes) {
      const { did, epoch } = lane;
      let from = known.get(lane.name) ?? 0;
      let entries: Winner[] = [];
      if (from >= to) continue;
      for (const winner of writesAfter(lane, from)) {
        if (winner.number > to) break;
        entries.push(winner);
        sizeBytes += winner.sizeBytes;
        if (sizeBytes < PIECE_BYTES) continue;
        parts.push({ did, epoch, from, to: winner.number, entries });
        yield encodeUpdate({ isWhole: false, parts });
        [parts, entries, sizeBytes, from] = [[], [], 0, winner.number];
      }
      if (from < to) parts.push({ did, epoch, from, to, entries });
      sizeBytes += PART_BYTES;
    }
    if (parts.length > 0) yield encodeUpdate({ isWhole: false, parts });
  }
}

interface Merged {
  /** Keys that changed. */
  readonly keys: Set<string>;
  /** What brought something new. */
  readonly applied: LanePart[];
  isEarly: boolean;
  /** All of the update, and nothing else, was applied. */
  isAsSent: boolean;
}
