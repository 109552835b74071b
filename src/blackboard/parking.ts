/** Pieces of lanes that came before what they follow on: kept for a while, and not more than a bound. */
import type { LanePart } from './update.ts';

/** Bounds of what waits for updates that may never come. */
const BYTES_MAX = 1024 * 1024;
const PARTS_MAX = 1000;
const PART_BYTES = 200;

/** What waits. */
export interface Parking {
  readonly isEmpty: boolean;
  /** Keeps a piece; when there are too many, all are forgotten. */
  put(part: LanePart): void;
  /** Takes out the pieces for which `isDue`. */
  take(isDue: (part: LanePart) => boolean): readonly LanePart[];
  clear(): void;
}

/** Makes an empty one. */
export function createParking(): Parking {
  let parts: LanePart[] = [];
  let sizeBytes = 0;
  const clear = (): void => {
    parts = [];
    sizeBytes = 0;
  };
  return {
    get isEmpty() {
      return parts.length === 0;
    },
    put(part) {
      parts.push(part);
      sizeBytes += bytesOf(part);
      if (sizeBytes > BYTES_MAX || parts.length > PARTS_MAX) clear();
    },
    take(isDue) {
      const due = parts.filter(isDue);
      if (due.length === 0) return due;
      parts = parts.filter((part) => !due.includes(part));
      for (const part of due) sizeBytes -= bytesOf(part);
      return due.toSorted((a, b) => a.from - b.from);
    },
    clear,
  };
}

function bytesOf({ entries }: LanePart): number {
  return entries.reduce((sum, { key, valueBytes }) => sum + key.length + valueBytes, PART_BYTES);
}
