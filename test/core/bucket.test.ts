/** Token buckets: the pure arithmetic on times, and buckets by key on a clock that tests move. */
import { describe, expect, it } from 'vitest';
import { createBuckets, fullBucket, refilled, waitMsOf } from '../../src/core/index.ts';
import { createTestClock } from './test-clock.ts';

const TEN_A_SECOND = { burst: 5, everyMs: 100 };

/** How many of `tries` go through at this moment. */
function passed(take: (key: string) => boolean, tries: number, key = 'ada'): number {
  return Array.from({ length: tries }, () => take(key)).filter(Boolean).length;
}

/** A clock that a test sets to any time. */
function settable(nowMs: number): { now(): number; schedule(): () => void; set(ms: number): void } {
  let time = nowMs;
  return { now: () => time, schedule: () => () => undefined, set: (ms) => void (time = ms) };
}

describe('a bucket', () => {
  it('is full at first, and gains one token in each period up to its size', () => {
    const size = { burst: 3, everyMs: 1000 };
    const full = fullBucket(size, 0);
    expect(full.tokens).toBe(3);
    const empty = { ...full, tokens: 0 };
    expect(refilled(empty, size, 1500).tokens).toBe(1.5);
    expect(refilled(empty, size, 60_000).tokens).toBe(3);
  });

  it('tells how long until a token is there, and after just this time the token is there', () => {
    for (const everyMs of [1, 3, 7, 100, 1000 / 3, 60_000 / 7]) {
      const size = { burst: 2, everyMs };
      const empty = { tokens: 0, atMs: 1_700_000_000_000, latestMs: 1_700_000_000_000 };
      const waitMs = waitMsOf(empty, size);
      expect(waitMs).toBe(Math.ceil(everyMs));
      expect(waitMsOf(refilled(empty, size, empty.atMs + waitMs), size)).toBe(0);
    }
  });

  it('comes to the same whether it is looked at once or in a thousand small steps', () => {
    const size = { burst: 10, everyMs: 100 };
    let level = { tokens: 0, atMs: 0, latestMs: 0 };
    for (let nowMs = 1; nowMs <= 100; nowMs += 1) level = refilled(level, size, nowMs);
    expect(waitMsOf(level, size)).toBe(0);
  });
});

describe('buckets by key', () => {
  it('let a burst through, then one in each period, to each key on its own', () => {
    const clock = createTestClock();
    const { take } = createBuckets(clock, TEN_A_SECOND);
    expect(passed(take, 20)).toBe(5);
    expect(passed(take, 20, 'bob')).toBe(5);
    clock.advance(250);
    expect(passed(take, 20)).toBe(2);
    clock.advance(50);
    expect(passed(take, 20)).toBe(1);
  });

  it('take nothing from whoever is refused, so that trying again does not put off the end', () => {
    const clock = createTestClock();
    const { take, waitMs } = createBuckets(clock, { burst: 1, everyMs: 1000 });
    expect(take('ada')).toBe(true);
    for (let ms = 0; ms < 1000; ms += 100) {
      expect(waitMs('ada')).toBe(1000 - ms);
      expect(take('ada')).toBe(false);
      clock.advance(100);
    }
    expect(waitMs('ada')).toBe(0);
    expect(take('ada')).toBe(true);
  });

  it('heed a size that is given for one key, also when it became smaller meanwhile', () => {
    const { take } = createBuckets(createTestClock(), TEN_A_SECOND);
    expect(take('ada', { burst: 100, everyMs: 10 })).toBe(true);
    expect(passed((key) => take(key, { burst: 2, everyMs: 10 }), 9)).toBe(2);
  });

  it('get no tokens from a clock that is set back, nor when it is set forth again', () => {
    const clock = settable(1_000_000);
    const { take } = createBuckets(clock, TEN_A_SECOND);
    expect(passed(take, 20)).toBe(5);
    clock.set(400_000);
    expect(passed(take, 20)).toBe(0);
    clock.set(1_000_000);
    expect(passed(take, 20)).toBe(0);
    for (let turn = 0; turn < 10; turn += 1) {
      clock.set(400_000);
      expect(passed(take, 20)).toBe(0);
      clock.set(1_000_000);
      expect(passed(take, 20)).toBe(0);
    }
  });

  it('are not held up by a clock that is set back: a token comes back in its period', () => {
    const clock = settable(1_000_000);
    const { take, waitMs } = createBuckets(clock, TEN_A_SECOND);
    expect(passed(take, 20)).toBe(5);
    clock.set(400_000);
    for (let turn = 1; turn <= 10; turn += 1) {
      expect(take('ada')).toBe(false);
      expect(waitMs('ada')).toBe(100);
      clock.set(400_000 + turn * 100);
      expect(take('ada')).toBe(true);
    }
  });

  it('end each debt, also of many tokens at once, while a clock that was set back has not caught up', () => {
    const clock = settable(10_000_000);
    const { charge, waitMs } = createBuckets(clock, { burst: 1000, everyMs: 1 });
    charge('ada', 1);
    clock.set(400_000);
    let nextMs = charge('ada', 2800);
    let waitedMs = 0;
    for (let turn = 0; nextMs > 0 && turn < 50; turn += 1) {
      clock.set(400_000 + (waitedMs += nextMs));
      nextMs = waitMs('ada');
    }
    expect(nextMs).toBe(0);
    expect(waitedMs).toBeGreaterThanOrEqual(1800);
    // Some longer than by a right clock, for a step counts a quarter of what fills the bucket at most.
    expect(waitedMs).toBeLessThan(10_000);
  });

  it('get a quarter at the most of a clock that is set back, and forth by a part', () => {
    const clock = settable(10_000_000);
    const { take } = createBuckets(clock, { burst: 1000, everyMs: 1 });
    expect(passed(take, 2000)).toBe(1000);
    clock.set(400_000);
    expect(passed(take, 2000)).toBe(0);
    clock.set(9_000_000);
    expect(passed(take, 2000)).toBe(250);
  });

  it('fill up as ever once a clock that was set back has caught up', () => {
    const clock = settable(1_000_000);
    const { take } = createBuckets(clock, TEN_A_SECOND);
    expect(passed(take, 5)).toBe(5);
    clock.set(999_000);
    expect(take('ada')).toBe(false);
    clock.set(1_000_000);
    take('ada');
    clock.set(1_000_500);
    expect(passed(take, 20)).toBe(5);
  });

  it('forget the key that was used longest ago, so the busiest never gets a fresh burst', () => {
    const { take } = createBuckets(createTestClock(), { burst: 1, everyMs: 60_000 }, 3);
    expect(take('busy')).toBe(true);
    for (const stranger of ['a', 'b', 'c', 'd', 'e']) {
      expect(take(stranger)).toBe(true);
      expect(take('busy')).toBe(false);
    }
    // The first of the strangers was forgotten; the busy one, older but used since, was not.
    expect(take('a')).toBe(true);
    expect(take('e')).toBe(false);
  });
});
