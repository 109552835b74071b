/** Node's `fs` with the `globSync` that Node 22 added, as far as the conformance suite uses it. */
import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';

export * from 'node:fs';

/** Paths under `cwd`, relative to it, that match `pattern`: names, `*` and leading folders `**`. */
export function globSync(pattern, { cwd = process.cwd() } = {}) {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replace(/\*\*\/|\*/g, (star) => (star === '*' ? '[^/]*' : '(?:[^/]+/)*'));
  const wanted = new RegExp(`^${source}$`);
  return readdirSync(cwd, { recursive: true, withFileTypes: true })
    .map((entry) => relative(cwd, join(entry.parentPath, entry.name)))
    .filter((path) => wanted.test(path.replaceAll('\\', '/')));
}
