/** What the page weighs: all that a browser loads, as the build left it. */
import { expect, it } from 'vitest';
import { PAGE_PATH, createPageFiles } from '../../src/dashboard/page-files.ts';

/** By gzip, of all files together. */
const BYTES_MAX = 80_000;

it('weighs at most 80 kB by gzip in all, and names no file that is not there', async () => {
  const files = createPageFiles();
  const { bytes, gzipped } = await files.read(PAGE_PATH);
  const names = [...bytes.toString('utf8').matchAll(/(?:src|href)="([^"]+)"/g)].map(
    ([, name = '']) => name,
  );
  expect([...new Set(names)].toSorted()).toEqual(['app.css', 'app.js', 'icon.svg']);
  const others = await Promise.all(
    [...new Set(names)].map((name) => files.read(`${PAGE_PATH}${name}`)),
  );
  const sizes = [gzipped, ...others.map((file) => file.gzipped)].map(({ length }) => length);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(BYTES_MAX);
});
