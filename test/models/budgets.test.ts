/** Calls of models against budgets, at the wire: what is held before a call leaves, what is spent of it, and what it may ask for. */
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { NodeClient } from '../../src/cli/node/client.ts';
import type { JsonObject } from '../../src/core/index.ts';
import type { StarlingNode } from '../../src/index.ts';
import { makeKey, wholeNodes } from '../fixtures/whole-nodes.ts';
import { readCall, withLimit } from '../../src/models/read-call.ts';
import { fitted } from '../../src/models/worst-case.ts';
import type { FakeVendor } from './fake-vendor.ts';
import { startModelBox } from './model-box.ts';

interface View {
  readonly spent: number;
  readonly held: number;
  readonly free: number;
}

const nodes = wholeNodes('paid');
let node: StarlingNode;
let operator: NodeClient;
let vendor: FakeVendor;
let base: string;
/** A key whose client has a budget of its own, by the budget's name. */
const keys = new Map<string, string>();

beforeAll(async () => {
  const box = await startModelBox(nodes, (endpoint) => ({
    providers: { gpu: { endpoint }, claude: { endpoint, api: 'anthropic' } },
    prices: { 'gpu/*': { input: 1, output: 10 }, 'claude/*': { input: 2, output: 20 } },
  }));
  ({ base, node, operator, vendor } = box);
});
beforeEach(() => vendor.got.splice(0));

/** A client with a key and a budget, both called so. */
async function payer(name: string, limit: string): Promise<void> {
  keys.set(name, await makeKey(operator, name, ['model:**']));
  await operator.builtin('budget_create', { name, limit, for: `client:${name}` });
}
const post = (as: string, body: object, path = '/chat/completions'): Promise<Response> =>
  fetch(`${base}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${keys.get(as)}`, 'content-type': 'application/json' },
    body: JSON.stringify({ messages: [{ role: 'user', content: 'why' }], ...body }),
  });
const show = (name: string): Promise<View> => operator.builtin<View>('budget_show', { name });

it('spends what a call took, in tokens and in dollars, whichever API was asked', async () => {
  await payer('tokens', '100000 tokens');
  await payer('dollars', '1usd');
  for (const model of ['gpu/qwen', 'claude/qwen']) {
    for (const path of ['/chat/completions', '/messages']) {
      for (const as of ['tokens', 'dollars']) {
        expect((await post(as, { model, max_tokens: 50 }, path)).status).toBe(200);
      }
    }
  }
  // 11 in and 5 out each; of claude's 2 were read from the cache, which has no price of its own.
  expect(await show('tokens')).toMatchObject({ spent: 4 * 16, held: 0 });
  expect(await show('dollars')).toMatchObject({ spent: 2 * (11 + 50) + 2 * (22 + 100), held: 0 });
});

it('a question counts against the budget that it names, or so much of it, and what is left refuses the next', async () => {
  await operator.builtin('budget_create', { name: 'research', limit: '1usd' });
  const ask = (budget: string, model = 'gpu/qwen') =>
    operator.builtin<JsonObject>('ai_query', { query: 'why', model, budget, max_tokens: 50 });
  expect(await ask('research')).toMatchObject({ cost_usd: 0.000_061 });
  expect(await show('research')).toMatchObject({ spent: 61, held: 0 });
  await ask('research:0.01usd');
  await expect.poll(() => show('research')).toMatchObject({ spent: 122, held: 0 });
  const asked = vendor.got.length;
  await expect(ask('research:0.0001usd')).rejects.toMatchObject({
    code: 'STARLING_BUDGET_EXHAUSTED',
  });
  await expect(ask('nobody')).rejects.toMatchObject({ code: 'STARLING_BUDGET_UNKNOWN' });
  expect(vendor.got.length).toBe(asked);
});

it('gives a request without a limit the one that the room pays for, and says so', async () => {
  await payer('roomy', '100000 tokens');
  const roomy = await post('roomy', { model: 'gpu/qwen' });
  expect(roomy.headers.get('starling-added')).toBe('max_tokens=4096');
  expect(vendor.got.at(-1)?.body['max_tokens']).toBe(4096);
  await payer('tight', '600 tokens');
  const tight = await post('tight', { model: 'gpu/qwen', max_tokens: 90_000 });
  expect(tight.status).toBe(200);
  const limit = Number(vendor.got.at(-1)?.body['max_tokens']);
  expect(tight.headers.get('starling-added')).toBe(`max_tokens=${limit}`);
  expect(limit).toBeGreaterThanOrEqual(256);
  expect(limit).toBeLessThan(600);
});

it.each(['/chat/completions', '/messages'])(
  'refuses what can not pay for 256 tokens, and asks nobody, at %s',
  async (path) => {
    const name = path === '/messages' ? 'poor-a' : 'poor-o';
    await payer(name, '200 tokens');
    const response = await post(name, { model: 'gpu/qwen', max_tokens: 4000 }, path);
    expect(response.status).toBe(402);
    const text = await response.text();
    expect(text).toContain('STARLING_BUDGET_EXHAUSTED');
    expect(text).toContain(path === '/messages' ? '"type":"error"' : '"error":');
    expect(vendor.got).toEqual([]);
    expect(await show(name)).toMatchObject({ spent: 0, held: 0 });
    // What asks for less than that itself may have it.
    expect((await post(name, { model: 'gpu/qwen', max_tokens: 20 }, path)).status).toBe(200);
  },
);

it('spends of a stream that broke off what came, and nothing of a call that was refused', async () => {
  await payer('cut', '100000 tokens');
  const text = await (
    await post('cut', { model: 'gpu/cut', max_tokens: 1000, stream: true })
  ).text();
  expect(text).toContain('STARLING_MODEL_CUT');
  const { spent, held } = await show('cut');
  expect(held).toBe(0);
  expect(spent).toBeGreaterThan(0);
  expect(spent).toBeLessThan(30);
  await (await post('cut', { model: 'gpu/status-400', max_tokens: 1000 })).text();
  await (await post('cut', { model: 'gpu/status-429', max_tokens: 1000 })).text();
  expect(await show('cut')).toMatchObject({ spent, held: 0 });
});

it('holds for a picture what it may take, however short its address is, and asks nobody who can not pay for that', async () => {
  const image = { type: 'image_url', image_url: { url: 'https://pictures.example/a.png' } };
  const messages = [{ role: 'user', content: [image] }];
  await payer('blind', '10000 tokens');
  const refused = await post('blind', { model: 'gpu/qwen', max_tokens: 256, messages });
  expect(refused.status).toBe(402);
  expect(vendor.got).toEqual([]);
  await payer('seeing', '20000 tokens');
  expect((await post('seeing', { model: 'gpu/qwen', max_tokens: 256, messages })).status).toBe(200);
  // What was held and not taken is free again.
  expect(await show('seeing')).toMatchObject({ spent: 16, held: 0 });
});

it('never spends more than there is, however many ask at once', async () => {
  await payer('crowd', '2000 tokens');
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => post('crowd', { model: 'gpu/qwen', max_tokens: 256 })),
  );
  const good = answers.filter(({ status }) => status === 200).length;
  expect(good).toBeGreaterThanOrEqual(5);
  expect(good).toBeLessThan(20);
  const { spent, held } = await show('crowd');
  expect({ spent, held }).toEqual({ spent: good * 16, held: 0 });
});

it('an answer that is given again costs nothing', async () => {
  await payer('again', '5000 tokens');
  const request = { model: 'gpu/qwen', temperature: 0, max_tokens: 300 };
  await (await post('again', request)).text();
  const hit = await post('again', request);
  expect(hit.headers.get('starling-cache')).toBe('hit');
  await hit.text();
  expect(await show('again')).toMatchObject({ spent: 16, held: 0 });
});

describe('a limit', () => {
  const call = (text: string) => readCall('chat', Buffer.from(text), {});
  it('is put in place of the one there, or first, and every other byte stays', () => {
    const there = withLimit(
      call('{ "model":"gpu/a",  "max_tokens" : 9, "x": [1] }'),
      'max_tokens',
      7,
    );
    expect(there.body.toString()).toBe('{ "model":"gpu/a",  "max_tokens" : 7, "x": [1] }');
    const none = withLimit(call('{ "model":"gpu/a" }'), 'max_completion_tokens', 7);
    expect(JSON.parse(none.body.toString())).toEqual({ model: 'gpu/a', max_completion_tokens: 7 });
    expect(none.fields['max_completion_tokens']).toBe(7);
  });

  it('that stands twice is refused: one parser would hold for the one, and another send the other', () => {
    expect(() => call('{"model":"gpu/a","max_tokens":1,"max_tokens":99}')).toThrow('twice');
    expect(() => call('{"model":"gpu/a","n":1,"n":99}')).toThrow('twice');
  });

  it('is held for each of several answers, and the larger of two counts', () => {
    const price = { input: 0, output: 1 };
    const asked = { price, limitKey: 'max_tokens', contextTokens: 100 } as const;
    const worst = (text: string) => fitted(call(text), asked, {}).worst;
    expect(worst('{"model":"a","max_tokens":100,"n":4}').usd).toBe(400);
    expect(worst('{"model":"a","max_tokens":1,"max_completion_tokens":100}').usd).toBe(100);
  });
});

// Last: the node is another one afterwards.
it('a node that stops has settled what streams under way held, so that nothing is left to reconcile', async () => {
  await payer('stopped', '100000 tokens');
  const answer = await post('stopped', { model: 'gpu/stalls', max_tokens: 1000, stream: true });
  const read = answer.text().catch(() => 'cut off');
  expect((await show('stopped')).held).toBeGreaterThan(1000);
  await node.stop();
  await read;
  // Another run on the same disk.
  ({ operator } = await nodes.start({ name: 'box' }));
  const after = await show('stopped');
  expect(after).not.toHaveProperty('lost');
  expect(after.held).toBe(0);
  expect(after.spent).toBeGreaterThan(0);
  expect(after.spent).toBeLessThan(100);
});
