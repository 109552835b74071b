/** Agents that a node runs, with real programs in their sandboxes: spawned, asked, bounded, killed, and gone with the node. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { beforeAll, expect, it } from 'vitest';
import type { NodeProcess, ProcessInit } from '../../sim/process.ts';
import type { AgentInfoResult, AgentMessageResult } from '../../src/agents/index.ts';
import type { Json, JsonObject } from '../../src/core/index.ts';
import { sandboxMissing } from './sandbox-missing.ts';
import { SERVERS, builtin, eventually, json, ok, useWorld } from './support.ts';

const world = useWorld('file');
const hasSandbox = (await sandboxMissing()) === undefined;
const program = (file: string): JsonObject => ({
  command: process.execPath,
  args: [resolve(import.meta.dirname, '../fixtures/agents', file)],
});

let node: NodeProcess;
let start: () => Promise<NodeProcess>;

beforeAll(async () => {
  const log = join(await world.root(), 'plain.log');
  const init: Partial<ProcessInit> = {
    args: ['--tcp', '0'],
    config: {
      mcpServers: { plain: { ...SERVERS.fixture('plain.mjs', '--log', log), sandbox: false } },
      agents: {
        unconfined: true,
        kinds: {
          coder: {
            ...program('worker.mjs'),
            protocol: 'lines',
            tools: ['tool:plain/note'],
            maxReplicas: 2,
            capabilities: ['python', 'rust', 'typescript'],
          },
          mcp: program('mcp-worker.mjs'),
          tight: { ...program('worker.mjs'), protocol: 'lines', processes: 40, memory: '256Mi' },
          bare: { ...program('worker.mjs'), protocol: 'lines', sandbox: false },
        },
      },
    },
  };
  start = () => world.start('alice', init);
  node = await start();
});

async function ask(agentId: string, message: Json): Promise<Json> {
  const { response } = await builtin<AgentMessageResult>(node, 'agent_message', {
    agentId,
    message,
    type: 'query',
  });
  return response ?? null;
}

const infoOf = (agentId: string): Promise<AgentInfoResult> =>
  builtin(node, 'agent_info', { agentId });

it('agents of both protocols are spawned from the command line, and answer', async () => {
  const said = await ok(node, 'agent', 'spawn', 'mcp', '--name', 'reviewer');
  expect(said).toMatch(/^reviewer \(agent_\d+_\w+\) {2}ready in [\d.]+s {2}pid \d+/);
  await expect(ask('reviewer', 'hello')).resolves.toBe('over MCP: hello');
  const spawned = await json<JsonObject>(node, 'agent', 'spawn', 'coder', '--name', 'worker');
  expect(spawned).toMatchObject({
    name: 'worker',
    status: 'ready',
    resources: { allocated: true },
    tools: ['tool:plain/note'],
  });
  await expect(ask('worker', 'hello')).resolves.toBe('you said: "hello"');
  await expect(ask('worker', { do: 'env', name: 'AGENT_NAME' })).resolves.toBe('worker');
});

it('an agent uses what its kind may, and nothing else; it finds no key of the node', async () => {
  await expect(ask('worker', { do: 'call', tool: 'plain__note' })).resolves.toMatchObject({
    result: 'noted',
  });
  for (const tool of ['plain__pid', 'starling__grant_list', 'starling__agent_spawn']) {
    await expect(ask('worker', { do: 'call', tool }), tool).resolves.toMatchObject({
      error: expect.any(String) as string,
    });
  }
  if (!hasSandbox) return;
  const key = join(node.stateDir, 'key');
  await expect(ask('worker', { do: 'read', path: key })).resolves.toBe('ENOENT');
});

it('an agent is no way to what its sender may not use: a key that may write to it gets no tool by it', async () => {
  const asKey = async (name: string, scopes: readonly string[]): Promise<unknown> => {
    const { key } = await builtin<{ key: string }>(node, 'key_create', {
      name,
      scopes: [...scopes],
    });
    const answer = await fetch(`${node.up.endpoints.url}/tools/agent_message`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        agentId: 'worker',
        type: 'query',
        message: { do: 'call', tool: 'plain__note' },
      }),
    });
    expect(answer.status).toBe(200);
    return ((await answer.json()) as { structuredContent: { response: unknown } }).structuredContent
      .response;
  };
  await expect(asKey('narrow', ['agent:worker'])).resolves.toMatchObject({
    error: expect.stringContaining('the client narrow, for whom it works') as string,
  });
  await expect(asKey('wide', ['agent:worker', 'tool:plain/note'])).resolves.toMatchObject({
    result: 'noted',
  });
});

it('a process that ends is started again under the same name, and what it wrote is in its log', async () => {
  const before = await infoOf('worker');
  await expect(ask('worker', { do: 'die' })).rejects.toMatchObject({
    code: 'STARLING_AGENT_FAILED',
  });
  const after = await eventually(
    'the agent runs again',
    () => infoOf('worker'),
    ({ run }) => run?.state === 'ready' && run.restarts > 0,
  );
  expect(after.id).toBe(before.id);
  expect(after.run?.pids).not.toEqual(before.run?.pids);
  await expect(ask('worker', 'again')).resolves.toBe('you said: "again"');
  expect(await ok(node, 'agent', 'logs', 'worker')).toContain('out of cheese');
});

it('memory and cores of a process are bounded as its spawner says, and what can not be is refused', async () => {
  if (process.platform !== 'linux' || !existsSync('/usr/bin/prlimit')) return;
  await ok(node, 'agent', 'spawn', 'coder', '--name', 'small', '--memory', '1Gi', '--cpu', '1');
  await expect(ask('small', { do: 'eat', mib: 64 })).resolves.toBe(8);
  await expect(ask('small', { do: 'eat', mib: 4096 })).rejects.toMatchObject({
    code: 'STARLING_AGENT_FAILED',
  });
  await expect(ask('small', { do: 'cores' })).resolves.toMatch(/^\d+$/);
});

it('a fork bomb ends at the bound of its control group, and the node goes on', async () => {
  const spawned = await json<JsonObject>(node, 'agent', 'spawn', 'tight', '--name', 'bomb');
  const { enforcedBy } = spawned['resources'] as { readonly enforcedBy: JsonObject };
  // Without control groups the answer does not say that anything bounds them.
  if (enforcedBy['processes'] === undefined) return;
  const begun = Number(await ask('bomb', { do: 'bomb', most: 60 }).catch(() => 0));
  expect(begun).toBeLessThan(40);
  await expect(ask('worker', 'hello')).resolves.toBe('you said: "hello"');
  const { resources } = (await infoOf('bomb')).run ?? {};
  expect(resources).toMatchObject({
    memory: '256Mi',
    enforcedBy: { processes: /^cgroup[12]$/.exec(String(enforcedBy['processes']))?.[0] },
  });
  await ok(node, 'agent', 'retire', 'bomb');
});

it('an answer that is too long, twice or none ends at whoever asked, and the agent answers the next one', async () => {
  await expect(ask('worker', { do: 'big', mib: 1 })).resolves.toHaveLength(1024 * 1024);
  await expect(ask('worker', { do: 'big', mib: 12 })).rejects.toMatchObject({
    code: expect.stringMatching(/^STARLING_/) as string,
  });
  await eventually(
    'it is ready again',
    () => infoOf('worker'),
    ({ run }) => run?.state === 'ready',
  );
  await expect(ask('worker', { do: 'twice' })).resolves.toBe('first');
  await expect(ask('worker', { do: 'garbage' })).resolves.toBe('after the garbage');
  // An answer to what nobody asked, while something is asked: the one error says so.
  await expect(ask('worker', { do: 'stray' })).rejects.toMatchObject({
    code: 'STARLING_AGENT_FAILED',
    message: expect.stringContaining('another one: 99999') as string,
  });
  const hung = builtin(node, 'agent_message', {
    agentId: 'worker',
    message: { do: 'hang' },
    type: 'query',
    timeoutMs: 300,
  });
  await expect(hung).rejects.toMatchObject({ code: 'STARLING_AGENT_FAILED' });
  await expect(ask('worker', 'hello')).resolves.toBe('you said: "hello"');
  await expect(
    builtin(node, 'agent_message', { agentId: 'worker', message: 'x'.repeat(10 * 1024 * 1024) }),
  ).rejects.toMatchObject({ code: expect.stringMatching(/LIMIT|TOO|SIZE/) as string });
  await expect(ask('worker', 'hello')).resolves.toBe('you said: "hello"');
});

/** Sends lines over TCP with the node's token, and gives the answers by id. */
async function overTcp(requests: readonly JsonObject[]): Promise<ReadonlyMap<unknown, JsonObject>> {
  const [host = '', port = ''] = (node.up.endpoints.tcp ?? '').split(':');
  const token = (await readFile(node.up.endpoints.tokenFile, 'utf8')).trim();
  const socket = connect({ host, port: Number(port) });
  await once(socket, 'connect');
  const params = {
    protocolVersion: '2024-11-05',
    capabilities: {},
    clientInfo: { name: 'visionflow', version: '1.0.0' },
    _meta: { 'starling/token': token },
  };
  const hello = { jsonrpc: '2.0', id: 'hello', method: 'initialize', params };
  for (const one of [hello, ...requests]) socket.write(`${JSON.stringify(one)}\n`);
  const answers = new Map<unknown, JsonObject>();
  for await (const line of createInterface(socket)) {
    const answer = JSON.parse(line) as JsonObject;
    answers.set(answer['id'], answer);
    if (answers.size === requests.length + 1) break;
  }
  socket.destroy();
  return answers;
}

it("VisionFlow's agent_spawn is refused as written by the name of what can't be enforced, and runs without that", async () => {
  const made = await ok(node, 'swarm', 'create', 'fix', '--json');
  // The document's words, "Spawn Agent", but for the id of a swarm, which is that of one that there is.
  const written = {
    agentType: 'coder',
    swarmId: (JSON.parse(made) as { swarmId: string }).swarmId,
    config: {
      model: 'claude-3-opus',
      temperature: 0.7,
      capabilities: ['python', 'rust', 'typescript'],
      maxTokens: 4096,
      timeout: 300,
      retryAttempts: 3,
    },
    resources: { cpuLimit: '2000m', memoryLimit: '4Gi', gpuAccess: true },
  };
  const call = (id: number, args: JsonObject): JsonObject => ({
    jsonrpc: '2.0',
    id,
    method: 'tools/call',
    params: { name: 'agent_spawn', arguments: args },
  });
  const answers = await overTcp([
    call(3, written),
    call(4, { ...written, resources: {} }),
    call(5, { ...written, agentType: 'poet' }),
  ]);
  expect(answers.get(3)).toMatchObject({
    error: { code: -32_001, message: expect.stringContaining('gpuAccess') as string },
  });
  expect(answers.get(4)).toMatchObject({
    result: {
      agentId: expect.stringMatching(/^agent_\d+_\w+$/) as string,
      capabilities: ['python', 'rust', 'typescript'],
      resources: { allocated: true },
    },
  });
  expect(answers.get(5)).toMatchObject({
    error: {
      code: -32_001,
      data: {
        reason: 'kind',
        kinds: ['bare', 'coder', 'coordinator', 'mcp', 'researcher', 'tight'],
      },
    },
  });
});

/** A process that has ended may be listed until somebody asks for its exit code. */
async function lives(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => undefined);
  return status !== undefined && !/^State:\tZ/m.test(status);
}

it('a node that is killed leaves no process of its agents, not even one that left the group', async () => {
  if (process.platform !== 'linux') return;
  await ok(node, 'agent', 'spawn', 'bare', '--name', 'stray');
  const stray = (await ask('stray', { do: 'child' })) as number;
  const pids = (await Promise.all(['stray', 'worker', 'reviewer'].map(infoOf))).flatMap(
    ({ run }) => run?.pids ?? [],
  );
  expect(pids).toHaveLength(3);
  expect(await ok(node, 'status')).toContain('agents.unconfined');
  await node.stop('SIGKILL');
  node = await start();
  await eventually(
    'nothing of before runs',
    () => Promise.all([stray, ...pids].map(lives)),
    (left) => !left.includes(true),
  );
  // The agents are there again, by the same names.
  await eventually(
    'the agents run again',
    () => infoOf('worker'),
    ({ run }) => run?.state === 'ready',
  );
  await expect(ask('worker', 'hello')).resolves.toBe('you said: "hello"');
  await ok(node, 'agent', 'stop', 'worker');
  const { status, run } = await infoOf('worker');
  expect({ status, run }).toEqual({ status: 'stopped', run: undefined });
});
