import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { builtScript } from '../fixtures/built-script.ts';
import { silentLogger } from '../../src/core/index.ts';
import { createStore } from '../../src/store/index.ts';
import { openLevel } from '../../src/store/open-level.ts';
import type { OpenLevel } from '../../src/store/open-level.ts';
import type { Store, Table } from '../../src/store/index.ts';
import { upTo } from '../long/extent.ts';

const WRITER = fileURLToPath(new URL('./writer.ts', import.meta.url));

let root: string;
let dir: string;
const cleanups: (() => unknown)[] = [];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'starling-store-'));
  dir = join(root, 'db');
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
  await rm(root, { recursive: true, force: true, maxRetries: 5 });
});

async function open(): Promise<Store> {
  const store = createStore({ logger: silentLogger }, { dir });
  cleanups.push(() => store.stop());
  await store.start();
  return store;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : new TextDecoder().decode(value);

async function all(table: Table, prefix?: string): Promise<(string | undefined)[][]> {
  const found: (string | undefined)[][] = [];
  for await (const [key, value] of table.entries(prefix)) found.push([key, text(value)]);
  return found;
}

/** Starts the writer process; resolves once it has the folder open. */
async function startWriter(
  ...args: string[]
): Promise<{ child: ChildProcess; durable: Set<number> }> {
  const child = spawn(process.execPath, [await builtScript(WRITER), dir, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  cleanups.push(() => child.kill('SIGKILL'));
  const durable = new Set<number>();
  const lines = createInterface({ input: child.stdout });
  await once(lines, 'line');
  lines.on('line', (line) => durable.add(Number(line)));
  return { child, durable };
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, 'close');
  child.kill('SIGKILL');
  await gone;
}

describe('the store', () => {
  it('gives back what was put, and undefined for what is not there', async () => {
    const table = (await open()).table('boards');
    await table.put('name', bytes('value'));
    await table.put('empty', new Uint8Array());
    expect(text(await table.get('name'))).toBe('value');
    expect(await table.get('empty')).toHaveLength(0);
    expect(await table.get('other')).toBeUndefined();
    await table.delete('name');
    await table.delete('never there');
    expect(await table.get('name')).toBeUndefined();
  });

  it('keeps tables apart, also those whose names begin alike', async () => {
    const store = await open();
    const names = ['a', 'ab', 'a-b', 'b'];
    for (const name of names) await store.table(name).put('key', bytes(name));
    for (const name of names) expect(await all(store.table(name))).toEqual([['key', name]]);
  });

  it('lists entries by prefix, sorted by the bytes of their keys', async () => {
    const table = (await open()).table('t');
    const keys = ['x/2', 'x/10', 'x', 'x/\u{1F426}', 'x/\uFFFD', 'y', 'x/ö'];
    await table.batch(keys.map((key) => ({ key, value: bytes(key) })));
    const listed = (await all(table, 'x/')).map(([key]) => key);
    expect(listed).toEqual(['x/10', 'x/2', 'x/ö', 'x/\uFFFD', 'x/\u{1F426}']);
    expect(await all(table)).toHaveLength(keys.length);
    expect(await all(table, 'z')).toEqual([]);
  });

  it('lists from a snapshot, whatever is written meanwhile', async () => {
    const table = (await open()).table('t');
    await table.batch(['a', 'b', 'c'].map((key) => ({ key, value: bytes('old') })));
    const seen: (string | undefined)[][] = [];
    for await (const [key, value] of table.entries()) {
      seen.push([key, text(value)]);
      await table.batch([{ key: 'b' }, { key: 'c', value: bytes('new') }]);
    }
    expect(seen).toEqual([
      ['a', 'old'],
      ['b', 'old'],
      ['c', 'old'],
    ]);
  });

  it('applies writes in the order in which they were asked for, like a map', async () => {
    const table = (await open()).table('t');
    const write = fc.record({
      key: fc.constantFrom('a', 'b', 'c', 'd'),
      value: fc.option(fc.uint8Array({ maxLength: 20 }), { nil: undefined }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(write, { maxLength: 5 }), { maxLength: 10 }),
        async (batches) => {
          const model = new Map<string, Uint8Array>();
          await table.batch(['a', 'b', 'c', 'd'].map((key) => ({ key })));
          const done = batches.map((batch) => {
            for (const { key, value } of batch) {
              if (value === undefined) model.delete(key);
              else model.set(key, value);
            }
            return table.batch(
              batch.map(({ key, value }) => (value === undefined ? { key } : { key, value })),
            );
          });
          await Promise.all(done);
          const found = new Map<string, Uint8Array>();
          for await (const [key, value] of table.entries()) found.set(key, Uint8Array.from(value));
          expect(new Map([...found].sort())).toEqual(new Map([...model].sort()));
        },
      ),
      { seed: 11, numRuns: upTo(12, 100) },
    );
  });

  it('writes what was given, whatever the caller does to its buffer afterwards', async () => {
    const table = (await open()).table('t');
    const buffer = Buffer.from('right');
    const done = table.put('key', buffer);
    buffer.write('wrong');
    await done;
    expect(text(await table.get('key'))).toBe('right');
  });

  it('makes writes that come together durable together, by one disk sync', async () => {
    const table = (await open()).table('t');
    let turn = 0;
    let isRunning = true;
    const count = (): void => {
      turn += 1;
      if (isRunning) setImmediate(count);
    };
    count();
    const turns = await Promise.all(
      Array.from({ length: 2000 }, async (_, index) => {
        await table.put(`${index}`, bytes('x'));
        return turn;
      }),
    );
    isRunning = false;
    expect(new Set(turns).size).toBe(1);
    expect(await all(table)).toHaveLength(2000);
  });

  it('begins in this turn what somebody has gathered, together with all that is asked for in it', async () => {
    const groups: { readonly isThisTurn: boolean; readonly writes: number }[] = [];
    let isThisTurn = true;
    const counting: OpenLevel = async (folder) => {
      const level = await openLevel(folder);
      return {
        ...level,
        batch(writes, options) {
          groups.push({ isThisTurn, writes: writes.length });
          return level.batch(writes, options);
        },
      };
    };
    const store = createStore({ logger: silentLogger, open: counting }, { dir });
    cleanups.push(() => store.stop());
    await store.start();
    const table = store.table('t');
    setImmediate(() => {
      isThisTurn = false;
    });
    const gathered = table.batch([{ key: 'b', value: bytes('2') }], { isGathered: true });
    await Promise.all([gathered, table.put('a', bytes('1')), table.put('c', bytes('3'))]);
    expect(groups).toEqual([{ isThisTurn: true, writes: 3 }]);
    expect(await all(table)).toEqual([
      ['a', '1'],
      ['b', '2'],
      ['c', '3'],
    ]);
  });

  it('refuses keys and tables whose names could be mistaken for others', async () => {
    const store = await open();
    const table = store.table('t');
    for (const key of ['a\0b', '\uD800', 'x\uDC00y']) {
      await expect(table.put(key, bytes('x'))).rejects.toThrow(TypeError);
      await expect(table.get(key)).rejects.toThrow(TypeError);
    }
    for (const name of ['', 'a\0', 'a b', 'a/b', 'x'.repeat(65)]) {
      expect(() => store.table(name)).toThrow(TypeError);
    }
  });

  it('refuses to let more wait for the disk than it can hold', async () => {
    const table = (await open()).table('t');
    const value = new Uint8Array(8 * 1024 * 1024);
    const results = await Promise.allSettled(
      Array.from({ length: 9 }, (_, index) => table.put(`${index}`, value)),
    );
    expect(results.slice(0, 7).every((result) => result.status === 'fulfilled')).toBe(true);
    expect(results.at(-1)).toMatchObject({ reason: { code: 'STARLING_LIMIT_EXCEEDED' } });
    await table.put('after', bytes('goes on'));
    expect(text(await table.get('after'))).toBe('goes on');
  });
});

describe('the life of a store', () => {
  it('may start and stop twice, and stop before it starts', async () => {
    const store = createStore({ logger: silentLogger }, { dir });
    await store.stop();
    await Promise.all([store.start(), store.start()]);
    await store.table('t').put('key', bytes('kept'));
    await Promise.all([store.stop(), store.stop(), store.start()]);
    expect(text(await store.table('t').get('key'))).toBe('kept');
    await store.stop();
  });

  it('writes everything that was asked for before it stopped', async () => {
    const store = await open();
    const table = store.table('t');
    const writes = Array.from({ length: 100 }, (_, index) => table.put(`${index}`, bytes('x')));
    await store.stop();
    await Promise.all(writes);
    const again = await open();
    expect(await all(again.table('t'))).toHaveLength(100);
  });

  it('answers STARLING_STOPPED while it is not open, a listing in progress too', async () => {
    const store = await open();
    const table = store.table('t');
    await table.batch(
      Array.from({ length: 3000 }, (_, index) => ({ key: `${index}`, value: bytes('x') })),
    );
    const listing = table.entries()[Symbol.asyncIterator]();
    await listing.next();
    await store.stop();
    const stopped = { code: 'STARLING_STOPPED' };
    await expect(listing.next()).rejects.toMatchObject(stopped);
    await expect(table.get('0')).rejects.toMatchObject(stopped);
    await expect(table.put('0', bytes('y'))).rejects.toMatchObject(stopped);
    await expect(all(table)).rejects.toMatchObject(stopped);
  });

  it('says that another node uses the folder, and opens it once that one is killed', async () => {
    const { child } = await startWriter('hold');
    await expect(open()).rejects.toMatchObject({
      code: 'STARLING_STATE_LOCKED',
      message: expect.stringContaining(dir),
      hint: expect.stringMatching(/starling status.*--state/),
    });
    await kill(child);
    expect(await all((await open()).table('t'))).toEqual([]);
  });

  it('loses no durable write and halves no batch when it is killed in the middle', async () => {
    const { child, durable } = await startWriter();
    await expect.poll(() => durable.size, { interval: 5 }).toBeGreaterThan(300);
    await kill(child);
    const entries = new Map((await all((await open()).table('pairs'))) as [string, string][]);
    for (const number of durable) expect(entries.get(`a${number}`)).toBe(`value ${number}`);
    const [as, bs] = ['a', 'b'].map((letter) =>
      [...entries.keys()].filter((key) => key.startsWith(letter)).map((key) => key.slice(1)),
    );
    expect(as).toEqual(bs);
  });

  it('refuses a damaged database, naming its folder and why', async () => {
    const store = await open();
    await store.table('t').put('key', bytes('x'));
    await store.stop();
    const manifest = (await readdir(dir)).find((name) => name.startsWith('MANIFEST')) ?? '';
    await writeFile(join(dir, manifest), 'garbage'.repeat(100));
    await expect(open()).rejects.toMatchObject({
      code: 'STARLING_STATE_UNUSABLE',
      message: expect.stringMatching(/can't be opened: .*[Cc]orrupt/),
      cause: expect.any(Error),
    });
    await expect(open()).rejects.toMatchObject({ message: expect.stringContaining(dir) });
  });

  it('refuses a folder that is none', async () => {
    await writeFile(dir, 'a file');
    await expect(open()).rejects.toMatchObject({ code: 'STARLING_STATE_UNUSABLE' });
  });
});
