/** Tasks of a program that holds a node: handlers by capability, and the giving of a task. */
import { afterEach, expect, it } from 'vitest';
import type { AgentCall } from '../../src/agents/index.ts';
import { attachedClient } from '../../src/guard/index.ts';
import { createTaskAgent, giveTask } from '../../src/tasks/index.ts';
import type { TaskAgent } from '../../src/tasks/index.ts';
import { makeTaskWorld, turns } from './world.ts';
import type { TaskNode, TaskWorld } from './world.ts';

let made: TaskWorld | undefined;
const agents: TaskAgent[] = [];
afterEach(async () => {
  const closing = agents.splice(0).map((agent) => agent.close());
  // A look into an inbox ends with its time.
  for (let at = 0; at < 4; at += 1) {
    made?.world.clock.advance(10_000);
    await turns();
  }
  await Promise.all(closing);
  await made?.stop();
  made = undefined;
});

const callOf =
  ({ node }: TaskNode, name: string): AgentCall =>
  (tool, args, { signal }) =>
    node.call(attachedClient(name), tool, args, signal);

it('an agent does tasks by handlers of their capabilities, and is told when nobody waits any more', async () => {
  made = await makeTaskWorld('a', 'b');
  const { at, world } = made;
  const until: TaskWorld['until'] = (look, met) => (made as TaskWorld).until(look, met);
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
  agents.push(digger);
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
