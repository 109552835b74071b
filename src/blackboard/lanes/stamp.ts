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

/** Below zero when `a` is the earlier one. */
export function compareStamps(a: Stamp, b: Stamp): number {
  return a[0] === b[0] ? a[1] - b[1] : a[0] - b[0];
}

/** The stamp after `last`, at `nowMs` or later. */
export function nextStamp(last: Stamp, nowMs: number): Stamp {
  return nowMs > last[0] ? [nowMs, 0] : [last[0], last[1] + 1];
}
