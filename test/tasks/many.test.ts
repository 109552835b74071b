/** Many tasks at once. */
import { afterEach, expect, test } from 'vitest';
import { OPERATOR } from '../../src/guard/index.ts';
import { makeTaskWorld, makeWorker } from './world.ts';
import type { TaskWorld } from './world.ts';

let world: TaskWorld;
afterEach(() => world.stop());

/** Ten thousand take the same way, and half a minute of this suite. */
const MANY = 600;

test('many tasks at once all run to their end, each once, without a question for each that waits', async () => {
  world = await makeTaskWorld('a', 'b');
  const worker = await makeWorker(world, 'b', { name: 'digger', maxConcurrentTasks: 64 });
  const { a, b } = world.at;
  if (a === undefined || b === undefined) throw new Error('no nodes');
  const given = await Promise.all(
    Array.from({ length: MANY }, (_, at) => a.submit({ capability: 'dig', input: at })),
  );
  const { counts } = await world.until(
    () => a.tasks.list(OPERATOR, { limit: 1 }),
    (list) => list.counts.done === MANY,
  );
  expect(counts).toEqual({ done: MANY });
  expect(worker.seen).toHaveLength(MANY);
  expect(new Set(worker.seen.map(({ message }) => message)).size).toBe(MANY);
  expect(await a.result(given[7]?.taskId ?? '')).toMatchObject({ result: { dug: 7 } });
  // To begin with it, and to hear how it goes; that nobody asks any more is said of many at once.
  const attempts = b.node.asked.filter((tool) => tool === 'task_attempt').length;
  expect(attempts).toBeLessThanOrEqual(MANY * 2.1);
});
