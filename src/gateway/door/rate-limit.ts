/**
 * How many requests a caller may send in a second: a token bucket for each, which holds two seconds'
 * worth, so that a burst of twice the rate passes. The operator on the node's own socket is asked
 * for none of this.
 */
import { StarlingError } from '../../core/index.ts';
import type { Clock } from '../../core/index.ts';
import type { DoorRefusal } from './types.ts';

const BURST_S = 2;
/** Callers that are remembered. */
const BUCKETS_MAX = 10_000;
/** What is left after some were forgotten, so that looking for them is rare. */
const BUCKETS_KEPT = 9000;

/** Counts the requests of callers. */
export interface RateLimit {
  /**
   * Takes one request of `caller` (a credential's id, or an address). Undefined when it may go on;
   * else why not.
   */
  take(caller: string): DoorRefusal | undefined;
}

interface Bucket {
  tokens: number;
  filledAt: number;
}

/** A limit of `perSecond` requests for each caller, and twice as many in a burst. */
export function createRateLimit(clock: Clock, perSecond: number): RateLimit {
  const burst = perSecond * BURST_S;
  const buckets = new Map<string, Bucket>();

  const bucketOf = (caller: string, now: number): Bucket => {
    const known = buckets.get(caller);
    if (known !== undefined) return known;
    if (buckets.size >= BUCKETS_MAX) forgetSome(buckets, now);
    const fresh = { tokens: burst, filledAt: now };
    buckets.set(caller, fresh);
    return fresh;
  };
  return {
    take(caller) {
      const now = clock.now();
      const bucket = bucketOf(caller, now);
      const grownMs = Math.max(0, now - bucket.filledAt);
      bucket.tokens = Math.min(burst, bucket.tokens + (grownMs * perSecond) / 1000);
      bucket.filledAt = now;
      if (bucket.tokens >= 1) {
        bucket.tokens -= 1;
        return undefined;
      }
      return tooFast(perSecond, ((1 - bucket.tokens) / perSecond) * 1000);
    },
  };
}

/** A bucket that is full again need not be kept; where all are in use, the oldest tenth goes. */
function forgetSome(buckets: Map<string, Bucket>, now: number): void {
  for (const [caller, bucket] of buckets) {
    if (now - bucket.filledAt >= BURST_S * 1000) buckets.delete(caller);
  }
  for (const caller of buckets.keys()) {
    if (buckets.size <= BUCKETS_KEPT) break;
    buckets.delete(caller);
  }
}

function tooFast(perSecond: number, waitMs: number): DoorRefusal {
  const retryAfterMs = Math.max(1, Math.ceil(waitMs));
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
