/**
 * What every table does, whoever made it: the one of the store, and each double that tests use in its
 * place. A double that does less, or more, would let code pass that the disk does not bear.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../src/core/index.ts';
import { createStore } from '../../src/store/index.ts';
import type { Table } from '../../src/store/index.ts';
import { journalTable } from '../blackboard/journal-table.ts';
import { memoryTable } from '../grants/memory-table.ts';
import { upTo } from '../long/extent.ts';

/** A table under test. */
interface Opened {
  readonly table: Table;
  /** The same table as it is found after the process ended here. */
  reopen(): Promise<Table>;
  remove(): Promise<void>;
}

const nothing = async (): Promise<void> => undefined;

async function levelTable(): Promise<Opened & { close(): Promise<void> }> {
  const root = await mkdtemp(join(tmpdir(), 'starling-tables-'));
  const store = createStore({ logger: silentLogger }, { dir: join(root, 'db') });
  await store.start();
  return {
    table: store.table('t'),
    async reopen() {
      await store.stop();
      await store.start();
      return store.table('t');
    },
    close: () => store.stop(),
    async remove() {
      await store.stop();
      await rm(root, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

const TABLES: readonly (readonly [name: string, open: () => Promise<Opened>])[] = [
  ['of the store', levelTable],
  [
    'in memory',
    async () => {
      const table = memoryTable();
      return { table, reopen: async () => memoryTable(new Map(table.rows)), remove: nothing };
    },
  ],
  [
    'in memory with a journal',
    async () => {
      const table = journalTable();
      return { table, reopen: async () => table.at(table.journal.length), remove: nothing };
    },
  ],
];

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : new TextDecoder().decode(value);

async function all(table: Table, prefix?: string): Promise<(readonly [string, string])[]> {
  const found: (readonly [string, string])[] = [];
  for await (const [key, value] of table.entries(prefix)) found.push([key, text(value) ?? '']);
  return found;
}

describe.each(TABLES)('a table %s', (_name, open) => {
  let opened: Opened;
  let table: Table;

  beforeEach(async () => {
    opened = await open();
    table = opened.table;
  });
  afterEach(() => opened.remove());

  it('gives back what was put, the last value for each key', async () => {
    await table.put('key', bytes('one'));
    await table.put('key', bytes('two'));
    expect(text(await table.get('key'))).toBe('two');
  });

  it('gives undefined for what was never there, and for what was deleted', async () => {
    await table.put('key', bytes('value'));
    await table.delete('key');
    await table.delete('never there');
    expect(await table.get('key')).toBeUndefined();
    expect(await table.get('other')).toBeUndefined();
    expect(await all(table)).toEqual([]);
  });

  it('tells an empty value from none', async () => {
    await table.put('empty', new Uint8Array());
    expect(await table.get('empty')).toHaveLength(0);
    expect(await all(table)).toEqual([['empty', '']]);
  });

  it('keeps every byte, whatever its value', async () => {
    const every = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    await table.put('every', every);
    expect(Buffer.from((await table.get('every')) ?? [])).toEqual(Buffer.from(every));
  });

  it('keeps a value of four megabytes', async () => {
    const big = new Uint8Array(4 * 1024 * 1024).fill(7);
    big[big.length - 1] = 9;
    await table.put('big', big);
    const read = await table.get('big');
    expect([read?.length, read?.[0], read?.at(-1)]).toEqual([big.length, 7, 9]);
  });

  it('takes a part of a buffer for what it is', async () => {
    await table.put('part', Buffer.from('xxvaluexx').subarray(2, 7));
    expect(text(await table.get('part'))).toBe('value');
  });

  it('keeps what was given, whatever the caller does to its buffer afterwards', async () => {
    const buffer = Buffer.from('right');
    const done = table.put('key', buffer);
    buffer.write('wrong');
    await done;
    buffer.write('wrong');
    expect(text(await table.get('key'))).toBe('right');
  });

  it('is not changed through what a reader was given', async () => {
    await table.put('key', bytes('right'));
    (await table.get('key'))?.fill(0);
    for await (const [, value] of table.entries()) value.fill(0);
    expect(text(await table.get('key'))).toBe('right');
  });

  it('applies a batch in its order, deletions too', async () => {
    await table.put('b', bytes('old'));
    await table.batch([
      { key: 'a', value: bytes('one') },
      { key: 'a', value: bytes('two') },
      { key: 'b' },
      { key: 'c', value: bytes('gone') },
      { key: 'c' },
      { key: 'd' },
      { key: 'd', value: bytes('back') },
    ]);
    expect(await all(table)).toEqual([
      ['a', 'two'],
      ['d', 'back'],
    ]);
  });

  it('takes an empty batch for nothing', async () => {
    await table.batch([]);
    expect(await all(table)).toEqual([]);
  });

  it('applies nothing of a batch of which one key can not be', async () => {
    const writes = [
      { key: 'good', value: bytes('x') },
      { key: 'bad\0', value: bytes('x') },
    ];
    await expect(table.batch(writes)).rejects.toThrow(TypeError);
    expect(await all(table)).toEqual([]);
  });

  it('applies writes in the order in which they were asked for, awaited or not', async () => {
    const write = fc.record({
      key: fc.constantFrom('a', 'b', 'c'),
      value: fc.option(fc.string({ maxLength: 5 }), { nil: undefined }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(write, { maxLength: 4 }), { maxLength: 8 }),
        async (batches) => {
          await table.batch(['a', 'b', 'c'].map((key) => ({ key })));
          const model = new Map<string, string>();
          const done = batches.map((batch) => {
            for (const { key, value } of batch) {
              if (value === undefined) model.delete(key);
              else model.set(key, value);
            }
            return table.batch(
              batch.map(({ key, value }) =>
                value === undefined ? { key } : { key, value: bytes(value) },
              ),
            );
          });
          await Promise.all(done);
          expect(await all(table)).toEqual([...model].toSorted(([a], [b]) => (a < b ? -1 : 1)));
        },
      ),
      { seed: 12, numRuns: upTo(10, 80) },
    );
  });

  it('lists what begins with a prefix, and nothing else', async () => {
    const keys = ['', 'x', 'x/', 'x/1', 'x0', 'y', 'x/1/2', 'X/1'];
    await table.batch(keys.map((key) => ({ key, value: bytes('v') })));
    const listed = async (prefix?: string): Promise<string[]> =>
      (await all(table, prefix)).map(([key]) => key);
    expect(await listed('x/')).toEqual(['x/', 'x/1', 'x/1/2']);
    expect(await listed('x/1')).toEqual(['x/1', 'x/1/2']);
    expect(await listed('z')).toEqual([]);
    expect(await listed()).toEqual(['', 'X/1', 'x', 'x/', 'x/1', 'x/1/2', 'x0', 'y']);
    expect(await listed('')).toEqual(await listed());
  });

  it('lists in the order of the keys’ bytes, not of their UTF-16 units', async () => {
    const keys = ['\u{1F426}', '\uFFFD', 'ö', 'z', 'a10', 'a2', 'A'];
    await table.batch(keys.map((key) => ({ key, value: bytes(key) })));
    const listed = (await all(table)).map(([key]) => key);
    expect(listed).toEqual(['A', 'a10', 'a2', 'z', 'ö', '\uFFFD', '\u{1F426}']);
  });

  it('lists from a snapshot, whatever is written meanwhile', async () => {
    await table.batch(['a', 'b', 'c'].map((key) => ({ key, value: bytes('old') })));
    const seen: (string | undefined)[][] = [];
    for await (const [key, value] of table.entries()) {
      seen.push([key, text(value)]);
      await table.batch([
        { key: 'b' },
        { key: 'c', value: bytes('new') },
        { key: 'd', value: bytes('new') },
      ]);
    }
    expect(seen).toEqual([
      ['a', 'old'],
      ['b', 'old'],
      ['c', 'old'],
    ]);
    expect(await all(table)).toEqual([
      ['a', 'old'],
      ['c', 'new'],
      ['d', 'new'],
    ]);
  });

  it('may be listed in part', async () => {
    await table.batch(['a', 'b', 'c'].map((key) => ({ key, value: bytes('v') })));
    for await (const [key] of table.entries()) if (key === 'b') break;
    await table.put('d', bytes('v'));
    expect(await all(table)).toHaveLength(4);
  });

  it('bears a thousand writes at once, and lists them all', async () => {
    const keys = Array.from({ length: 1000 }, (_, index) => String(index).padStart(4, '0'));
    await Promise.all(keys.map((key) => table.put(key, bytes(key))));
    expect(await all(table)).toEqual(keys.map((key) => [key, key]));
  });

  it('refuses keys that could be mistaken for others', async () => {
    for (const key of ['a\0b', '\0', '\uD800', 'x\uDC00y']) {
      await expect(table.put(key, bytes('x'))).rejects.toThrow(TypeError);
      await expect(table.delete(key)).rejects.toThrow(TypeError);
      await expect(table.get(key)).rejects.toThrow(TypeError);
      await expect((async () => all(table, key))()).rejects.toThrow(TypeError);
    }
    expect(await all(table)).toEqual([]);
  });

  it('holds what was durable when it is opened again, and no more', async () => {
    await table.put('kept', bytes('value'));
    await table.put('deleted', bytes('value'));
    await table.delete('deleted');
    const again = await opened.reopen();
    expect(await all(again)).toEqual([['kept', 'value']]);
    await again.put('more', bytes('value'));
    expect(await all(again)).toHaveLength(2);
  });
});

describe('a table of the store, once that is closed', () => {
  it('answers STARLING_STOPPED to all, an empty batch too', async () => {
    const opened = await levelTable();
    const { table } = opened;
    await table.put('key', bytes('value'));
    await opened.close();
    const stopped = { code: 'STARLING_STOPPED' };
    await expect(table.get('key')).rejects.toMatchObject(stopped);
    await expect(table.put('key', bytes('x'))).rejects.toMatchObject(stopped);
    await expect(table.delete('key')).rejects.toMatchObject(stopped);
    await expect(table.batch([{ key: 'key' }])).rejects.toMatchObject(stopped);
    await expect(table.batch([])).rejects.toMatchObject(stopped);
    await expect(all(table)).rejects.toMatchObject(stopped);
    await opened.remove();
  });
});
