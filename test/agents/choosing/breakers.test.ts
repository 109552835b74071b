/** Whoever fails again and again is left alone for a while, and tried by one request. */
import { expect, it } from 'vitest';
import { createBreakers } from '../../../src/agents/choosing/breakers.ts';
import { createTestClock } from '../../core/test-clock.ts';

const often = (times: number, what: () => void): void => {
  for (let at = 0; at < times; at += 1) what();
};

it('the fifth failure in a row opens it for a minute; then one request decides', () => {
  const clock = createTestClock();
  const breakers = createBreakers(clock);
  often(4, () => breakers.failed('a'));
  expect(breakers.allows('a')).toBe(true);
  breakers.failed('a');
  expect(breakers.allows('a')).toBe(false);
  expect(breakers.openMs('a')).toBe(60_000);
  expect(breakers.allows('b')).toBe(true);
  clock.advance(60_000);
  expect(breakers.allows('a')).toBe(true);
  breakers.begins('a');
  expect(breakers.allows('a')).toBe(false);
  // One that was given up decides nothing.
  breakers.ends('a');
  expect(breakers.allows('a')).toBe(true);
  breakers.begins('a');
  breakers.failed('a');
  expect(breakers.allows('a')).toBe(false);
  clock.advance(60_000);
  expect(breakers.allows('a')).toBe(true);
  breakers.begins('a');
  breakers.succeeded('a');
  breakers.begins('a');
  expect(breakers.allows('a')).toBe(true);
});

it('a clock that was a year ahead, and is set right, keeps none open for a year', () => {
  const clock = createTestClock();
  const breakers = createBreakers(clock);
  often(5, () => breakers.failed('a'));
  expect(breakers.allows('a')).toBe(false);
  clock.sleep(-365 * 86_400_000);
  expect(breakers.allows('a')).toBe(true);
});

it('a success in between begins the count anew, and no more are kept than there is room for', () => {
  const breakers = createBreakers(createTestClock());
  often(4, () => breakers.failed('a'));
  breakers.succeeded('a');
  often(4, () => breakers.failed('a'));
  expect(breakers.allows('a')).toBe(true);
  often(5, () => breakers.failed('first'));
  for (let at = 0; at < 2000; at += 1) breakers.failed(`other ${at}`);
  expect(breakers.allows('first')).toBe(true);
});
