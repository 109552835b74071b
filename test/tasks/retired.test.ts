/** A retired agent's name: whoever takes it has none of the tasks that the agent had given, or done. */
import { expect, it } from 'vitest';
import { OPERATOR } from '../../src/guard/index.ts';
import { endOf, makeWorker, nodeIn, taskWorlds } from './world.ts';
import type { TaskNode } from './world.ts';

const world = taskWorlds();
/** An agent that the node runs; the next one of its name is the same to the guard. */
const SCOUT = { kind: 'client', name: 'agent:scout', scopes: ['*'] } as const;

const unknown = async (a: TaskNode, ids: readonly string[]): Promise<void> => {
  for (const id of ids) {
    await expect(a.result(id, SCOUT)).rejects.toMatchObject({ code: 'STARLING_TASK_UNKNOWN' });
  }
  expect(a.tasks.list(SCOUT, {}).tasks).toEqual([]);
};

it('its tasks end, and its own are the operator’s from then on, also after a restart', async () => {
  const all = await world('a');
  const a = nodeIn(all, 'a');
  await makeWorker(all, 'a', { name: 'digger' });
  const done = await a.submit({ capability: 'dig', input: 'secret', id: 'mine' }, SCOUT);
  await endOf(all, 'a', done.taskId);
  const open = await a.submit({ capability: 'nobody has it', input: 'secret' }, SCOUT);
  await a.tasks.retired(SCOUT);
  const ids = [done.taskId, open.taskId];
  await unknown(a, ids);
  await a.crash();
  await unknown(a, ids);
  expect(await a.result(done.taskId)).toMatchObject({ status: 'done', result: { dug: 'secret' } });
  expect(await a.result(open.taskId)).toMatchObject({ status: 'cancelled' });
  // The id that the one before gave its message is free again: nobody's task is taken for the new one's.
  const again = await a.submit({ capability: 'dig', input: 'other', id: 'mine' }, SCOUT);
  expect(again.taskId).not.toBe(done.taskId);
  expect((await endOf(all, 'a', again.taskId)).result).toEqual({ dug: 'other' });
});

it('what it did for others is not seen under its name either', async () => {
  const all = await world('a');
  const a = nodeIn(all, 'a');
  await makeWorker(all, 'a', { name: 'digger' });
  const digger = { kind: 'client', name: 'program-digger', scopes: ['*'] } as const;
  const { taskId } = await a.submit({ capability: 'dig', input: 'secret' }, OPERATOR);
  await endOf(all, 'a', taskId);
  expect(await a.result(taskId, digger)).toMatchObject({ result: { dug: 'secret' } });
  await a.tasks.retired(digger);
  await expect(a.result(taskId, digger)).rejects.toMatchObject({ code: 'STARLING_TASK_UNKNOWN' });
  await a.crash();
  await expect(a.result(taskId, digger)).rejects.toMatchObject({ code: 'STARLING_TASK_UNKNOWN' });
  expect(await a.result(taskId)).toMatchObject({ processedBy: 'digger@a' });
});

it('a disk that is full keeps it from retiring, and what it has given stays its own', async () => {
  const all = await world('a');
  const a = nodeIn(all, 'a');
  const { taskId } = await a.submit({ capability: 'nobody has it', input: 'x' }, SCOUT);
  a.fails = () => true;
  await expect(a.tasks.retired(SCOUT)).rejects.toThrow('the disk is full');
  a.fails = () => false;
  expect(await a.result(taskId, SCOUT)).toMatchObject({ status: 'bidding' });
  await a.tasks.retired(SCOUT);
  await unknown(a, [taskId]);
});
