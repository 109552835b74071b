/** When a peer said what is heard of it, by its own clock: what comes late is told from what was said late. */

/** When a peer said what was heard of it last. */
export interface Told {
  /** How far its clock was before ours at the most, ms: by the words that were under way for the shortest time. */
  readonly leadMs: number;
  /** ms since the epoch, by our clock, or somewhat earlier; undefined at its first words, which may have come late. */
  readonly atMs: number | undefined;
}

/** What is known after words with `time`, by the clock of the peer; undefined where it does not tell that. */
export function nextTold(
  before: Told | undefined,
  time: number | undefined,
  nowMs: number,
): Told | undefined {
  if (time === undefined) return before === undefined ? undefined : { ...before, atMs: undefined };
  const leadMs = Math.max(before?.leadMs ?? -Infinity, time - nowMs);
  return { leadMs, atMs: before === undefined ? undefined : time - leadMs };
}
