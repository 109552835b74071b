/** The intervals that the benchmark of learning prints, and that its worlds show what they are to show. */
import { describe, expect, it } from 'vitest';
import { meanInterval, shareInterval } from '../../../sim/bench/learn/intervals.ts';
import { measureWays } from '../../../sim/bench/learn/ways.ts';

describe('an interval', () => {
  it('of a share is the exact one', () => {
    // As tables of Clopper and Pearson have them.
    expect(shareInterval(8, 10)).toMatchObject({
      mean: 0.8,
      low: expect.closeTo(0.4439, 3),
      high: expect.closeTo(0.9748, 3),
    });
    expect(shareInterval(0, 10)).toMatchObject({ low: 0, high: expect.closeTo(0.3085, 3) });
    expect(shareInterval(10, 10)).toMatchObject({ low: expect.closeTo(0.6915, 3), high: 1 });
    const many = shareInterval(500, 1000);
    expect(many.high - many.low).toBeCloseTo(0.0631, 3);
  });

  it("of a mean is Student's, and of one figure nothing is sure", () => {
    // t is 4.30 with two degrees of freedom, and the deviation is 1.
    expect(meanInterval([1, 2, 3])).toMatchObject({
      mean: 2,
      low: expect.closeTo(2 - 4.3 / Math.sqrt(3), 6),
      high: expect.closeTo(2 + 4.3 / Math.sqrt(3), 6),
    });
    expect(meanInterval([5])).toEqual({ mean: 5, low: -Infinity, high: Infinity });
  });
});

it('shows a gain where there is one to be had, and none where there is none', () => {
  const { alike, breaks, dearer, stays } = measureWays(10, 160);
  expect(stays.gain.low).toBeGreaterThan(0);
  expect(breaks.byForgetting.low).toBeGreaterThan(0);
  expect(alike.gain.low).toBeLessThan(0);
  expect(alike.gain.high).toBeGreaterThan(0);
  expect(dearer.cost.mean).toBeLessThan(1);
});
