/** Agents that think with a model: a whole node, real servers and its own functions, and a vendor at the wire whose model does as the test says. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { MemoryNetwork } from '../../sim/memory-transport.ts';
import type { AgentMessageResult, AgentSpawnResult } from '../../src/agents/index.ts';
import { attach } from '../../src/cli/node/client.ts';
import type { NodeClient } from '../../src/cli/node/client.ts';
import type { Json, JsonObject } from '../../src/core/index.ts';
import { createNode, loadConfig } from '../../src/index.ts';
import type { StarlingNode } from '../../src/index.ts';
import { resultsIn, startScriptedVendor } from './scripted-vendor.ts';
import type { ChatRequest, ScriptedVendor } from './scripted-vendor.ts';

const cleanups: (() => unknown)[] = [];
afterAll(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

let root: string;
let config: Awaited<ReturnType<typeof loadConfig>>;
let vendor: ScriptedVendor;
let node: StarlingNode;
let operator: NodeClient;
let clerk: AgentSpawnResult;
/** Calls of `functions/note`. */
let noted: string[] = [];

const POLICY = `
zones:
  external:
    sources: ['page']
    approval_required: ['functions/note']
  trusted:
    approval_required: ['functions/note']
callers:
  client:visitor: { zone: external }
`;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'starling-thinking-'));
  cleanups.push(() => rm(root, { recursive: true, force: true, maxRetries: 5 }));
  vendor = await startScriptedVendor();
  cleanups.push(() => vendor.stop());
  const policy = join(root, 'policy.yaml');
  await writeFile(policy, POLICY);
  const plain = resolve(import.meta.dirname, '../fixtures/servers/plain.mjs');
  config = await loadConfig({
    env: { STARLING_CONFIG: '' },
    flags: {
      name: 'alice',
      stateDir: join(root, 'alice'),
      listen: ['/ip4/10.83.0.1/tcp/4040'],
      mdns: false,
      http: { port: 0 },
      policy,
      mcpServers: {
        page: {
          command: process.execPath,
          args: [plain, '--log', join(root, 'page.log'), '--label', 'Dear reader'],
          sandbox: false,
        },
        words: {
          command: process.execPath,
          args: [resolve(import.meta.dirname, '../fixtures/servers/prompts.mjs')],
          sandbox: false,
        },
      },
      models: {
        providers: { gpu: { endpoint: vendor.url } },
        routes: { cheap: { models: ['gpu/mind'] } },
      },
      agents: {
        kinds: {
          clerk: {
            model: 'cheap',
            instructions: 'You keep the books.',
            tools: ['tool:functions/*', 'tool:page/*', 'prompt:page/*'],
            steps: 4,
          },
          looker: { model: 'cheap', tools: ['tool:starling/peers', 'tool:functions/*'] },
          courier: {
            model: 'cheap',
            tools: ['tool:page/*', 'tool:starling/agent_message', 'agent:*'],
          },
          scripted: {
            model: 'cheap',
            instructions: 'You keep the books.',
            tools: ['prompt:words/*'],
          },
          proxy: { model: 'cheap', tools: ['tool:functions/*'], ownRights: true },
        },
      },
    },
  });
  await open();
  await node.tool({ name: 'note', inputSchema: { type: 'object' } }, async ({ mark }) => {
    noted.push(String(mark));
    return { noted: true };
  });
  clerk = await spawn({ agentType: 'clerk' });
});

async function open(): Promise<void> {
  const opened = await createNode(config, {
    transports: [new MemoryNetwork().host('10.83.0.1')],
  });
  cleanups.push(() => opened.stop());
  await opened.start();
  const client = await attach(opened.status().stateDir);
  cleanups.push(() => client.close());
  [node, operator] = [opened, client];
}

async function restart(): Promise<void> {
  await node.stop();
  await open();
  const ready = async (): Promise<void> => {
    await expect(operator.builtin('agent_info', { agentId: 'clerk' })).resolves.toMatchObject({
      run: { state: 'ready' },
    });
  };
  await vi.waitFor(ready, 20_000);
}

beforeEach(() => {
  noted = [];
  vendor.got.length = 0;
  vendor.script = () => ({ text: 'ready' });
});

const spawn = (args: JsonObject): Promise<AgentSpawnResult> =>
  operator.builtin('agent_spawn', { wait_s: 30, ...args });

async function ask(agentId: string, message: Json, more: JsonObject = {}): Promise<Json> {
  const sent = { agentId, message, type: 'query', ...more };
  const { response } = await operator.builtin<AgentMessageResult>('agent_message', sent);
  return response ?? null;
}

/** What waits for an approval, once one thing does. */
function oneWaiting(): Promise<{ readonly id: string; readonly resource: string }> {
  return vi.waitFor(async () => {
    const { approvals } = await operator.builtin<{
      approvals: { id: string; resource: string }[];
    }>('approval_list');
    expect(approvals).toHaveLength(1);
    const [first] = approvals;
    return first ?? expect.fail('nothing waits');
  }, 20_000);
}

it('an agent calls tools by its own rights, reads what they give as data, and answers', async () => {
  expect(clerk).toMatchObject({ status: 'ready', model: 'cheap', pids: [] });
  vendor.script = (request) => {
    const [said] = resultsIn(request);
    return said === undefined
      ? { text: 'I note it.', calls: [['functions__note', { mark: 'one' }]] }
      : { text: said.includes('noted') ? 'It is noted.' : 'It is not.' };
  };
  await expect(ask('clerk', 'note this')).resolves.toBe('It is noted.');
  expect(noted).toEqual(['one']);
  const [first, second] = vendor.got;
  const [system, question] = first?.messages ?? [];
  expect(system?.content).toContain('You keep the books.');
  const [, about = '', mark = '', text, close] =
    /^(.*)\n([\da-f]{16})\n(.*)\n(.*)$/s.exec(question?.content ?? '') ?? [];
  expect(about).toContain("from 'operator@alice'");
  expect([text, close]).toEqual(['note this', mark]);
  expect(resultsIn(second ?? { model: '', messages: [] })[0]).toMatch(
    new RegExp(`^What the call gave \\(functions__note\\):\n${mark}\n[^]*\n${mark}$`),
  );
  const { lines } = await operator.builtin<{ lines: { text: string }[] }>('agent_logs', {
    agentId: 'clerk',
  });
  expect(lines.map((line) => line.text).join('\n')).toContain(
    'calls functions__note {"mark":"one"}',
  );
});

it('a call that it has no right to, or that names no tool is told to the model, and nothing is called', async () => {
  vendor.script = (request) => {
    const results = resultsIn(request);
    if (results.length > 0) return { text: results.join('\n--\n') };
    return {
      calls: [
        ['starling__grant_create', { peer: 'mallory', tools: ['**'] }],
        ['no__such', {}],
      ],
    };
  };
  const said = String(await ask('clerk', 'do it all'));
  expect(said.split('\n--\n')).toEqual([
    expect.stringContaining('there is no such tool, or you may not use it'),
    expect.stringContaining('there is no such tool, or you may not use it'),
  ]);
  expect(noted).toEqual([]);
});

it('a model that writes arguments which are no JSON is asked once more, and fails where it does so again', async () => {
  const broken = { calls: [['functions__note', '{"mark": oops'] as const] };
  vendor.script = () => (vendor.got.length === 1 ? broken : { text: 'sorry' });
  await expect(ask('clerk', 'note')).resolves.toBe('sorry');
  vendor.got.length = 0;
  vendor.script = () => broken;
  await expect(ask('clerk', 'note')).rejects.toMatchObject({
    message: expect.stringContaining('no JSON object') as string,
  });
  expect(vendor.got).toHaveLength(2);
  expect(noted).toEqual([]);
});

it('a model that calls and calls is asked so often as its kind says, the last time without tools', async () => {
  vendor.script = ({ tools }) =>
    tools === undefined ? { text: 'enough' } : { calls: [['functions__note', { mark: 'again' }]] };
  await expect(ask('clerk', 'go on for ever')).resolves.toBe('enough');
  expect(vendor.got).toHaveLength(4);
  expect(noted).toHaveLength(3);
});

it('after data of an untrusted zone, what the policy asks approval for there waits for a person', async () => {
  const call = (mark: string) => (): { calls: [string, object][] } => ({
    calls: [['functions__note', { mark }]],
  });
  vendor.script = (request) => {
    const count = resultsIn(request).length;
    if (count === 0) return call('before')();
    if (count === 1) return { calls: [['page__who', {}]] };
    return count === 2 ? call('after')() : { text: 'done' };
  };
  const answered = ask('clerk', 'read the page, and note');
  const open = await oneWaiting();
  expect(noted).toEqual(['before']);
  expect(open.resource).toBe('tool:functions/note');
  await operator.builtin('approval_answer', { id: open.id, approve: true });
  await expect(answered).resolves.toBe('done');
  expect(noted).toEqual(['before', 'after']);
});

it("what the node's own tools give may be the words of any member, and counts as from there", async () => {
  await spawn({ agentType: 'looker' });
  vendor.script = (request) => {
    const count = resultsIn(request).length;
    if (count === 0) return { calls: [['starling__peers', {}]] };
    return count === 1 ? { calls: [['functions__note', { mark: 'looked' }]] } : { text: 'done' };
  };
  const answered = ask('looker', 'who is there? note it');
  const { id } = await oneWaiting();
  expect(noted).toEqual([]);
  await operator.builtin('approval_answer', { id, approve: false });
  await expect(answered).resolves.toBe('done');
  expect(noted).toEqual([]);
});

it('an agent that answers for itself is led by its senders all the same: the limits of their zone hold', async () => {
  await spawn({ agentType: 'proxy' });
  const { key } = await operator.builtin<{ key: string }>('key_create', {
    name: 'visitor',
    scopes: ['tool:starling/agent_message', 'agent:*'],
  });
  vendor.script = (request) =>
    resultsIn(request).length === 0
      ? { calls: [['functions__note', { mark: 'led' }]] }
      : { text: 'done' };
  const answered = fetch(`${node.status().endpoints.url ?? ''}/tools/agent_message`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ agentId: 'proxy', message: 'note it', type: 'query' }),
  });
  const { id } = await oneWaiting();
  expect(noted).toEqual([]);
  await operator.builtin('approval_answer', { id, approve: false });
  expect((await answered).status).toBe(200);
  expect(noted).toEqual([]);
});

it('what an agent has read goes with what it tells another one: the limits of that zone hold there, too', async () => {
  await spawn({ agentType: 'courier' });
  vendor.script = (request) => {
    const count = resultsIn(request).length;
    const isCourier = request.messages[0]?.content?.includes("'courier'") === true;
    if (!isCourier) return count === 0 ? { calls: [['functions__note', { mark: 'told' }]] } : {};
    if (count === 0) return { calls: [['page__who', {}]] };
    const tell = { agentId: 'clerk', message: 'note it', type: 'command' };
    return count === 1 ? { calls: [['starling__agent_message', tell]] } : { text: 'told' };
  };
  await expect(ask('courier', 'read the page, and tell the clerk')).resolves.toBe('told');
  const { id } = await oneWaiting();
  expect(noted).toEqual([]);
  await operator.builtin('approval_answer', { id, approve: false });
});

it('an answer that is a JSON object is given as one', async () => {
  vendor.script = () => ({ text: '{"verdict":"yes","because":"it fits"}' });
  await expect(ask('clerk', 'vote')).resolves.toEqual({ verdict: 'yes', because: 'it fits' });
});

it('a kind that comes with the node takes any model, and has no tool that it was not given', async () => {
  const spawned = await spawn({ agentType: 'researcher', model: 'gpu/mind' });
  expect(spawned).toMatchObject({ name: 'researcher', model: 'gpu/mind', tools: [] });
  vendor.script = ({ tools, messages }) => ({
    text: `${tools?.length ?? 0} tools; ${messages[0]?.content?.includes('You research.') === true ? 'researches' : ''}`,
  });
  await expect(ask('researcher', 'what have you?')).resolves.toBe('0 tools; researches');
  const given = { agentType: 'coder', model: 'gpu/mind', tools: ['tool:functions/note'] };
  await expect(spawn(given)).resolves.toMatchObject({ tools: ['tool:functions/note'] });
  await expect(spawn({ agentType: 'coordinator' })).rejects.toMatchObject({
    code: 'STARLING_USAGE',
    hint: expect.stringContaining('--model') as string,
  });
});

it.each(['nope/mind', 'gpu/mond'])(
  'an agent with the model %s, which nobody has, is refused with those that there are',
  async (model) => {
    await expect(spawn({ agentType: 'coder', name: 'lost', model })).rejects.toMatchObject({
      code: 'STARLING_MODEL_UNKNOWN',
      hint: 'there are cheap, gpu/mind: starling model list',
    });
    await expect(operator.builtin('agent_info', { agentId: 'lost' })).rejects.toMatchObject({
      code: 'STARLING_AGENT_UNKNOWN',
    });
  },
);

it('what nothing can bound, a model for a program and a model that its spawner may not use are refused', async () => {
  await expect(
    spawn({
      agentType: 'coder',
      name: 'big',
      model: 'gpu/mind',
      resources: { memoryLimit: '1Gi' },
    }),
  ).rejects.toMatchObject({ code: 'STARLING_AGENT_FAILED' });
  const { key } = await operator.builtin<{ key: string }>('key_create', {
    name: 'poor',
    scopes: ['tool:starling/agent_spawn', 'agent:*'],
  });
  const answer = await fetch(`${node.status().endpoints.url ?? ''}/tools/policy_explain`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: '{}',
  });
  expect(answer.status).toBeGreaterThanOrEqual(400);
});

it('its model is asked on its own account: what it took stands under its name, and its budget pays', async () => {
  vendor.script = () => ({ text: 'paid' });
  await ask('clerk', 'count');
  const { stats } = await operator.builtin<{ stats: JsonObject[] }>('llm_stats', {});
  expect(stats.find(({ agent }) => agent === 'agent:clerk')).toMatchObject({ model: 'gpu/mind' });
});

const PLANNED =
  '{"plan":["Note it."],"tools":["functions__note","starling__key_create","no__such"]}';

it('ask plans first and calls nothing; then it calls the tools that were agreed to, and no others', async () => {
  vendor.script = ({ messages }) =>
    messages[0]?.content?.includes('You plan') === true
      ? { text: `Here it is:\n${PLANNED}` }
      : { text: 'no plan' };
  const asked = { question: 'Note it, please.', model: 'gpu/mind' };
  const plan = await operator.builtin<JsonObject>('ask', asked);
  expect(plan).toEqual({ plan: ['Note it.'], tools: ['functions__note'], model: 'gpu/mind' });
  expect(noted).toEqual([]);
  const said: string[] = [];
  vendor.script = (request) => {
    const results = resultsIn(request);
    if (results.length > 0) return { text: results.join('\n') };
    return {
      calls: [
        ['functions__note', { mark: 'asked' }],
        ['page__who', {}],
        ['starling__key_create', { name: 'evil', scopes: ['*'] }],
      ],
    };
  };
  const result = await operator.builtin<{ response: string }>(
    'ask',
    { ...asked, tools: ['functions__note', 'starling__key_create'] },
    { progress: ({ message }) => void said.push(String(message)) },
  );
  expect(result).toMatchObject({ calls: ['functions__note'], steps: 2 });
  expect(result.response.match(/there is no such tool/g)).toHaveLength(2);
  expect(noted).toEqual(['asked']);
  expect(said.join('')).toContain('→ functions__note {"mark":"asked"}');
  const { keys } = await operator.builtin<{ keys: { name: string }[] }>('key_list');
  expect(keys.map(({ name }) => name)).not.toContain('evil');
});

it('what ask calls waits for a person where the policy asks for that, after what it has read', async () => {
  vendor.script = (request) => {
    const count = resultsIn(request).length;
    if (count === 0) return { calls: [['page__who', {}]] };
    return count === 1 ? { calls: [['functions__note', { mark: 'asked' }]] } : { text: 'done' };
  };
  const answered = operator.builtin('ask', {
    question: 'Read the page, and note what it says.',
    model: 'gpu/mind',
    tools: ['page__who', 'functions__note'],
  });
  const { id, resource } = await oneWaiting();
  expect([resource, noted]).toEqual(['tool:functions/note', []]);
  await operator.builtin('approval_answer', { id, approve: true });
  await expect(answered).resolves.toMatchObject({
    response: 'done',
    calls: ['page__who', 'functions__note'],
  });
  expect(noted).toEqual(['asked']);
});

it('an agent works by the prompt of a server that its spawner names, and by none that it may not use', async () => {
  const scripted = (prompt: string, agentType = 'scripted'): Promise<AgentSpawnResult> =>
    spawn({ agentType, name: `by-${prompt.replace('/', '-')}-${agentType}`, prompt });
  vendor.script = ({ messages }) => ({ text: messages[0]?.content ?? '' });
  const { name } = await scripted('words/reviewer');
  const system = String(await ask(name, 'look'));
  expect(system).toContain('You keep the books.\n\nReview each line, and sign nothing.');
  for (const [prompt, kind, why] of [
    ['words/nothing', 'scripted', 'none of that name'],
    ['words/long', 'scripted', 'bytes'],
    ['words/reviewer', 'looker', 'none of that name'],
  ] as const) {
    const spawned = await scripted(prompt, kind);
    await expect(ask(spawned.name, 'look'), prompt).rejects.toMatchObject({
      code: 'STARLING_AGENT_FAILED',
      message: expect.stringContaining(why) as string,
    });
  }
});

it('a plan that is none is an error', async () => {
  vendor.script = () => ({ text: 'I would rather talk.' });
  await expect(
    operator.builtin('ask', { question: 'Plan.', model: 'gpu/mind' }),
  ).rejects.toMatchObject({ code: 'STARLING_MODEL_INVALID' });
});

it('a conversation goes on from one message to the next, over a restart, until it is deleted', async () => {
  const birds = { metadata: { session: 'birds' } };
  const known = (): number =>
    vendor.got.at(-1)?.messages.filter(({ role }) => role === 'assistant').length ?? -1;
  const contents = (): string =>
    vendor.got
      .at(-1)
      ?.messages.map(({ content }) => content)
      .join('\n') ?? '';
  vendor.script = () => ({ text: 'a heron, I see' });
  await ask('clerk', 'my bird is a heron', birds);
  expect(known()).toBe(0);
  await ask('clerk', 'what is my bird?', birds);
  expect(known()).toBe(1);
  // What the sender said before is data as it was then, behind the mark of now.
  expect(contents()).toMatch(/Before, the sender said:\n([\da-f]{16})\nmy bird is a heron\n\1/);
  await ask('clerk', 'what is my bird?');
  expect(known()).toBe(0);
  await ask('clerk', 'what is my bird?', { metadata: { session: 'fish' } });
  expect(known()).toBe(0);
  await restart();
  await ask('clerk', 'and today?', birds);
  expect(known()).toBe(2);
  type Listed = { readonly contexts: readonly { id: string; session: string; lines: number }[] };
  const { contexts } = await operator.builtin<Listed>('context_list');
  const { id = '', ...info } = contexts.find(({ session }) => session === 'birds') ?? {};
  expect(info).toMatchObject({ agent: 'clerk', from: 'operator@alice', lines: 6, shares: [] });
  vendor.script = () => ({ text: 'They speak of a heron.' });
  await expect(
    operator.builtin('context_summarise', { id, model: 'cheap' }),
  ).resolves.toMatchObject({ summary: { text: 'They speak of a heron.', first: 1, last: 6 } });
  await ask('clerk', 'once more', birds);
  expect(known()).toBe(0);
  expect(contents()).toContain('They speak of a heron.');
  expect(contents()).not.toContain('my bird is a heron');
  await operator.builtin('context_delete', { id });
  await ask('clerk', 'what is my bird?', birds);
  expect(contents()).not.toContain('heron');
});

it('a conversation is of who sent it, and not of who goes by the same name later', async () => {
  const birds = { session: 'eagles' };
  const scout = { name: 'scout', kind: 'scout' };
  const asked = { agentId: 'clerk', type: 'query', from: 'scout', metadata: birds };
  await operator.builtin('agent_announce', scout);
  await operator.builtin('agent_message', { ...asked, message: 'my bird is an eagle' });
  await operator.builtin('agent_retire', { agentId: 'scout' });
  const { key } = await operator.builtin<{ key: string }>('key_create', {
    name: 'impostor',
    scopes: ['tool:starling/agent_announce', 'tool:starling/agent_message', 'agent:*'],
  });
  const call = (tool: string, args: JsonObject): Promise<Response> =>
    fetch(`${node.status().endpoints.url ?? ''}/tools/${tool}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify(args),
    });
  expect((await call('agent_announce', scout)).status).toBe(200);
  expect((await call('agent_message', { ...asked, message: 'my bird?' })).status).toBe(200);
  const told = JSON.stringify(vendor.got.at(-1)?.messages);
  expect(told).toContain("from 'scout@alice'");
  // Nor is anybody called as the operator is.
  expect((await call('agent_announce', { ...scout, name: 'operator' })).status).toBe(409);
  expect(told).not.toContain('eagle');
});

it('a conversation that is too long for its model is summarised by itself, and a client reads what it is shown', async () => {
  const isSummary = (request: ChatRequest): boolean =>
    JSON.stringify(request.messages[0]).includes('given a conversation as data');
  vendor.script = (request) => ({ text: isSummary(request) ? 'Of herons, at length.' : 'yes' });
  const long = { metadata: { session: 'long' } };
  // The vendor of this test is on this machine, and says nothing of its size: 8.6 kB of it are 70 %.
  for (const at of [1, 2, 3, 4]) await ask('clerk', `heron ${at} ${'x'.repeat(3000)}`, long);
  type Listed = {
    readonly contexts: readonly { id: string; session: string; summary?: { last: number } }[];
  };
  const { id } = await vi.waitFor(
    async () => {
      const { contexts } = await operator.builtin<Listed>('context_list');
      const found = contexts.find(({ session }) => session === 'long');
      expect(found?.summary?.last).toBeGreaterThan(0);
      return found ?? expect.fail('no conversation');
    },
    { timeout: 60_000 },
  );
  const answered = vendor.got.findLast((request) => !isSummary(request));
  expect(answered?.messages.at(-1)?.content).toContain('heron 4');
  await ask('clerk', 'go on', long);
  const told = JSON.stringify(vendor.got.findLast((request) => !isSummary(request))?.messages);
  expect(told).toContain('Of herons, at length.');
  expect(told).not.toContain('heron 1 ');
  // Whoever speaks pays: the summary counts for the agent, as its answers do.
  const { stats } = await operator.builtin<{ stats: readonly JsonObject[] }>('llm_stats', {
    model: 'gpu/mind',
  });
  expect(stats.filter(({ caller }) => caller === 'the agent clerk')).not.toEqual([]);
  expect(stats.filter(({ caller }) => String(caller).includes('agent:'))).toEqual([]);
  await operator.builtin('context_share', { id, to: 'client:reader', view: 'summary' });
  const read = async (name: string): Promise<Response> => {
    const scopes = ['tool:starling/context_show'];
    const { key } = await operator.builtin<{ key: string }>('key_create', { name, scopes });
    return fetch(`${node.status().endpoints.url ?? ''}/tools/context_show`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ id }),
    });
  };
  const shown = JSON.stringify(await (await read('reader')).json());
  expect(shown).toContain('Of herons, at length.');
  expect(shown).not.toContain('heron 4');
  const refused = await read('stranger');
  expect(await refused.text()).toContain('STARLING_CONTEXT_UNKNOWN');
});
