/** Tasks that count against budgets: each attempt, and what their agents do meanwhile. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { silentLogger } from '../../src/core/index.ts';
import { createFunds } from '../../src/budget/index.ts';
import { attachedClient } from '../../src/guard/index.ts';
import { makeRooms } from '../budget/rooms.ts';
import type { Room, Rooms } from '../budget/rooms.ts';
import type { TaskBatch } from '../../src/tasks/types.ts';
import { makeTaskWorld, makeWorker } from './world.ts';
import type { TaskNode, TaskWorld } from './world.ts';

let rooms: Rooms;
let books: Room;
let all: TaskWorld;
let node: TaskNode;

beforeEach(async () => {
  rooms = await makeRooms(1);
  [books] = rooms.all as [Room];
  all = await makeTaskWorld('a');
  node = all.at['a'] as TaskNode;
  node.funds = createFunds({
    budgets: books.budgets,
    guard: () => ({ decide: () => ({ allow: true }) }),
    workOf: (principal) => node.tasks.budgetsOf(principal),
    logger: silentLogger,
  });
  await books.budgets.create({ name: 'research', unit: 'calls', limit: 10 });
});
afterEach(async () => {
  await all.stop();
  await rooms.stop();
});

it('each attempt costs a call, and a task without room waits and says why', async () => {
  await makeWorker(all, 'a', { name: 'digger' });
  const batch = (await node.submit({
    capability: 'dig',
    inputs: ['one', 'two'],
    budget: 'research:1calls',
  })) as unknown as TaskBatch;
  const [first = '', second = ''] = batch.taskIds;
  const ends = await all.until(
    async () => [await node.result(first), await node.result(second)],
    (both) =>
      both.some(({ status }) => status === 'done') &&
      both.some(({ waitsFor }) => waitsFor?.includes('calls left') === true),
  );
  const waiting = ends.find(({ status }) => status !== 'done');
  expect(waiting?.waitsFor).toContain('has 0 calls left');
  expect(books.budgets.show('research')).toMatchObject({ spent: 1, held: 0 });
  const own = books.budgets.list().budgets.find(({ name }) => name.startsWith('task-task_'));
  expect(own).toMatchObject({ limit: 1, spent: 1 });
  // The last of them is over, and what was to be spent for them alone is closed.
  await node.node.call({ kind: 'operator' }, 'task_cancel', { taskId: waiting?.taskId ?? '' });
  await all.until(
    () => books.budgets.show(own?.id ?? '').closed,
    (closed) => closed === true,
  );
});

it('what an agent does counts for the task that it has, and what it gives to others does, too', async () => {
  const worker = await makeWorker(all, 'a', { name: 'digger' });
  const answer = worker.answer;
  worker.answer = () => undefined;
  const { taskId } = await node.submit({ capability: 'dig', input: 'hole', budget: 'research' });
  await all.until(
    () => worker.seen.length,
    (count) => count === 1,
  );
  const digger = attachedClient('program-digger');
  const id = books.budgets.idOf('research');
  expect(node.tasks.budgetsOf(digger)).toEqual([id]);
  expect(node.tasks.budgetsOf(attachedClient('other'))).toEqual([]);
  const child = await node.submit({ capability: 'fill', input: 'hole' }, digger);
  const row = JSON.parse(Buffer.from(node.rows.get(`task/${child.taskId}`) ?? []).toString()) as {
    readonly order: { readonly fund?: unknown };
  };
  expect(row.order.fund).toEqual({ budgets: [id] });
  worker.answer = answer;
  await node.node.call({ kind: 'operator' }, 'task_cancel', { taskId });
  expect(node.tasks.budgetsOf(digger)).toEqual([]);
  // After a crash the task still has its budget.
  await node.crash();
  expect(books.budgets.show('research').spent).toBe(1);
});

it('a budget that there is not refuses the task, and leaves nothing of it', async () => {
  await expect(
    node.submit({ capability: 'dig', input: 'hole', budget: 'nothing' }),
  ).rejects.toMatchObject({ code: 'STARLING_BUDGET_UNKNOWN' });
  expect([...node.rows.keys()]).toEqual([]);
});
