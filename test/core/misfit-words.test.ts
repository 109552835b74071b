/** What a person is told of a value that does not fit: our words, and never those of zod. */
import { expect, it } from 'vitest';
import { z } from 'zod';
import { misfitText } from '../../src/core/index.ts';

const FORM = z
  .object({
    tools: z.array(z.string().min(1)).min(1).max(2),
    name: z.string().max(128),
    pin: z.string().length(4),
    count: z.number().int().min(1).max(5),
    even: z.number().multipleOf(2),
    above: z.number().gt(0),
    timeoutMs: z.number().max(86_400_000),
    on: z.boolean(),
    mode: z.enum(['one', 'other']),
    exact: z.literal('yes'),
    id: z.string().regex(/^[a-z]+$/),
    own: z.string().regex(/^[a-z]+$/, 'use small letters'),
    url: z.url(),
    begins: z.string().startsWith('env:'),
    some: z.union([z.string().min(1), z.array(z.number())]),
    kind: z.discriminatedUnion('t', [
      z.object({ t: z.literal('a') }),
      z.object({ t: z.literal('b') }),
    ]),
    inner: z.strictObject({ at: z.iso.datetime() }),
    names: z.record(z.string().max(3), z.number()),
    checked: z.string().refine((text) => text !== 'no'),
    many: z.map(z.string(), z.number()).max(1),
    list: z.null(),
  })
  .partial()
  .strict();

it.each([
  [{ tools: [''] }, 'tools.0: must not be empty'],
  [{ tools: [] }, 'tools: must not be empty'],
  [{ tools: ['a', 'b', 'c'] }, 'tools: may have at most 2 entries'],
  [{ name: 'x'.repeat(300) }, 'name: may have at most 128 characters'],
  [{ name: 7 }, 'name: must be text'],
  [{ pin: '123' }, 'pin: must have exactly 4 characters'],
  [{ count: 0 }, 'count: must be at least 1'],
  [{ count: 6 }, 'count: must be at most 5'],
  [{ count: 1.5 }, 'count: must be a whole number'],
  [{ even: 3 }, 'even: must be a multiple of 2'],
  [{ above: 0 }, 'above: must be more than 0'],
  [{ timeoutMs: 9e9 }, 'timeoutMs: a time of 24h at the most'],
  [{ on: 'yes' }, 'on: must be true or false'],
  [{ mode: 'third' }, 'mode: must be one of one, other'],
  [{ exact: 'no' }, 'exact: must be yes'],
  [{ id: 'A' }, 'id: must match /^[a-z]+$/'],
  [{ own: 'A' }, 'own: use small letters'],
  [{ url: 'x' }, 'url: must be a URL'],
  [{ begins: 'x' }, "begins: must begin with 'env:'"],
  [{ some: '' }, 'some: must not be empty'],
  [{ some: ['x'] }, 'some: 0: must be a number'],
  [{ some: true }, 'some: must be text or a list'],
  [{ kind: { t: 'c' } }, 'kind.t: must be one of a, b'],
  [{ inner: {} }, 'inner.at: is missing; it must be text'],
  [{ inner: { at: 'now' } }, 'inner.at: must be a time like 2026-01-31T12:00:00Z'],
  [{ inner: { at: '2026-01-31T12:00:00Z', 'x\u202e': 1 } }, "inner: may not have 'x\\u{202e}'"],
  [
    { names: { long1: 1 } },
    "names.long1: has a name that can't be used: may have at most 3 characters",
  ],
  [{ checked: 'no' }, "checked: can't be used"],
  [{ many: 7 }, 'many: must be map'],
  [{ list: 7 }, 'list: must be null'],
  [7, 'arguments: must be an object { … }'],
])('%j is told: %s', (value, said) => {
  const read = FORM.safeParse(value);
  expect(read.error?.issues.map((issue) => misfitText(issue, 'arguments'))).toEqual([said]);
});

it('no text of zod is left, whatever does not fit', () => {
  const values = [{}, [], '', 'x'.repeat(400), -1, 1.5, 9e15, null, true, { t: 'c' }, ['', 7, {}]];
  const told = values.flatMap((value) =>
    Object.keys(FORM.shape).flatMap(
      (key) =>
        FORM.safeParse({ [key]: value, other: 1 }).error?.issues.map((issue) =>
          misfitText(issue, 'arguments'),
        ) ?? [],
    ),
  );
  expect(told.length).toBeGreaterThan(100);
  expect(
    told.filter((text) => /Invalid|Too (?:big|small)|Unrecognized|expected|>=|<=/.test(text)),
  ).toEqual([]);
});
