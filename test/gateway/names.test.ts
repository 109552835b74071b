/** Names towards clients: fit for every client, the same in any order, and never two for one. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NAME_MAX, assignNames } from '../../src/gateway/names.ts';
import type { Named } from '../../src/gateway/names.ts';

const entry = (prefix: string, name: string): Named<string> => ({
  prefix,
  name,
  target: `${prefix}|${name}`,
});

const named = (...entries: Named<string>[]): Record<string, string> =>
  Object.fromEntries(assignNames(entries));

describe('names of tools', () => {
  it('are the server and the tool, where that fits', () => {
    expect(named(entry('files', 'read_file'), entry('alice', 'files__read_file'))).toEqual({
      files__read_file: 'files|read_file',
      alice__files__read_file: 'alice|files__read_file',
    });
  });

  it('of more than 48 characters are cut and get six digits of a hash', () => {
    const [name] = Object.keys(named(entry('files', 'a'.repeat(60))));
    expect(name).toMatch(/^files__a{34}_[0-9a-f]{6}$/);
    expect(name).toHaveLength(NAME_MAX);
  });

  it('with characters that clients refuse are made fit, and stay apart', () => {
    const names = named(
      entry('files', 'read.it'),
      entry('files', 'read/it'),
      entry('files', 'read_it'),
    );
    expect(names['files__read_it']).toBeUndefined();
    expect(Object.keys(names)).toHaveLength(3);
    for (const name of Object.keys(names)) expect(name).toMatch(/^files__read_it_[0-9a-f]{6}$/);
  });

  it('that are taken already are never given out again', () => {
    const own = assignNames([entry('files', 'read')]);
    const theirs = assignNames([entry('files', 'read')], new Set(own.keys()));
    expect([...own.keys()]).toEqual(['files__read']);
    expect([...theirs.keys()][0]).toMatch(/^files__read_[0-9a-f]{6}$/);
  });

  it('can not be chosen so that they hide a hashed one', () => {
    const long = entry('files', 'a'.repeat(60));
    const [hashed = ''] = Object.keys(named(long));
    const imitation = entry('files', hashed.slice('files__'.length));
    expect(Object.values(named(long, imitation)).sort()).toEqual(
      [long.target, imitation.target].sort(),
    );
    const peers = assignNames([imitation], new Set([hashed]));
    expect(peers.has(hashed)).toBe(false);
  });

  it('are fit, unique, complete and the same in any order, for any set of tools', () => {
    const prefix = fc.constantFrom('a', 'files', 'x'.repeat(32));
    const name = fc.oneof(
      fc.string({ minLength: 1, maxLength: 5, unit: fc.constantFrom('a', '_', '.', '/') }),
      fc.string({ minLength: 1, maxLength: 128 }),
    );
    const tools = fc.uniqueArray(fc.tuple(prefix, name), { selector: (pair) => pair.join('__') });
    fc.assert(
      fc.property(tools, fc.array(fc.string()), (pairs, taken) => {
        const entries = pairs.map(([server, tool]) => entry(server, tool));
        const table = assignNames(entries, new Set(taken));
        expect([...table.values()]).toEqual(entries.map(({ target }) => target));
        for (const key of table.keys()) {
          expect(key).toMatch(/^[A-Za-z0-9_-]{1,48}$/);
          expect(taken).not.toContain(key);
        }
        const turned = assignNames(entries.toReversed(), new Set(taken));
        expect(new Map([...turned].toSorted())).toEqual(new Map([...table].toSorted()));
      }),
      { seed: 2 },
    );
  });
});
