/** How often each caller may do something in a minute. */
import { StarlingError, createBuckets } from '../core/index.ts';
import type { BucketSize, Clock } from '../core/index.ts';

/** Counts what callers do. */
export interface Allowance {
  /**
   * Takes one of the `perMinute` that `caller` has in a minute, all of which may come at one moment.
   * @throws STARLING_RATE_LIMITED with `data.retryAfterMs`
   */
  take(caller: string, perMinute: number): void;
}

const MINUTE_MS = 60_000;
/** Callers that are remembered. */
const CALLERS_MAX = 4096;

/** Makes an allowance; `what` is what messages call the things that are counted. */
export function createAllowance(clock: Clock, what: string): Allowance {
  const buckets = createBuckets(clock, sizeOf(1), CALLERS_MAX);
  return {
    take(caller, perMinute) {
      const size = sizeOf(perMinute);
      if (buckets.take(caller, size)) return;
      const retryAfterMs = buckets.waitMs(caller, size);
      throw new StarlingError('STARLING_RATE_LIMITED', `more than ${perMinute} ${what} a minute`, {
        hint: `wait ${Math.ceil(retryAfterMs / 1000)} s`,
        data: { retryAfterMs },
      });
    },
  };
}

function sizeOf(perMinute: number): BucketSize {
  return { burst: perMinute, everyMs: MINUTE_MS / perMinute };
}
