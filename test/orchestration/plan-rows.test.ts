/** Plans on the disk: what can't be read costs the one plan that it belongs to. */
import { expect, it } from 'vitest';
import { silentLogger } from '../../src/core/index.ts';
import { createPlanRows } from '../../src/orchestration/plan-rows.ts';
import { memoryTable } from '../grants/memory-table.ts';

type PlanState = Parameters<ReturnType<typeof createPlanRows>['put']>[0][number];

const planOf = (id: string, submittedAt: number): PlanState =>
  ({ order: { id, submittedAt }, phases: [{ seats: [], result: `of ${id}` }] }) as never;

it('a damaged result leaves its plan out, and all others are there', async () => {
  const table = memoryTable();
  const rows = createPlanRows(table, silentLogger);
  await rows.put([planOf('one', 1), planOf('two', 2)]);
  expect(await rows.load()).toMatchObject([planOf('one', 1), planOf('two', 2)]);
  const key = [...table.rows.keys()].find((name) => name.endsWith('one/0')) ?? '';
  table.rows.set(key, Buffer.from('{"torn'));
  expect(await rows.load()).toMatchObject([planOf('two', 2)]);
});
