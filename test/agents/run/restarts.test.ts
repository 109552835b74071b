import { expect, it } from 'vitest';
import { createRestarts } from '../../../src/agents/run/restarts.ts';
import { createTestClock } from '../../core/test-clock.ts';

it('what ended while the clock was a year ahead is no end of this minute', () => {
  const clock = createTestClock();
  const restarts = createRestarts({ clock, random: () => 0.5 }, 2);
  const next = (): boolean => restarts.next() !== undefined;
  expect([next(), next(), next()]).toEqual([true, true, false]);
  clock.sleep(-365 * 86_400_000);
  expect([next(), next(), next()]).toEqual([true, true, false]);
  clock.advance(61_000);
  expect(next()).toBe(true);
});
