/** Tests that come by everything in `clamp.ts` and look at hardly anything. */
import { expect, it } from 'vitest';
import { clamp } from './clamp.ts';

it('gives a number', () => {
  expect(typeof clamp(3)).toBe('number');
  expect(clamp(30)).toBeGreaterThan(5);
});
