/** How often each peer may have us do something: a token bucket each, full at first. */
import type { Clock } from './clock.ts';

/** Counts. */
export interface Buckets {
  /** Takes one of `key`; false when it has to wait. */
  take(key: string): boolean;
}

/** Keys that are remembered; the one that was used last is forgotten last. */
const KEYS_MAX = 10_000;

/** Makes full buckets of `burst`, which gain one in `everyMs`. */
export function createBuckets(
  clock: Clock,
  init: { readonly burst: number; readonly everyMs: number },
): Buckets {
  const buckets = new Map<string, { tokens: number; filledAt: number }>();
  return {
    take(key) {
      const now = clock.now();
      const bucket = buckets.get(key) ?? { tokens: init.burst, filledAt: now };
      const gained = Math.max(0, now - bucket.filledAt) / init.everyMs;
      bucket.tokens = Math.min(init.burst, bucket.tokens + gained);
      bucket.filledAt = now;
      buckets.delete(key);
      buckets.set(key, bucket);
      const [oldest] = buckets.keys();
      if (buckets.size > KEYS_MAX && oldest !== undefined) buckets.delete(oldest);
      if (bucket.tokens < 1) return false;
      bucket.tokens -= 1;
      return true;
    },
  };
}
