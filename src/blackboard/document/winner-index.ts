/**
 * What a replica shows: of each key the newest write of any lane, kept along as lanes grow, are begun anew and go.
 * Knows lanes, and nothing of how they came here.
 */
import type { Did } from '../../core/index.ts';
import { createContentDigest } from './content-digest.ts';
import { SEEN_MAX, markOf } from '../lanes/lane-format.ts';
import type { Seen } from '../lanes/lane-format.ts';
import { writeIn, writesOf } from '../lanes/lane.ts';
import type { Lane } from '../lanes/lane.ts';
import type { Stamp } from '../lanes/stamp.ts';
import type { BoardChange, BoardEntry } from '../types.ts';
import { compareWrites, isOwn, isSameWrite, newestAmong } from './winner.ts';
import type { NamedPlace } from './lane-set.ts';
import type { Winner } from './winner.ts';

/**
 * Writers whose writes are counted, besides those who have lanes here: as many as have entries that others carry. More: each own write
 * takes longer, as it says what was seen of others.
 */
const CARRIED_WRITERS_MAX = 4096;

/** The newest writes of a replica. */
export class WinnerIndex {
  readonly #self: Did;
  readonly #now: () => number;
  readonly #lanes: () => Iterable<Lane>;
  readonly #places: () => Iterable<NamedPlace>;
  readonly #winners = new Map<string, Winner>();
  /** Keys whose winner is no entry any more. */
  readonly #gone = new Set<string>();
  /** Keys whose entry will end. */
  readonly #ending = new Map<string, number>();
  readonly #digest = createContentDigest();
  /** Writes of each writer that were seen. */
  readonly #counts = new Map<Did, number>();
  /** Names of writers by mark, for {@link BoardEntry.clock}. */
  readonly #writers = new Map<number, Did>();
  readonly #marks = new Map<Did, number>();
  #last: Stamp = [0, 0];
  #size = 0;
  #sizeBytes = 0;
  /** What was seen of other writers, until that changes. */
  #seen: Seen | undefined;

  constructor(init: {
    readonly self: Did;
    now(): number;
    /** All lanes of the board. */
    lanes(): Iterable<Lane>;
    /** How far each lane was seen, those that others stand for included. */
    places(): Iterable<NamedPlace>;
  }) {
    this.#self = init.self;
    this.#now = () => init.now();
    this.#lanes = () => init.lanes();
    this.#places = () => init.places();
  }

  get byKey(): ReadonlyMap<string, Winner> {
    return this.#winners;
  }

  /** Keys that are set. */
  get size(): number {
    return this.#size;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Deletions and ends. */
  get gone(): number {
    return this.#gone.size;
  }

  /** The latest stamp that was seen. */
  get last(): Stamp {
    return this.#last;
  }

  /** Writes of each writer that were seen. */
  get counts(): ReadonlyMap<Did, number> {
    return this.#counts;
  }

  /** The newest write of a key, if it is an entry now. */
  entry(key: string): Winner | undefined {
    const winner = this.#winners.get(key);
    if (winner?.value === undefined || winner.hasEnded) return undefined;
    return winner.until === 0 || winner.until > this.#now() ? winner : undefined;
  }

  /** A lane is here, maybe with nothing in it that wins. */
  know({ did }: Lane): void {
    if (this.#counts.has(did)) return;
    this.#counts.set(did, 0);
    this.#markOf(did);
  }

  /** Some lane has grown, or another one is here. */
  seenMore(): void {
    this.#digest.seenMore();
  }

  digest(): string {
    return this.#digest.text(this.#places());
  }

  /** Hears of the newest write of a key in a lane; adds the key to `keys` when the board shows another thing now. */
  put(winner: Winner, keys: Set<string>): void {
    const { key, lane } = winner;
    this.#note(winner);
    const before = this.#winners.get(key);
    if (before === undefined) {
      this.#set(winner);
      keys.add(key);
    } else if (isSameWrite(winner, before)) {
      // Its lane begun anew, or who else carries it: its own writer's lane before all others.
      const isLater = before.lane.did === lane.did || lane.name > before.lane.name;
      const isNearer = isOwn(winner) === isOwn(before) ? isLater : isOwn(winner);
      if (isNearer) this.#replace(before, winner);
    } else if (compareWrites(winner, before) > 0) {
      this.#replace(before, winner);
      keys.add(key);
    } else if (before.lane === lane) this.#choose(before, keys);
  }

  /** Hears that a lane is replaced by another of the same name: looks at the keys of both in all lanes again. */
  replaced(before: Lane, lane: Lane, keys: Set<string>): void {
    for (const { write } of writesOf(lane)) {
      const winner = this.#winners.get(write.key);
      if (winner !== undefined) this.#choose(winner, keys);
      else {
        const next = newestAmong(this.#lanes(), write.key, 0);
        if (next !== undefined) this.put(next, keys);
      }
    }
    this.dropped(before, keys);
  }

  /** Hears that a lane is not needed any more, and is not among all lanes now. */
  dropped(lane: Lane, keys: Set<string>): void {
    for (const { write } of writesOf(lane)) {
      const winner = this.#winners.get(write.key);
      if (winner?.lane === lane) this.#choose(winner, keys);
    }
    this.ended(lane, keys);
  }

  /**
   * Hears that nothing follows in a lane, or that it is gone. A write wins until the one that has replaced it in its lane is
   * here, which comes in a later piece; where that never comes, the write counts no more all the same.
   */
  ended(lane: Lane, keys: Set<string>): void {
    let left = lane.winning;
    for (const { write, clock } of writesOf(lane)) {
      const winner = this.#winners.get(write.key);
      if (winner?.lane === lane && winner.clock === clock) left -= 1;
    }
    if (left === 0) return;
    // A lane knows of each key that it ever wrote, so that nobody pays for what others have on a large board.
    const lost: Winner[] = [];
    for (const key of lane.entries._map.keys()) {
      const winner = this.#winners.get(key);
      if (winner?.lane === lane && writeIn(lane, key)?.clock !== winner.clock) lost.push(winner);
    }
    for (const winner of lost) this.#choose(winner, keys);
  }

  nextEnd(): number | undefined {
    let next: number | undefined;
    for (const until of this.#ending.values()) {
      if (next === undefined || until < next) next = until;
    }
    return next;
  }

  endOver(): readonly BoardChange[] {
    const now = this.#now();
    const ended: BoardChange[] = [];
    for (const [key, until] of this.#ending) {
      const winner = this.#winners.get(key);
      if (until > now || winner === undefined) continue;
      this.#ending.delete(key);
      winner.hasEnded = true;
      this.#size -= 1;
      winner.lane.live -= 1;
      this.#gone.add(key);
      ended.push({ key });
    }
    return ended;
  }

  /** How many writes of every other writer were seen. */
  seenOfOthers(): Seen {
    if (this.#seen === undefined) {
      const others = [...this.#counts].filter(([did, count]) => did !== this.#self && count > 0);
      this.#seen = others.slice(-SEEN_MAX).flatMap(([did, count]) => [this.#markOf(did), count]);
    }
    return this.#seen;
  }

  /** A hash, made once for each writer: a write names all others. */
  #markOf(did: Did): number {
    const known = this.#marks.get(did);
    if (known !== undefined) return known;
    const mark = markOf(did);
    this.#marks.set(did, mark);
    this.#writers.set(mark, did);
    return mark;
  }

  /** A write as users see it. */
  shown({ key, value, by, ms, until, lane, index, isAdopted, seen }: Winner): BoardEntry {
    const clock: Record<string, number> = {};
    for (let at = 0; at < seen.length; at += 2) {
      const mark = seen[at] ?? 0;
      clock[this.#writers.get(mark) ?? mark.toString(16)] = seen[at + 1] ?? 0;
    }
    clock[isAdopted === true ? by : lane.did] = index;
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

  #note({ ms, n, by, lane, index, isAdopted }: Winner): void {
    const [lastMs, lastN] = this.#last;
    if (ms > lastMs || (ms === lastMs && n > lastN)) this.#last = [ms, n];
    const writer = isAdopted === true ? by : lane.did;
    const known = this.#counts.get(writer);
    if (known === undefined) {
      // Whoever carries entries may name as many writers as there are entries.
      if (writer !== lane.did && this.#counts.size >= CARRIED_WRITERS_MAX) return;
      this.#markOf(writer);
    }
    if (index <= (known ?? 0)) return;
    this.#counts.set(writer, index);
    if (writer !== this.#self) this.#seen = undefined;
  }

  /** The winner is not in its lane any more: the newest of all others is chosen. */
  #choose(before: Winner, keys: Set<string>): void {
    const { key, sizeBytes } = before;
    const next = newestAmong(this.#lanes(), key, sizeBytes);
    if (next === undefined) this.#remove(before);
    else this.#replace(before, next);
    if (next === undefined || !isSameWrite(next, before)) keys.add(key);
  }

  #replace(before: Winner, winner: Winner): void {
    if (before.hasEnded && isSameWrite(winner, before)) winner.hasEnded = true;
    this.#remove(before);
    this.#set(winner);
  }

  #set(winner: Winner): void {
    const { key, value, until, lane, sizeBytes, hasEnded } = winner;
    this.#winners.set(key, winner);
    lane.winning += 1;
    lane.winningBytes += sizeBytes;
    this.#sizeBytes += sizeBytes;
    this.#digest.add(winner);
    if (value === undefined || hasEnded) {
      this.#gone.add(key);
      return;
    }
    this.#size += 1;
    lane.live += 1;
    if (until > 0) this.#ending.set(key, until);
  }

  #remove(winner: Winner): void {
    const { key, lane, value, hasEnded, sizeBytes } = winner;
    this.#winners.delete(key);
    lane.winning -= 1;
    lane.winningBytes -= sizeBytes;
    this.#gone.delete(key);
    this.#ending.delete(key);
    this.#sizeBytes -= sizeBytes;
    if (value !== undefined && !hasEnded) {
      this.#size -= 1;
      lane.live -= 1;
    }
    this.#digest.remove(winner);
  }
}
