/** Tests that see every fault in `clamp.ts`. */
import { expect, it } from 'vitest';
import { clamp } from './clamp.ts';

it.each([
  [0, 0],
  [3, 3],
  [10, 10],
  [30, 10],
])('%d becomes %d', (value, clamped) => {
  expect(clamp(value)).toBe(clamped);
});
