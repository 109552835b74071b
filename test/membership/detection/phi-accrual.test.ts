/** The numbers of the failure detector: what it says at the edges, and how far back it remembers. */
import { describe, expect, it } from 'vitest';
import { intervalStretch } from '../../../src/membership/heartbeats/heartbeat-interval.ts';
import { createDetector } from '../../../src/membership/detection/phi-accrual.ts';
import type { Detector } from '../../../src/membership/detection/phi-accrual.ts';

const INTERVAL_MS = 1000;

/** A detector that has heard heartbeats after these intervals, and the time of the last one. */
function hearing(...intervalsMs: readonly number[]): {
  readonly detector: Detector;
  readonly last: number;
} {
  const detector = createDetector({ intervalMs: INTERVAL_MS, phiSuspect: 8 }, 0);
  let last = 0;
  for (const interval of intervalsMs) {
    last += interval;
    detector.heard(last);
  }
  return { detector, last };
}

const repeat = (count: number, interval: number): number[] => Array<number>(count).fill(interval);

/** Phi a while after the last heartbeat. */
function phiAfter(silenceMs: number, ...intervalsMs: readonly number[]): number {
  const { detector, last } = hearing(...intervalsMs);
  return detector.phi(last + silenceMs);
}

describe('phi', () => {
  it('is what half of all heartbeats have at the mean', () => {
    expect(phiAfter(1000, ...repeat(10, 1000))).toBeCloseTo(-Math.log10(0.5), 6);
    expect(phiAfter(1500, ...repeat(10, 1500))).toBeCloseTo(-Math.log10(0.5), 6);
  });

  it('is that of the normal distribution beside the mean', () => {
    // The spread is at least 0.3 of the interval; P(X > 1) = 0.1587, P(X > -1) = 0.8413, P(X > 3) = 0.00135.
    expect(phiAfter(1300, ...repeat(10, 1000))).toBeCloseTo(-Math.log10(0.1587), 2);
    expect(phiAfter(700, ...repeat(10, 1000))).toBeCloseTo(-Math.log10(0.8413), 2);
    expect(phiAfter(1900, ...repeat(10, 1000))).toBeCloseTo(-Math.log10(0.001_35), 1);
  });

  it('knows the spread of what came', () => {
    // Intervals of 800 and 2,000 ms: mean 1,400, standard deviation 600.
    const mixed = repeat(5, 800).flatMap((short) => [short, 2000]);
    expect(phiAfter(2000, ...mixed)).toBeCloseTo(-Math.log10(0.1587), 2);
  });

  it('is a number at any time: before the last heartbeat, and long after', () => {
    expect(phiAfter(-3_600_000, ...repeat(10, 1000))).toBeCloseTo(0, 9);
    expect(phiAfter(3500, ...repeat(10, 1000))).toBeGreaterThan(17);
    expect(phiAfter(3500, ...repeat(10, 1000))).toBeLessThan(30);
  });
});

describe('the rhythm', () => {
  it('is that of the last hundred heartbeats', () => {
    const forgotten = [...repeat(100, 1500), ...repeat(100, 1000)];
    expect(phiAfter(1300, ...forgotten)).toBeCloseTo(phiAfter(1300, ...repeat(100, 1000)), 9);
    const [first, ...rest] = [...repeat(1, 2000), ...repeat(100, 1000)];
    expect(phiAfter(1300, first ?? 0, ...rest)).toBeCloseTo(phiAfter(1300, ...rest), 9);
    const kept = [...repeat(1, 2000), ...repeat(99, 1000)];
    expect(phiAfter(1300, ...kept)).toBeLessThan(phiAfter(1300, ...repeat(100, 1000)) - 0.001);
  });

  it('is not told by what comes within half an interval', () => {
    expect(phiAfter(1300, 1500, 1500, 500)).toBeCloseTo(phiAfter(1300, 1500, 1500), 9);
    expect(phiAfter(1300, 1500, 1500, 501)).toBeGreaterThan(phiAfter(1300, 1500, 1500));
  });
});

describe('heartbeats of many', () => {
  it('come each 5 s up to 25 members, and then so seldom that all together are 5 a second', () => {
    expect([1, 10, 25, 50, 1000].map((members) => 5 * intervalStretch(members))).toEqual([
      5, 5, 5, 10, 200,
    ]);
  });

  it('are expected as seldom as they come', () => {
    const { detector, last } = hearing(1000, 1000, 1000);
    expect(detector.phi(last + 4000)).toBeGreaterThan(8);
    expect(detector.phi(last + 4000, 4)).toBeLessThan(1);
    expect(detector.phi(last + 11_000, 4)).toBeGreaterThan(8);
  });
});
