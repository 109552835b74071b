/**
 * A laptop that sleeps through its lease, as the node of a worker, as that of the submitter, or as that of both: each task ends
 * in one counted result, and what came besides is shown as late.
 */
import { describe, expect, it } from 'vitest';
import { attachedClient } from '../../src/guard/index.ts';
import type { TaskResult } from '../../src/tasks/index.ts';
import { endOf, makeWorker, nodeIn, taskWorlds, turns } from './world.ts';
import type { TaskWorld, TestWorker } from './world.ts';

const world = taskWorlds();
const HOURS_MS = 3 * 3_600_000;
/** Two questions to its node without an answer, and one for its list of agents. */
const UNNOTICED_MS = 16_000;
/** When membership believes a node to be gone that says nothing any more. */
const MISSED_MS = 7000;

async function passes(all: TaskWorld, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 500) {
    await turns();
    all.world.clock.advance(500);
  }
  await turns();
}

/** The machine is suspended: hours go by in one step, and nobody has done anything meanwhile. */
async function suspended(all: TaskWorld, name: string, late: boolean): Promise<void> {
  await turns();
  all.world.clock.sleep(HOURS_MS);
  await all.world.wakes(name, { late });
  await turns();
}

async function hanging(all: TaskWorld, where: string, name: string): Promise<TestWorker> {
  const worker = await makeWorker(all, where, { name });
  worker.answer = () => undefined;
  return worker;
}

async function has(all: TaskWorld, worker: TestWorker, count = 1): Promise<void> {
  await all.until(
    () => worker.seen.length,
    (seen) => seen >= count,
  );
}

async function answers(all: TaskWorld, where: string, worker: TestWorker, name: string) {
  for (const { id } of worker.seen) {
    const said = { type: 'response', inReplyTo: id, message: `by ${name}` };
    await nodeIn(all, where)
      .node.call(attachedClient(`program-${name}`), 'agent_message', said)
      .catch(() => undefined);
  }
}

const outcomes = ({ attempts }: TaskResult): unknown[] =>
  attempts.map(({ agent, outcome }) => [agent, outcome]);

describe.each([true, false])('a laptop that sleeps (suspended: %s)', (late) => {
  it.each([true, false])(
    'while it has a task, missed by the others or not (%s): another has it soon, and what the laptop has done is late',
    async (isMissed) => {
      const all = await world('home', 'laptop', 'other');
      const home = nodeIn(all, 'home');
      const first = await hanging(all, 'laptop', 'first');
      const { taskId } = await home.submit({ capability: 'dig', input: 'hole' });
      await has(all, first);
      await makeWorker(all, 'other', { name: 'second' });
      all.world.sleeps('laptop');
      const from = all.world.clock.now();
      if (isMissed) await passes(all, MISSED_MS);
      if (isMissed) all.world.away('laptop', true);
      const done = await endOf(all, 'home', taskId);
      const limitMs = isMissed ? MISSED_MS + 1000 : UNNOTICED_MS;
      expect(all.world.clock.now() - from).toBeLessThanOrEqual(limitMs);
      expect(done).toMatchObject({ status: 'done', processedBy: 'second@other' });
      await all.world.wakes('laptop', { late });
      if (isMissed) all.world.away('laptop', false);
      await answers(all, 'laptop', first, 'first');
      await passes(all, 60_000);
      const last = await home.result(taskId);
      expect(last).toMatchObject({ status: 'done', processedBy: 'second@other' });
      expect(outcomes(last)).toEqual([
        ['first@laptop', 'lost'],
        ['second@other', 'done'],
      ]);
    },
  );

  it('when it is to have one: another has it, though nobody has noticed that it sleeps', async () => {
    const all = await world('home', 'laptop', 'other');
    const home = nodeIn(all, 'home');
    await makeWorker(all, 'laptop', { name: 'first' });
    await makeWorker(all, 'other', { name: 'second' });
    all.world.sleeps('laptop');
    const given = await Promise.all(
      Array.from({ length: 20 }, (_, input) => home.submit({ capability: 'dig', input })),
    );
    for (const { taskId } of given) {
      const done = await endOf(all, 'home', taskId, 60_000);
      expect(done).toMatchObject({ status: 'done', processedBy: 'second@other' });
    }
    await all.world.wakes('laptop', { late });
    await passes(all, 60_000);
    for (const { taskId } of given) {
      expect(await home.result(taskId)).toMatchObject({ processedBy: 'second@other' });
    }
  });

  it('and has the only agent: the task waits, says why, and ends once it is awake', async () => {
    const all = await world('home', 'laptop');
    const home = nodeIn(all, 'home');
    const only = await makeWorker(all, 'laptop', { name: 'only' });
    all.world.sleeps('laptop');
    const { taskId } = await home.submit({ capability: 'dig', input: 'hole' });
    await passes(all, 30_000);
    const waiting = await home.result(taskId);
    expect(waiting.endedAt).toBeUndefined();
    expect(waiting.waitsFor).toBeTruthy();
    await all.world.wakes('laptop', { late });
    const done = await endOf(all, 'home', taskId);
    expect(done).toMatchObject({ status: 'done', result: { dug: 'hole' } });
    await passes(all, 60_000);
    expect((await home.result(taskId)).late).toBeUndefined();
    expect(only.seen.length).toBeGreaterThan(0);
  });

  it('with the only agent in the middle of a task: it ends in one result once the laptop is awake', async () => {
    const all = await world('home', 'laptop');
    const home = nodeIn(all, 'home');
    const only = await hanging(all, 'laptop', 'only');
    const { taskId } = await home.submit({ capability: 'dig', input: 'hole' });
    await has(all, only);
    all.world.sleeps('laptop');
    await passes(all, 30_000);
    expect(outcomes(await home.result(taskId))[0]).toEqual(['only@laptop', 'lost']);
    only.answer = ({ message }) => ({ dug: message });
    await all.world.wakes('laptop', { late });
    await answers(all, 'laptop', only, 'only');
    const done = await endOf(all, 'home', taskId);
    expect(done.status).toBe('done');
    expect(done.attempts.filter(({ outcome }) => outcome === 'done')).toHaveLength(1);
  });

  it('with whoever gave the task: its worker gives it up after the lease, and it ends once when the laptop is awake', async () => {
    const all = await world('laptop', 'worker');
    const laptop = nodeIn(all, 'laptop');
    const worker = await hanging(all, 'worker', 'digger');
    const { taskId } = await laptop.submit({ capability: 'dig', input: 'hole' });
    await has(all, worker);
    all.world.sleeps('laptop');
    await passes(all, 30_000);
    const program = attachedClient('program-digger');
    const tell = { taskId, token: 1, progress: 0.5 };
    const told = nodeIn(all, 'worker').node.call(program, 'task_progress', tell);
    expect(await told).toEqual({ wanted: false });
    worker.answer = ({ message }) => ({ dug: message });
    await all.world.wakes('laptop', { late });
    const done = await endOf(all, 'laptop', taskId);
    expect(done).toMatchObject({ status: 'done', result: { dug: 'hole' } });
    expect(outcomes(done)).toEqual([
      ['digger@worker', 'lost'],
      ['digger@worker', 'done'],
    ]);
  });

  it('with the whole mesh on it, for hours: the task goes on where it was', async () => {
    const all = await world('laptop');
    const laptop = nodeIn(all, 'laptop');
    const worker = await hanging(all, 'laptop', 'digger');
    const { taskId } = await laptop.submit({ capability: 'dig', input: 'hole' });
    await has(all, worker);
    all.world.sleeps('laptop');
    await suspended(all, 'laptop', late);
    await answers(all, 'laptop', worker, 'digger');
    const done = await endOf(all, 'laptop', taskId);
    expect(done.status).toBe('done');
    expect(done.attempts.filter(({ outcome }) => outcome === 'done')).toHaveLength(1);
  });
});
