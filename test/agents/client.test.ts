/** The AI Flock guide's client: its snippets, and agents in the node's own process. */
import { afterEach, expect, it } from 'vitest';
import { AgentClient, createNodeAgent } from '../../src/agents/index.ts';
import type { AgentCall } from '../../src/agents/index.ts';
import type { Json } from '../../src/core/index.ts';
import { OPERATES, client, makeWorld } from './world.ts';
import type { TestNode, TestWorld } from './world.ts';

let world: TestWorld;
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
  await world.stop();
});

async function two(): Promise<{ alice: TestNode; bob: TestNode }> {
  world = await makeWorld('alice', 'bob');
  const { alice, bob } = world.nodes;
  if (alice === undefined || bob === undefined) throw new Error('no nodes');
  bob.grants.add('alice agent:agent-2').add('alice agent:agent-3');
  return { alice, bob };
}

/** A client of a node; it hears nothing of what a test does not wait for. */
function clientOf(node: TestNode, name: string): AgentClient {
  const call: AgentCall = (tool, args, { signal }) => node.call(client(name), tool, args, signal);
  const made = new AgentClient({ call, clock: world.clock });
  closing.push(() => made.close());
  return made;
}

it("runs the guide's snippets: announce, list, info, message, handlers, capability", async () => {
  const { alice, bob } = await two();
  const server = clientOf(bob, 'server');
  const capabilities = ['claude-ai', 'text-analysis', 'code-generation'];
  const heard: unknown[] = [];
  server.registerMessageHandler('command', async (message) => {
    heard.push(`Received command from ${message.from}: ${String(message.message)}`);
  });
  server.registerMessageHandler('query', async (message) => {
    const response = { you: message.message, said: message.metadata['capability'] ?? 'nothing' };
    await server.sendResponse(message.from, response, message.metadata);
  });
  await server.announceAgent({
    id: 'agent-2',
    name: 'agent-2',
    capabilities,
    maxConcurrentTasks: 5,
    timestamp: '2026-01-22T10:00:00.000Z',
  });

  const mcpClient = clientOf(alice, 'caller');
  const agents = await mcpClient.listAgents('online');
  const claudeAgents = agents.filter((agent) => agent.capabilities?.includes('claude-ai'));
  expect(claudeAgents.map(({ id }) => id)).toEqual(['agent-2']);
  expect(await mcpClient.getAgentInfo('agent-2')).toMatchObject({ maxConcurrentTasks: 5 });
  await mcpClient.sendMessage('agent-2', 'Process this data', 'command', {
    priority: 'high',
    data: { rows: 3 },
    timeout: 30_000,
  });
  const { response } = await mcpClient.sendMessage(
    'agent-2',
    'What is your current status?',
    'query',
  );
  expect(response).toEqual({ you: 'What is your current status?', said: 'nothing' });
  expect(heard).toEqual(['Received command from client:caller@alice: Process this data']);
  const result = await mcpClient.requestCapability('text-analysis', { text: 'good' }, 30_000);
  expect(result).toEqual({ you: { text: 'good' }, said: 'text-analysis' });
  const { metrics } = await mcpClient.getAgentInfo('agent-2');
  expect(metrics).toMatchObject({ received: 3, capabilityRequests: { 'text-analysis': 1 } });
  await expect(mcpClient.requestCapability('made-up', {})).rejects.toMatchObject({
    code: 'STARLING_AGENT_UNKNOWN',
  });
});

it('an agent in the process of the node answers with what its function gives, and fails with what it throws', async () => {
  const { alice, bob } = await two();
  const errors: unknown[] = [];
  const call: AgentCall = (tool, args, { signal }) => bob.call(OPERATES, tool, args, signal);
  const agent = createNodeAgent(call, { name: 'agent-3', concurrency: 2 }, (error) =>
    errors.push(error),
  );
  closing.push(() => agent.close());
  agent.onMessage('query', ({ message }): Json => {
    if (message === 'break') throw new Error('it broke');
    return { doubled: Number(message) * 2 };
  });
  await agent.announced;
  const caller = clientOf(alice, 'caller');
  const ask = (message: Json): Promise<unknown> =>
    caller.sendMessage('agent-3@bob', message, 'query');
  expect(await Promise.all([ask(1), ask(2), ask(3)])).toMatchObject([
    { response: { doubled: 2 } },
    { response: { doubled: 4 } },
    { response: { doubled: 6 } },
  ]);
  await expect(ask('break')).rejects.toMatchObject({
    code: 'STARLING_AGENT_FAILED',
    message: 'agent agent-3: it broke',
  });
  expect(errors).toHaveLength(1);
});

it('what one agent can not take goes to the next, and nobody able has the refusal of each in the error', async () => {
  const { alice, bob } = await two();
  const able = clientOf(bob, 'able');
  await able.announceAgent({ name: 'agent-2', capabilities: ['dig'], tags: ['fast'] });
  able.registerMessageHandler('query', () => 'dug');
  const other = clientOf(bob, 'other');
  await other.announceAgent({ name: 'agent-3', capabilities: ['dig'], listed: true });
  other.registerMessageHandler('query', () => 'dug by the other');
  const caller = clientOf(alice, 'caller');
  const dig = (options: object = {}): Promise<Json> =>
    caller.requestCapability('dig', {}, 5000, options);
  expect(await dig({ tags: ['fast'] })).toBe('dug');
  expect(await dig({ tags: ['-fast'] })).toBe('dug by the other');
  expect(await dig({ prefer: 'agent-3' })).toBe('dug by the other');
  // Its node lets alice write to it no more: it is seen all the same, because it is listed.
  bob.grants.delete('alice agent:agent-3');
  expect(await dig({ prefer: 'agent-3' })).toBe('dug');
  bob.grants.delete('alice agent:agent-2');
  world.clock.advance(11_000);
  await expect(dig()).rejects.toMatchObject({
    code: 'STARLING_AGENT_FAILED',
    data: { refusals: [{ agent: 'agent-3@bob' }] },
  });
});
