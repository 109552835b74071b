/** Parts of lanes that came before what they follow on: kept for a while, and not more than a bound. */
import type { Did } from '../../core/index.ts';
import { laneName } from './lane.ts';
import type { LaneId } from './lane.ts';
import type { LanePart } from './update.ts';

/** Bounds of what waits for updates that may never come. */
const BYTES_MAX = 1024 * 1024;
const PARTS_MAX = 1000;
/**
 * Parts of one writer's lanes: all that waits is looked at with every update that comes, by whomever. Higher: more is there at once
 * when what was lost has come; lower: who sends what follows on nothing costs others less.
 */
const PARTS_OF_ONE_MAX = 128;
const PART_BYTES = 200;

/** A part that waits, and the clock that its lane must have reached. */
export interface Parked {
  readonly part: LanePart;
  readonly from: number;
  /** Where it ends. */
  readonly to: number;
}

/** What waits. */
export interface Parking {
  readonly isEmpty: boolean;
  /** All that waits. */
  readonly all: readonly Parked[];
  /** Keeps a part; when there are too many, all are forgotten, and when there are too many of its writer, those are. */
  put(parked: Parked): void;
  /** Takes out the parts for which `isDue`. */
  take(isDue: (parked: Parked) => boolean): readonly LanePart[];
  /** Updates of a lane that wait, in the order in which they came. */
  of(lane: LaneId): readonly Parked[];
  /** How far the updates of a lane go that wait; 0 where none does. */
  lastOf(lane: LaneId): number;
  clear(): void;
}

/** Updates of one lane, and how far they go. */
interface LaneParking {
  readonly waiting: Parked[];
  last: number;
}

/** Makes an empty one. */
export function createParking(): Parking {
  return new LaneParkings();
}

class LaneParkings implements Parking {
  #waiting: Parked[] = [];
  #sizeBytes = 0;
  readonly #counts = new Map<Did, number>();
  /** Updates, by the names of their lanes. */
  readonly #lanes = new Map<string, LaneParking>();

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  get all(): readonly Parked[] {
    return this.#waiting;
  }

  put(parked: Parked): void {
    const { did } = parked.part;
    const isTooMuch = this.#sizeBytes + bytesOf(parked) > BYTES_MAX;
    if (isTooMuch || this.#waiting.length >= PARTS_MAX) this.clear();
    else if ((this.#counts.get(did) ?? 0) >= PARTS_OF_ONE_MAX) {
      this.#keep(this.#waiting.filter(({ part }) => part.did !== did));
    } else this.#add(parked);
  }

  take(isDue: (parked: Parked) => boolean): readonly LanePart[] {
    const due = this.#waiting.filter(isDue);
    if (due.length === 0) return [];
    const taken = new Set(due);
    this.#keep(this.#waiting.filter((parked) => !taken.has(parked)));
    return due.toSorted((a, b) => a.from - b.from).map(({ part }) => part);
  }

  of(lane: LaneId): readonly Parked[] {
    return this.#lanes.get(laneName(lane))?.waiting ?? [];
  }

  lastOf(lane: LaneId): number {
    return this.#lanes.get(laneName(lane))?.last ?? 0;
  }

  clear(): void {
    this.#keep([]);
  }

  #keep(kept: readonly Parked[]): void {
    this.#waiting = [];
    this.#sizeBytes = 0;
    this.#counts.clear();
    this.#lanes.clear();
    for (const parked of kept) this.#add(parked);
  }

  #add(parked: Parked): void {
    const { part, to } = parked;
    this.#waiting.push(parked);
    this.#sizeBytes += bytesOf(parked);
    this.#counts.set(part.did, (this.#counts.get(part.did) ?? 0) + 1);
    if (part.update === undefined) return;
    const name = laneName(part);
    const lane = this.#lanes.get(name) ?? { waiting: [], last: 0 };
    lane.waiting.push(parked);
    lane.last = Math.max(lane.last, to);
    this.#lanes.set(name, lane);
  }
}

function bytesOf({ part: { update, making } }: Parked): number {
  const leftOut = making?.sources.reduce((sum, source) => sum + source.leftOut.length, 0) ?? 0;
  return PART_BYTES + (update?.length ?? 0) + leftOut * 8;
}
