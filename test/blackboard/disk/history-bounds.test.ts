/** The history of a board keeps to its bounds without reading all of itself again and again. */
import { expect, it } from 'vitest';
import { createBoardHistory } from '../../../src/blackboard/disk/history.ts';
import type { BoardHistory, LateChange } from '../../../src/blackboard/disk/history.ts';
import type { Did } from '../../../src/core/index.ts';
import type { Table } from '../../../src/store/index.ts';
import { createTestClock } from '../../core/test-clock.ts';
import { calm } from '../hub.ts';
import { journalTable } from '../journal-table.ts';

const BY = 'did:key:z6MkAnn' as Did;
const MIB = 1024 * 1024;
const ROW_BYTES = 64 * 1024;

/** A table that counts the rows that are read. */
function counting(): { readonly table: Table; readonly counted: { rows: number } } {
  const inner = journalTable();
  const counted = { rows: 0 };
  const table: Table = {
    get: (key) => inner.get(key),
    put: (key, value) => inner.put(key, value),
    delete: (key) => inner.delete(key),
    batch: (writes) => inner.batch(writes),
    async *entries(prefix) {
      for await (const entry of inner.entries(prefix)) {
        counted.rows += 1;
        yield entry;
      }
    },
  };
  return { table, counted };
}

async function note(history: BoardHistory, key: string): Promise<void> {
  const entry = { key, value: 'x'.repeat(ROW_BYTES), by: BY, at: 1, clock: {} };
  const noted = history.note([{ key, entry }]);
  await history.flushed();
  await noted;
}

it('cuts the oldest away, says so, and looks at no more than those once it knows how much there is', async () => {
  const { table, counted } = counting();
  const bounds = { days: 30, bytes: 2 * MIB };
  const clock = createTestClock();
  const history = createBoardHistory({ table, clock }, { board: 'jobs', bounds });
  for (let at = 0; at < 32; at += 1) await note(history, `first-${at}`);
  counted.rows = 0;
  for (let at = 0; at < 64; at += 1) await note(history, `later-${at}`);
  // Sixty-four rows were cut away meanwhile, in four looks, each of which reads one that it leaves, and the mark.
  expect(counted.rows).toBeLessThan(64 + 5 * 2);
  const { isCut, lines } = await history.read({ from: '', limit: 1000 });
  expect(isCut).toBe(true);
  expect(lines.at(-1)?.key).toBe('later-63');
  expect(lines.length * ROW_BYTES).toBeLessThan(bounds.bytes + MIB + ROW_BYTES);
  expect(lines.length * ROW_BYTES).toBeGreaterThan(bounds.bytes - 2 * ROW_BYTES);
});

it('counts what an earlier run has left, and cuts what is too old', async () => {
  const { table } = counting();
  const clock = createTestClock();
  const init = { board: 'jobs', bounds: { days: 1, bytes: 64 * MIB } };
  await note(createBoardHistory({ table, clock }, init), 'old');
  clock.advance(2 * 86_400_000);
  const again = createBoardHistory({ table, clock }, init);
  await note(again, 'new');
  const { lines } = await again.read({});
  expect(lines.map(({ key }) => key)).toEqual(['new']);
});

/** So many changes that a peer sent right before a kill, which no line tells of. */
function lateChanges(count: number, sentAt: number): readonly LateChange[] {
  return Array.from({ length: count }, (_, at) => {
    const key = `late-${at}`;
    return { sentAt, change: { key, entry: { key, value: at, by: BY, at: 1, clock: {} } } };
  });
}

it('writes down much that came right before a kill at once, once, and keeps it in memory for no reader', async () => {
  const table = journalTable();
  const clock = createTestClock();
  const init = { board: 'jobs', bounds: { days: 30, bytes: 64 * MIB } };
  const late = lateChanges(3000, clock.now());
  const many = createBoardHistory({ table, clock }, init);
  // Another row of the log said some of it again.
  many.recovered([...late, ...late.slice(0, 100)]);
  await calm();
  expect(table.journal).toHaveLength(1);
  // In rows of many lines.
  expect(table.rows.size).toBeLessThan(20);
  const { lines } = await many.read({ limit: 10_000 });
  expect(lines.map(({ key }) => key)).toEqual(late.map(({ change }) => change.key));
  // After the next kill there is nothing to write down.
  const again = createBoardHistory({ table, clock }, init);
  again.recovered(late);
  await calm();
  expect([(await again.read({ limit: 10_000 })).lines.length, table.journal.length]).toEqual([
    3000, 1,
  ]);
});

it('tries again as somebody reads where the disk refuses what came right before a kill', async () => {
  const table = journalTable();
  const clock = createTestClock();
  const history = createBoardHistory(
    { table, clock },
    { board: 'jobs', bounds: { days: 30, bytes: 64 * MIB } },
  );
  table.failures = 1;
  history.recovered(lateChanges(2000, clock.now()));
  await calm();
  expect(table.journal).toHaveLength(0);
  expect((await history.read({ limit: 10_000 })).lines).toHaveLength(2000);
});

it('says that something is missing where the disk refused it, and undoes nothing over that', async () => {
  const table = journalTable();
  const clock = createTestClock();
  const history = createBoardHistory(
    { table, clock },
    { board: 'jobs', bounds: { days: 30, bytes: 64 * MIB } },
  );
  const write = async (value: number): Promise<void> => {
    const entry = { key: 'k', value, by: BY, at: value, clock: {} };
    const noted = history.note([{ key: 'k', entry }]);
    await history.flushed().catch(() => undefined);
    await noted.catch(() => undefined);
    clock.advance(10);
  };
  await write(1);
  expect((await history.read({})).isCut).toBe(false);
  table.failures = 1;
  await write(2);
  await write(3);
  const { lines, isCut } = await history.read({});
  expect([lines.map(({ value }) => value), isCut]).toEqual([[1, 3], true]);
  // What was there before the last change is not known: not the first.
  const { lines: last } = await history.lastOf('k');
  expect(last.map(({ value }) => value)).toEqual([3]);
  const since = lines.at(-1)?.position ?? '';
  expect((await history.read({ from: since })).isCut).toBe(false);
});

it('says that something is missing also after many rows that the disk refused, the last with the write that it tells of', async () => {
  const table = journalTable();
  const clock = createTestClock();
  const history = createBoardHistory(
    { table, clock },
    { board: 'jobs', bounds: { days: 30, bytes: 64 * MIB } },
  );
  const lineAt = (at: number) => [{ key: 'k', value: at, by: BY, at }];
  await history.noteWriting(lineAt(0))(false);
  const from = (await history.read({})).next;
  table.failures = 257;
  for (let at = 1; at <= 256; at += 1) {
    clock.advance(10);
    const ended = history.noteWriting(lineAt(at));
    await expect(ended(false)).rejects.toThrow('no space');
  }
  // The disk took those, but not this one, which nobody misses.
  await history.noteWriting(lineAt(257))(true);
  clock.advance(10);
  await history.noteWriting(lineAt(258))(false);
  expect((await history.read({ from })).isCut).toBe(true);
});
