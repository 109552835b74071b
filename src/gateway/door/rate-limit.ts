/**
 * How many requests a caller may send in a second: a token bucket for each, which holds two seconds'
 * worth, so that a burst of twice the rate passes. The operator on the node's own socket is asked
 * for none of this.
 */
import { StarlingError, createBuckets } from '../../core/index.ts';
import type { Clock } from '../../core/index.ts';
import type { DoorRefusal } from './types.ts';

const BURST_S = 2;
/** Callers that are remembered; beyond that, the one that asked longest ago is forgotten. */
const CALLERS_MAX = 10_000;

/** Counts the requests of callers. */
export interface RateLimit {
  /**
   * Takes one request of `caller` (a credential's id, or an address). Undefined when it may go on;
   * else why not.
   */
  take(caller: string): DoorRefusal | undefined;
}

/** A limit of `perSecond` requests for each caller, and twice as many in a burst. */
export function createRateLimit(clock: Clock, perSecond: number): RateLimit {
  const size = { burst: perSecond * BURST_S, everyMs: 1000 / perSecond };
  const buckets = createBuckets(clock, size, CALLERS_MAX);
  return {
    take: (caller) =>
      buckets.take(caller) ? undefined : tooFast(perSecond, buckets.waitMs(caller)),
  };
}

function tooFast(perSecond: number, waitMs: number): DoorRefusal {
  const retryAfterMs = Math.max(1, waitMs);
  return {
    status: 429,
    error: new StarlingError(
      'STARLING_RATE_LIMITED',
      `more than ${perSecond} requests a second (limits.requestsPerSecond)`,
      {
        hint: `wait ${retryAfterMs} ms, or raise limits.requestsPerSecond`,
        data: { limit: 'limits.requestsPerSecond', retryAfterMs },
      },
    ),
    headers: { 'retry-after': String(Math.ceil(retryAfterMs / 1000)) },
  };
}
