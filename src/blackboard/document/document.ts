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
  BoardDocument,
  DocumentInit,
  Draft,
  EntryChange,
  UpdateListener,
} from './document-types.ts';
import type { EarlyView } from './early-parts.ts';
import { newestWrites } from '../lanes/inspect-update.ts';
import { writeOf } from '../lanes/lane-format.ts';
import type { Place } from '../lanes/lane-format.ts';
import { LaneMerge } from './lane-merge.ts';
import type { Merged } from './lane-merge.ts';
import { allPieces, piecesAfter } from './lane-pieces.ts';
import { LaneSet } from './lane-set.ts';
import { areWorn } from './lane-renewal.ts';
import { clockOf, createLane, laneName, writesOf } from '../lanes/lane.ts';
import type { Lane } from '../lanes/lane.ts';
import { LIMITS } from '../limits.ts';
import { OwnLanes } from './own-lanes.ts';
import { decodeUpdate, decodeVector, encodeUpdate, encodeVector } from '../lanes/update.ts';
import type { BoardChange, BoardEntry, Tombstone } from '../types.ts';
import { WinnerIndex } from './winner-index.ts';
import type { Winner } from './winner.ts';

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

  /** Reads the pieces of an earlier document, and gives how many are damaged. */
  load(updates: readonly Uint8Array[]): number {
    let unreadable = 0;
    for (const bytes of updates) {
      const update = decodeUpdate(bytes);
      const checked = this.#merge.check(update);
      const merged =
        checked && this.#merge.mergeOwn(checked, { isWhole: update?.isWhole === true });
      if (merged === undefined || merged.isMalformed) unreadable += 1;
    }
    // What refers to a damaged piece can't be read either, and never will be.
    this.dropWaiting();
    this.#own.begin();
    this.endOver();
    return unreadable;
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

  seen(): readonly Place[] {
    return [...this.#lanes.places()].map(({ client, gen, clock }) => ({ client, gen, clock }));
  }

  covers(places: readonly Place[]): boolean {
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
      return lastIn(lanes) < limits.writtenBefore && areWorn(lanes, limits.dead);
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

  giveUp(): void {
    this.#own.giveUp();
  }

  apply(bytes: Uint8Array, author?: Did): ApplyResult {
    const update = decodeUpdate(bytes, author);
    if (author !== undefined && update?.parts.some(({ did }) => did !== author) === true) {
      return 'malformed';
    }
    const checked = this.#merge.check(update);
    if (checked === undefined) return 'malformed';
    if (!this.#merge.hasRoomFor(checked)) return 'full';
    const isWhole = update?.isWhole === true;
    const merged = this.#merge.mergeTheirs(checked, isWhole);
    this.#tellTheirs(merged, merged.isAsSent && author === undefined ? bytes : undefined);
    if (merged.isMalformed) return 'malformed';
    if (merged.isUnpermitted) return 'unpermitted';
    if (merged.isCrowded) return 'crowded';
    return merged.isEarly ? 'early' : 'applied';
  }

  bringDue(): void {
    const merged = this.#merge.mergeDue();
    if (merged !== undefined) this.#tellTheirs(merged);
  }

  *prove(bytes: Uint8Array, author?: Did): Iterable<void> {
    const { signatures } = this.#init;
    if (signatures?.isSigned !== true) return;
    for (const { part, facts } of this.#merge.check(decodeUpdate(bytes, author)) ?? []) {
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
    this.#own.reviewRights(lanes.some(({ did }) => did === this.#init.self));
    if (lanes.length === 0) return false;
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
  #tellTheirs({ applied, isWhole, keys }: Merged, bytes?: Uint8Array): void {
    if (applied.length === 0) return;
    this.#tell(bytes ?? encodeUpdate({ isWhole, parts: applied }), 'remote', keys);
  }

  #tell(bytes: Uint8Array, origin: 'local' | 'remote' | 'cut', keys: ReadonlySet<string>): void {
    const changes = [...keys].map((key): BoardChange => {
      const entry = this.get(key);
      if (entry !== undefined) return { key, entry };
      const gone = this.tombstone(key);
      return gone === undefined ? { key } : { key, gone };
    });
    for (const listener of this.#listeners) listener(bytes, origin, changes);
  }
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
