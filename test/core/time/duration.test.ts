/** Durations as people write and read them. */
import { expect, it } from 'vitest';
import { durationMs, durationText } from '../../../src/core/time/duration.ts';

it.each([
  [-5000, '0s'],
  [0, '0s'],
  [499, '0s'],
  [500, '1s'],
  [45_000, '45s'],
  [119_499, '119s'],
  [119_500, '2m'],
  [150_000, '3m'],
  [7_199_000, '120m'],
  [7_200_000, '2h'],
  [172_799_000, '48h'],
  [172_800_000, '2d'],
  [216_000_000, '3d'],
])('%d ms are told as %s', (ms, text) => {
  expect(durationText(ms)).toBe(text);
});

it.each([
  ['90s', 90_000],
  ['15m', 900_000],
  ['8 h', 28_800_000],
  ['7d', 604_800_000],
  ['999999s', 999_999_000],
])('%s are read as %d ms', (text, ms) => {
  expect(durationMs(text)).toBe(ms);
});

it.each(['', 's', '5', '5w', '1234567s', '5  s', ' 5s', '5s ', '-5s', '1.5h'])(
  '%j is no duration',
  (text) => {
    expect(durationMs(text)).toBeNaN();
  },
);
