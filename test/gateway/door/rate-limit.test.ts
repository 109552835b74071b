/** How many requests a caller may send. */
import { describe, expect, it } from 'vitest';
import { createRateLimit } from '../../../src/gateway/door/rate-limit.ts';
import type { RateLimit } from '../../../src/gateway/door/rate-limit.ts';
import { createTestClock } from '../../core/test-clock.ts';

function passed(limit: RateLimit, caller: string, requests: number): number {
  return Array.from({ length: requests }, () => limit.take(caller)).filter(
    (refusal) => refusal === undefined,
  ).length;
}

describe('a caller', () => {
  it('may send twice the rate at once, then the rate', () => {
    const clock = createTestClock();
    const limit = createRateLimit(clock, 100);
    expect(passed(limit, 'ci', 1000)).toBe(200);
    clock.advance(500);
    expect(passed(limit, 'ci', 1000)).toBe(50);
    clock.advance(60_000);
    expect(passed(limit, 'ci', 1000)).toBe(200);
  });

  it('pays for nobody else', () => {
    const limit = createRateLimit(createTestClock(), 1);
    expect(passed(limit, 'loud', 10)).toBe(2);
    expect(passed(limit, 'quiet', 1)).toBe(1);
  });

  it('is told which limit it passed, and when to come again', () => {
    const clock = createTestClock();
    const limit = createRateLimit(clock, 2);
    expect(passed(limit, 'ci', 4)).toBe(4);
    const refusal = limit.take('ci');
    expect(refusal).toMatchObject({ status: 429, headers: { 'retry-after': '1' } });
    expect(refusal?.error.code).toBe('STARLING_RATE_LIMITED');
    expect(refusal?.error.data).toEqual({ limit: 'limits.requestsPerSecond', retryAfterMs: 500 });
    clock.advance(499);
    expect(limit.take('ci')).toBeDefined();
    clock.advance(1);
    expect(limit.take('ci')).toBeUndefined();
  });

  it('gains nothing when the clock is set back', () => {
    let nowMs = 1_000_000;
    const limit = createRateLimit({ now: () => nowMs, schedule: () => () => undefined }, 1);
    expect(passed(limit, 'ci', 5)).toBe(2);
    nowMs = 0;
    expect(passed(limit, 'ci', 5)).toBe(0);
  });

  it('can be given a million a second', () => {
    const clock = createTestClock();
    const limit = createRateLimit(clock, 1_000_000);
    clock.advance(1);
    expect(passed(limit, 'bench', 5000)).toBe(5000);
  });

  it('is remembered among very many others that come once', () => {
    const clock = createTestClock();
    const limit = createRateLimit(clock, 1);
    for (let caller = 0; caller < 15_000; caller += 1) limit.take(`address:${caller}`);
    expect(passed(limit, 'ci', 10)).toBe(2);
    clock.advance(10_000);
    for (let caller = 0; caller < 15_000; caller += 1) limit.take(`address:${caller}`);
    expect(passed(limit, 'ci', 10)).toBe(2);
  });

  it('that never stops asking gets no fresh burst, however many others come once', () => {
    const limit = createRateLimit(createTestClock(), 1);
    expect(passed(limit, 'busy', 10)).toBe(2);
    for (let caller = 0; caller < 30_000; caller += 1) {
      limit.take(`address:${caller}`);
      if (caller % 5000 === 0) expect(passed(limit, 'busy', 3)).toBe(0);
    }
  });
});
