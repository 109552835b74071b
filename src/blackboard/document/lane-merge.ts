/**
 * How parts of lanes come into a replica: each is judged by the rules of the board, waits where it comes before what it follows
 * on or before its time, and is applied to its lane; what of it wins is in the index then.
 */
import * as Y from 'yjs';
import type { Did } from '../../core/index.ts';
import type { ApplyResult, DocumentInit } from './document-types.ts';
import { EarlyParts } from './early-parts.ts';
import { LaneForks } from './lane-forks.ts';
import { LaneRules } from './lane-rules.ts';
import type { LaneSet } from './lane-set.ts';
import { hasSources, makeLane } from './lane-renewal.ts';
import type { OwnLanes } from './own-lanes.ts';
import { PastLanes } from './past-lanes.ts';
import { hasRoomFor } from './peer-bounds.ts';
import type { Checked } from './peer-bounds.ts';
import type { WinnerIndex } from './winner-index.ts';
import { createWinner, sizeOf } from './winner.ts';
import { inspectUpdate, newestWrites } from '../lanes/inspect-update.ts';
import type { NewestWrites, UpdateFacts } from '../lanes/inspect-update.ts';
import { writeOf } from '../lanes/lane-format.ts';
import type { Seen } from '../lanes/lane-format.ts';
import {
  clockOf,
  createLane,
  laneName,
  shareSeen,
  trimmedWriteIn,
  wholeOf,
  writesOf,
} from '../lanes/lane.ts';
import type { Lane, LaneId } from '../lanes/lane.ts';
import { addNewKeys } from '../lanes/new-keys.ts';
import { createParking } from '../lanes/parking.ts';
import type { Parked } from '../lanes/parking.ts';
import { AHEAD_MS, PARKED_AHEAD_MS } from '../lanes/stamp.ts';
import type { LanePart, Making, Update } from '../lanes/update.ts';

/** Items that one update may hold. */
const UPDATE_STRUCTS_MAX = 250_000;

/** What came of parts that were merged. */
export interface Merged {
  /** Keys that changed. */
  readonly keys: Set<string>;
  /** What brought something new. */
  readonly applied: LanePart[];
  /** A part waits for its time. */
  isEarly: boolean;
  /** A part is early, and there was no room for it to wait. */
  isCrowded: boolean;
  /** A part is by a writer without the right for that. */
  isUnpermitted: boolean;
  isMalformed: boolean;
  /** All of the update, and nothing else, was applied. */
  isAsSent: boolean;
  /** How many keys were written for the first time in their lanes, and have no end; undefined once something else was applied. */
  newKeys: number | undefined;
  /** It is of the pieces of a whole replica. */
  readonly isWhole: boolean;
}

/** Up to when stamps may be, ms since the epoch. */
interface Latest {
  readonly ms: number;
  /** Of what has waited; default: the same. */
  readonly waitingMs?: number;
}

/** Of what this node wrote itself, or has on its disk. */
const ANY_TIME = Number.POSITIVE_INFINITY;

/** Merges what comes into one replica. */
export class LaneMerge {
  readonly #init: DocumentInit;
  readonly #lanes: LaneSet;
  readonly #winners: WinnerIndex;
  readonly #own: OwnLanes;
  readonly #rules: LaneRules;
  readonly #forks = new LaneForks();
  readonly #parking = createParking();
  readonly #early = new EarlyParts();
  readonly #past = new PastLanes({
    after: (sent, client, clock) => this.#after(sent, client, clock),
    isProven: (lane, facts, newest) => this.#rules.isProven(lane, facts, newest),
  });

  constructor(
    init: DocumentInit,
    parts: { readonly lanes: LaneSet; readonly winners: WinnerIndex; readonly own: OwnLanes },
  ) {
    this.#init = init;
    this.#lanes = parts.lanes;
    this.#winners = parts.winners;
    this.#own = parts.own;
    this.#rules = new LaneRules(init);
  }

  get rules(): LaneRules {
    return this.#rules;
  }

  /** What waits for its time. */
  get early(): EarlyParts {
    return this.#early;
  }

  /** Something waits for what it follows on. */
  get isWaiting(): boolean {
    return !this.#parking.isEmpty;
  }

  dropWaiting(): void {
    this.#parking.clear();
  }

  /** What waits, for what it follows on or for its time. */
  get waiting(): readonly LanePart[] {
    return [...this.#parking.all.map(({ part }) => part), ...this.#early.parts];
  }

  /** What of an update may bring something, and what is sure to become of the rest: that need not be written first. */
  sift(
    checked: readonly Checked[],
    isWhole: boolean,
  ): { readonly news: readonly Checked[]; readonly left: ReadonlySet<ApplyResult> } {
    const news: Checked[] = [];
    const left = new Set<ApplyResult>();
    for (const one of checked) {
      const result = this.#surely(one, isWhole);
      if (result === undefined) news.push(one);
      else left.add(result);
    }
    return { news, left };
  }

  /** What is sure to become of a part; undefined where that shows as it is merged. */
  #surely({ part, facts }: Checked, isWhole: boolean): ApplyResult | undefined {
    const to = facts?.to ?? part.making?.head.base ?? 0;
    if (this.#isNeedless(part, to)) return 'applied';
    const known = this.#lanes.get(laneName(part));
    const clock = known === undefined ? 0 : clockOf(known);
    // A whole lane may be another one than that of the same name which is here.
    if (known !== undefined && to <= clock) return isWhole ? undefined : 'applied';
    // Whoever may write nothing leaves nothing here, on the disk neither.
    if (facts === undefined) return this.#rules.mayBegin(part) ? undefined : 'unpermitted';
    if (to > this.#rules.limitOf(part)) return 'unpermitted';
    if (!this.#rules.mayWriteAll(part, keysIn(facts))) return 'unpermitted';
    const now = this.#init.now();
    const last = lastStampIn(facts);
    if (last <= now + AHEAD_MS) return undefined;
    // No clock is off so far by mistake.
    if (last > now + PARKED_AHEAD_MS) return 'malformed';
    if (this.#early.has(part, facts)) return 'early';
    return this.#early.hasRoomFor(part, facts) ? undefined : 'crowded';
  }

  /** Reads the updates of Yjs in an update; undefined when one holds what no lane does. */
  check(update: Update | undefined): readonly Checked[] | undefined {
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

  hasRoomFor(checked: readonly Checked[]): boolean {
    return hasRoomFor(checked, { lanes: this.#lanes, winners: this.#winners }, this.#init.limits);
  }

  /** Merges parts that are on this node's disk, or are written by it. */
  mergeOwn(checked: readonly Checked[], { isWhole = false, hasPeers = false } = {}): Merged {
    const waitingMs = hasPeers ? this.#init.now() + AHEAD_MS : ANY_TIME;
    return this.#mergeAll(checked, { ms: ANY_TIME, waitingMs }, isWhole);
  }

  /** Merges parts of a peer, which came at a time. */
  mergeTheirs(checked: readonly Checked[], isWhole: boolean, sentAt = 0): Merged {
    // What was not early when it came is not early after a clock was set back.
    const ms = Math.max(this.#init.now(), sentAt) + AHEAD_MS;
    return this.#mergeAll(checked, { ms }, isWhole);
  }

  /** Merges what has waited for its time, which has come; undefined when there is no such thing. */
  mergeDue(): Merged | undefined {
    const parts = this.#early.take(this.#init.now());
    const checked = parts.length === 0 ? undefined : this.check({ isWhole: false, parts });
    if (checked === undefined || !this.hasRoomFor(checked)) return undefined;
    return this.mergeTheirs(checked, false);
  }

  /** Merges parts and what was waiting for them. */
  #mergeAll(checked: readonly Checked[], { ms, waitingMs = ms }: Latest, isWhole: boolean): Merged {
    const merged: Merged = {
      keys: new Set(),
      applied: [],
      isEarly: false,
      isCrowded: false,
      isUnpermitted: false,
      isMalformed: false,
      isAsSent: true,
      newKeys: 0,
      isWhole,
    };
    this.#mergeInto(checked, ms, merged);
    // What waited for these parts may be somebody else's: what is wrong with that is not held against these.
    const { isMalformed, isUnpermitted, isEarly, isCrowded } = merged;
    if (isMalformed) return merged;
    while (!this.#parking.isEmpty) {
      this.#parking.take(({ part, to }) => this.#isNeedless(part, to));
      const ends = new Map<string, number>();
      const parts = this.#joined(this.#parking.take((parked) => this.#isDue(parked, ends)));
      if (parts.length === 0) break;
      merged.isAsSent = false;
      merged.isMalformed = false;
      this.#mergeInto(this.check({ isWhole: false, parts }) ?? [], waitingMs, merged);
    }
    return Object.assign(merged, { isMalformed, isUnpermitted, isEarly, isCrowded });
  }

  /** Whether nothing is missing of what a part follows on; `ends` are of {@link #isCompleted}. */
  #isDue({ part, from }: Parked, ends: Map<string, number>): boolean {
    const lane = this.#lanes.get(laneName(part));
    if (part.making === undefined) {
      return lane === undefined ? this.#isCompleted(part, from, ends) : from <= clockOf(lane);
    }
    const isHere = lane !== undefined && clockOf(lane) >= part.making.head.base;
    return isHere || hasSources(this.#sourcesFor(part.did, part.making), part.did, part.making);
  }

  /** Whether another lane stands for what a part says, and none of what waits is more of its lane than that one stands for. */
  #isNeedless(part: LanePart, to: number): boolean {
    if (!this.#lanes.isReplaced(part, to)) return false;
    if (part.making !== undefined) return true;
    const last = this.#parking.lastOf(part);
    return last === 0 || this.#lanes.isReplaced(part, last);
  }

  /**
   * Whether all up to `from` waits of a lane that another one stands for, but not as far as what waits goes: that comes in
   * pieces, and is taken at once or not at all, as nobody else takes a part of it. `ends` has of lanes that were looked at up to
   * where all waits.
   */
  #isCompleted(part: LanePart, from: number, ends: Map<string, number>): boolean {
    const name = laneName(part);
    const end = ends.get(name) ?? this.#endOf(part);
    ends.set(name, end);
    return from <= end;
  }

  /** Up to which clock all waits of a lane that is to be taken at once; -1 of one that is not. */
  #endOf(lane: LaneId): number {
    if (!this.#lanes.isReplaced(lane, 1)) return -1;
    let clock = 0;
    for (const parked of this.#parking.of(lane).toSorted((a, b) => a.from - b.from)) {
      if (parked.from <= clock) clock = Math.max(clock, parked.to);
    }
    return this.#lanes.isReplaced(lane, clock) ? -1 : clock;
  }

  /** Parts, those of each lane that is not here as one. */
  #joined(parts: readonly LanePart[]): readonly LanePart[] {
    const joined = new Map<unknown, LanePart>();
    for (const part of parts) {
      const name = laneName(part);
      const key = part.update === undefined || this.#lanes.get(name) !== undefined ? part : name;
      const before = joined.get(key)?.update;
      const update = part.update && before && Y.mergeUpdatesV2([before, part.update]);
      joined.set(key, update === undefined ? part : { ...part, update });
    }
    return [...joined.values()];
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
    // Whoever is here again carries its own entries itself.
    if (this.#lanes.isOwnAdopted) this.#own.contested();
  }

  /** Applies an update of a lane; false when that brought nothing new, or not just what was sent. */
  #extend(part: LanePart, sent: UpdateFacts, latestMs: number, merged: Merged): boolean {
    const name = laneName(part);
    const known = this.#lanes.get(name);
    const clock = known === undefined ? 0 : clockOf(known);
    if (this.#isNeedless(part, sent.to)) return false;
    if (sent.to > clock && sent.to > this.#rules.limitOf(part)) {
      this.#past.keep(part, known, sent);
      merged.isUnpermitted = true;
      return false;
    }
    if (sent.from > clock && this.#past.goesBeyond(part, clock)) {
      this.#past.keep(part, known, sent);
      return false;
    }
    if (merged.isWhole && known !== undefined && this.#contest(known, sent, merged)) return false;
    if (sent.to <= clock) return false;
    if (latestMs !== ANY_TIME && this.#waitsForItsTime(part, sent, clock, latestMs, merged))
      return false;
    if (sent.from > clock || (known === undefined && this.#lanes.isReplaced(part, sent.to))) {
      this.#parking.put({ part, from: sent.from, to: sent.to });
      return false;
    }
    if (latestMs !== ANY_TIME && !this.#own.letsOthersExtend(part)) return false;
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
      this.#past.keep(part, known, facts);
      return false;
    }
    const isNewKeys = addNewKeys(lane, facts);
    if (!isNewKeys) Y.applyUpdateV2(lane.doc, facts.update);
    this.#lanes.add(lane);
    this.#winners.know(lane);
    if (isNewKeys) this.#putNew(lane, facts, merged);
    else {
      merged.newKeys = undefined;
      this.#putAll(lane, newest, merged.keys);
    }
    if (facts.to >= this.#rules.limitOf(part)) this.#winners.ended(lane, merged.keys);
    const { did, client, gen } = part;
    merged.applied.push({ did, client, gen, update: facts.update });
    return facts === sent;
  }

  /** Keeps a part that is stamped later than `latestMs`, or follows on such a part; false of one that is neither. */
  #waitsForItsTime(
    part: LanePart,
    sent: UpdateFacts,
    clock: number,
    latestMs: number,
    merged: Merged,
  ): boolean {
    const last = lastStampIn(sent);
    const before = sent.from > clock ? this.#early.dueBefore(part, sent.from) : undefined;
    if (before === undefined && last <= latestMs) return false;
    if (last > latestMs - AHEAD_MS + PARKED_AHEAD_MS) {
      // No clock is off so far by mistake.
      merged.isMalformed = true;
      return true;
    }
    const named = sent.items.flatMap(({ key }) => key ?? []);
    if (!this.#rules.mayWriteAll(part, named)) {
      merged.isUnpermitted = true;
      return true;
    }
    merged.isEarly = true;
    const dueAt = Math.max(before ?? 0, last - AHEAD_MS);
    if (!this.#early.put(part, sent, dueAt)) merged.isCrowded = true;
    return true;
  }

  /** Runs `read`, which brings in the rows of a log. */
  readingLog<T>(read: () => T): T {
    return this.#past.reading(read);
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
    merged.newKeys = undefined;
    this.#lanes.add(lane);
    this.#winners.replaced(known, lane, merged.keys);
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

  #sourcesFor(did: Did, making: Making): ReadonlyMap<string, Lane> {
    return this.#past.sourcesFor(this.#lanes.byName, did, making);
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
    const sources = this.#sourcesFor(did, making);
    if (!hasSources(sources, did, making)) {
      this.#parking.put({ part, from: 0, to: making.head.base });
      return false;
    }
    const lane = makeLane(sources, { did, client, gen }, making);
    if (lane === undefined) {
      merged.isMalformed = true;
      return false;
    }
    if (!this.#rules.isAllowed(lane)) {
      merged.isUnpermitted = true;
      return false;
    }
    merged.newKeys = undefined;
    this.#lanes.add(lane);
    this.#winners.know(lane);
    for (const found of writesOf(lane)) {
      const sizeBytes = this.#winners.byKey.get(found.write.key)?.sizeBytes ?? 0;
      this.#winners.put(createWinner(lane, found, sizeBytes), merged.keys);
    }
    merged.applied.push(part);
    return true;
  }

  /** As {@link #putAll}, of what only sets new keys: the lane holds what was read of it. */
  #putNew(lane: Lane, { items }: UpdateFacts, merged: Merged): void {
    let seen: Seen | undefined;
    for (const { key, clock, write: facts } of items) {
      if (key === undefined || facts === undefined) continue;
      const { raw, sizeBytes } = facts;
      shareSeen(raw, seen);
      if (raw.s !== undefined) seen = raw.s;
      const found = { write: writeOf(key, raw), clock };
      this.#winners.put(createWinner(lane, found, sizeOf(key, sizeBytes)), merged.keys);
      if (merged.newKeys !== undefined) merged.newKeys += 1;
      // What ends may have ended by now.
      if (raw.u !== undefined) merged.newKeys = undefined;
    }
  }

  #putAll(lane: Lane, newest: NewestWrites, keys: Set<string>): void {
    let seen: Seen | undefined;
    for (const [key, facts] of newest) {
      const found = trimmedWriteIn(lane, key, seen);
      if (found !== undefined && found.write.seen.length > 0) seen = found.write.seen;
      // What was replaced already: the write that replaced it follows.
      if (facts === undefined || found === undefined) continue;
      this.#winners.put(createWinner(lane, found, sizeOf(key, facts.sizeBytes)), keys);
    }
  }
}

/** The keys that an update names. */
function* keysIn({ items }: UpdateFacts): Iterable<string> {
  for (const { key } of items) if (key !== undefined) yield key;
}

/** When the newest write in an update was made, ms since the epoch. */
function lastStampIn({ items }: UpdateFacts): number {
  let last = 0;
  for (const { write } of items) last = Math.max(last, write?.ms ?? 0);
  return last;
}
