/**
 * Token buckets: how often something may happen. A bucket is full at first, each time takes one token,
 * and tokens come back at a steady rate up to the size of the bucket. The arithmetic is pure and takes
 * the time as a value; {@link createBuckets} keeps one bucket for each key.
 *
 * A clock that is set back gives no tokens and takes none. Until the clock has caught up with the latest
 * moment that the bucket has seen, one step of time gives a quarter of a full bucket at most (or what the size says), and
 * the step in which the clock catches up counts from that moment on. So callers are not kept waiting for hours, also such
 * as take many tokens at once, and a clock that is set forth again does not fill the bucket.
 */
import type { Clock } from './time/clock.ts';

/** How much a bucket holds and how fast it fills. */
export interface BucketSize {
  /** Tokens of a full bucket: how often something may happen at one moment after a pause. */
  readonly burst: number;
  /** Milliseconds in which one token comes back: the rate in the long run is `1000 / everyMs` a second. */
  readonly everyMs: number;
  /**
   * The most that one step of time counts until a clock that was set back has caught up; default: a quarter of what fills
   * the bucket, and `everyMs` at least. More = whoever takes many tokens at once waits no longer than by a right clock; less =
   * a clock that is set forth by a part gives less.
   */
  readonly behindStepMs?: number;
}

/** What a bucket held at one moment. */
export interface BucketLevel {
  readonly tokens: number;
  /** When `tokens` was true, ms since the epoch. */
  readonly atMs: number;
  /** The latest moment that the bucket has seen; later than `atMs` after the clock was set back. */
  readonly latestMs: number;
}

/** One bucket for each key. */
export interface Buckets {
  /**
   * Takes one token of `key`; false when there is none, which takes nothing. A `size` given here counts
   * for this call, for limits that differ from key to key or change while the node runs.
   */
  readonly take: (key: string, size?: BucketSize) => boolean;
  /**
   * Takes `cost` tokens of `key`, whether they are there or not, and gives the milliseconds until the key
   * has a token again, rounded up; 0 when one is left. A debt is a hundred bursts at most.
   */
  readonly charge: (key: string, cost: number, size?: BucketSize) => number;
  /** Milliseconds until `key` has a token, rounded up; 0 when a token is there. Takes nothing. */
  readonly waitMs: (key: string, size?: BucketSize) => number;
}

/** Keys that are remembered when nothing else is said. */
const KEYS_MAX = 10_000;
/** How far below empty a bucket may be charged, in bursts. */
const DEBT_BURSTS_MAX = 100;
/**
 * One step of a clock that was set back gives such a part of a full bucket at most. Higher: whoever takes many tokens at once
 * waits hardly longer than by a right clock; lower: a clock that is set forth by a part gives less.
 */
const BEHIND_STEP_BURSTS_MAX = 0.25;
/** What sums of fractions may be off: a token that is missing no more than this is there. */
const TOLERANCE = 1e-9;

/** The level of whoever has taken nothing yet. */
export function fullBucket({ burst }: BucketSize, nowMs: number): BucketLevel {
  return { tokens: burst, atMs: nowMs, latestMs: nowMs };
}

/** What a bucket holds at `nowMs`, after it held `level`. */
export function refilled(level: BucketLevel, size: BucketSize, nowMs: number): BucketLevel {
  const gained = passedMs(level, size, nowMs) / size.everyMs;
  return {
    tokens: Math.min(size.burst, level.tokens + gained),
    atMs: nowMs,
    latestMs: Math.max(level.latestMs, nowMs),
  };
}

/** Milliseconds until a bucket that holds `level` has a token, rounded up; 0 when a token is there. */
export function waitMsOf({ tokens }: BucketLevel, { everyMs }: BucketSize): number {
  return tokens >= 1 - TOLERANCE ? 0 : Math.ceil((1 - TOLERANCE / 2 - tokens) * everyMs);
}

/**
 * Makes buckets of `size` on `clock`. At most `keysMax` keys are remembered (default 10,000); beyond
 * that the key that was used longest ago is forgotten, which fills its bucket. More keys cost memory
 * (about 200 bytes each); with fewer, callers under many names get more than their rate.
 */
export function createBuckets(clock: Clock, size: BucketSize, keysMax = KEYS_MAX): Buckets {
  const levels = new Map<string, BucketLevel>();

  const levelOf = (key: string, own: BucketSize): BucketLevel => {
    const nowMs = clock.now();
    const known = levels.get(key);
    return known === undefined ? fullBucket(own, nowMs) : refilled(known, own, nowMs);
  };
  let newest: string | undefined;
  const keep = (key: string, level: BucketLevel): void => {
    // The order of the map is the order of last use. Who asks twice in a row is the last already, and stays where it is:
    // a map whose keys are deleted and set again moves into a new table each time that it is full of deleted ones.
    if (key !== newest) levels.delete(key);
    newest = key;
    levels.set(key, level);
    if (levels.size <= keysMax) return;
    const [oldest] = levels.keys();
    if (oldest !== undefined) levels.delete(oldest);
  };
  return {
    take(key, own = size) {
      const level = levelOf(key, own);
      const isThere = waitMsOf(level, own) === 0;
      keep(key, isThere ? { ...level, tokens: Math.max(0, level.tokens - 1) } : level);
      return isThere;
    },
    charge(key, cost, own = size) {
      const level = levelOf(key, own);
      const tokens = Math.max(-DEBT_BURSTS_MAX * own.burst, level.tokens - cost);
      keep(key, { ...level, tokens });
      return waitMsOf({ ...level, tokens }, own);
    },
    waitMs(key, own = size) {
      const level = levelOf(key, own);
      // Until a clock that was set back has caught up each step counts on its own: one that is forgotten would never
      // have been, and whoever waits for the end of a debt would wait for ever.
      if (level.atMs < level.latestMs) levels.set(key, level);
      return waitMsOf(level, own);
    },
  };
}

function passedMs({ atMs, latestMs }: BucketLevel, size: BucketSize, nowMs: number): number {
  const stepMs = Math.max(0, nowMs - atMs);
  if (atMs >= latestMs) return stepMs;
  if (nowMs >= latestMs) return nowMs - latestMs;
  const { everyMs, burst } = size;
  const { behindStepMs = Math.max(everyMs, burst * everyMs * BEHIND_STEP_BURSTS_MAX) } = size;
  return Math.min(stepMs, behindStepMs);
}
