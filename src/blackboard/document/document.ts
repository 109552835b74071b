/**
 * One replica of a board: the lanes of its writers, each a Yjs document that its owner alone writes, and of each key
 * the newest write in any of them. Which one that is the board decides by stamp and writer, not Yjs by a client id
 * that a writer may choose. Knows no disk and no network: updates come in and go out as bytes. Updates from peers
 * pass `inspect-update.ts` first.
 */
import * as Y from 'yjs';
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
import { inspectUpdate, newestWrites } from '../lanes/inspect-update.ts';
import type { NewestWrites, UpdateFacts } from '../lanes/inspect-update.ts';
import { writeOf } from '../lanes/lane-format.ts';
import type { Place } from '../lanes/lane-format.ts';
import { LaneForks } from './lane-forks.ts';
import { hasSources, makeLane } from './lane-renewal.ts';
import { allPieces, piecesAfter } from './lane-pieces.ts';
import { LaneRules } from './lane-rules.ts';
import { LaneSet } from './lane-set.ts';
import {
  clockOf,
  createLane,
  laneName,
  placeOf,
  wholeOf,
  writeIn,
  writesOf,
} from '../lanes/lane.ts';
import type { Lane } from '../lanes/lane.ts';
import { LIMITS } from '../limits.ts';
import { OwnLanes } from './own-lanes.ts';
import { createParking } from '../lanes/parking.ts';
import type { Parked } from '../lanes/parking.ts';
import { AHEAD_MS } from '../lanes/stamp.ts';
import { decodeUpdate, decodeVector, encodeUpdate, encodeVector } from '../lanes/update.ts';
import type { LanePart, Update } from '../lanes/update.ts';
import type { BoardChange, BoardEntry, Tombstone } from '../types.ts';
import { hasRoomFor } from './room.ts';
import type { Checked } from './room.ts';
import { WinnerIndex } from './winner-index.ts';
import { createWinner, sizeOf } from './winner.ts';
import type { Winner } from './winner.ts';

/** Items that one update may hold. */
const UPDATE_STRUCTS_MAX = 250_000;

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

interface Merged {
  /** Keys that changed. */
  readonly keys: Set<string>;
  /** What brought something new. */
  readonly applied: LanePart[];
  isEarly: boolean;
  /** A part is by a writer without the right for that. */
  isUnpermitted: boolean;
  isMalformed: boolean;
  /** All of the update, and nothing else, was applied. */
  isAsSent: boolean;
  /** It is of the pieces of a whole replica. */
  readonly isWhole: boolean;
}

class LaneDocument implements BoardDocument {
  readonly #init: DocumentInit;
  readonly #lanes: LaneSet;
  readonly #winners: WinnerIndex;
  readonly #listeners: UpdateListener[] = [];
  readonly #parking = createParking();
  readonly #forks = new LaneForks();
  readonly #own: OwnLanes;
  readonly #rules: LaneRules;

  constructor(init: DocumentInit) {
    this.#init = init;
    this.#lanes = new LaneSet(init.access);
    this.#rules = new LaneRules(init);
    this.#winners = new WinnerIndex({
      self: init.self,
      now: () => init.now(),
      lanes: () => this.#lanes.all(),
    });
    this.#own = new OwnLanes(init, this.#lanes, this.#winners);
  }

  /** Reads the pieces of an earlier document, and gives how many are damaged. */
  load(updates: readonly Uint8Array[]): number {
    let unreadable = 0;
    for (const bytes of updates) {
      const update = decodeUpdate(bytes);
      const checked = this.#check(update);
      const merged =
        checked && this.#mergeAll(checked, Number.POSITIVE_INFINITY, update?.isWhole === true);
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
    return [...this.#lanes.all()].map(placeOf);
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

  commit({ bytes, part }: Draft): void {
    const checked = this.#check({ isWhole: false, parts: [part] });
    const merged =
      checked &&
      this.#mergeAll(checked, Number.POSITIVE_INFINITY, false, this.#init.now() + AHEAD_MS);
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
    const checked = this.#check(update);
    if (checked === undefined) return 'malformed';
    if (!this.#hasRoomFor(checked)) return 'full';
    const isWhole = update?.isWhole === true;
    const merged = this.#mergeAll(checked, this.#init.now() + AHEAD_MS, isWhole);
    if (merged.applied.length > 0) {
      const { applied, isAsSent, keys } = merged;
      const isOnItsOwn = isAsSent && author === undefined;
      this.#tell(isOnItsOwn ? bytes : encodeUpdate({ isWhole, parts: applied }), 'remote', keys);
    }
    if (merged.isMalformed) return 'malformed';
    if (merged.isUnpermitted) return 'unpermitted';
    return merged.isEarly ? 'early' : 'applied';
  }

  *prove(bytes: Uint8Array, author?: Did): Iterable<void> {
    const { signatures } = this.#init;
    if (signatures?.isSigned !== true) return;
    for (const { part, facts } of this.#check(decodeUpdate(bytes, author)) ?? []) {
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
    return encodeVector(
      [...this.#lanes.all()].map((lane) => {
        const { did, client, gen } = lane;
        return { did, client, gen, clock: clockOf(lane) };
      }),
    );
  }

  diff(vector: Uint8Array, ownOnly = false): Iterable<Uint8Array> | undefined {
    const theirs = decodeVector(vector);
    if (theirs === undefined) return undefined;
    return piecesAfter(
      [...this.#lanes.all()],
      new Map(theirs.map((lane) => [laneName(lane), lane.clock])),
      ownOnly ? this.#init.self : undefined,
    );
  }

  seenOf(did: Did): readonly Place[] {
    return this.#lanes.of(did).map(placeOf);
  }

  snapshot(): Iterable<Uint8Array> {
    return allPieces([...this.#lanes.all()]);
  }

  digest(): string {
    return this.#winners.digest();
  }

  reviewRights(): boolean {
    const lanes = [...this.#lanes.all()].filter((lane) => !this.#rules.isAllowed(lane));
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

  #tell(bytes: Uint8Array, origin: 'local' | 'remote' | 'cut', keys: ReadonlySet<string>): void {
    const changes = [...keys].map((key): BoardChange => {
      const entry = this.get(key);
      if (entry !== undefined) return { key, entry };
      const gone = this.tombstone(key);
      return gone === undefined ? { key } : { key, gone };
    });
    for (const listener of this.#listeners) listener(bytes, origin, changes);
  }

  /** Reads the updates of Yjs in an update; undefined when one holds what no lane does. */
  #check(update: Update | undefined): readonly Checked[] | undefined {
    const checked: Checked[] = [];
    for (const part of update?.parts ?? []) {
      if (part.update === undefined) {
        checked.push({ part, facts: undefined });
        continue;
      }
      const facts = inspectUpdate(part.update, this.#init.limits, UPDATE_STRUCTS_MAX);
      if (facts === undefined) return undefined;
      if (facts.client === undefined) continue;
      if (facts.client !== part.client) return undefined;
      checked.push({ part, facts });
    }
    return update === undefined ? undefined : checked;
  }

  #hasRoomFor(checked: readonly Checked[]): boolean {
    return hasRoomFor(checked, { lanes: this.#lanes, winners: this.#winners }, this.#init.limits);
  }

  /** Merges parts and what was waiting for them. */
  #mergeAll(
    checked: readonly Checked[],
    latestMs: number,
    isWhole = false,
    latestWaitingMs = latestMs,
  ): Merged {
    const merged: Merged = {
      keys: new Set(),
      applied: [],
      isEarly: false,
      isUnpermitted: false,
      isMalformed: false,
      isAsSent: true,
      isWhole,
    };
    this.#mergeInto(checked, latestMs, merged);
    // What waited for these parts may be somebody else's: what is wrong with that is not held against these.
    const { isMalformed, isUnpermitted, isEarly } = merged;
    if (isMalformed) return merged;
    while (!this.#parking.isEmpty) {
      const parts = this.#parking.take((parked) => this.#isDue(parked));
      if (parts.length === 0) break;
      merged.isAsSent = false;
      merged.isMalformed = false;
      this.#mergeInto(this.#check({ isWhole: false, parts }) ?? [], latestWaitingMs, merged);
    }
    return Object.assign(merged, { isMalformed, isUnpermitted, isEarly });
  }

  /** Whether nothing is missing of what a part follows on, or the part is not needed any more. */
  #isDue({ part, from, to }: Parked): boolean {
    const lane = this.#lanes.get(laneName(part));
    if (this.#lanes.isReplaced(part, to)) return true;
    if (part.making === undefined) return lane !== undefined && from <= clockOf(lane);
    const isHere = lane !== undefined && clockOf(lane) >= part.making.head.base;
    return isHere || hasSources(this.#lanes.byName, part.did, part.making);
  }

  #mergeInto(checked: readonly Checked[], latestMs: number, merged: Merged): void {
    for (const { part, facts } of checked) {
      const isNew =
        facts === undefined
          ? this.#make(part, merged)
          : this.#extend(part, facts, latestMs, merged);
      if (merged.isMalformed) break;
      if (!isNew) merged.isAsSent = false;
    }
    if (merged.applied.length === 0) return;
    this.#winners.seenMore();
    for (const lane of this.#lanes.settle()) {
      this.#winners.dropped(lane, merged.keys);
      this.#own.dropped(lane);
    }
  }

  /** Applies an update of a lane; false when that brought nothing new, or not just what was sent. */
  #extend(part: LanePart, sent: UpdateFacts, latestMs: number, merged: Merged): boolean {
    const name = laneName(part);
    const known = this.#lanes.get(name);
    const clock = known === undefined ? 0 : clockOf(known);
    if (this.#lanes.isReplaced(part, sent.to)) return false;
    if (sent.to > clock && sent.to > this.#rules.limitOf(part)) {
      merged.isUnpermitted = true;
      return false;
    }
    if (merged.isWhole && known !== undefined && this.#contest(known, sent, merged)) return false;
    if (sent.to <= clock) return false;
    if (sent.from > clock) {
      this.#parking.put({ part, from: sent.from, to: sent.to });
      return false;
    }
    if (sent.items.some(({ write }) => write !== undefined && write.ms > latestMs)) {
      merged.isEarly = true;
      return false;
    }
    if (latestMs !== Number.POSITIVE_INFINITY && !this.#own.letsOthersExtend(part)) return false;
    const facts = sent.from === clock ? sent : this.#after(sent, part.client, clock);
    const lane = known ?? createLane(part);
    const newest = facts && newestWrites(lane, facts);
    if (facts === undefined || newest === undefined) {
      merged.isMalformed = true;
      return false;
    }
    if (
      !this.#rules.mayWriteAll(part, newest.keys()) ||
      !this.#rules.isProven(part, facts, newest)
    ) {
      merged.isUnpermitted = true;
      return false;
    }
    Y.applyUpdateV2(lane.doc, facts.update);
    this.#lanes.add(lane);
    this.#winners.know(lane);
    this.#putAll(lane, newest, merged.keys);
    const { did, client, gen } = part;
    merged.applied.push({ did, client, gen, update: facts.update });
    return facts === sent;
  }

  /** Compares a piece of a whole lane with the lane that is here; true when that one is replaced. */
  #contest(known: Lane, sent: UpdateFacts, merged: Merged): boolean {
    const lane = this.#forks.offer(known, sent);
    if (lane === undefined || !this.#rules.isAllowed(lane) || !this.#rules.isLaneProven(lane))
      return false;
    if (known.did === this.#init.self) {
      this.#own.contested();
      return false;
    }
    this.#lanes.add(lane);
    for (const { write } of writesOf(known)) this.#winners.reconsider(write.key, merged.keys);
    for (const { write } of writesOf(lane)) this.#winners.reconsider(write.key, merged.keys);
    const { did, client, gen } = lane;
    merged.applied.push({ did, client, gen, update: wholeOf(lane) });
    return true;
  }

  /** What of `sent` comes after `clock`. */
  #after(sent: UpdateFacts, client: number, clock: number): UpdateFacts | undefined {
    const vector = Y.encodeStateVector(new Map([[client, clock]]));
    const rest = Y.diffUpdateV2(sent.update, vector);
    const facts = inspectUpdate(rest, this.#init.limits, UPDATE_STRUCTS_MAX);
    return facts?.from === clock ? facts : undefined;
  }

  /** Makes a lane from others; false when that brought nothing new. */
  #make(part: LanePart, merged: Merged): boolean {
    const { making, did, client, gen } = part;
    if (making === undefined) return false;
    const known = this.#lanes.get(laneName(part));
    const isHere = known !== undefined && clockOf(known) >= making.head.base;
    if (!this.#rules.isHeadProven(part, making.head)) {
      merged.isUnpermitted = true;
      return false;
    }
    if (isHere || this.#lanes.isReplaced(part, making.head.base)) return false;
    if (!hasSources(this.#lanes.byName, did, making)) {
      this.#parking.put({ part, from: 0, to: making.head.base });
      return false;
    }
    const lane = makeLane(this.#lanes.byName, { did, client, gen }, making);
    if (lane === undefined) {
      merged.isMalformed = true;
      return false;
    }
    if (!this.#rules.isAllowed(lane)) {
      merged.isUnpermitted = true;
      return false;
    }
    this.#lanes.add(lane);
    this.#winners.know(lane);
    for (const found of writesOf(lane)) {
      const sizeBytes = this.#winners.byKey.get(found.write.key)?.sizeBytes ?? 0;
      this.#winners.put(createWinner(lane, found, sizeBytes), merged.keys);
    }
    merged.applied.push(part);
    return true;
  }

  #putAll(lane: Lane, newest: NewestWrites, keys: Set<string>): void {
    for (const [key, facts] of newest) {
      const found = writeIn(lane, key);
      // What was replaced already: the write that replaced it follows.
      if (facts === undefined || found === undefined) continue;
      this.#winners.put(createWinner(lane, found, sizeOf(key, facts.sizeBytes)), keys);
    }
  }
}

function lost(): StarlingError {
  return new StarlingError(
    'STARLING_BOARD_REFUSED',
    'the right to write this was taken back while it was written',
    { hint: 'ask whoever made the board: starling board info <board>' },
  );
}
