/** How often each caller may do something in a minute: a token bucket each, full at first. */
import { StarlingError } from '../core/index.ts';
import type { Clock } from '../core/index.ts';

/** Counts what callers do. */
export interface Allowance {
  /** Takes one of `caller`. @throws STARLING_RATE_LIMITED */
  take(caller: string, perMinute: number): void;
}

interface Bucket {
  tokens: number;
  filledAt: number;
}

const MINUTE_MS = 60_000;
/** Callers that are remembered. */
const CALLERS_MAX = 4096;

/** Makes an allowance; `what` is what messages call it. */
export function createAllowance(clock: Clock, what: string): Allowance {
  const buckets = new Map<string, Bucket>();
  return {
    take(caller, perMinute) {
      const now = clock.now();
      const bucket = buckets.get(caller) ?? { tokens: perMinute, filledAt: now };
      const grownMs = Math.max(0, now - bucket.filledAt);
      bucket.tokens = Math.min(perMinute, bucket.tokens + (grownMs * perMinute) / MINUTE_MS);
      bucket.filledAt = now;
      // The one that was used last is forgotten last.
      buckets.delete(caller);
      buckets.set(caller, bucket);
      const [oldest] = buckets.keys();
      if (buckets.size > CALLERS_MAX && oldest !== undefined) buckets.delete(oldest);
      if (bucket.tokens < 1) {
        const waitMs = Math.ceil(((1 - bucket.tokens) * MINUTE_MS) / perMinute);
        throw new StarlingError(
          'STARLING_RATE_LIMITED',
          `more than ${perMinute} ${what} a minute`,
          {
            hint: `wait ${Math.ceil(waitMs / 1000)} s`,
            data: { retryAfterMs: waitMs },
          },
        );
      }
      bucket.tokens -= 1;
    },
  };
}
