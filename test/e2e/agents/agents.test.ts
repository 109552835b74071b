/** Agents on two nodes: the examples, and the requests of the documents as they stand there. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { CreateMessageRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connectHttp } from '../../../sim/client.ts';
import { attach } from '../../../src/cli/node/client.ts';
import type { NodeClient } from '../../../src/cli/node/client.ts';
import type { JsonObject } from '../../../src/core/index.ts';
import type { StarlingNode } from '../../../src/index.ts';
import { startNode } from '../../fixtures/whole-nodes.ts';
import type { Cleanups, NodeFlags } from '../../fixtures/whole-nodes.ts';
import { programsIn } from '../examples/place.ts';

const EXAMPLES = resolve(import.meta.dirname, '../../../examples/agents');

const cleanups: Cleanups = [];
afterAll(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

let root: string;
let programs: string;
let alice: StarlingNode;
let bob: StarlingNode;
let operatorOfBob: NodeClient;

const start = (name: string, more: Omit<NodeFlags, 'name'>): Promise<StarlingNode> =>
  startNode(cleanups, { stateDir: join(root, name), name, ...more });

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'starling-agents-'));
  cleanups.push(() => rm(root, { recursive: true, force: true, maxRetries: 5 }));
  programs = await programsIn(join(root, 'bin'));
  alice = await start('alice', { tcp: { enabled: true, port: 0, requireToken: false } });
  const { ticket } = await alice.createTicket();
  bob = await start('bob', { join: ticket });
  operatorOfBob = await attach(bob.status().stateDir);
  cleanups.push(() => operatorOfBob.close());
  const met = (): boolean => alice.peers().some(({ state }) => state === 'alive');
  while (!met()) await new Promise((wake) => void alice.events.once('peer', wake));
});

/** Runs an example as a person does who has Starling on the `PATH`, beside the node of `name`. */
function example(file: string, name: string, ...args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [join(EXAMPLES, file), ...args], {
    env: {
      HOME: root,
      PATH: `${programs}${delimiter}${process.env['PATH'] ?? ''}`,
      STARLING_STATE_DIR: join(root, name),
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  cleanups.push(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill();
    await once(child, 'exit');
  });
  return child;
}

async function firstLine(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error('no output');
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  return line;
}

it('two programs on two machines talk, in the examples of ten lines each', async () => {
  const answerer = example('answerer.mjs', 'bob');
  await firstLine(answerer);
  const operatorOfAlice = await attach(alice.status().stateDir);
  cleanups.push(() => operatorOfAlice.close());
  const query = { agentId: 'echo@bob', message: 'hello', type: 'query' };
  await expect(operatorOfAlice.builtin('agent_message', query)).rejects.toMatchObject({
    code: 'STARLING_CALL_REFUSED',
    hint: expect.stringContaining('starling grant create alice --agent') as string,
  });
  await operatorOfBob.builtin('grant_create', { peer: 'alice', agents: ['echo'] });
  const asker = example('asker.mjs', 'alice', 'echo@bob', 'hello');
  expect(await firstLine(asker)).toBe('you said: hello');
  await once(asker, 'exit');
});

it('a right that is taken back while an agent works ends the question at whoever asked, and the answer goes to nobody', async () => {
  let release: (text: string) => void = () => undefined;
  let begun: () => void = () => undefined;
  const works = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const slow = bob.agent({ name: 'slow' });
  slow.onMessage('query', ({ message }) => {
    if (message !== 'dig') return message;
    begun();
    return new Promise((resolve) => {
      release = resolve;
    });
  });
  await slow.announced;
  cleanups.push(() => slow.close());
  await operatorOfBob.builtin('grant_create', { peer: 'alice', agents: ['slow'] });
  const operatorOfAlice = await attach(alice.status().stateDir);
  cleanups.push(() => operatorOfAlice.close());
  const query = { agentId: 'slow@bob', message: 'dig', type: 'query' };
  const asked = operatorOfAlice.builtin('agent_message', query);
  const told = expect(asked).rejects.toMatchObject({ code: 'STARLING_CALL_REFUSED' });
  await works;
  const { grants } = await operatorOfBob.builtin<{ grants: { id: string }[] }>('grant_list');
  const given = grants.filter((one) => JSON.stringify(one).includes('agent:slow'));
  expect(given).toHaveLength(1);
  for (const { id } of given) await operatorOfBob.builtin('grant_revoke', { id });
  await told;
  release('too late');
  const again = { ...query, message: 'still there?' };
  await expect(operatorOfAlice.builtin('agent_message', again)).rejects.toMatchObject({
    code: 'STARLING_CALL_REFUSED',
  });
  // The agent is none the worse for it.
  const own = { agentId: 'slow', message: 'still there?', type: 'query' };
  await expect(operatorOfBob.builtin('agent_message', own)).resolves.toMatchObject({
    response: 'still there?',
  });
});

/** Sends lines over TCP, as VisionFlow's clients do, and gives the answers in order. */
async function overTcp(requests: readonly JsonObject[]): Promise<JsonObject[]> {
  const [host = '', port = ''] = (alice.status().endpoints.tcp ?? '').split(':');
  const socket = connect({ host, port: Number(port) });
  await once(socket, 'connect');
  const answers: JsonObject[] = [];
  const hello = {
    jsonrpc: '2.0',
    id: 'hello',
    method: 'initialize',
    params: {
      protocolVersion: '2024-11-05',
      capabilities: {},
      clientInfo: { name: 'visionflow', version: '1.0.0' },
    },
  };
  for (const one of [hello, ...requests]) socket.write(`${JSON.stringify(one)}\n`);
  for await (const line of createInterface(socket)) {
    answers.push(JSON.parse(line) as JsonObject);
    if (answers.length === requests.length + 1) break;
  }
  socket.destroy();
  const byId = new Map(answers.map((answer) => [answer['id'], answer]));
  return requests.map(({ id }) => byId.get(id ?? null) ?? {});
}

it("VisionFlow's agent_message and agent_status run over TCP as written, their fields at the top of the result", async () => {
  const call = (id: number, name: string, args: JsonObject): JsonObject => ({
    jsonrpc: '2.0',
    id,
    method: 'tools/call',
    params: { name, arguments: args },
  });
  await overTcp([
    call(1, 'agent_announce', { id: 'agent_456', name: 'coder-456', capabilities: ['rust'] }),
    call(2, 'agent_announce', { id: 'agent_001', name: 'one' }),
  ]);
  // The document's words: "Hierarchical Addressing", "Batch Operations".
  const written = {
    method: 'tools/call',
    params: {
      name: 'agent_message',
      arguments: {
        swarmId: 'swarm_123',
        agentId: 'agent_456',
        message: { type: 'command', action: 'analyse_code', params: { file: 'main.rs' } },
      },
    },
  };
  const batch = {
    jsonrpc: '2.0',
    id: 11,
    method: 'batch',
    params: ['agent_001', 'agent_002'].map((agentId) => ({
      method: 'tools/call',
      params: { name: 'agent_status', arguments: { agentId } },
    })),
  };
  const [sent, both, inbox] = await overTcp([
    { jsonrpc: '2.0', id: 3, ...written },
    batch,
    call(5, 'agent_inbox', { name: 'coder-456', timeout_s: 10 }),
  ]);
  expect(sent).toMatchObject({ result: { agentId: 'agent_456', status: 'delivered' } });
  expect(both).toMatchObject({
    result: [
      { result: { agentId: 'agent_001', status: 'online', metrics: { errors: 0 } } },
      { error: { code: -32_001, data: { agentId: 'agent_002' } } },
    ],
  });
  expect(inbox).toMatchObject({
    result: { messages: [{ type: 'command', message: { action: 'analyse_code' } }] },
  });
});

it("AI Flock's announce, list, info and message run over MCP by their bare names", async () => {
  const { endpoints } = alice.status();
  const tokenFile = endpoints.tokenFile;
  expect(await readFile(tokenFile, 'utf8')).not.toBe('');
  const client = await connectHttp({ url: endpoints.url ?? '', tokenFile });
  cleanups.push(() => client.close());
  const call = (name: string, args: Record<string, unknown>): Promise<unknown> =>
    client.callTool({ name, arguments: args });
  const announced = await call('agent_announce', {
    id: 'agent-2',
    name: 'agent-2',
    capabilities: ['claude-ai', 'text-analysis'],
    maxConcurrentTasks: 5,
    timestamp: '2026-01-22T10:00:00.000Z',
  });
  expect(announced).toMatchObject({ agentId: 'agent-2', name: 'agent-2', status: 'online' });
  const listed = (await call('agent_list', { status: 'online' })) as {
    agents: { id: string; capabilities?: string[] }[];
  };
  const claudeAgents = listed.agents.filter((agent) => agent.capabilities?.includes('claude-ai'));
  expect(claudeAgents.map(({ id }) => id)).toEqual(['agent-2']);
  const info = await call('agent_info', { agentId: 'agent-2' });
  expect(info).toMatchObject({ id: 'agent-2', maxConcurrentTasks: 5, metrics: { sent: 0 } });
  // Network-AI's registry has these of each agent, AI Flock's heartbeats the last three.
  expect(info).toMatchObject({
    agentId: 'agent-2',
    machine_id: alice.peerId,
    capabilities: ['claude-ai', 'text-analysis'],
    trust_level: expect.any(Number) as number,
    last_seen: expect.stringMatching(/^\d{4}-\d\d-\d\dT/) as string,
    endpoint: 'agent-2@alice',
    status: 'online',
    uptime: expect.any(Number) as number,
    tasksProcessed: 0,
  });
  const sent = await call('agent_message', {
    to: 'agent-2',
    message: 'Process this data',
    type: 'command',
    priority: 'high',
    data: { rows: 3 },
    timeout: 30_000,
  });
  expect(sent).toMatchObject({ status: 'delivered', agentId: 'agent-2' });
  const inbox = await call('agent_inbox', { name: 'agent-2', timeout_s: 10 });
  expect(inbox).toMatchObject({
    messages: [{ message: 'Process this data', priority: 'high', data: { rows: 3 } }],
  });
});

it('messages for an agent that says deliver: sampling go to the model of its session, over HTTP', async () => {
  const { url = '', tokenFile } = alice.status().endpoints;
  const token = (await readFile(tokenFile, 'utf8')).trim();
  const program = new Client(
    { name: 'thinker', version: '1.0.0' },
    { capabilities: { sampling: {} } },
  );
  const asked: string[] = [];
  program.setRequestHandler(CreateMessageRequestSchema, async ({ params }) => {
    asked.push(JSON.stringify(params.messages));
    return { role: 'assistant', model: 'own', content: { type: 'text', text: 'four' } };
  });
  const requestInit = { headers: { authorization: `Bearer ${token}` } };
  const transport: Transport = new StreamableHTTPClientTransport(new URL(url), { requestInit });
  await program.connect(transport);
  cleanups.push(() => program.close());
  const args = { name: 'thinker', deliver: 'sampling', listed: true };
  expect(await program.callTool({ name: 'agent_announce', arguments: args })).toMatchObject({
    name: 'thinker',
    status: 'online',
  });
  const query = { agentId: 'thinker', type: 'query', message: 'what is 2 + 2?' };
  expect(await alice.call('agent_message', query)).toMatchObject({ response: 'four' });
  expect(asked).toHaveLength(1);
  expect(asked[0]).toContain('what is 2 + 2?');
});
