/** A clock that is set by a year, at a node of a task: times are as long as they were said to be, and nobody waits that long. */
import { expect, it } from 'vitest';
import { endOf, makeWorker, nodeIn, taskWorlds, turns } from './world.ts';
import type { TaskNode, TaskWorld } from './world.ts';

const world = taskWorlds();
const YEAR_MS = 365 * 86_400_000;
const LIFE_MS = 60_000;
/** Back, and forward. */
const JUMPS = [-YEAR_MS, YEAR_MS];

const seconds = async ({ world: { clock } }: TaskWorld, count: number): Promise<void> => {
  for (let step = 0; step < count; step += 1) {
    clock.advance(1000);
    await turns();
  }
};

const leftOf = async (all: TaskWorld, a: TaskNode, id: string): Promise<number> =>
  Date.parse((await a.result(id)).deadline) - all.world.clock.now();

it.each(JUMPS)(
  'a task that waited meanwhile (%i ms) is done at the first attempt',
  async (jump) => {
    const all = await world('a', 'b');
    const a = nodeIn(all, 'a');
    const { taskId } = await a.submit({ capability: 'dig', input: 'hole', attemptMs: 30_000 });
    await turns();
    all.world.clock.sleep(jump);
    const worker = await makeWorker(all, 'b', { name: 'digger' });
    const done = await all.until(
      () => a.result(taskId),
      ({ endedAt }) => endedAt !== undefined,
    );
    expect(done).toMatchObject({ status: 'done', attempts: [{ token: 1, outcome: 'done' }] });
    expect(worker.seen.map(({ timeoutMs }) => timeoutMs)).toEqual([30_000]);
  },
);

it.each(JUMPS)(
  'a task ends as expired after its time (%i ms), no later for a restart',
  async (jump) => {
    const all = await world('a');
    const a = nodeIn(all, 'a');
    const args = { capability: 'nobody has it', input: 1, timeoutMs: LIFE_MS };
    const { taskId } = await a.submit(args);
    all.world.clock.sleep(jump);
    await seconds(all, 30);
    expect(await a.result(taskId)).toMatchObject({ status: 'bidding' });
    await a.crash();
    await seconds(all, 61);
    expect(await a.result(taskId)).toMatchObject({ status: 'expired' });
  },
);

it('a task has as much time as it had each time that it is tried again, and no more', async () => {
  const all = await world('a');
  const a = nodeIn(all, 'a');
  const args = { capability: 'nobody has it', input: 1, timeoutMs: LIFE_MS };
  const { taskId } = await a.submit(args);
  for (const _ of ['once', 'again', 'and again']) {
    await seconds(all, 61);
    expect(await a.result(taskId)).toMatchObject({ status: 'expired' });
    all.world.clock.sleep(YEAR_MS);
    await a.node.call({ kind: 'operator' }, 'task_retry', { taskId });
    expect(await leftOf(all, a, taskId)).toBe(LIFE_MS);
  }
});

it.each([false, true])(
  'those from before a clock was set back come first: %s',
  async (restarts) => {
    const all = await world('a');
    const a = nodeIn(all, 'a');
    await a.submit({ capability: 'dig', input: 'low, before', priority: 'low' });
    await a.submit({ capability: 'dig', input: 'before' });
    all.world.clock.sleep(-YEAR_MS);
    if (restarts) await a.crash();
    await a.submit({ capability: 'dig', input: 'after' });
    await a.submit({ capability: 'dig', input: 'urgent, after', priority: 'high' });
    const worker = await makeWorker(all, 'a', { name: 'digger', maxConcurrentTasks: 1 });
    await all.until(
      () => worker.seen.length,
      (count) => count === 4,
    );
    const order = ['urgent, after', 'before', 'after', 'low, before'];
    expect(worker.seen.map(({ message }) => message)).toEqual(order);
  },
);

it('who waits for its end waits as long as was said', async () => {
  const all = await world('a');
  const a = nodeIn(all, 'a');
  const { taskId } = await a.submit({ capability: 'nobody has it', input: 1 });
  let seen: unknown;
  const args = { taskId, timeout_s: 5 };
  const waiting = a.node.call({ kind: 'operator' }, 'task_result', args).then((task) => {
    seen = task;
  });
  await turns();
  all.world.clock.sleep(-YEAR_MS);
  await seconds(all, 4);
  expect(seen).toBeUndefined();
  await seconds(all, 2);
  await waiting;
  expect(seen).toMatchObject({ status: 'bidding' });
});

it('a queue of which a worker of all took is looked at anew where the clock was set back', async () => {
  const all = await world('a', 'b');
  const a = nodeIn(all, 'a');
  const any = await makeWorker(all, 'b', { name: 'any', capabilities: ['tasks.*'] });
  const first = await a.submit({ type: 'small', data: 1 });
  await endOf(all, 'a', first.taskId);
  expect(any.seen).toHaveLength(1);
  all.world.clock.sleep(-YEAR_MS);
  const own = await makeWorker(all, 'b', { name: 'own', capabilities: ['tasks.small'] });
  const next = await a.submit({ type: 'small', data: 2 });
  const { processedBy } = await endOf(all, 'a', next.taskId);
  expect(processedBy).toBe('own@b');
  expect(own.seen).toHaveLength(1);
});
