/** Routes at the wire, on both doors: who is asked first, who next, what is kept, and how much a caller may ask for. */
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { NodeClient } from '../../src/cli/node/client.ts';
import { makeKey, wholeNodes } from '../fixtures/whole-nodes.ts';
import type { ModelStats } from '../../src/models/types.ts';
import type { FakeVendor } from './fake-vendor.ts';
import { TEXT, startModelBox } from './model-box.ts';

/** What the first model of a route does, by the name of the route. Each at a provider of its own, so that none is left alone for another. */
const FAILS = [
  'status-401',
  'status-404',
  'status-429',
  'status-429-7',
  'status-500',
  'status-529',
  'too-long',
  'html',
  'moved',
  'silent',
  'cut-first',
] as const;
const nodes = wholeNodes('routes');
let operator: NodeClient;
let vendor: FakeVendor;
let base: string;
let key: string;
let narrow: string;
let small: string;

beforeAll(async () => {
  const box = await startModelBox(nodes, (endpoint) => {
    const provider = { endpoint, timeout: 60_000 };
    const failing = FAILS.map((how) => [`p-${how}`, { ...provider, timeout: 150 }] as const);
    const over = FAILS.map(
      (how) => [`over-${how}`, { models: [`p-${how}/${how}`, 'claude/qwen'] }] as const,
    );
    return {
      providers: {
        gpu: provider,
        far: { ...provider, tier: 'central' },
        claude: { ...provider, api: 'anthropic', tier: 'central' },
        bad: provider,
        ...Object.fromEntries(failing),
      },
      routes: {
        ...Object.fromEntries(over),
        near: { strategy: 'local-first', models: ['far/qwen', 'gpu/qwen'] },
        cheap: { strategy: 'cheapest', models: ['far/gpt-4o', 'far/gpt-4o-mini'] },
        late: { models: ['gpu/cut', 'claude/qwen'] },
        wrong: { models: ['bad/status-400', 'claude/qwen'] },
        none: { models: ['bad/status-500', 'bad/status-529'] },
        worn: { models: ['bad/status-503'], fallbacks: ['gpu/qwen'] },
        up: { strategy: 'escalate', models: ['gpu/qwen', 'claude/qwen'] },
        ours: { models: ['gpu/qwen'], shared: true },
        long: { models: ['gpu/tiny', 'claude/qwen'] },
        careful: { strategy: 'escalate', models: ['gpu/tiny', 'claude/qwen'] },
        tight: { models: ['gpu/tiny', 'bad/status-500'] },
      },
      contexts: { 'gpu/tiny': 1000, 'claude/qwen': 50_000, 'bad/*': 50_000 },
      quotas: { 'client:small': { requests_per_minute: 2 } },
    };
  });
  ({ base, operator, vendor } = box);
  key = await makeKey(operator, 'all', ['model:**']);
  narrow = await makeKey(operator, 'narrow', ['model:claude/**']);
  small = await makeKey(operator, 'small', ['model:**']);
});
beforeEach(() => vendor.got.splice(0));

const messages = [{ role: 'user', content: 'why' }];
const post = (path: string, body: object, as = key): Promise<Response> =>
  fetch(`${base}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${as}`, 'content-type': 'application/json' },
    body: JSON.stringify({ messages, max_tokens: 5, ...body }),
  });
const asked = (): readonly unknown[] =>
  vendor.got.map(({ body }) => body['model']).filter((model) => model !== undefined);

describe.each(['/chat/completions', '/messages'])('a route at %s', (path) => {
  it.each(FAILS)('has the next model answer where the first is %s', async (how) => {
    const response = await post(path, { model: `over-${how}`, stream: true });
    const text = await response.text();
    expect(response.status, text).toBe(200);
    for (const word of ['The', ' mesh', ' hello']) expect(text).toContain(JSON.stringify(word));
    expect(text).not.toContain('STARLING_');
    expect(response.headers.get('starling-model')).toBe('claude/qwen');
    expect(response.headers.get('starling-fallback-from')).toBe(`p-${how}/${how}`);
  });

  it('that escalates asks the next where a call fits no schema, on either API; both are paid', async () => {
    const schema = { type: 'object', properties: { at: { type: 'number' } } };
    const tools = path.startsWith('/chat')
      ? [{ type: 'function', function: { name: 'look', parameters: schema } }]
      : [{ name: 'look', input_schema: schema }];
    for (const stream of [false, true]) {
      const response = await post(path, { model: 'up', tools, stream });
      expect(await response.text()).toContain('sky');
      expect(Object.fromEntries(response.headers)).toMatchObject({
        'starling-model': 'claude/qwen',
        'starling-escalated-from': 'gpu/qwen (schema)',
        'starling-calls-paid': '2',
        'starling-doubt': 'schema',
      });
    }
    expect(asked()).toEqual(['qwen', 'qwen', 'qwen', 'qwen']);
  });

  it('asks nobody else once a token has come: what came stands, and an error ends it', async () => {
    const text = await (await post(path, { model: 'late', stream: true })).text();
    expect(text).toContain('" mesh"');
    expect(text).toContain('STARLING_MODEL_CUT');
    expect(asked()).toEqual(['cut']);
  });

  it('asks nobody else where the request itself is at fault', async () => {
    const response = await post(path, { model: 'wrong' });
    expect(response.status).toBe(400);
    expect(await response.text()).toContain('STARLING_MODEL_REJECTED');
    expect(asked()).toEqual(['status-400']);
  });

  it('says of each model why it has not answered, where none has', async () => {
    const response = await post(path, { model: 'none' });
    expect(response.status).toBe(502);
    expect(await response.text()).toMatch(/bad\/status-500: [^]*bad\/status-529: /);
  });
});

it('leaves a provider alone after five failures, and asks it no more meanwhile', async () => {
  for (let at = 0; at < 8; at += 1) {
    const response = await post('/chat/completions', { model: 'worn' });
    expect(response.status).toBe(200);
    expect(response.headers.get('starling-model')).toBe('gpu/qwen');
  }
  expect(asked().filter((model) => model === 'status-503').length).toBeLessThanOrEqual(5);
});

it('honours retry-after: who takes no more for 7 s is not asked again', async () => {
  await (await post('/chat/completions', { model: 'over-status-429-7' })).text();
  vendor.got.splice(0);
  await (await post('/chat/completions', { model: 'over-status-429-7' })).text();
  expect(asked()).toEqual(['qwen']);
});

it('chooses by distance and by price', async () => {
  const near = await post('/chat/completions', { model: 'near' });
  expect(near.headers.get('starling-model')).toBe('gpu/qwen');
  const cheap = await post('/chat/completions', { model: 'cheap' });
  expect(cheap.headers.get('starling-model')).toBe('far/gpt-4o-mini');
});

it('asks one into which the request does not fit after all others, and where answers are looked at not at all', async () => {
  const words = [{ role: 'user', content: 'why '.repeat(2000) }];
  const modelOf = async (model: string, body: object): Promise<string | null> => {
    const response = await post('/chat/completions', { model, ...body });
    await response.text();
    return response.headers.get('starling-model');
  };
  expect(await modelOf('long', {})).toBe('gpu/tiny');
  expect(await modelOf('long', { messages: words })).toBe('claude/qwen');
  // A picture is long where it is written down, and says nothing of how many tokens it has.
  const url = `data:image/png;base64,${'A'.repeat(20_000)}`;
  const picture = [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }];
  expect(await modelOf('long', { messages: picture })).toBe('gpu/tiny');
  vendor.got.splice(0);
  expect(await modelOf('careful', { messages: words })).toBe('claude/qwen');
  expect(asked()).toEqual(['qwen']);
  expect(await modelOf('tight', { messages: words })).toBe('gpu/tiny');
});

it('asks only models that the caller may use, and lists routes to who may use one of theirs', async () => {
  const response = await post('/chat/completions', { model: 'near' }, narrow);
  expect(response.status).toBe(403);
  const over = await post('/chat/completions', { model: 'over-status-500' }, narrow);
  expect(over.headers.get('starling-model')).toBe('claude/qwen');
  expect(asked()).toEqual(['qwen']);
  const list = await fetch(`${base}/models`, { headers: { authorization: `Bearer ${narrow}` } });
  const ids = ((await list.json()) as { data: { id: string }[] }).data.map(({ id }) => id);
  expect(ids).toContain('over-status-500');
  expect(ids).not.toContain('near');
});

it('gives an answer again to the same caller, and asks the vendor once for twins that come together', async () => {
  const request = { model: 'gpu/qwen', temperature: 0, seed: 1 };
  const twins = await Promise.all([
    post('/chat/completions', request),
    post('/chat/completions', request),
  ]);
  const texts = await Promise.all(twins.map((one) => one.text()));
  expect(texts[0]).toBe(texts[1]);
  expect(texts[0]).toContain(TEXT);
  expect(asked()).toEqual(['qwen']);
  const again = await post('/chat/completions', { seed: 1, temperature: 0, model: 'gpu/qwen' });
  expect(again.headers.get('starling-cache')).toBe('hit');
  expect(await again.text()).toBe(texts[0]);
  expect(asked()).toEqual(['qwen']);
  await post('/chat/completions', request, small);
  expect(asked()).toEqual(['qwen', 'qwen']);
  const { stats } = await operator.builtin<{ stats: ModelStats[] }>('llm_stats', {});
  const row = stats.find((one) => one.model === 'gpu/qwen' && one.caller === 'the client all');
  expect(row?.cacheHits).toBe(2);
});

it('streams what was kept, and keeps nothing that has tools, any temperature, or broke off', async () => {
  const stream = { model: 'gpu/qwen', temperature: 0, stream: true, seed: 2 };
  const first = await (await post('/chat/completions', stream)).text();
  const hit = await post('/chat/completions', stream);
  expect(hit.headers.get('content-type')).toBe('text/event-stream');
  expect(await hit.text()).toBe(first);
  const tools = [{ type: 'function', function: { name: 'look', parameters: { type: 'object' } } }];
  for (const request of [
    { model: 'gpu/qwen', temperature: 0, tools },
    { model: 'gpu/qwen', temperature: 0.1 },
    { model: 'gpu/qwen' },
    { model: 'gpu/cut', temperature: 0, stream: true },
  ]) {
    vendor.got.splice(0);
    for (let at = 0; at < 2; at += 1) await (await post('/chat/completions', request)).text();
    expect(vendor.got.length, JSON.stringify(request)).toBe(2);
  }
});

it('a hit still needs the right: a key of another scope gets nothing of a shared route', async () => {
  const request = { model: 'ours', temperature: 0, seed: 3 };
  await (await post('/chat/completions', request)).text();
  const other = await post('/chat/completions', request, narrow);
  expect(other.status).toBe(403);
  expect(await other.text()).not.toContain(TEXT);
});

it('a caller has no more of a minute than the configuration says', async () => {
  const request = { model: 'claude/qwen', max_tokens: 7 };
  const statuses: number[] = [];
  for (let at = 0; at < 3; at += 1) {
    statuses.push((await post('/chat/completions', request, small)).status);
  }
  expect(statuses.at(-1)).toBe(429);
  expect((await post('/chat/completions', request)).status).toBe(200);
});
