/** The history of a board keeps to its bounds without reading all of itself again and again. */
import { expect, it } from 'vitest';
import { createBoardHistory } from '../../../src/blackboard/disk/history.ts';
import type { BoardHistory } from '../../../src/blackboard/disk/history.ts';
import type { Did } from '../../../src/core/index.ts';
import type { Table } from '../../../src/store/index.ts';
import { createTestClock } from '../../core/test-clock.ts';
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
