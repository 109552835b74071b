/** The scenarios of the AI Flock guide that are made of tasks, as the guide writes them: queues by the types of messages. */
import { expect, it } from 'vitest';
import { AgentClient } from '../../src/agents/index.ts';
import type { Json, JsonObject } from '../../src/core/index.ts';
import { OPERATOR, attachedClient } from '../../src/guard/index.ts';
import { createTaskAgent } from '../../src/tasks/index.ts';
import type { TaskResult } from '../../src/tasks/index.ts';
import { agentPrograms, callOf } from './programs.ts';
import { nodeIn, turns } from './world.ts';
import type { TaskNode, TaskWorld } from './world.ts';

const { closes, makeWorld } = agentPrograms();

/** What the guide publishes on `tasks.<type>`. */
interface TaskMessage extends JsonObject {
  readonly id: string;
  readonly type: string;
  readonly data: Json;
  readonly priority: 'low' | 'medium' | 'high';
}

async function allDone(all: TaskWorld, node: TaskNode, count: number): Promise<void> {
  await all.until(
    () => node.tasks.list(OPERATOR, { limit: 1 }).counts.done,
    (done) => done === count,
  );
}

it('scenario 1: who takes from tasks.ai without a model has an agent with one answer, and the result is told to all', async () => {
  const made = await makeWorld('ann', 'bob');
  const [ann, bob] = [nodeIn(made, 'ann'), nodeIn(made, 'bob')];
  const { clock } = made.world;
  ann.node.grants.add('bob agent:worker');
  bob.node.grants.add('ann agent:claude');
  const claude = closes(new AgentClient({ call: callOf(bob, 'claude'), clock }));
  claude.registerMessageHandler('query', async (query) => {
    const { prompt } = query.message as JsonObject;
    await claude.sendResponse(query.from, { text: `about: ${String(prompt)}` }, query.metadata);
  });
  await claude.announceAgent({ name: 'claude', capabilities: ['claude-ai'], listed: true });

  const mcpClient = closes(new AgentClient({ call: callOf(ann, 'worker'), clock }));
  const worker = createTaskAgent(
    callOf(ann, 'worker'),
    { name: 'worker', listed: true },
    { clock, onError: () => undefined },
  ).onTask('tasks.ai', async (data, { message }) => {
    const { message: said } = message.metadata['task'] as JsonObject;
    if ((said as JsonObject)['requiresAI'] !== true) return data;
    return mcpClient.requestCapability('claude-ai', {
      prompt: data,
      model: 'claude-3-5-sonnet-20241022',
      maxTokens: 2048,
    });
  });
  closes(worker);
  await worker.announced;

  const task = { id: 'task-123', type: 'ai', data: 'Process this text', requiresAI: true };
  await bob.submit({ ...task, priority: 'high' });
  await allDone(made, bob, 1);
  await turns();
  const heard = await ann.node.call(OPERATOR, 'events', {
    topic: 'task.result',
    timeout_s: 0,
  });
  const result = {
    taskId: 'task-123',
    result: { text: 'about: Process this text' },
    processedBy: 'worker@ann',
  };
  expect(heard).toMatchObject({ events: [{ message: result }] });
});

it('scenario 2: those who are online are told what comes, and each message of the plan is done once by its queue', async () => {
  const made = await makeWorld('ann', 'bob', 'cyd');
  const ann = nodeIn(made, 'ann');
  const { clock } = made.world;
  const told: string[] = [];
  const done: Json[] = [];
  for (const [at, type] of [
    ['bob', 'processing'],
    ['cyd', 'analysis'],
  ] as const) {
    const node = nodeIn(made, at);
    node.node.grants.add(`ann agent:${type}-agent`);
    const init = { name: `${type}-agent`, concurrency: 4, listed: true };
    const agent = createTaskAgent(callOf(node, type), init, { clock, onError: () => undefined })
      .onTask(`tasks.${type}`, (data) => {
        done.push(data);
        return { type, data };
      })
      .onMessage('command', ({ message }) => {
        told.push(`${type}: ${String(message)}`);
      });
    closes(agent);
    await agent.announced;
  }
  const mcpClient = closes(new AgentClient({ call: callOf(ann, 'planner'), clock }));
  const plan = Array.from({ length: 20 }, (_, at): TaskMessage => ({
    id: `work-${at}`,
    type: at % 2 === 0 ? 'processing' : 'analysis',
    data: at,
    priority: at === 0 ? 'high' : 'medium',
  }));
  const agents = await mcpClient.listAgents('online');
  expect(agents).toHaveLength(2);
  for (const { endpoint } of agents) {
    const { status } = await mcpClient.sendMessage(endpoint, 'Prepare for 10 tasks', 'command');
    expect(status).toBeDefined();
  }
  for (const task of plan) await ann.submit(task, attachedClient('planner'));
  await allDone(made, ann, plan.length);
  expect(told.toSorted()).toEqual([
    'analysis: Prepare for 10 tasks',
    'processing: Prepare for 10 tasks',
  ]);
  expect(done.toSorted((one, other) => Number(one) - Number(other))).toEqual(
    plan.map(({ data }) => data),
  );
  const { tasks } = ann.tasks.list(OPERATOR, {});
  for (const { capability, processedBy, message } of tasks) {
    const { type } = message as unknown as TaskMessage;
    expect(capability).toBe(`tasks.${type}`);
    expect(processedBy).toMatch(new RegExp(`^${type}-agent@`));
  }
  const one = await ann.node.call<TaskResult>(OPERATOR, 'task_result', {
    taskId: tasks.at(-1)?.taskId ?? '',
  });
  expect(one).toMatchObject({ priority: 'high', result: { type: 'processing', data: 0 } });
});
