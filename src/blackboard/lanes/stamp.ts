/**
 * Hybrid logical clocks (Kulkarni et al., "Logical physical clocks", 2014): a stamp is near the wall clock
 * of its writer, and later than every stamp that the writer had seen.
 */

/** Milliseconds since the epoch, and a count within the millisecond. */
export type Stamp = readonly [ms: number, n: number];

/** How far ahead of this node's clock a stamp may be. Higher forgives worse clocks, and lets a writer win longer. */
export const AHEAD_MS = 60_000;
/** What is stamped further ahead than that waits for its time, up to this: no clock is off so far by mistake. */
export const PARKED_AHEAD_MS = 24 * 3_600_000;
/**
 * Counts within a millisecond end before this: no writer makes so many writes in the time by which clocks differ. A count near the end
 * of all numbers would leave none to whoever writes next.
 */
export const COUNT_END = 2 ** 32;

/** Below zero when `a` is the earlier one. */
export function compareStamps(a: Stamp, b: Stamp): number {
  return a[0] === b[0] ? a[1] - b[1] : a[0] - b[0];
}

/** The stamp after `last`, at `nowMs` or later. */
export function nextStamp(last: Stamp, nowMs: number): Stamp {
  const [ms, n] = last;
  if (nowMs > ms) return [nowMs, 0];
  return n + 1 < COUNT_END ? [ms, n + 1] : [ms + 1, 0];
}
