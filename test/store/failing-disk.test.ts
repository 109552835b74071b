/**
 * The store on a disk that fails: what was acknowledged stays, what was refused does not come back,
 * reads go on, and writes go on by themselves when the disk does.
 */
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createHealth, silentLogger } from '../../src/core/index.ts';
import type { Health } from '../../src/core/index.ts';
import { createStore } from '../../src/store/index.ts';
import { openLevel } from '../../src/store/open-level.ts';
import type { Level, OpenLevel } from '../../src/store/open-level.ts';
import type { Store, Table } from '../../src/store/index.ts';
import { createTestClock } from '../core/test-clock.ts';
import type { TestClock } from '../core/test-clock.ts';
import { createSmallDisk, smallDiskMissing } from './small-disk.ts';
import type { SmallDisk } from './small-disk.ts';

const cleanups: (() => unknown)[] = [];
let dir: string;
let clock: TestClock;
let health: Health;

beforeEach(async () => {
  const root = await mkdtemp(join(tmpdir(), 'starling-failing-'));
  cleanups.push(() => rm(root, { recursive: true, force: true, maxRetries: 5 }));
  dir = join(root, 'db');
  clock = createTestClock();
  health = createHealth();
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : new TextDecoder().decode(value);

async function open(init: { dir?: string; open?: OpenLevel } = {}): Promise<Store> {
  const more = init.open === undefined ? {} : { open: init.open };
  const components = { logger: silentLogger, clock, health, ...more };
  const store = createStore(components, { dir: init.dir ?? dir });
  cleanups.push(() => store.stop());
  await store.start();
  return store;
}

async function all(table: Table): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for await (const [key, value] of table.entries()) found[key] = text(value) ?? '';
  return found;
}

/** Lets the store try again until it works. */
async function retry(store: Store): Promise<void> {
  await triesUntil(() => store.healthy());
}

async function triesUntil(isDone: () => boolean): Promise<void> {
  const look = (): boolean => {
    clock.advance(1000);
    return isDone();
  };
  await expect.poll(look, { interval: 5 }).toBe(true);
}

/** LevelDB, with a disk between that fails as it is told. */
function failingLevel(): {
  open: OpenLevel;
  /** What the next write does: `refuses`, or `keeps` what it reports as failed, as a failed sync does. */
  next: 'works' | 'refuses' | 'keeps';
  opens: number;
  tries: number;
  /** How many of the next openings fail. */
  openFailures: number;
} {
  const disk = {
    next: 'works' as 'works' | 'refuses' | 'keeps',
    opens: 0,
    tries: 0,
    openFailures: 0,
    open: async (path: string): Promise<Level> => {
      disk.tries += 1;
      if (disk.openFailures > 0) {
        disk.openFailures -= 1;
        throw new Error('Database failed to open', {
          cause: Object.assign(new Error('IO error: CURRENT: No space left on device'), {
            code: 'LEVEL_IO_ERROR',
          }),
        });
      }
      const level = await openLevel(path);
      disk.opens += 1;
      const late: Parameters<Level['batch']>[0][] = [];
      return {
        get: (key) => level.get(key),
        iterator: (range) => level.iterator(range),
        async batch(writes, options) {
          if (disk.next === 'works') return level.batch(writes, options);
          if (disk.next === 'keeps') late.push(writes);
          throw new Error('IO error: 000003.log: No space left on device');
        },
        async close() {
          for (const writes of late) await level.batch(writes, { sync: true });
          await level.close();
        },
      };
    },
  };
  return disk;
}

describe('the store on a disk that fails', () => {
  it('refuses writes at once, says so, and goes on by itself when the disk does', async () => {
    const disk = failingLevel();
    const store = await open({ open: disk.open });
    const table = store.table('t');
    await table.put('before', bytes('kept'));
    disk.next = 'refuses';
    await expect(table.put('a', bytes('1'))).rejects.toMatchObject({
      code: 'STARLING_STATE_UNUSABLE',
      message: expect.stringContaining('the disk is full'),
      hint: expect.stringMatching(/^free space(?!.*move)/),
    });
    expect(store.healthy()).toBe(false);
    expect(health.warnings()).toMatchObject([{ code: 'state-unwritable' }]);
    disk.next = 'works';
    // LevelDB's log may end in half a record by now: nothing may follow it.
    await expect(table.put('b', bytes('2'))).rejects.toMatchObject({ message: /disk is full/ });
    await retry(store);
    expect(store.healthy()).toBe(true);
    expect(health.warnings()).toEqual([]);
    await table.put('c', bytes('3'));
    expect(await all(table)).toEqual({ before: 'kept', c: '3' });
    expect(disk.opens).toBe(2);
  });

  it('lets reads go on meanwhile, those of listings too', async () => {
    const disk = failingLevel();
    const store = await open({ open: disk.open });
    const table = store.table('t');
    await table.batch(['a', 'b', 'c'].map((key) => ({ key, value: bytes(key) })));
    disk.next = 'refuses';
    await expect(table.put('d', bytes('d'))).rejects.toThrow();
    const seen: string[] = [];
    for await (const [key] of table.entries()) {
      seen.push(key);
      expect(text(await table.get(key))).toBe(key);
      if (key === 'a') disk.next = 'works';
      clock.advance(1000);
    }
    expect(seen).toEqual(['a', 'b', 'c']);
    await retry(store);
    expect(await all(table)).toEqual({ a: 'a', b: 'b', c: 'c' });
  });

  it('does not let a refused write come back that the disk has after all', async () => {
    const disk = failingLevel();
    const store = await open({ open: disk.open });
    const table = store.table('t');
    await table.batch([
      { key: 'changed', value: bytes('old') },
      { key: 'deleted', value: bytes('old') },
    ]);
    disk.next = 'keeps';
    const refused = table.batch([
      { key: 'changed', value: bytes('new') },
      { key: 'deleted' },
      { key: 'added', value: bytes('new') },
    ]);
    await expect(refused).rejects.toThrow();
    disk.next = 'works';
    await retry(store);
    expect(await all(table)).toEqual({ changed: 'old', deleted: 'old' });
  });

  it('does not let it come back at the next start either', async () => {
    const disk = failingLevel();
    const store = await open({ open: disk.open });
    await store.table('t').put('key', bytes('old'));
    disk.next = 'keeps';
    await expect(store.table('t').put('key', bytes('new'))).rejects.toThrow();
    disk.next = 'works';
    await store.stop();
    expect(health.warnings()).toEqual([]);
    const again = await open();
    expect(await all(again.table('t'))).toEqual({ key: 'old' });
    await expect(readFile(join(dir, 'REFUSED'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('tries again until the database opens, and refuses reads only as long', async () => {
    const disk = failingLevel();
    const store = await open({ open: disk.open });
    const table = store.table('t');
    await table.put('key', bytes('kept'));
    disk.next = 'refuses';
    await expect(table.put('key', bytes('x'))).rejects.toThrow();
    disk.next = 'works';
    disk.openFailures = Number.POSITIVE_INFINITY;
    await triesUntil(() => disk.tries > 2);
    await expect(table.get('key')).rejects.toMatchObject({
      code: 'STARLING_STATE_UNUSABLE',
      message: expect.stringContaining("can't be opened: the disk is full"),
    });
    disk.openFailures = 0;
    await retry(store);
    expect(text(await table.get('key'))).toBe('kept');
    await table.put('key', bytes('new'));
    expect(text(await table.get('key'))).toBe('new');
  });
});

const missing = await smallDiskMissing();
if (missing !== undefined) process.stderr.write(`skipped: ${missing}\n`);

describe.skipIf(missing !== undefined)('the store on a small disk', () => {
  let disk: SmallDisk;
  let small: string;

  beforeEach(async () => {
    disk = await createSmallDisk(16 * 1024 * 1024);
    cleanups.push(() => disk.remove());
    small = join(disk.path, 'db');
  });

  it('loses nothing that it acknowledged when the disk was full meanwhile', async () => {
    const store = await open({ dir: small });
    const table = store.table('t');
    const kept: Record<string, string> = {};
    const refused = new Set<string>();
    let number = 0;
    const write = async (): Promise<boolean> => {
      const key = `k${(number += 1)}`;
      const value = key.repeat(500);
      try {
        await table.put(key, bytes(value));
        kept[key] = value;
        return true;
      } catch {
        refused.add(key);
        return false;
      }
    };
    for (let round = 0; round < 3; round += 1) {
      await disk.fill(20_000);
      while (await write());
      for (let more = 0; more < 5; more += 1) await write();
      expect(await all(table)).toEqual(kept);
      await disk.free();
      await retry(store);
      expect(store.healthy()).toBe(true);
      for (let more = 0; more < 5; more += 1) expect(await write()).toBe(true);
    }
    await store.stop();
    const again = await open({ dir: small });
    expect(await all(again.table('t'))).toEqual(kept);
    expect(refused.size).toBeGreaterThan(15);
  });

  it('goes on after the disk was full in the middle of a compaction', async () => {
    const store = await open({ dir: small });
    const table = store.table('t');
    const kept: Record<string, string> = {};
    // What does not compress fills the 4 MiB after which LevelDB writes its log into a table.
    const noise = (seed: number): string =>
      Array.from({ length: 2500 }, (_, at) => Math.imul(seed + at, 0x9e3779b1) >>> 0).join('');
    const refused: number[] = [];
    await disk.fill(6 * 1024 * 1024);
    for (let number = 0; number < 1000 && refused.length === 0; number += 1) {
      const value = noise(number * 7919);
      await table.put(`k${number}`, bytes(value)).then(
        () => (kept[`k${number}`] = value),
        () => refused.push(number),
      );
    }
    expect(refused).toHaveLength(1);
    expect(await all(table)).toEqual(kept);
    await disk.free();
    await retry(store);
    await table.put('after', bytes('x'));
    expect(await all(table)).toEqual({ ...kept, after: 'x' });
  });

  it('says at a start that the disk is full or read-only, and never to move the folder away', async () => {
    const store = await open({ dir: small });
    await store.table('t').put('key', bytes('kept'));
    await store.stop();
    await disk.fill();
    const full = await open({ dir: small }).catch((error: unknown) => error);
    expect(full).toMatchObject({
      code: 'STARLING_STATE_UNUSABLE',
      message: expect.stringContaining('the disk is full'),
      hint: expect.not.stringContaining('move'),
    });
    await disk.free();
    await disk.remount('ro');
    const readOnly = await open({ dir: small }).catch((error: unknown) => error);
    expect(readOnly).toMatchObject({
      message: expect.stringContaining('the disk is read-only'),
      hint: expect.not.stringContaining('move'),
    });
    await disk.remount('rw');
    expect(await all((await open({ dir: small })).table('t'))).toEqual({ key: 'kept' });
  });
});

describe('a database that is locked', () => {
  /** LevelDB's word for it, `times` times. */
  const lockedFor = (times: number): { open: OpenLevel; readonly tries: number } => {
    const made = {
      tries: 0,
      open: (async (folder) => {
        made.tries += 1;
        if (made.tries > times) return openLevel(folder);
        const cause = Object.assign(new Error('IO error: lock'), { code: 'LEVEL_LOCKED' });
        throw new Error('not open', { cause });
      }) as OpenLevel,
    };
    return made;
  };
  const ownedBy = async (pid: number): Promise<void> => {
    await mkdir(dir, { recursive: true });
    await writeFile(join(dir, 'OWNER'), `${pid}\n`);
  };
  /** A process that there was. */
  const GONE = spawnSync(process.execPath, ['-e', '']).pid;

  /** What comes of it when time goes on. */
  async function settled(store: Promise<Store>): Promise<unknown> {
    let end: unknown;
    store.then(
      () => (end = 'open'),
      (error: unknown) => (end = error),
    );
    const isOver = (): boolean => end !== undefined;
    while (!isOver()) {
      clock.advance(50);
      await new Promise((resolve) => setImmediate(resolve));
    }
    return end;
  }

  it('by a process that has ended opens within a second', async () => {
    await ownedBy(GONE);
    const disk = lockedFor(4);
    expect(await settled(open({ open: disk.open }))).toBe('open');
    expect(disk.tries).toBe(5);
  });

  it('longer than that, or by a process that runs, is told of', async () => {
    await ownedBy(GONE);
    const code = 'STARLING_STATE_LOCKED';
    expect(await settled(open({ open: lockedFor(99).open }))).toMatchObject({ code });
    await ownedBy(process.pid);
    const disk = lockedFor(1);
    await expect(open({ open: disk.open })).rejects.toMatchObject({ code });
    expect(disk.tries).toBe(1);
  });
});
