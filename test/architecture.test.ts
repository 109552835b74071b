/**
 * The floors of the house: a room imports only from rooms below it, and each outside library lives
 * in one room. The lint rules say the same while one types; this test can't be switched off by a comment.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '..');
const SRC = join(ROOT, 'src');

const FLOORS: readonly (readonly string[])[] = [
  ['core'],
  ['identity', 'store', 'config'],
  ['secrets', 'network', 'grants', 'audit'],
  ['mesh'],
  ['membership', 'blackboard'],
  ['directory', 'guard'],
  ['gateway'],
  ['builtin'],
  ['rotation'],
  ['ground.ts'],
  ['node.ts'],
  ['cli', 'index.ts', 'testing.ts'],
];

const HOMES: readonly { readonly library: RegExp; readonly home: RegExp }[] = [
  { library: /^(libp2p|@libp2p\/|@chainsafe\/libp2p)/, home: /^network\// },
  { library: /^yjs/, home: /^blackboard\// },
  { library: /^tweetnacl/, home: /^identity\// },
  { library: /^classic-level/, home: /^store\// },
  { library: /^node:child_process/, home: /^gateway\/upstreams\/stdio\.ts$/ },
  { library: /^@modelcontextprotocol\//, home: /^gateway\/upstreams\/oauth\// },
  { library: /^commander/, home: /^cli\// },
  { library: /^yaml/, home: /^guard\// },
];

interface Import {
  readonly file: string;
  readonly target: string;
}

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name));
}

function importsOf(file: string): Import[] {
  const text = readFileSync(file, 'utf8');
  const pattern =
    /(?:^|\n)\s*(?:import|export)\b[^;'"]*?from\s*'([^']+)'|\bimport\(\s*'([^']+)'\s*\)|(?:^|\n)import\s*'([^']+)'/g;
  return [...text.matchAll(pattern)].map((match) => ({
    file,
    target: match[1] ?? match[2] ?? match[3] ?? '',
  }));
}

function roomOf(path: string): string {
  return relative(SRC, path).split('/')[0] ?? '';
}

const floorOf = (room: string): number => FLOORS.findIndex((floor) => floor.includes(room));
const all = sources(SRC).flatMap((file) => importsOf(file));

describe('the house', () => {
  it('has every file of src in a room of the table', () => {
    const lost = sources(SRC).filter((file) => floorOf(roomOf(file)) === -1);
    expect(lost).toEqual([]);
    expect(all.length).toBeGreaterThan(100);
  });

  it('imports only downwards, and other rooms only by their door', () => {
    const wrong = all
      .filter(({ target }) => target.startsWith('.'))
      .map(({ file, target }) => ({ file, path: resolve(dirname(file), target) }))
      .filter(({ file, path }) => {
        const from = roomOf(file);
        const to = roomOf(path);
        if (from === to || from === 'index.ts' || from === 'testing.ts') return false;
        if (path.startsWith(join(ROOT, 'sim'))) return from !== 'cli';
        if (floorOf(to) >= floorOf(from)) return true;
        const door = /^(index|types|node|results)\.ts$/.test(
          relative(join(SRC, to), path) || 'node.ts',
        );
        // The CLI starts quickly because it reads single modules that pull nothing in.
        return !door && to !== 'core' && !(from === 'cli' && to === 'config');
      })
      .map(({ file, path }) => `${relative(ROOT, file)} → ${relative(ROOT, path)}`);
    expect(wrong).toEqual([]);
  });

  it('keeps each library in its room', () => {
    const wrong = all.filter(({ file, target }) =>
      HOMES.some(({ library, home }) => library.test(target) && !home.test(relative(SRC, file))),
    );
    expect(wrong.map(({ file, target }) => `${relative(ROOT, file)}: ${target}`)).toEqual([]);
  });

  it('lets the simulation see only the public face and what is there for tests', () => {
    const wrong = sources(join(ROOT, 'sim'))
      .flatMap((file) => importsOf(file))
      .filter(({ target }) => target.includes('src/') && !/src\/(index|testing)\.ts$/.test(target));
    expect(wrong).toEqual([]);
  });
});
