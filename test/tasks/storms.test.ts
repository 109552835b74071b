/** Storms of retries: whatever fails, and however often it is tried again, each task has few attempts and ends with a reason. */
import { expect, it } from 'vitest';
import { OPERATOR } from '../../src/guard/index.ts';
import { ATTEMPTS_KEPT, ATTEMPTS_MAX, POISON_PEERS } from '../../src/tasks/limits.ts';
import type { TaskBatch, TaskListResult, TaskView } from '../../src/tasks/index.ts';
import { upTo } from '../long/extent.ts';
import { endOf, makeWorker, nodeIn, taskWorlds } from './world.ts';
import type { TaskNode } from './world.ts';

const MANY = upTo(60, 1000);
const TEST_MS = 300_000;
/** By the clock of the nodes. */
const LIMIT_MS = 3_600_000;
/** Whoever has failed tasks tried again, at the same moment. */
const IMPATIENT = 20;

const world = taskWorlds();

async function giveMany(node: TaskNode, how: object): Promise<readonly string[]> {
  const inputs = Array.from({ length: MANY }, (_, at) => at);
  const args = { capability: 'dig', inputs, ...how };
  const { taskIds } = await node.node.call<TaskBatch>(OPERATOR, 'agent_task', args);
  return taskIds;
}

const countsOf = ({ tasks }: TaskNode): TaskListResult['counts'] =>
  tasks.list(OPERATOR, { limit: 1 }).counts;

const allOf = ({ tasks }: TaskNode): readonly TaskView[] =>
  tasks.list(OPERATOR, { limit: MANY }).tasks;

it(
  'tasks that fail everywhere are set aside after a few attempts each, which no agent takes more of than it can',
  { timeout: TEST_MS },
  async () => {
    const all = await world('a', 'b', 'c', 'd');
    const a = nodeIn(all, 'a');
    const workers = [];
    for (const at of ['b', 'c', 'd']) {
      const worker = await makeWorker(all, at, { name: `digger-${at}`, maxConcurrentTasks: 16 });
      worker.answer = () => new Error('the ground is stone');
      workers.push(worker);
    }
    await giveMany(a, { retryPolicy: 'exponential_backoff' });
    await all.until(
      () => countsOf(a),
      ({ failed }) => failed === MANY,
      LIMIT_MS,
    );
    const tasks = allOf(a);
    expect(new Set(tasks.map(({ error }) => error?.reason))).toEqual(new Set(['poison']));
    for (const { attempts } of tasks) {
      expect(attempts.length).toBeGreaterThanOrEqual(POISON_PEERS);
      expect(attempts.length).toBeLessThanOrEqual(ATTEMPTS_MAX);
    }
    const begun = workers.reduce((sum, { seen }) => sum + seen.length, 0);
    expect(begun).toBe(tasks.reduce((sum, { attempts }) => sum + attempts.length, 0));
  },
);

it(
  'a worker’s node that comes and goes without end has each task a few times, and then each has ended with a reason',
  { timeout: TEST_MS },
  async () => {
    const all = await world('a', 'b');
    const a = nodeIn(all, 'a');
    const worker = await makeWorker(all, 'b', { name: 'digger', maxConcurrentTasks: 64 });
    worker.answer = () => undefined;
    const ids = await giveMany(a, {});
    let isAway = false;
    await all.until(
      () => {
        isAway = !isAway;
        all.world.away('b', isAway);
        return countsOf(a);
      },
      ({ failed }) => failed === MANY,
      LIMIT_MS,
    );
    for (const { attempts, error } of allOf(a)) {
      expect(error?.reason).toBe('attempts');
      expect(attempts.length).toBeLessThanOrEqual(ATTEMPTS_MAX);
    }
    expect(worker.seen.length).toBeLessThanOrEqual(ATTEMPTS_MAX * MANY);
    // What it was that failed is over: each is done once it is tried again.
    all.world.away('b', false);
    worker.answer = ({ message }) => ({ dug: message });
    const [id = ''] = ids;
    await a.node.call(OPERATOR, 'task_retry', { taskId: id });
    expect(await endOf(all, 'a', id)).toMatchObject({ status: 'done' });
  },
);

it('a task that many have tried again at the same moment, again and again, is tried once each time', async () => {
  const all = await world('a', 'b');
  const a = nodeIn(all, 'a');
  const worker = await makeWorker(all, 'b', { name: 'digger' });
  worker.answer = () => new Error('the ground is stone');
  const { taskId } = await a.submit({ capability: 'dig', input: 'hole' });
  expect(await endOf(all, 'a', taskId)).toMatchObject({ status: 'failed' });
  const rounds = ATTEMPTS_KEPT + 2;
  for (let round = 0; round < rounds; round += 1) {
    const asked = await Promise.allSettled(
      Array.from({ length: IMPATIENT }, () => a.node.call(OPERATOR, 'task_retry', { taskId })),
    );
    expect(asked.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(countsOf(a).failed ?? 0).toBe(0);
    const end = await endOf(all, 'a', taskId);
    expect(end).toMatchObject({ status: 'failed', error: { reason: 'failed' } });
    expect(end.attempts.length).toBeLessThanOrEqual(ATTEMPTS_KEPT);
  }
  expect(worker.seen).toHaveLength(rounds + 1);
});
