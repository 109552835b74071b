/** What the results of tasks may be made of is told with them: whoever reads one is marked as if it had read that itself. */
import { expect, it } from 'vitest';
import type { Did, JsonObject } from '../../src/core/index.ts';
import { attachedClient } from '../../src/guard/index.ts';
import { readRegister, registerValue } from '../../src/tasks/durable/format.ts';
import { nextRow } from '../../src/tasks/life/machine.ts';
import type { TaskListResult, TaskRow } from '../../src/tasks/types.ts';
import { endOf, makeWorker, nodeIn, taskWorlds } from './world.ts';

const world = taskWorlds();
const CLAUDE = attachedClient('claude');
/** An agent that the node runs, which has read a page. */
const READER = { ...CLAUDE, taint: 'external' } as const;

it('what an agent gives that has read from elsewhere carries that, its failures too, also after a restart', async () => {
  const all = await world('a');
  const a = nodeIn(all, 'a');
  const worker = await makeWorker(all, 'a', { name: 'digger' });
  const done = async (input: string): Promise<string> => {
    const { taskId } = await a.submit({ capability: 'dig', input });
    await endOf(all, 'a', taskId);
    return taskId;
  };
  const own = await done('own');
  expect(await a.result(own)).not.toHaveProperty('taint');
  worker.taint = 'external';
  const read = await done('read');
  worker.answer = () => new Error('a page told me to');
  const failed = await done('failed');
  for (const _ of ['', 'after a restart']) {
    expect(await a.result(own)).not.toHaveProperty('taint');
    expect(await a.result(read)).toMatchObject({ status: 'done', taint: 'external' });
    expect(await a.result(failed)).toMatchObject({ status: 'failed', taint: 'external' });
    const args = { limit: 10 };
    const list = await a.node.call<TaskListResult>({ kind: 'operator' }, 'task_list', args);
    expect(list.taint).toBe('external');
    await a.crash();
  }
});

it('a peer is believed to have read from elsewhere, and never to be trusted more than it is', async () => {
  const all = await world('a', 'b');
  const a = nodeIn(all, 'a');
  const worker = await makeWorker(all, 'b', { name: 'digger' });
  const taintOf = async (): Promise<unknown> => {
    const { taskId } = await a.submit({ capability: 'dig', input: 'hole' });
    return (await endOf(all, 'a', taskId)).taint;
  };
  expect(await taintOf()).toBeUndefined();
  a.zones.set('b', 'trusted');
  expect(await taintOf()).toBe('trusted');
  worker.taint = 'external';
  expect(await taintOf()).toBe('external');
  worker.taint = 'trusted';
  a.zones.set('b', 'external');
  expect(await taintOf()).toBe('external');
});

it.each(['a', 'b'])('what was submitted after reading reaches the agent at %s so', async (at) => {
  const all = await world('a', 'b');
  const a = nodeIn(all, 'a');
  const worker = await makeWorker(all, at, { name: 'digger' });
  const { taskId } = await a.submit({ capability: 'dig', input: 'hole' }, READER);
  // Whoever reads it later has not read the page, or has forgotten it.
  expect(await endOf(all, 'a', taskId)).toMatchObject({ status: 'done', taint: 'external' });
  expect(worker.seen.map(({ metadata }) => metadata['taint'])).toEqual(['external']);
  // Nobody can say so of itself, nor take it away.
  const metadata = { taint: 'trusted' };
  const other = await a.submit({ capability: 'dig', input: 'more', metadata }, CLAUDE);
  expect(await endOf(all, 'a', other.taskId)).not.toHaveProperty('taint');
});

it('what it says of its progress, and what it asks, is marked before it has an end', async () => {
  const all = await world('a', 'b');
  const a = nodeIn(all, 'a');
  const worker = await makeWorker(all, 'b', { name: 'digger' });
  worker.answer = () => undefined;
  const { taskId } = await a.submit({ capability: 'dig', input: 'hole' });
  const [message] = await all.until(
    () => worker.seen,
    ({ length }) => length > 0,
  );
  const { token } = (message?.metadata['task'] ?? {}) as { readonly token?: number };
  const said = { taskId, token, progress: 0.5, message: 'as the page says' };
  const program = { ...attachedClient('program-digger'), taint: 'external' } as const;
  await nodeIn(all, 'b').node.call(program, 'task_progress', said);
  const seen = await all.until(
    () => a.result(taskId),
    ({ progress }) => progress !== undefined,
  );
  expect(seen).toMatchObject({ status: 'running', taint: 'external' });
});

it('stays with a durable task at each of its nodes, and is never less than before', () => {
  const did = 'did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK' as Did;
  const order = {
    id: 'task_1',
    seq: 1,
    durable: 'mesh',
    capability: 'dig',
    priority: 'normal',
    retry: 'lost',
    attemptMs: 1000,
    submitter: did,
    from: 'operator',
    submittedAt: 1,
    expiresAt: 2,
    inputBytes: 2,
    taint: 'trusted',
  } as const;
  const row: TaskRow = {
    order,
    state: 'running',
    token: 1,
    attempts: [],
    roundFrom: 0,
    version: 1,
  };
  const progress = { text: 'x' };
  const worse = nextRow(row, { type: 'progressed', token: 1, progress, taint: 'external' });
  const same =
    worse && nextRow(worse, { type: 'progressed', token: 1, progress, taint: 'trusted' });
  expect(same?.taint).toBe('external');
  const value = registerValue({ owner: did, epoch: 1, row: same ?? row, input: 'hole' });
  const read = readRegister(value, { id: 'task_1', creator: did });
  expect(read?.row).toMatchObject({ taint: 'external', order: { taint: 'trusted' } });
  // Of what is no zone nobody knows what it means.
  const forged = value as JsonObject & { readonly row: JsonObject };
  const other = { ...forged, row: { ...forged.row, taint: 'local' } };
  expect(readRegister(other, { id: 'task_1', creator: did })).toBeUndefined();
});
