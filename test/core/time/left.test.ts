import { expect, it } from 'vitest';
import { leftMs } from '../../../src/core/index.ts';
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
