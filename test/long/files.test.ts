/** What is left to the long form is there, and so is what holds the same meanwhile. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { LONG_FILES } from './files.ts';

const isThere = (name: string): boolean =>
  existsSync(resolve(import.meta.dirname, '..', `${name}.test.ts`));

it.each(Object.entries(LONG_FILES))('%s runs in the long form alone', (name, held) => {
  expect(isThere(name)).toBe(true);
  expect(held).not.toEqual([]);
  expect(held.filter((other) => !isThere(other) || other in LONG_FILES)).toEqual([]);
});
