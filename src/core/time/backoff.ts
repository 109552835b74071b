/** Exponential backoff with full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter"). */
import type { Random } from './clock.ts';

/** Bounds of a backoff. */
export interface BackoffInit {
  /** Upper bound of the first delay, in milliseconds. */
  readonly baseMs: number;
  /** Upper bound of every delay, in milliseconds. */
  readonly capMs: number;
}

/**
 * The delay before attempt `attempt` (0 is the first retry): uniform in the upper half of
 * `min(capMs, baseMs · 2^attempt)`, so that peers cut off together do not come back together and
 * none retries at once.
 */
export function backoffMs(attempt: number, init: BackoffInit, random: Random): number {
  const ceiling = Math.min(init.capMs, init.baseMs * 2 ** Math.min(attempt, 30));
  return ceiling / 2 + random() * (ceiling / 2);
}
