/** Any JSON, checked by one walk: the same values as zod's own schema takes, and no others. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { anyJson } from '../../../src/gateway/index.ts';

it('takes what zod takes for JSON', () => {
  const own = z.json();
  const odd = fc.oneof(
    fc.jsonValue(),
    fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: false }),
  );
  fc.assert(
    fc.property(odd, (value) => {
      expect(anyJson.safeParse(value).success).toBe(own.safeParse(value).success);
    }),
    { numRuns: 300 },
  );
});

it('is no object of a class, and nothing that is missing', () => {
  const wants = z.object({ value: anyJson, more: anyJson.optional() });
  expect(wants.safeParse({ value: null }).success).toBe(true);
  for (const value of [undefined, new Date(0), 1n, Number.NaN, () => 1, { at: undefined }]) {
    expect(wants.safeParse({ value }).success).toBe(false);
  }
  expect(wants.safeParse({}).success).toBe(false);
});

it('is no deeper than what is read from a message', () => {
  let deep: unknown = 1;
  for (let level = 0; level < 100_000; level += 1) deep = [deep];
  expect(anyJson.safeParse(deep).success).toBe(false);
});
