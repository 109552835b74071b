/** What is told of a budget's past, whenever the node was started and however its clock was set. */
import { expect, it } from 'vitest';
import { createHistory } from '../../src/budget/history.ts';
import type { BudgetHistory } from '../../src/budget/history.ts';
import { silentLogger } from '../../src/core/index.ts';
import { createTestClock } from '../core/test-clock.ts';
import { memoryTable } from '../grants/memory-table.ts';

const ID = 'b000000000000000000000';
const YEAR_MS = 365 * 86_400_000;

it('what a caller spent in one hour is one entry, though the node was started again in it, or its clock set', async () => {
  const clock = createTestClock(1_790_000_000_000);
  const table = memoryTable();
  const started = (): BudgetHistory => createHistory({ table, clock, logger: silentLogger });
  const first = started();
  first.note(ID, { what: 'created', amount: 100 });
  first.spent(ID, 'claude', 3);
  first.spent(ID, 'coder', 1, 'refused');
  await first.flush();
  clock.advance(5000);
  const second = started();
  second.spent(ID, 'claude', 4);
  clock.sleep(YEAR_MS);
  second.spent(ID, 'claude', 1);
  clock.sleep(-YEAR_MS);
  second.spent(ID, 'claude', 5);
  const told = (await second.list(ID, 10)).map(({ what, who, amount, calls }) => [
    what,
    who,
    amount,
    calls,
  ]);
  expect(told).toEqual([
    ['spent', 'claude', 1, 1],
    ['created', undefined, 100, undefined],
    ['refused', 'coder', 1, 1],
    ['spent', 'claude', 12, 3],
  ]);
  await second.forget([ID]);
  expect([...table.rows.keys()]).toEqual([]);
});
