/**
 * How often a process of an agent is started again: OTP's intensity, so many restarts in so long a time, with a pause
 * that doubles. Each process has its own count, whichever of them ended first.
 */
import { backoffMs } from '../../core/index.ts';
import type { Clock, Random } from '../../core/index.ts';

/** In which so many restarts are allowed. */
export const PERIOD_MS = 60_000;
/** The pause before a restart. Shorter brings an agent back sooner, longer spares the machine a crash loop. */
const PAUSE = { baseMs: 100, capMs: 5000 };

/** The restarts of one process. */
export interface Restarts {
  /** How often it was started again, in all. */
  readonly count: number;
  /** The pause before the next start, ms; undefined when it has ended too often. */
  next(): number | undefined;
}

/** Makes the restarts of one process; after `most` within {@link PERIOD_MS} there is no other. */
export function createRestarts(
  { clock, random }: { readonly clock: Clock; readonly random: Random },
  most: number,
): Restarts {
  let lately: number[] = [];
  let count = 0;
  return {
    get count() {
      return count;
    },
    next() {
      const now = clock.now();
      // A time that is still to come is of a clock that was ahead.
      lately = lately.filter((at) => at > now - PERIOD_MS && at <= now);
      if (lately.length >= most) return undefined;
      const waitMs = backoffMs(lately.length, PAUSE, random);
      lately.push(now);
      count += 1;
      return waitMs;
    },
  };
}
