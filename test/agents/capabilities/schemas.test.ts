/** What capabilities take and give: schemas at both ends, requests in words, and equal keys to one agent. */
import { afterEach, expect, it } from 'vitest';
import { capabilitiesLike } from '../../../src/agents/choosing/search.ts';
import type { AgentView } from '../../../src/agents/types.ts';
import type { Json, JsonObject } from '../../../src/core/index.ts';
import { client, makeWorld } from '../world.ts';
import type { TestNode, TestWorld } from '../world.ts';

let world: TestWorld;
const stops: (() => void)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) stop();
  await world.stop();
});

async function pair(): Promise<{ alice: TestNode; bob: TestNode }> {
  world = await makeWorld('alice', 'bob');
  const { alice, bob } = world.nodes;
  if (alice === undefined || bob === undefined) throw new Error('no nodes');
  return { alice, bob };
}

const PROGRAM = client('program');
const CALLER = client('caller');
const SUMMARISE = {
  name: 'summarise',
  version: '1.2.0',
  description: 'Makes long texts short.',
  input: {
    type: 'object',
    properties: { text: { type: 'string', maxLength: 10 } },
    required: ['text'],
  },
  output: { type: 'object', properties: { short: { type: 'string' } }, required: ['short'] },
};

/** An agent of `node` whose program answers each query with what `answer` gives. */
async function agent(
  node: TestNode,
  name: string,
  init: JsonObject,
  answer: (message: Json) => Json,
): Promise<void> {
  for (const peer of ['alice', 'bob']) node.grants.add(`${peer} agent:${name}`);
  await node.call(PROGRAM, 'agent_announce', { name, ...init });
  const abort = new AbortController();
  stops.push(() => abort.abort());
  const run = async (): Promise<void> => {
    let cursor: string | undefined;
    while (!abort.signal.aborted) {
      const args = { name, timeout_s: 60, ...(cursor === undefined ? {} : { cursor }) };
      const page = await node.call<{ messages: JsonObject[]; cursor: string }>(
        PROGRAM,
        'agent_inbox',
        args,
        abort.signal,
      );
      ({ cursor } = page);
      for (const { id, message = null } of page.messages) {
        const said = {
          from: name,
          type: 'response',
          inReplyTo: id ?? '',
          message: answer(message),
        };
        await node.call(PROGRAM, 'agent_message', said);
      }
    }
  };
  run().catch(() => undefined);
}

const ask = (node: TestNode, args: JsonObject): Promise<JsonObject> =>
  node.call(CALLER, 'capability_request', args);

it('a request that does not fit the schema is refused by name before it leaves, and at the agent for whoever does not look', async () => {
  const { alice, bob } = await pair();
  const heard: Json[] = [];
  await agent(bob, 'coder', { capabilities: [SUMMARISE] }, (message) => {
    heard.push(message);
    return { short: 'ok' };
  });
  const good = await ask(alice, { capability: 'summarise@^1', parameters: { text: 'long' } });
  expect(good).toMatchObject({ result: { short: 'ok' }, endpoint: 'coder@bob' });
  const sent = bob.asked.filter((tool) => tool === 'agent_message').length;
  for (const [parameters, problem] of [
    [{}, 'parameters.text'],
    [{ text: 7 }, 'parameters.text'],
    [{ text: 'far too long for it' }, 'parameters.text'],
    ['text', 'parameters'],
  ] as const) {
    await expect(ask(alice, { capability: 'summarise', parameters })).rejects.toMatchObject({
      code: 'STARLING_AGENT_FAILED',
      message: expect.stringContaining(problem) as string,
      data: { reason: 'input', capability: 'summarise', refusals: [{ agent: 'coder@bob' }] },
    });
  }
  expect(bob.asked.filter((tool) => tool === 'agent_message')).toHaveLength(sent);
  // An older node, or a hostile one, does not look.
  await expect(
    alice.call(CALLER, 'agent_message', {
      agentId: 'coder@bob',
      type: 'query',
      message: {},
      metadata: { capability: 'summarise' },
    }),
  ).rejects.toMatchObject({ data: { reason: 'input', agentId: 'coder' } });
  expect(heard).toEqual([{ text: 'long' }]);
});

it('an answer that does not fit is an error that names what is wrong, and nobody else is asked', async () => {
  const { alice, bob } = await pair();
  await agent(bob, 'coder', { capabilities: [SUMMARISE] }, () => ({ long: 'x' }));
  await agent(bob, 'other', { capabilities: ['summarise'] }, () => ({ short: 'by the other' }));
  const wanted = { capability: 'summarise', parameters: { text: 'x' } };
  await expect(ask(alice, { ...wanted, prefer: 'coder' })).rejects.toMatchObject({
    code: 'STARLING_AGENT_FAILED',
    message: expect.stringContaining('result.short') as string,
    data: { reason: 'output' },
  });
  expect(await ask(alice, { ...wanted, prefer: 'other' })).toMatchObject({
    result: { short: 'by the other' },
  });
});

it('what one version does not take another may', async () => {
  const { alice, bob } = await pair();
  await agent(bob, 'strict', { capabilities: [SUMMARISE] }, () => ({ short: 'strict' }));
  await agent(bob, 'loose', { capabilities: ['summarise@2.0.0'] }, () => ({ short: 'loose' }));
  const parameters = { text: 'far too long for the other' };
  expect(await ask(alice, { capability: 'summarise', parameters, prefer: 'strict' })).toMatchObject(
    { endpoint: 'loose@bob' },
  );
  await expect(
    ask(alice, { capability: 'summarise@^1', parameters, prefer: 'strict' }),
  ).rejects.toMatchObject({ data: { reason: 'input' } });
  await expect(ask(alice, { capability: 'summarise@^3', parameters })).rejects.toMatchObject({
    code: 'STARLING_AGENT_UNKNOWN',
  });
});

it('schemas are shown where one agent is asked about, and lists only say that there are some', async () => {
  const { alice, bob } = await pair();
  await agent(bob, 'coder', { capabilities: [SUMMARISE, 'plain'], listed: true }, () => null);
  expect(await alice.call(CALLER, 'agent_info', { agentId: 'coder@bob' })).toMatchObject({
    capabilities: ['summarise@1.2.0', 'plain'],
    definitions: { 'summarise@1.2.0': { input: SUMMARISE.input, output: SUMMARISE.output } },
  });
  const { agents } = await alice.call<{ agents: AgentView[] }>(CALLER, 'agent_list', {});
  expect(agents[0]?.definitions).toEqual({
    'summarise@1.2.0': { description: 'Makes long texts short.', typed: true },
  });
  // Announced anew without: the schema is gone.
  await bob.call(PROGRAM, 'agent_announce', { name: 'coder', capabilities: ['summarise@1.2.0'] });
  const bare = await bob.call<AgentView>(CALLER, 'agent_info', { agentId: 'coder' });
  expect(bare.definitions).toBeUndefined();
});

it('a schema that could do harm, or is none, is refused with the name of its capability', async () => {
  const { bob } = await pair();
  let deep: JsonObject = { type: 'string' };
  for (let at = 0; at < 40; at += 1) deep = { type: 'array', items: deep };
  for (const input of [
    { type: 'string', pattern: '^(a+)+$' },
    { type: 'object', patternProperties: { '^(a+)+$': {} } },
    { $ref: 'https://example.com/schema.json' },
    { type: 'nothing' },
    { type: 'string', description: 'x'.repeat(40_000) },
    deep,
  ]) {
    const capabilities = [{ name: 'bad', input }];
    await expect(
      bob.call(PROGRAM, 'agent_announce', { name: 'coder', capabilities }),
      JSON.stringify(input).slice(0, 80),
    ).rejects.toMatchObject({ code: 'STARLING_USAGE' });
  }
  expect(bob.agents.presence()).toEqual({});
});

it('what is wanted is said in words, and the nearest capability is asked for', async () => {
  const { alice, bob } = await pair();
  await agent(bob, 'coder', { capabilities: [SUMMARISE] }, () => ({ short: 'ok' }));
  await agent(bob, 'digger', { capabilities: ['dig-holes'] }, () => 'dug');
  const parameters = { text: 'x' };
  expect(await ask(alice, { like: 'please summarize this text', parameters })).toMatchObject({
    capability: 'summarise@1.2.0',
    endpoint: 'coder@bob',
  });
  expect(await ask(alice, { like: 'a hole in the garden' })).toMatchObject({ result: 'dug' });
  await expect(ask(alice, { like: 'brew coffee' })).rejects.toMatchObject({
    code: 'STARLING_AGENT_UNKNOWN',
  });
  await expect(ask(alice, {})).rejects.toMatchObject({ code: 'STARLING_USAGE' });
});

it('equal keys go to the same agent whoever asks, and only those of one that goes move', async () => {
  const { alice, bob } = await pair();
  for (const name of ['one', 'two', 'three']) {
    await agent(bob, name, { capabilities: ['dig'] }, () => name);
  }
  const keys = Array.from({ length: 12 }, (_, at) => `user-${at}`);
  const by = async (node: TestNode): Promise<readonly Json[]> => {
    const found: Json[] = [];
    for (const affinity of keys) {
      found.push((await ask(node, { capability: 'dig', affinity }))['result'] ?? null);
    }
    return found;
  };
  const first = await by(alice);
  expect(new Set(first).size).toBeGreaterThan(1);
  expect(await by(bob)).toEqual(first);
  const gone = first[0];
  await bob.call(PROGRAM, 'agent_stop', { agentId: String(gone) });
  world.clock.advance(11_000);
  const after = await by(alice);
  for (const [at, name] of first.entries()) {
    if (name === gone) expect(after[at]).not.toBe(gone);
    else expect(after[at]).toBe(name);
  }
});

it('words are read as people write them: cases, endings, dashes, British and American', () => {
  const view = (name: string, ...capabilities: readonly string[]): AgentView =>
    ({ name, capabilities, kind: 'attached', tags: [] }) as unknown as AgentView;
  const agents = [view('a', 'textAnalysis', 'code-generation'), view('b', 'organise_files')];
  expect(capabilitiesLike(agents, 'analysis of a text')[0]).toBe('textAnalysis');
  expect(capabilitiesLike(agents, 'Generating CODE')[0]).toBe('code-generation');
  expect(capabilitiesLike(agents, 'organizing my file')[0]).toBe('organise_files');
  expect(capabilitiesLike(agents, '!?')).toEqual([]);
  world = { stop: async () => undefined } as unknown as TestWorld;
});
