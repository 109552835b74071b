/** Tasks of a program that holds a node: handlers by capability, and the giving of a task. */
import { expect, it } from 'vitest';
import { createTaskAgent, giveTask } from '../../src/tasks/index.ts';
import { agentPrograms, callOf } from './programs.ts';
import { turns } from './world.ts';
import type { TaskWorld } from './world.ts';

const { closes, makeWorld } = agentPrograms();

it('an agent does tasks by handlers of their capabilities, and is told when nobody waits any more', async () => {
  const made = await makeWorld('a', 'b');
  const { at, world } = made;
  const until: TaskWorld['until'] = (look, met) => made.until(look, met);
  const [a, b] = [at['a'], at['b']];
  if (a === undefined || b === undefined) throw new Error('no nodes');
  for (const name of ['digger', 'poet']) b.node.grants.add(`a agent:${name}`);
  const errors: unknown[] = [];
  const stopped: string[] = [];
  const init = { clock: world.clock, onError: (error: unknown) => void errors.push(error) };
  const digger = createTaskAgent(callOf(b, 'digs'), { name: 'digger', listed: true }, init)
    .onTask('dig', (input, { idempotencyKey, token }) => ({ input, idempotencyKey, token }))
    .onTask('fail', () => {
      throw new Error('the ground is stone');
    })
    .onTask('hang', async (_, { progress, signal }) => {
      await progress(0.5, 'half way');
      return new Promise((resolve) => {
        signal.addEventListener('abort', () => {
          stopped.push('hang');
          resolve(null);
        });
      });
    })
    .onMessage('query', ({ message }) => ({ said: message }));
  closes(digger);
  const { name } = await digger.announced;
  expect(name).toBe('digger');
  const call = callOf(a, 'gives');
  const give = (capability: string, id?: string) =>
    giveTask(call, { capability, input: 'hole' }, id === undefined ? {} : { id });
  let done: unknown;
  void give('dig', 'one').then((result) => {
    done = result;
  });
  expect(
    await until(
      () => done,
      (value) => value !== undefined,
    ),
  ).toMatchObject({ input: 'hole', token: 1 });
  let why: unknown;
  void give('fail').catch((error: unknown) => {
    why = error;
  });
  expect(
    await until(
      () => why,
      (value) => value !== undefined,
    ),
  ).toMatchObject({ code: 'STARLING_AGENT_FAILED', data: { reason: 'failed' } });
  const { taskId } = await a.submit({ capability: 'hang', input: 1 });
  await until(
    () => a.result(taskId),
    ({ progress }) => progress?.text === 'half way',
  );
  world.clock.advance(1000);
  await turns();
  await a.node.call({ kind: 'operator' }, 'task_cancel', { taskId });
  // The next task does not wait for the next word of the one that nobody wants.
  const since = world.clock.now();
  let next: unknown;
  void give('dig', 'two').then((result) => {
    next = result;
  });
  await turns();
  await turns();
  expect(stopped).toEqual(['hang']);
  await until(
    () => next,
    (value) => value !== undefined,
  );
  expect(world.clock.now() - since).toBeLessThan(2000);
  // What is no task goes to the handler of queries.
  const query = { agentId: 'digger@b', type: 'query', message: 'hello' };
  expect(await a.node.call({ kind: 'operator' }, 'agent_message', query)).toMatchObject({
    response: { said: 'hello' },
  });
});
