/** The built program: `npm test` builds before it tests. */
import { isAscii } from 'node:buffer';
import { readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';

const DIST = resolve(import.meta.dirname, '../../dist');

it('a program of megabytes starts with one byte a character: its chunks are ASCII', () => {
  const chunks = ['.', 'chunks'].flatMap((folder) =>
    readdirSync(join(DIST, folder))
      .filter((name) => name.endsWith('.cjs'))
      .map((name) => join(DIST, folder, name)),
  );
  expect(chunks.length).toBeGreaterThan(50);
  expect(chunks.filter((path) => !isAscii(readFileSync(path)))).toEqual([]);
});
