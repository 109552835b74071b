/**
 * Real vendors and local servers, asked through a whole node: what their keys and addresses in the environment let it ask.
 * Nothing is asked, and no node is started, for what has no key there.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemoryNetwork } from '../../sim/memory-transport.ts';
import { percentile } from '../../sim/report.ts';
import { createNode, loadConfig } from '../../src/index.ts';
import type { StarlingNode } from '../../src/index.ts';
import { attach } from '../../src/cli/node/client.ts';
import { PROPOSALS, isProposed } from './proposals.ts';

/** Vendors by the variable that has their key, and the model that is asked unless `STARLING_LIVE_MODEL_<NAME>` names one. */
const VENDORS = [
  {
    name: 'openai',
    key: 'OPENAI_API_KEY',
    model: 'gpt-4.1-mini',
    embedding: 'text-embedding-3-small',
  },
  { name: 'anthropic', key: 'ANTHROPIC_API_KEY', model: 'claude-haiku-4-5', embedding: undefined },
  {
    name: 'google',
    key: 'GEMINI_API_KEY',
    model: 'gemini-2.5-flash',
    embedding: 'gemini-embedding-001',
  },
  {
    name: 'openrouter',
    key: 'OPENROUTER_API_KEY',
    model: 'openai/gpt-4.1-mini',
    embedding: undefined,
  },
] as const;
/** The address of a local server: Ollama, llama.cpp, LM Studio, vLLM. */
const LOCAL = { name: 'local', address: 'STARLING_LIVE_URL' } as const;
const RIGHT_SHARE = 0.95;
const PROPOSED_MS = 5000;
const ASK_TIMEOUT_MS = 120_000;

/** What is looked at, and what it must come to. */
const CHECKS = [
  'models listed',
  'answer',
  'stream',
  'function call',
  'structured output',
  'embeddings',
  'proposals: 95 % right, each < 5 s',
] as const;
type Check = (typeof CHECKS)[number];

/** One line. */
export interface LiveRow {
  readonly vendor: string;
  readonly check: Check;
  /** `not measured` where there is no key or address, or the vendor has none. */
  readonly outcome: 'ok' | 'failed' | 'not measured';
  readonly detail: string;
}

interface Asked {
  readonly name: string;
  readonly model: string | undefined;
  readonly embedding: string | undefined;
}

/** Asks whatever `env` allows. */
export async function askLive(
  env: Readonly<Record<string, string | undefined>>,
): Promise<readonly LiveRow[]> {
  const modelOf = (name: string): string | undefined =>
    given(env[`STARLING_LIVE_MODEL_${name.toUpperCase()}`]);
  const embeddingOf = (name: string): string | undefined =>
    given(env[`STARLING_LIVE_EMBEDDING_${name.toUpperCase()}`]);
  const keyed = VENDORS.filter(({ key }) => given(env[key]) !== undefined);
  const address = given(env[LOCAL.address]);
  const asked: Asked[] = keyed.map(({ name, model, embedding }) => ({
    name,
    model: modelOf(name) ?? model,
    embedding: embeddingOf(name) ?? embedding,
  }));
  if (address !== undefined) {
    asked.push({ name: LOCAL.name, model: modelOf('local'), embedding: embeddingOf('local') });
  }
  const missing = [
    ...VENDORS.filter((one) => !keyed.includes(one)).map(({ name, key }) => ({ name, of: key })),
    ...(address === undefined ? [{ name: LOCAL.name, of: LOCAL.address }] : []),
  ];
  const rows = missing.flatMap(({ name, of }) =>
    CHECKS.map((check): LiveRow => {
      return { vendor: name, check, outcome: 'not measured', detail: `${of} is not set` };
    }),
  );
  if (asked.length === 0) return rows;
  const providers = {
    ...Object.fromEntries(keyed.map(({ name, key }) => [name, { keyFrom: `env:${key}` }])),
    ...(address === undefined ? {} : { [LOCAL.name]: { endpoint: address } }),
  };
  const measured = await withNodes(providers, env, async (node) => {
    const all: LiveRow[] = [];
    for (const one of asked) all.push(...(await askVendor(node, one)));
    return all;
  });
  return [...measured, ...rows];
}

/** A node with these providers, a peer that is called laptop, and three tools. */
async function withNodes<Result>(
  providers: object,
  env: Readonly<Record<string, string | undefined>>,
  work: (node: StarlingNode) => Promise<Result>,
): Promise<Result> {
  const root = await mkdtemp(join(tmpdir(), 'starling-live-'));
  // Variables of the node itself, as a shell may have them, are none of what is measured.
  const keys = Object.fromEntries(VENDORS.map(({ key }) => [key, env[key]]));
  const memory = new MemoryNetwork();
  const nodes: StarlingNode[] = [];
  const start = async (name: string, ip: string, more: object): Promise<StarlingNode> => {
    const flags = {
      name,
      stateDir: join(root, name),
      listen: [`/ip4/${ip}/tcp/4040`],
      mdns: false,
      http: { port: 0 },
      log: { level: 'error' as const },
      ...more,
    };
    const config = await loadConfig({ env: { ...keys, STARLING_CONFIG: '' }, flags });
    const node = await createNode(config, { transports: [memory.host(ip)] });
    nodes.push(node);
    await node.start();
    return node;
  };
  try {
    const node = await start('workstation', '10.9.0.1', { models: { providers } });
    for (const name of ['read_file', 'write_file', 'search']) await node.tool({ name }, () => ({}));
    await start('laptop', '10.9.0.2', { join: (await node.createTicket()).ticket });
    return await work(node);
  } finally {
    for (const node of nodes.toReversed()) await node.stop();
    await rm(root, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function askVendor(node: StarlingNode, one: Asked): Promise<readonly LiveRow[]> {
  const rows: LiveRow[] = [];
  const row = async (check: Check, work: () => Promise<string | undefined>): Promise<void> => {
    try {
      const detail = await work();
      const outcome = detail === undefined ? 'not measured' : 'ok';
      rows.push({ vendor: one.name, check, outcome, detail: detail ?? 'no model for it is named' });
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      rows.push({ vendor: one.name, check, outcome: 'failed', detail });
    }
  };
  const door = await doorOf(node);
  let listed: readonly string[] = [];
  await row('models listed', async () => {
    listed = await modelsOf(door, one.name);
    return wanted(listed.length > 0, `${listed.length}`);
  });
  const named = one.model === undefined ? listed[0] : `${one.name}/${one.model}`;
  const ask = <Result>(work: (model: string) => Promise<Result>): Promise<Result | undefined> =>
    named === undefined ? Promise.resolve(undefined) : work(named);
  await row('answer', () => ask((model) => answer(door, model)));
  await row('stream', () => ask((model) => stream(door, model)));
  await row('function call', () => ask((model) => functionCall(door, model)));
  await row('structured output', () => ask((model) => structured(door, model)));
  const embedding = one.embedding === undefined ? undefined : `${one.name}/${one.embedding}`;
  await row('embeddings', async () =>
    embedding === undefined ? undefined : embeddings(door, embedding),
  );
  await row('proposals: 95 % right, each < 5 s', () => ask((model) => proposals(node, model)));
  return rows;
}

interface Door {
  readonly url: string;
  readonly token: string;
}

async function doorOf(node: StarlingNode): Promise<Door> {
  const { tokenFile, url = '' } = node.status().endpoints;
  return { url, token: (await readFile(tokenFile, 'utf8')).trim() };
}

function send({ url, token }: Door, path: string, body?: object): Promise<Response> {
  return fetch(new URL(path, url), {
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    signal: AbortSignal.timeout(ASK_TIMEOUT_MS),
  });
}

async function sent<Answer>(door: Door, path: string, body?: object): Promise<Answer> {
  const response = await send(door, path, body);
  const text = await response.text();
  if (!response.ok) throw new Error(`HTTP ${response.status}: ${text.slice(0, 300)}`);
  return JSON.parse(text) as Answer;
}

async function modelsOf(door: Door, vendor: string): Promise<readonly string[]> {
  const { data } = await sent<{ data: readonly { id: string }[] }>(door, '/v1/models');
  return data.map(({ id }) => id).filter((id) => id.startsWith(`${vendor}/`));
}

interface Chat {
  readonly choices: readonly {
    readonly message: {
      readonly content: string | null;
      readonly tool_calls?: readonly { readonly function: { name: string; arguments: string } }[];
    };
  }[];
}

const saying = (content: string): object => ({ messages: [{ role: 'user', content }] });
const CITY = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };

async function answer(door: Door, model: string): Promise<string> {
  const body = { model, ...saying('Say the word heron, and nothing else.') };
  const { choices } = await sent<Chat>(door, '/v1/chat/completions', body);
  const text = choices[0]?.message.content ?? '';
  return wanted(/heron/i.test(text), text);
}

async function stream(door: Door, model: string): Promise<string> {
  const body = { model, stream: true, ...saying('Count from one to twenty in words.') };
  const startedAt = performance.now();
  const response = await send(door, '/v1/chat/completions', body);
  if (!response.ok || response.body === null) throw new Error(`HTTP ${response.status}`);
  let firstMs = 0;
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body) {
    if (firstMs === 0) firstMs = performance.now() - startedAt;
    text += decoder.decode(chunk as Uint8Array, { stream: true });
  }
  const wholeMs = performance.now() - startedAt;
  const times = `first ${firstMs.toFixed(0)} ms, whole ${wholeMs.toFixed(0)} ms`;
  return wanted(text.includes('[DONE]'), times);
}

async function functionCall(door: Door, model: string): Promise<string> {
  const tools = [{ type: 'function', function: { name: 'weather', parameters: CITY } }];
  const body = { model, tools, ...saying('What is the weather in Oslo? Use the tool.') };
  const { choices } = await sent<Chat>(door, '/v1/chat/completions', body);
  const [call] = choices[0]?.message.tool_calls ?? [];
  const said = JSON.stringify(call?.function ?? choices[0]?.message.content ?? null);
  return wanted(call?.function.name === 'weather' && /oslo/i.test(said), said);
}

async function structured(door: Door, model: string): Promise<string> {
  const format = { type: 'json_schema', json_schema: { name: 'place', schema: CITY } };
  const body = { model, response_format: format, ...saying('Which city is the capital of Peru?') };
  const { choices } = await sent<Chat>(door, '/v1/chat/completions', body);
  const text = choices[0]?.message.content ?? '';
  return wanted(/^\s*\{[^]*lima[^]*\}\s*$/i.test(text), text);
}

async function embeddings(door: Door, model: string): Promise<string> {
  const input = ['a heron at the lake', 'a grey bird near water', 'an invoice for screws'];
  const body = { model, input };
  const { data } = await sent<{ data: readonly { embedding: readonly number[] }[] }>(
    door,
    '/v1/embeddings',
    body,
  );
  const [one = [], alike = [], other = []] = data.map(({ embedding }) => embedding);
  const near = likeness(one, alike);
  const far = likeness(one, other);
  return wanted(
    near > far,
    `${one.length} numbers; alike ${near.toFixed(2)}, not ${far.toFixed(2)}`,
  );
}

function likeness(one: readonly number[], other: readonly number[]): number {
  const dot = (a: readonly number[], b: readonly number[]): number =>
    a.reduce((sum, value, at) => sum + value * (b[at] ?? 0), 0);
  return dot(one, other) / Math.sqrt(dot(one, one) * dot(other, other));
}

/** Each sentence as a grant that is only proposed: nothing is granted. */
async function proposals(node: StarlingNode, model: string): Promise<string> {
  const client = await attach(node.status().stateDir);
  try {
    const times: number[] = [];
    let right = 0;
    for (const { text, grant } of PROPOSALS) {
      const startedAt = performance.now();
      const made = await client
        .builtin<{ readonly grant: object }>('grant_propose', { text, model })
        .catch(() => undefined);
      times.push(performance.now() - startedAt);
      if (made !== undefined && isProposed(made.grant, grant)) right += 1;
    }
    const most = Math.max(...times);
    const said = `${right} of ${times.length} right; p50 ${percentile(times, 0.5).toFixed(0)} ms, most ${most.toFixed(0)} ms`;
    return wanted(right >= RIGHT_SHARE * times.length && most < PROPOSED_MS, said);
  } finally {
    client.close();
  }
}

/** What was seen, where that is as it should be. @throws Error with the same */
function wanted(isRight: boolean, seen: string): string {
  if (isRight) return seen.slice(0, 200);
  throw new Error(seen.slice(0, 300));
}

function given(value: string | undefined): string | undefined {
  return value === '' ? undefined : value;
}
