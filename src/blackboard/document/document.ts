/**
 * One replica of a board: the lanes of its writers, each a Yjs document that its owner alone writes, and of each key
 * the newest write in any of them. Which one that is the board decides by stamp and writer, not Yjs by a client id
 * that a writer may choose. Knows no disk and no network: updates come in and go out as bytes. Updates from peers
 * pass `inspect-update.ts` first.
 */
import { StarlingError } from '../../core/index.ts';
import type { Did } from '../../core/index.ts';
import type {
  ApplyResult,
  Arrival,
  BoardDocument,
  DocumentInit,
  Draft,
  EntryChange,
  UpdateListener,
} from './document-types.ts';
import type { EarlyView } from './early-parts.ts';
import { newestWrites } from '../lanes/inspect-update.ts';
import { writeOf } from '../lanes/lane-format.ts';
import type { OwnedPlace, Place, SeenPlace } from '../lanes/lane-format.ts';
import { LaneMerge } from './lane-merge.ts';
import type { Merged } from './lane-merge.ts';
import { allPieces, piecesAfter } from './lane-pieces.ts';
import { LaneSet } from './lane-set.ts';
import { clockOf, createLane, laneName, writesOf } from '../lanes/lane.ts';
import type { Lane } from '../lanes/lane.ts';
import { LIMITS } from '../limits.ts';
import { OwnLanes } from './own-lanes.ts';
import {
  decodeLogUpdate,
  decodeUpdate,
  decodeVector,
  encodeSent,
  encodeUpdate,
  encodeVector,
  isSentUpdate,
} from '../lanes/update.ts';
import type { LogUpdate } from '../lanes/update.ts';
import type { BoardChange, BoardEntry, Tombstone } from '../types.ts';
import { WinnerIndex } from './winner-index.ts';
import type { Winner } from './winner.ts';

/** Keys that begin with this are the board's own: no entries. */
export const HIDDEN = '\u0000';

/** What of a log could not be read, and what of it came last. */
interface Loaded {
  /** Rows that are damaged. */
  readonly unreadable: number;
  /** What peers sent in the last moments that the log knows of, and when it came, ms since the epoch. */
  readonly late: readonly LateChange[];
}

/** A change, and when a peer sent it, ms since the epoch. */
interface LateChange {
  readonly sentAt: number;
  readonly change: BoardChange;
}

/** What came before the last moments of a log: its lines of the history were on the disk long before the end. */
const LATE_MS = 2000;
/** From so many changes on an update is shorter than the lines of history that it stands for. */
const BULK_MIN = 32;

/** Makes a document from pieces of an earlier one. */
export function createDocument(
  init: DocumentInit,
  updates: readonly Uint8Array[] = [],
): BoardDocument & Loaded {
  const document = new LaneDocument(init);
  return Object.assign(document, document.load(updates));
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
  readonly #lanes: LaneSet;
  readonly #winners: WinnerIndex;
  readonly #listeners: UpdateListener[] = [];
  readonly #own: OwnLanes;
  readonly #merge: LaneMerge;

  constructor(init: DocumentInit) {
    this.#init = init;
    this.#lanes = new LaneSet(init.self, init.access);
    this.#winners = new WinnerIndex({
      self: init.self,
      now: () => init.now(),
      lanes: () => this.#lanes.all(),
      places: () => this.#lanes.places(),
    });
    this.#own = new OwnLanes(init, this.#lanes, this.#winners);
    const parts = { lanes: this.#lanes, winners: this.#winners, own: this.#own };
    this.#merge = new LaneMerge(init, parts);
  }

  /** Reads the pieces of an earlier document. */
  load(updates: readonly Uint8Array[]): Loaded {
    let unreadable = 0;
    const late: LateChange[] = [];
    const lateFrom = lastSentAt(updates) - LATE_MS;
    this.#merge.readingLog(() => {
      for (const bytes of updates) {
        const update = decodeLogUpdate(bytes);
        const keys = update && this.#attemptOne(update);
        if (keys === undefined) unreadable += 1;
        else if (update?.sentAt !== undefined && update.sentAt > lateFrom) {
          const { sentAt } = update;
          late.push(...this.#changesOf(keys).map((change) => ({ sentAt, change })));
        }
      }
    });
    // What refers to a damaged piece can't be read either, and never will be.
    this.dropWaiting();
    this.#own.begin();
    this.endOver();
    return { unreadable, late };
  }

  /** As {@link #loadOne}; what a peer has sent ends no start, whatever it is: a row that can't be brought in is a damaged one. */
  #attemptOne(update: LogUpdate): ReadonlySet<string> | undefined {
    try {
      return this.#loadOne(update);
    } catch {
      // Which error a library throws at bytes that it does not understand says nothing.
      return undefined;
    }
  }

  /** Brings in a row of a log, and gives the keys that it changed; undefined of a row that is damaged. */
  #loadOne(update: LogUpdate): ReadonlySet<string> | undefined {
    const checked = this.#merge.check(update);
    if (checked === undefined) return undefined;
    const { isWhole, sentAt } = update;
    // What a peer sent stands there before it was judged: what was refused is refused again. There was room for it.
    if (sentAt !== undefined) return this.#merge.mergeTheirs(checked, isWhole, sentAt).keys;
    const { isMalformed, keys } = this.#merge.mergeOwn(checked, { isWhole });
    return isMalformed ? undefined : keys;
  }

  get size(): number {
    return this.#winners.size;
  }

  get sizeBytes(): number {
    return this.#winners.sizeBytes;
  }

  get tombstones(): number {
    return this.#winners.gone;
  }

  get structs(): number {
    return this.#lanes.structs;
  }

  get changes(): number {
    let changes = 0;
    for (const lane of this.#lanes.all()) changes += clockOf(lane);
    return changes;
  }

  get isBlank(): boolean {
    return this.#lanes.size === 0;
  }

  get isWaiting(): boolean {
    return this.#merge.isWaiting;
  }

  get early(): EarlyView | undefined {
    return this.#merge.early.view;
  }

  dropWaiting(): void {
    this.#merge.dropWaiting();
  }

  has(key: string): boolean {
    return this.#winners.entry(key) !== undefined;
  }

  get(key: string): BoardEntry | undefined {
    const winner = this.#winners.entry(key);
    return winner === undefined ? undefined : this.#winners.shown(winner);
  }

  entries(prefix: string): readonly BoardEntry[] {
    const found: Winner[] = [];
    for (const key of this.#winners.byKey.keys()) {
      if (!key.startsWith(prefix) || key.startsWith(HIDDEN)) continue;
      const winner = this.#winners.entry(key);
      if (winner !== undefined) found.push(winner);
    }
    found.sort((a, b) => (a.key < b.key ? -1 : 1));
    return found.map((winner) => this.#winners.shown(winner));
  }

  tombstone(key: string): Tombstone | undefined {
    const winner = this.#winners.byKey.get(key);
    if (winner === undefined || winner.value !== undefined) return undefined;
    const { by, at, clock, via } = this.#winners.shown(winner);
    return { key, by, at, clock, ...(via === undefined ? {} : { via }) };
  }

  clock(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#winners.counts);
  }

  seen(): readonly OwnedPlace[] {
    return [...this.#lanes.places()].map(({ did, client, gen, clock }) => ({
      did,
      client,
      gen,
      clock,
    }));
  }

  covers(places: readonly SeenPlace[]): boolean {
    return this.#lanes.covers(places);
  }

  draft(changes: readonly EntryChange[]): Draft | undefined {
    return this.#own.draft(changes);
  }

  draftRenewal(): Draft | undefined {
    return this.#own.draftRenewal();
  }

  draftAdoption(owners: ReadonlySet<Did>): Draft | undefined {
    return this.#own.draftAdoption(owners);
  }

  absentSince(limits: { readonly writtenBefore: number; readonly dead: number }): readonly Did[] {
    const writers = new Set([...this.#lanes.all()].map(({ did }) => did));
    return [...writers].filter((did) => {
      const lanes = this.#lanes.of(did);
      return lastIn(lanes) < limits.writtenBefore && this.#own.isWorthAdopting(lanes, limits.dead);
    });
  }

  commit({ bytes, part }: Draft): void {
    const checked = this.#merge.check({ isWhole: false, parts: [part] });
    const merged = checked && this.#merge.mergeOwn(checked, { hasPeers: true });
    if (merged === undefined || merged.isMalformed) throw new Error('an own draft does not fit');
    if (merged.isUnpermitted) throw lost();
    this.#own.committed(part);
    this.#tell(bytes, 'local', merged.keys);
  }

  giveUp(draft: { readonly isOnDisk: boolean }): void {
    this.#own.giveUp(draft);
  }

  read(bytes: Uint8Array, author?: Did): Arrival | ApplyResult {
    const update = decodeUpdate(bytes, author);
    const checked = this.#merge.check(update);
    if (update === undefined || checked === undefined) return 'malformed';
    if (author !== undefined && update.parts.some(({ did }) => did !== author)) return 'malformed';
    if (!this.#merge.hasRoomFor(checked)) return 'full';
    const { isWhole } = update;
    const { news, left } = this.#merge.sift(checked, isWhole);
    if (news.length === 0 || left.has('malformed')) return worstOf(left);
    const isAll = author === undefined && news.length === update.parts.length;
    return { isWhole, news, left, at: this.#init.now(), ...(isAll ? { bytes } : {}) };
  }

  merge(arrival: Arrival): ApplyResult {
    // Others may have come between.
    return this.#merge.hasRoomFor(arrival.news) ? this.#mergeNow(arrival) : 'full';
  }

  apply(bytes: Uint8Array, author?: Did): ApplyResult {
    const read = this.read(bytes, author);
    return typeof read === 'string' ? read : this.#mergeNow(read);
  }

  #mergeNow({ isWhole, news, left, at, bytes }: Arrival): ApplyResult {
    const merged = this.#merge.mergeTheirs(news, isWhole, at);
    this.#tellTheirs(merged, merged.isAsSent ? bytes : undefined);
    const results = new Set(left);
    if (merged.isMalformed) results.add('malformed');
    if (merged.isUnpermitted) results.add('unpermitted');
    if (merged.isCrowded) results.add('crowded');
    if (merged.isEarly) results.add('early');
    return worstOf(results);
  }

  waiting(): readonly Uint8Array[] {
    const at = this.#init.now();
    return this.#merge.waiting.map((part) => encodeSent({ isWhole: false, parts: [part] }, at));
  }

  bringDue(): void {
    const merged = this.#merge.mergeDue();
    if (merged !== undefined) this.#tellTheirs(merged);
  }

  *prove({ news }: Arrival): Iterable<void> {
    const { signatures } = this.#init;
    if (signatures?.isSigned !== true) return;
    for (const { part, facts } of news) {
      const lane = this.#lanes.get(laneName(part)) ?? createLane(part);
      // What follows on something else is looked at when that is here.
      if (facts === undefined || facts.from !== clockOf(lane)) continue;
      for (const [key, write] of newestWrites(lane, facts) ?? []) {
        if (write === undefined) continue;
        signatures.prove(part.did, writeOf(key, write.raw));
        yield;
      }
    }
  }

  vector(): Uint8Array {
    return encodeVector([...this.#lanes.places()]);
  }

  diff(vector: Uint8Array, ownOnly = false): Iterable<Uint8Array> | undefined {
    const theirs = decodeVector(vector);
    if (theirs === undefined) return undefined;
    return piecesAfter(
      this.#lanes,
      new Map(theirs.map((lane) => [laneName(lane), lane.clock])),
      ownOnly ? this.#init.self : undefined,
    );
  }

  missingAt(vector: Uint8Array): number {
    const theirs = new Map(decodeVector(vector)?.map((lane) => [laneName(lane), lane.clock]));
    let missing = 0;
    for (const lane of this.#lanes.all()) {
      missing += Math.max(0, clockOf(lane) - (theirs.get(lane.name) ?? 0));
    }
    return missing;
  }

  seenOf(did: Did): readonly Place[] {
    return [...this.#lanes.places()]
      .filter((place) => place.did === did)
      .map(({ client, gen, clock }) => ({ client, gen, clock }));
  }

  snapshot(): Iterable<Uint8Array> {
    return allPieces([...this.#lanes.all()]);
  }

  digest(): string {
    return this.#winners.digest();
  }

  reviewRights(): boolean {
    const lanes = [...this.#lanes.all()].filter((lane) => !this.#merge.rules.isAllowed(lane));
    const keys = new Set<string>();
    for (const lane of lanes) {
      this.#lanes.remove(lane);
      this.#winners.dropped(lane, keys);
      this.#own.dropped(lane);
    }
    for (const lane of this.#lanes.all()) {
      if (clockOf(lane) >= this.#merge.rules.limitOf(lane)) this.#winners.ended(lane, keys);
    }
    this.#own.reviewRights(lanes.some(({ did }) => did === this.#init.self));
    if (lanes.length === 0 && keys.size === 0) return false;
    this.#winners.seenMore();
    this.#tell(new Uint8Array(0), 'cut', keys);
    return true;
  }

  nextEnd(): number | undefined {
    return this.#winners.nextEnd();
  }

  endOver(): readonly BoardChange[] {
    return this.#winners.endOver();
  }

  onUpdate(listener: UpdateListener): void {
    this.#listeners.push(listener);
  }

  /** Tells what peers' parts have brought; `bytes` are all of it, where they are known. */
  #tellTheirs({ applied, isWhole, keys, newKeys }: Merged, bytes?: Uint8Array): void {
    if (applied.length === 0) return;
    const isBulk = keys.size >= BULK_MIN && keys.size === newKeys;
    this.#tell(bytes ?? encodeUpdate({ isWhole, parts: applied }), 'remote', keys, isBulk);
  }

  /** What the keys hold now. */
  #changesOf(keys: ReadonlySet<string>): readonly BoardChange[] {
    return [...keys].map((key): BoardChange => {
      const entry = this.get(key);
      if (entry !== undefined) return { key, entry };
      const gone = this.tombstone(key);
      return gone === undefined ? { key } : { key, gone };
    });
  }

  #tell(
    bytes: Uint8Array,
    origin: 'local' | 'remote' | 'cut',
    keys: ReadonlySet<string>,
    isBulk = false,
  ): void {
    const changes = this.#changesOf(keys);
    for (const listener of this.#listeners) listener(bytes, origin, changes, isBulk);
  }
}

/** When the last update of a peer in a log came, ms since the epoch; 0 where there is none. */
function lastSentAt(updates: readonly Uint8Array[]): number {
  const last = updates.findLast((bytes) => isSentUpdate(bytes));
  return (last && decodeLogUpdate(last)?.sentAt) ?? 0;
}

/** What is said of an update of whose parts this became. */
function worstOf(results: ReadonlySet<ApplyResult>): ApplyResult {
  const found = (['malformed', 'unpermitted', 'crowded', 'early'] as const).find((one) =>
    results.has(one),
  );
  return found ?? 'applied';
}

/** When the newest write of lanes was made, ms since the epoch. */
function lastIn(lanes: readonly Lane[]): number {
  let last = 0;
  for (const lane of lanes) {
    for (const { write } of writesOf(lane)) last = Math.max(last, write.ms);
  }
  return last;
}

function lost(): StarlingError {
  return new StarlingError(
    'STARLING_BOARD_REFUSED',
    'the right to write this was taken back while it was written',
    { hint: 'ask whoever made the board: starling board info <board>' },
  );
}
