import { expect, it } from 'vitest';
import { leftMs, restMs } from '../../../src/core/index.ts';
import { createTestClock } from '../test-clock.ts';

it('a wait ends at its date, also where the clock that made the date was a year ahead', () => {
  const clock = createTestClock();
  const until = clock.now() + 1000;
  expect(leftMs(clock, until, 1000)).toBe(1000);
  clock.advance(400);
  expect(leftMs(clock, until, 1000)).toBe(600);
  // Set right by a little: it waits a little longer.
  clock.sleep(-600);
  expect(leftMs(clock, until, 1000)).toBe(1200);
  clock.sleep(-365 * 86_400_000);
  expect(leftMs(clock, until, 1000)).toBe(0);
  clock.sleep(2 * 365 * 86_400_000);
  expect(leftMs(clock, until, 1000)).toBe(0);
});

it('what a timer ends has what is left of its time, and all of it where the clock was set', () => {
  const from = 1_700_000_000_000;
  const year = 365 * 86_400_000;
  expect(restMs(from, from, 1000)).toBe(1000);
  expect(restMs(from + 400, from, 1000)).toBe(600);
  for (const set of [-1, -year, year]) expect(restMs(from + set, from, 1000)).toBe(1000);
});
