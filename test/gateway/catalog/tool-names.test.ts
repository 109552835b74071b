/** Names towards clients: fit for every client, the same in any order, and never two for one. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NAME_MAX, assignNames } from '../../../src/gateway/catalog/tool-names.ts';
import type { Named, PrefixMode } from '../../../src/gateway/catalog/tool-names.ts';

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

  it('of a peer carry the peer, the server and the tool', () => {
    const theirs = { ...entry('files', 'read'), peer: 'alice' };
    expect([...assignNames([theirs, entry('files', 'read')]).keys()]).toEqual([
      'alice__files__read',
      'files__read',
    ]);
  });

  it('stay apart where server and tool together read the same', () => {
    const names = assignNames([entry('a', 'b__c'), entry('a__b', 'c')]);
    expect([...names.values()]).toEqual(['a|b__c', 'a__b|c']);
  });

  it('that read the same get their hashes in one order, whatever order they come in', () => {
    const [a, b, c] = [entry('a', 'b__c__d'), entry('a__b', 'c__d'), entry('a__b__c', 'd')];
    const orders = [
      [a, b, c],
      [a, c, b],
      [b, a, c],
      [b, c, a],
      [c, a, b],
      [c, b, a],
    ] as Named<string>[][];
    const tables = orders.map((order) => new Map([...assignNames(order)].toSorted()));
    for (const table of tables) expect(table).toEqual(tables[0]);
    expect(tables[0]?.size).toBe(3);
  });

  it('of just the length that is allowed stay as they are', () => {
    const [name = ''] = assignNames([entry('files', 'a'.repeat(NAME_MAX - 7))]).keys();
    expect(name).toBe(`files__${'a'.repeat(NAME_MAX - 7)}`);
  });

  it('are as long as is wanted', () => {
    const long = [entry('files', 'a'.repeat(60))];
    expect([...assignNames(long, new Set(), { nameMax: 64 }).keys()][0]).toHaveLength(64);
    expect([...assignNames(long, new Set(), { nameMax: 100 }).keys()][0]).toHaveLength(67);
  });
});

describe('prefixes', () => {
  const style = (prefix: PrefixMode): { readonly prefix: PrefixMode } => ({ prefix });
  const keys = (entries: Named<string>[], prefix: PrefixMode, taken: string[] = []): string[] => [
    ...assignNames(entries, new Set(taken), style(prefix)).keys(),
  ];
  const alice = (server: string, name: string): Named<string> => ({
    ...entry(server, name),
    peer: 'alice',
    target: `alice|${server}|${name}`,
  });

  it("in mode auto are left away of our own tools, never of a peer's", () => {
    expect(keys([entry('files', 'read'), alice('git', 'log')], 'auto')).toEqual([
      'read',
      'alice__git__log',
    ]);
  });

  it('in mode auto are carried by both of our own tools that have one name', () => {
    const both = [entry('files', 'read'), entry('mail', 'read'), entry('mail', 'send')];
    expect(keys(both, 'auto')).toEqual(['files__read', 'mail__read', 'send']);
  });

  it('in mode auto keep a tool from a name that is taken', () => {
    expect(keys([entry('web', 'search_tools')], 'auto', ['search_tools'])).toEqual([
      'web__search_tools',
    ]);
  });

  it('in mode never are carried by none; ours come first, and equals get a hash', () => {
    const [first, ...rest] = keys(
      [entry('files', 'read'), alice('files', 'read'), alice('web', 'get'), alice('net', 'get')],
      'never',
    );
    expect(first).toBe('read');
    expect(rest[0]).toMatch(/^read_[0-9a-f]{6}$/);
    expect(rest[1]).toMatch(/^get_[0-9a-f]{6}$/);
    expect(rest[2]).toMatch(/^get_[0-9a-f]{6}$/);
    expect(rest[1]).not.toBe(rest[2]);
  });

  it('are kept by the built-in server in every mode', () => {
    for (const mode of ['always', 'auto', 'never'] as const) {
      expect(keys([entry('starling', 'status'), alice('starling', 'peers')], mode)).toEqual([
        'starling__status',
        'alice__starling__peers',
      ]);
    }
  });

  it('in any mode give fit and unique names, the same in any order, and let no peer rename ours', () => {
    const name = fc.oneof(
      fc.string({ maxLength: 4, unit: fc.constantFrom('a', '_', '.', '/') }),
      fc.string({ minLength: 1, maxLength: 60 }),
    );
    const any = fc.record({
      owner: fc.constantFrom(undefined, 'alice', 'bob'),
      prefix: fc.constantFrom('a', 'b', 'a__b', 'files'),
      name,
    });
    const mode = fc.constantFrom<PrefixMode>('always', 'auto', 'never');
    const list = fc.uniqueArray(any, { selector: (one) => JSON.stringify(one), maxLength: 20 });
    fc.assert(
      fc.property(list, mode, fc.integer({ min: 16, max: 64 }), (items, prefix, nameMax) => {
        const entries = items.map(({ owner, ...one }, index) => ({
          ...one,
          ...(owner === undefined ? {} : { peer: owner }),
          target: index,
        }));
        const table = assignNames(entries, new Set(['a']), { prefix, nameMax });
        expect([...table.values()]).toEqual(entries.map(({ target }) => target));
        for (const key of table.keys()) {
          expect(key).toMatch(/^[A-Za-z0-9_-]+$/);
          expect(key.length).toBeLessThanOrEqual(nameMax);
          expect(key).not.toBe('a');
        }
        const turned = assignNames(entries.toReversed(), new Set(['a']), { prefix, nameMax });
        expect(new Map([...turned].toSorted())).toEqual(new Map([...table].toSorted()));
        const own = entries.filter((one) => one.peer === undefined);
        const alone = assignNames(own, new Set(['a']), { prefix, nameMax });
        for (const [key, target] of alone) expect(table.get(key)).toBe(target);
      }),
      { seed: 6, numRuns: 400 },
    );
  });
});
