/** Parts of lanes that came before what they follow on: kept for a while, and not more than a bound. */
import type { LanePart } from './update.ts';

/** Bounds of what waits for updates that may never come. */
const BYTES_MAX = 1024 * 1024;
const PARTS_MAX = 1000;
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
  /** Keeps a part; when there are too many, all are forgotten. */
  put(parked: Parked): void;
  /** Takes out the parts for which `isDue`. */
  take(isDue: (parked: Parked) => boolean): readonly LanePart[];
  clear(): void;
}

/** Makes an empty one. */
export function createParking(): Parking {
  let waiting: Parked[] = [];
  let sizeBytes = 0;
  const clear = (): void => {
    waiting = [];
    sizeBytes = 0;
  };
  return {
    get isEmpty() {
      return waiting.length === 0;
    },
    get all() {
      return waiting;
    },
    put(parked) {
      waiting.push(parked);
      sizeBytes += bytesOf(parked);
      if (sizeBytes > BYTES_MAX || waiting.length > PARTS_MAX) clear();
    },
    take(isDue) {
      const due = waiting.filter(isDue);
      if (due.length === 0) return [];
      waiting = waiting.filter((parked) => !due.includes(parked));
      for (const parked of due) sizeBytes -= bytesOf(parked);
      return due.toSorted((a, b) => a.from - b.from).map(({ part }) => part);
    },
    clear,
  };
}

function bytesOf({ part: { update, making } }: Parked): number {
  const leftOut = making?.sources.reduce((sum, source) => sum + source.leftOut.length, 0) ?? 0;
  return PART_BYTES + (update?.length ?? 0) + leftOut * 8;
}
