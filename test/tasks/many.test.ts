/** Many tasks at once. */
import { afterEach, expect, test } from 'vitest';
import type { AgentCall } from '../../src/agents/index.ts';
import { OPERATOR, attachedClient } from '../../src/guard/index.ts';
import { giveTasks } from '../../src/tasks/index.ts';
import { upTo } from '../long/extent.ts';
import { makeTaskWorld, makeWorker, turns } from './world.ts';
import type { TaskBatch, TaskResult } from '../../src/tasks/types.ts';
import type { TaskWorld } from './world.ts';

let world: TaskWorld;
afterEach(() => world.stop());

/** As many as may wait in the long form, in messages of as many as one takes. */
const MANY = upTo(600, 10_000);
const BATCH = upTo(600, 1000);
const LIMIT_MS = 3_600_000;

test(
  'many tasks at once all run to their end, each once, without a question for each that waits',
  { timeout: 300_000 },
  async () => {
    world = await makeTaskWorld('a', 'b');
    const worker = await makeWorker(world, 'b', { name: 'digger', maxConcurrentTasks: 64 });
    const { a, b } = world.at;
    if (a === undefined || b === undefined) throw new Error('no nodes');
    const given: string[] = [];
    for (let from = 0; from < MANY; from += BATCH) {
      const inputs = Array.from({ length: BATCH }, (_, at) => from + at);
      const batch = { capability: 'dig', inputs };
      const { taskIds } = await a.node.call<TaskBatch>(OPERATOR, 'agent_task', batch);
      given.push(...taskIds);
    }
    const { counts } = await world.until(
      () => a.tasks.list(OPERATOR, { limit: 1 }),
      (list) => list.counts.done === MANY,
      LIMIT_MS,
    );
    expect(counts).toEqual({ done: MANY });
    expect(worker.seen).toHaveLength(MANY);
    expect(new Set(worker.seen.map(({ message }) => message)).size).toBe(MANY);
    expect(await a.result(given[7] ?? '')).toMatchObject({ result: { dug: 7 } });
    // Begun and followed together: a question for many, where it was two for each.
    const attempts = b.node.asked.filter((tool) => tool === 'task_attempt').length;
    expect(attempts).toBeLessThanOrEqual(MANY / 2);
  },
);

test('a peer of an earlier version, which reads the first of many alone, does all of them as well', async () => {
  world = await makeTaskWorld('a', 'b');
  const worker = await makeWorker(world, 'b', { name: 'digger', maxConcurrentTasks: 64 });
  const { a, b } = world.at;
  if (a === undefined || b === undefined) throw new Error('no nodes');
  const at = b.node.more.findIndex(({ definition }) => definition.name === 'task_attempt');
  const tool = b.node.more[at];
  if (tool === undefined) throw new Error('no tool');
  b.node.more[at] = {
    ...tool,
    call: ({ more, ...args }, context) =>
      tool.call(more === undefined ? args : { ...args }, context),
  };
  const inputs = Array.from({ length: 100 }, (_, one) => one);
  await a.node.call<TaskBatch>(OPERATOR, 'agent_task', { capability: 'dig', inputs });
  await world.until(
    () => a.tasks.list(OPERATOR, { limit: 1 }).counts.done,
    (done) => done === inputs.length,
  );
  expect(
    worker.seen.map(({ message }) => message).toSorted((x, y) => Number(x) - Number(y)),
  ).toEqual(inputs);
});

test('of many tasks in one message all are taken or none, and the same message again is the same tasks', async () => {
  world = await makeTaskWorld('a');
  const { a } = world.at;
  if (a === undefined) throw new Error('no node');
  const tooLong = 'x'.repeat(300_000);
  await expect(a.submit({ capability: 'dig', inputs: [1, 2, tooLong] })).rejects.toMatchObject({
    code: 'STARLING_LIMIT_EXCEEDED',
  });
  expect(a.tasks.list(OPERATOR, {}).tasks).toEqual([]);
  const message = { capability: 'dig', inputs: [1, 2, 3], id: 'all' };
  const given = await a.node.call<TaskBatch>(OPERATOR, 'agent_task', message);
  expect(new Set(given.taskIds).size).toBe(3);
  expect(await a.node.call<TaskBatch>(OPERATOR, 'agent_task', message)).toMatchObject({
    taskIds: given.taskIds,
  });
  await a.crash();
  expect(a.tasks.list(OPERATOR, {}).tasks).toHaveLength(3);
  // A stranger has a quarter of the places; what does not fit takes none of them.
  const stranger = attachedClient('stranger');
  const thousand = { capability: 'dig', inputs: Array.from({ length: 1000 }, () => 0) };
  await a.submit(thousand, stranger);
  await a.submit(thousand, stranger);
  await expect(a.submit(thousand, stranger)).rejects.toMatchObject({
    data: { reason: 'share' },
  });
  await a.submit({ ...thousand, inputs: thousand.inputs.slice(0, 500) }, stranger);
});

test.each([{}, { durable: 'mesh' }] as const)(
  'where one of many cannot be written, nobody gets any of them: %o',
  async (how) => {
    world = await makeTaskWorld('a', 'b', 'c');
    const worker = await makeWorker(world, 'a', { name: 'digger', maxConcurrentTasks: 8 });
    const { a } = world.at;
    if (a === undefined) throw new Error('no node');
    world.boards.room.registers = 2;
    let written = 0;
    a.fails = (keys) => {
      written += keys.filter((key) => key.startsWith('task/')).length;
      return written > 2;
    };
    const many = { capability: 'dig', inputs: [1, 2, 3], ...how };
    await expect(a.submit(many)).rejects.toThrow();
    world.world.clock.advance(1000);
    await turns();
    expect(a.tasks.list(OPERATOR, {}).tasks).toEqual([]);
    expect(worker.seen).toEqual([]);
    world.boards.room.registers = 10;
    a.fails = () => false;
    const { taskIds } = await a.node.call<TaskBatch>(OPERATOR, 'agent_task', many);
    expect(taskIds).toHaveLength(3);
    await world.until(
      () => a.tasks.list(OPERATOR, {}).counts.done,
      (done) => done === 3,
    );
  },
);

test('a program that gives many has what came of each in their order', async () => {
  world = await makeTaskWorld('a', 'b');
  const worker = await makeWorker(world, 'b', { name: 'digger', maxConcurrentTasks: 8 });
  worker.answer = ({ message }) => (message === 3 ? new Error('stone') : { dug: message });
  const { a } = world.at;
  if (a === undefined) throw new Error('no node');
  let results: readonly TaskResult[] | undefined;
  const call: AgentCall = (tool, args, { signal }) => a.node.call(OPERATOR, tool, args, signal);
  const giving = giveTasks(call, { capability: 'dig', inputs: [1, 2, 3, 4] }, {});
  void giving.then((all) => {
    results = all;
  });
  await world.until(
    () => results,
    (all) => all !== undefined,
  );
  expect(results?.map(({ result, status }) => result ?? status)).toEqual([
    { dug: 1 },
    { dug: 2 },
    'failed',
    { dug: 4 },
  ]);
});
