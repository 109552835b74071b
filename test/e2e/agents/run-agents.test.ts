/** Agents that a node runs, with real programs in their sandboxes: spawned, asked, bounded, killed, and gone with the node. */
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { beforeAll, expect, it } from 'vitest';
import type { NodeProcess, ProcessInit } from '../../../sim/process.ts';
import type { AgentInfoResult, AgentMessageResult } from '../../../src/agents/index.ts';
import type { Json, JsonObject } from '../../../src/core/index.ts';
import type { BudgetView } from '../../../src/budget/index.ts';
import { resultsIn, startScriptedVendor } from '../../thinking/scripted-vendor.ts';
import type { ScriptedVendor } from '../../thinking/scripted-vendor.ts';
import { sandboxMissing } from '../sandbox-missing.ts';
import { saidProgram } from '../../proposals/program.ts';
import type { SaidProgram } from '../../proposals/program.ts';
import { SERVERS, attempt, builtin, eventually, json, ok, toolList, useWorld } from '../support.ts';
import { longIt } from '../../long/long-it.ts';

const world = useWorld('file');
const hasSandbox = (await sandboxMissing()) === undefined;
const program = (file: string): JsonObject => ({
  command: process.execPath,
  args: [resolve(import.meta.dirname, '../../fixtures/agents', file)],
});

let node: NodeProcess;
let start: () => Promise<NodeProcess>;
let log: string;
let vendor: ScriptedVendor;

beforeAll(async () => {
  log = join(await world.root(), 'plain.log');
  vendor = await startScriptedVendor();
  world.defer(() => vendor.stop());
  const init: Partial<ProcessInit> = {
    args: ['--tcp', '0'],
    config: {
      mcpServers: { plain: { ...SERVERS.fixture('plain.mjs', '--log', log), sandbox: false } },
      models: { providers: { gpu: { endpoint: vendor.url } } },
      agents: {
        unconfined: true,
        max: 60,
        kinds: {
          maker: { model: 'gpu/mind', tools: ['tool:starling/infrastructure_propose'] },
          thinker: { model: 'gpu/mind', tools: ['tool:plain/note', 'tool:plain/hang'], steps: 8 },
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
          crowd: {
            command: 'sleep',
            args: ['86400'],
            protocol: 'lines',
            sandbox: false,
            maxReplicas: 50,
          },
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
        kinds: [
          'bare',
          'coder',
          'coordinator',
          'crowd',
          'maker',
          'mcp',
          'researcher',
          'thinker',
          'tight',
        ],
      },
    },
  });
});

/** A process that has ended may be listed until somebody asks for its exit code. */
async function lives(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => undefined);
  return status !== undefined && !/^State:\tZ/m.test(status);
}

it('a node that is killed leaves none of the fifty and more processes of its agents, not even one that left the group', async () => {
  if (process.platform !== 'linux') return;
  await ok(node, 'agent', 'spawn', 'bare', '--name', 'stray');
  const stray = (await ask('stray', { do: 'child' })) as number;
  await builtin(node, 'agent_spawn', { agentType: 'crowd', replicas: 50, wait_s: 30 });
  const pids = (await Promise.all(['stray', 'worker', 'reviewer', 'crowd'].map(infoOf))).flatMap(
    ({ run }) => run?.pids ?? [],
  );
  expect(pids).toHaveLength(53);
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
  await ok(node, 'agent', 'retire', 'crowd');
  await ok(node, 'agent', 'stop', 'worker');
  const { status, run } = await infoOf('worker');
  expect({ status, run }).toEqual({ status: 'stopped', run: undefined });
});

// Each step of it: `proposals` and `builtin/proposals`.
longIt(
  'what an agent proposes is shown, runs on trial, and becomes a server by a person alone, also where the node ends in between',
  async () => {
    await builtin(node, 'agent_spawn', { agentType: 'maker', name: 'maker', wait_s: 30 });
    const propose = async (more: Partial<SaidProgram> = {}): Promise<string> => {
      vendor.script = (request) => {
        const [said] = resultsIn(request);
        return said === undefined
          ? { calls: [['starling__infrastructure_propose', saidProgram(more)]] }
          : { text: said };
      };
      return String(await ask('maker', 'make pictures small'));
    };
    const said = await propose();
    const [, id = ''] = /"proposal":"([^"]+)"/.exec(said) ?? [];
    expect(said).toContain('"state":"pending"');
    expect(await ok(node, 'status')).toContain('1 proposal of agents waits for you');
    expect(await ok(node, 'proposals')).toContain("a server 'resize', by client:agent:maker");
    const shown = await ok(node, 'proposals', 'show', id.slice(0, 8));
    expect(shown).toContain('mcpServers.resize\n+ {\n+   "command": "node",');
    expect(shown).toContain("+ import { createInterface } from 'node:readline';");
    expect(shown).toContain('it has not run on trial');
    const [, digest = ''] = /^digest ([\da-f]{64})$/m.exec(shown) ?? [];
    const approve = ['proposals', 'approve', id, '--digest', digest.slice(0, 16)];
    // Nobody is asked here, nothing was tried, and another digest is another program.
    for (const words of [
      ['proposals', 'approve', id],
      approve,
      ['proposals', 'approve', id, '--digest', '0'.repeat(16)],
    ]) {
      const { code } = await attempt(node, ...words);
      expect(code, words.join(' ')).not.toBe(0);
    }
    if (!hasSandbox) {
      expect((await attempt(node, 'proposals', 'try', id)).stderr).toContain('no sandbox');
      return;
    }
    const tried = await ok(node, 'proposals', 'try', id);
    expect(tried).toContain(
      'it started and told of 1 tools:\n  resize  it says: Makes pictures small.',
    );
    const configFile = join(node.stateDir, '..', 'starling.json');
    // A person agrees, and the node is killed before anything is written.
    await builtin(node, 'proposal_answer', { id, approve: true, digest });
    await node.stop('SIGKILL');
    node = await start();
    expect(await readFile(configFile, 'utf8')).not.toContain('resize');
    expect(await ok(node, 'proposals')).toContain('not in the config file');
    const before = await readFile(configFile, 'utf8');
    await writeFile(configFile, before.replace('{', '{ // mine'));
    expect(await ok(node, ...approve)).toContain('approved: resize is in');
    const after = await readFile(configFile, 'utf8');
    expect(after).toContain('{ // mine');
    expect(after).toContain('"network": false');
    const resize = async (): Promise<string | undefined> =>
      (await toolList(node)).map(({ name }) => name).find((name) => name.endsWith('resize'));
    await eventually('the server is there', resize, (name) => name !== undefined);
    expect(await ok(node, 'call', (await resize()) ?? '')).toContain('small');
    // Once more is nothing new, and its name is taken now.
    expect(await ok(node, ...approve)).toContain('approved: resize is in');
    expect(await readFile(configFile, 'utf8')).toBe(after);
    await expect(propose({ args: ['src/main.mjs', '--evil'] })).resolves.toContain('is called');
    await writeFile(configFile, before);
  },
);

/** What the server `plain` was asked to do by the agent that thinks. */
async function plainCalls(): Promise<readonly string[]> {
  const lines = (await readFile(log, 'utf8')).split('\n').filter((line) => line !== '');
  return lines.flatMap((line) => {
    const { method, params } = JSON.parse(line) as {
      readonly method?: string;
      readonly params?: { readonly name?: string; readonly arguments?: { readonly mark?: string } };
    };
    const mark = params?.arguments?.mark;
    return method === 'tools/call' && mark !== undefined ? [`${params?.name} ${mark}`] : [];
  });
}

it('an agent that thinks goes on where it was when its node is killed: no call twice, and the books are right', async () => {
  const limit = 100_000;
  await builtin(node, 'budget_create', { name: 'thinking', limit: `${limit} tokens` });
  const spawned = { agentType: 'thinker', name: 'thinker', budget: 'thinking', wait_s: 30 };
  await builtin(node, 'agent_spawn', spawned);
  let isSilent = true;
  vendor.got.length = 0;
  vendor.script = (request) => {
    const results = resultsIn(request);
    if (results.length === 0) return { calls: [['plain__note', { mark: 'one' }]] };
    if (results.length === 1) return { calls: [['plain__hang', { mark: 'two' }]] };
    if (results.length === 2) {
      return isSilent
        ? new Promise(() => undefined)
        : { calls: [['plain__note', { mark: 'three' }]] };
    }
    return { text: results[1]?.includes('Nobody knows') === true ? 'unsure of two' : 'all done' };
  };
  await builtin(node, 'agent_message', { agentId: 'thinker', message: 'go', type: 'command' });
  await eventually('it waits for a tool', plainCalls, (calls) => calls.includes('hang two'));
  const asked = vendor.got.length;
  expect(asked).toBe(2);
  await node.stop('SIGKILL');
  node = await start();
  // What was under way when the node ended is not called again; the model is told, and is asked when it ends once more.
  await eventually(
    'its model is asked again',
    async () => vendor.got.length,
    (count) => count > asked,
  );
  await node.stop('SIGKILL');
  isSilent = false;
  node = await start();
  await eventually(
    'it has answered',
    () => ok(node, 'agent', 'logs', 'thinker'),
    (text) => text.includes('answered after'),
  );
  await expect(plainCalls()).resolves.toEqual(['note one', 'hang two', 'note three']);
  // Two before the first end, one that broke off with the second, and the same and the last one after.
  expect(vendor.got).toHaveLength(5);
  const { free, held, spent } = await builtin<BudgetView>(node, 'budget_show', {
    name: 'thinking',
  });
  // 15 tokens for each answer; of the one that nobody heard what it may have cost.
  expect(spent + held).toBeGreaterThan(4 * 15);
  expect(spent + held + free).toBe(limit);
});
