/** Batches of requests at the wire of both vendors: submitted once whatever breaks, looked at, settled, and read by whoever submitted them. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Secret, silentLogger } from '../../src/core/index.ts';
import type { JsonObject } from '../../src/core/index.ts';
import { createExchanger } from '../../src/gateway/index.ts';
import { OPERATOR } from '../../src/guard/index.ts';
import type { Principal } from '../../src/guard/index.ts';
import { createBatches } from '../../src/models/batches/batches.ts';
import type { BatchesComponents } from '../../src/models/batches/batches.ts';
import { createProviders, createQuotas, createUsageBook } from '../../src/models/index.ts';
import { createTestClock } from '../core/test-clock.ts';
import { memoryTable } from '../grants/memory-table.ts';
import { startBatchVendor } from './fake-batches.ts';
import type { FakeBatches } from './fake-batches.ts';

const KEY = 'sk-never-to-be-seen';
const EDITOR: Principal = { kind: 'client', name: 'editor', scopes: ['*'] };
const OTHER: Principal = { kind: 'client', name: 'other', scopes: ['*'] };
const OPENAI = 'openai/gpt-5-mini';
const CLAUDE = 'claude/claude-haiku-4-5';
const MINUTE = 60_000;
const DAY = 86_400_000;

let vendor: FakeBatches;
beforeAll(async () => {
  vendor = await startBatchVendor();
});
afterAll(() => vendor.stop());
beforeEach(() => {
  for (const list of [vendor.got, vendor.mishaps, vendor.batches]) list.splice(0);
});

interface Rig {
  readonly batches: ReturnType<typeof createBatches>;
  readonly clock: ReturnType<typeof createTestClock>;
  readonly rows: Map<string, Uint8Array>;
  /** What the audit log has, what was held, and what was spent of it. */
  readonly notes: JsonObject[];
  readonly held: JsonObject[];
  readonly spent: (JsonObject | undefined)[];
  readonly usage: ReturnType<typeof createUsageBook>;
  /** Time goes on, and what then happens at the wire is over. */
  pass(ms: number): Promise<void>;
}

const decided = (isDenied: boolean): object =>
  isDenied ? { allow: false, refusal: { text: 'no' }, hint: 'ask' } : { allow: true };
const started: Rig[] = [];
afterAll(async () => {
  for (const rig of started) await rig.batches.stop();
});

async function start(
  rows = new Map<string, Uint8Array>(),
  more: { readonly room?: JsonObject; readonly denied?: string; readonly quotas?: JsonObject } = {},
): Promise<Rig> {
  const clock = createTestClock();
  const provider = (api: 'openai' | 'anthropic' | 'google') => ({
    api,
    endpoint: `${vendor.url}/v1`,
    headers: { 'x-api-key': new Secret(KEY) },
    models: [],
    limits: {},
    tier: 'central',
    timeoutMs: 5000,
    problems: [],
  });
  const config = {
    providers: {
      openai: provider('openai'),
      claude: provider('anthropic'),
      gemini: provider('google'),
      bare: { ...provider('openai'), endpoint: `${vendor.url}/nothing/v1` },
    },
    routes: { cheap: { models: [OPENAI] } },
    prices: {},
    quotas: more.quotas ?? {},
  };
  const exchanger = createExchanger({ clock });
  const [notes, held, spent]: [JsonObject[], JsonObject[], (JsonObject | undefined)[]] = [
    [],
    [],
    [],
  ];
  const over = { over: (_: boolean, cost?: JsonObject) => (spent.push(cost), {}) };
  const components = {
    config: () => config,
    providers: createProviders({ config: () => config as never, exchanger, clock }),
    quotas: createQuotas(clock, () => config.quotas as never),
    usage: createUsageBook({ table: memoryTable(), clock, logger: silentLogger }),
    guard: () => ({ decide: (by: Principal) => decided('name' in by && by.name === more.denied) }),
    audit: { isOn: true, append: async () => 7, note: (one: JsonObject) => notes.push(one) },
    spendings: {
      room: async () => more.room ?? {},
      begin: async ({ worst }: { worst: JsonObject }) => {
        held.push(worst);
        return { ...over, held: [{ rowId: 'budget', amount: 1 }] };
      },
      takeUp: async () => ({ ...over, held: [] }),
    },
    self: 'box',
    table: memoryTable(rows),
    clock,
    logger: silentLogger,
  };
  const batches = createBatches(components as unknown as BatchesComponents, {
    messageBytes: 1024 * 1024,
  });
  await batches.start();
  const rig: Rig = {
    batches,
    clock,
    rows,
    notes,
    held,
    spent,
    usage: components.usage,
    async pass(ms) {
      clock.advance(ms);
      // The turn of each batch is over once nothing has come at the wire, and nothing was written, for a while.
      for (let quiet = 0, seen = ''; quiet < 400;) {
        await new Promise((resolve) => setImmediate(resolve));
        const now = `${vendor.got.length} ${rows.size} ${JSON.stringify(batches.list(OPERATOR))}`;
        quiet = now === seen ? quiet + 1 : 0;
        seen = now;
      }
    },
  };
  started.push(rig);
  return rig;
}

const ask = (custom_id: string, content: string, more: JsonObject = {}): JsonObject => ({
  custom_id,
  body: { messages: [{ role: 'user', content }], max_tokens: 50, ...more },
});
const tell = (custom_id: string, content: string): JsonObject => ({
  custom_id,
  params: { messages: [{ role: 'user', content }], max_tokens: 50 },
});
const textOf = (row: Uint8Array): string => Buffer.from(row).toString();
const creates = (): number =>
  vendor.got.filter(({ method, path }) => method === 'POST' && path.endsWith('/batches')).length;
const stateOf = ({ batches }: Rig) => batches.list(OPERATOR).batches[0];

describe.each([
  ['OpenAI', OPENAI, 0.5 * (1000 * 0.25 + 100 * 2)],
  ['Anthropic', CLAUDE, 0.5 * (1000 * 1 + 100 * 5)],
] as const)('at %s', (_, model, each) => {
  it('submits once, looks now and then, and gives the answers in the order of the requests, for half the price', async () => {
    const rig = await start();
    const { batches, held, notes, spent } = rig;
    const lines = [ask('a', 'one'), ask('b', 'refuse'), ask('c', 'two'), ask('d', 'twice')];
    const made = await batches.submit({ model, requests: lines }, EDITOR);
    expect(made).toMatchObject({
      state: 'running',
      requests: 4,
      model,
      caller: 'the client editor',
    });
    expect(creates()).toBe(1);
    expect(vendor.batches[0]?.requests.map(({ custom_id }) => custom_id)).toEqual(
      [0, 1, 2, 3].map((at) => `${made.id}-${at}`),
    );
    expect(vendor.batches[0]?.requests[0]?.body).toMatchObject({
      model: model.split('/')[1],
      messages: [{ role: 'user', content: expect.anything() }],
    });
    // The most that all may cost, at the price of a batch.
    expect(held).toHaveLength(1);
    expect(held[0]).toMatchObject({ calls: 4 });
    await expect(batches.result(made.id, 0, EDITOR)).rejects.toMatchObject({
      code: 'STARLING_BATCH_REFUSED',
      data: { reason: 'running' },
    });
    await rig.pass(MINUTE);
    expect(stateOf(rig)).toMatchObject({ state: 'running' });
    vendor.finish();
    await rig.pass(10 * MINUTE);
    expect(stateOf(rig)).toMatchObject({
      state: 'completed',
      answered: 3,
      failed: 1,
      tokens: 3300,
      costMicroUsd: 3 * each,
    });
    const { answers } = await batches.result(made.id.slice(0, 6), 0, EDITOR);
    expect(answers.map(({ custom_id }) => custom_id)).toEqual(['a', 'b', 'c', 'd']);
    expect(JSON.stringify(answers[0]?.response)).toContain('you said: one');
    expect(answers[0]?.response).toMatchObject({ object: 'chat.completion' });
    expect(answers[1]?.error).toMatchObject({
      code: 'STARLING_MODEL_REJECTED',
      message: expect.stringContaining('not this'),
    });
    expect(spent).toEqual([{ tokens: 3300, usd: 3 * each, calls: 3 }]);
    expect(notes.at(-1)).toMatchObject({
      kind: 'call',
      outcome: 'ok',
      of: 7,
      who: 'client:editor',
    });
    expect(rig.usage.rows()).toMatchObject([
      { model, calls: 4, failed: 1, batched: 4, costMicroUsd: 3 * each, totalMs: 0 },
    ]);
    expect([...rig.rows.values()].map(textOf).join('')).not.toContain(KEY);
    // Nobody looks any more, and the requests are gone.
    const asked = vendor.got.length;
    await rig.pass(DAY);
    expect(vendor.got).toHaveLength(asked);
    expect([...rig.rows.keys()].filter((key) => key.startsWith('request/'))).toEqual([]);
  });

  it.each([
    ['expired', 'expired'],
    ['cancelled', 'cancelled'],
  ] as const)(
    'says in words that a batch has %s, and nothing of that is paid',
    async (how, word) => {
      const rig = await start();
      const made = await rig.batches.submit({ model, requests: [ask('a', 'one')] }, EDITOR);
      if (how === 'cancelled') {
        expect(await rig.batches.cancel(made.id, false, EDITOR)).toMatchObject({
          state: 'cancelling',
        });
        expect(vendor.got.at(-1)?.path).toMatch(/\/cancel$/);
      }
      vendor.finish(how);
      await rig.pass(MINUTE);
      expect(stateOf(rig)).toMatchObject({ state: how, answered: 0, failed: 1, costMicroUsd: 0 });
      const { answers } = await rig.batches.result(made.id, 0, EDITOR);
      expect(answers[0]?.error?.message).toContain(word);
      expect(rig.spent).toEqual([{ tokens: 0, usd: 0, calls: 0 }]);
    },
  );

  it('finds a batch that was taken when the connection broke, and sends it no second time', async () => {
    const rig = await start();
    vendor.mishaps.push({ at: /^POST .*\/batches$/, isCut: true });
    const made = await rig.batches.submit({ model, requests: [ask('a', 'one')] }, EDITOR);
    expect(made).toMatchObject({
      state: 'sending',
      reason: expect.stringContaining('gave no answer'),
    });
    // Another batch of as many requests is under way there, and is somebody else's.
    const others = [{ custom_id: 'of-others-0', body: {} }];
    const [ours] = vendor.batches;
    if (ours === undefined) throw new Error('the vendor has none');
    vendor.batches.unshift({ ...ours, id: 'batch_other', metadata: {}, requests: others });
    await rig.pass(MINUTE);
    for (const batch of vendor.batches) batch.status = 'completed';
    await rig.pass(30 * MINUTE);
    await rig.pass(30 * MINUTE);
    expect(stateOf(rig)).toMatchObject({ state: 'completed', answered: 1 });
    expect(creates()).toBe(1);
  });

  it('a node that is killed while it sends finds the batch after its next start, and sends nothing', async () => {
    const rig = await start();
    const rows = new Map<string, Uint8Array>();
    const answer = rig.batches.submit({ model, requests: [ask('a', 'one')] }, EDITOR);
    // What is on the disk when the vendor has the batch, and the node does not know that.
    for (let turns = 0; turns < 10_000 && rows.size === 0; turns += 1) {
      const isSent = [...rig.rows.values()].some((row) => textOf(row).includes('"step":"sent"'));
      if (isSent) for (const [key, row] of rig.rows) rows.set(key, row);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await answer;
    expect(rows.size).toBe(2);
    vendor.finish();
    const next = await start(rows);
    await next.pass(1);
    await next.pass(MINUTE);
    expect(stateOf(next)).toMatchObject({ state: 'completed', answered: 1, costMicroUsd: each });
    expect(creates()).toBe(1);
    expect(next.spent).toEqual([{ tokens: 1100, usd: each, calls: 1 }]);
  });

  it('a batch that never left is told as such after the next start, since nobody was told that it is there', async () => {
    const rig = await start();
    await rig.batches.submit({ model, requests: [ask('a', 'one')] }, EDITOR);
    const rows = new Map(
      [...rig.rows].map(([key, row]) => {
        const { vendorId: _, ...read } = JSON.parse(textOf(row)) as JsonObject;
        const held = key.startsWith('batch/') ? { ...read, step: 'held' } : read;
        return [key, Buffer.from(JSON.stringify(held))];
      }),
    );
    const next = await start(rows);
    expect(stateOf(next)).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining('submit it again'),
    });
    expect(next.spent).toEqual([{ tokens: 0, usd: 0, calls: 0 }]);
    expect(creates()).toBe(1);
  });

  it('a batch that the vendor never took ends so, and costs nothing', async () => {
    const rig = await start();
    vendor.mishaps.push({ at: /^POST .*\/batches$/, status: 500 });
    await rig.batches.submit({ model, requests: [ask('a', 'one')] }, EDITOR);
    expect(stateOf(rig)).toMatchObject({ state: 'sending' });
    for (let at = 0; at < 6; at += 1) await rig.pass(10 * MINUTE);
    expect(stateOf(rig)).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining('never took it'),
    });
    expect(rig.spent).toEqual([{ tokens: 0, usd: 0, calls: 0 }]);
    expect(creates()).toBe(1);
  });

  it.each([
    [401, 'STARLING_MODEL_KEY_REFUSED'],
    [400, 'STARLING_MODEL_REJECTED'],
    [429, 'STARLING_RATE_LIMITED'],
    [404, 'STARLING_MODEL_UNSUPPORTED'],
  ])(
    'a batch that is refused by %i is told so at once, and has never been',
    async (status, code) => {
      const rig = await start();
      vendor.mishaps.push({
        at: /^POST .*\/batches$/,
        status,
        body: `{"error":{"message":"${KEY}"}}`,
      });
      const submitted = rig.batches.submit({ model, requests: [ask('a', 'one')] }, EDITOR);
      const error = await submitted.catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code });
      expect((error as Error).message).not.toContain(KEY);
      expect(rig.batches.list(OPERATOR).batches).toEqual([]);
      expect(rig.rows.size).toBe(0);
      expect(rig.spent).toEqual([{ tokens: 0, usd: 0, calls: 0 }]);
    },
  );

  it('waits as the vendor says, goes on after its failures, and gives up one that the vendor knows no more', async () => {
    const rig = await start();
    await rig.batches.submit({ model, requests: [ask('a', 'one')] }, EDITOR);
    vendor.mishaps.push({ at: /^GET/, status: 500 }, { at: /^GET/, status: 503 });
    await rig.pass(20_000);
    await rig.pass(40_000);
    expect(stateOf(rig)).toMatchObject({
      state: 'running',
      reason: expect.stringContaining('too much to do'),
    });
    // The clock is set a year ahead, and back: nothing ends by that.
    rig.clock.sleep(365 * DAY);
    await rig.pass(10 * MINUTE);
    expect(stateOf(rig)).toMatchObject({ state: 'running' });
    expect(stateOf(rig)).not.toHaveProperty('reason');
    vendor.batches.splice(0);
    for (let at = 0; at < 8; at += 1) await rig.pass(10 * MINUTE);
    expect(stateOf(rig)).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining('knows it no more'),
    });
    // Nobody can say what it did cost.
    expect(rig.spent).toEqual([undefined]);
  });

  it('collects anew where results break off, and counts nothing twice', async () => {
    const rig = await start();
    await rig.batches.submit({ model, requests: [ask('a', 'one'), ask('b', 'lose')] }, EDITOR);
    vendor.finish();
    vendor.mishaps.push({ at: /results|content/, isCut: true });
    await rig.pass(20_000);
    expect(stateOf(rig)).toMatchObject({ state: 'running' });
    await rig.pass(10 * MINUTE);
    expect(stateOf(rig)).toMatchObject({ state: 'completed', answered: 1, failed: 1 });
    const [held] = rig.held as { tokens: number }[];
    // Of the one that has no answer nobody knows that it was not paid for.
    expect(rig.spent).toHaveLength(1);
    expect(rig.spent[0]?.['tokens']).toBe(1100 + Math.ceil((held?.tokens ?? 0) / 2));
  });
});

it('takes requests as Anthropic has them, also for a vendor of the other API, and embeddings', async () => {
  const rig = await start();
  const { batches } = rig;
  const params = await batches.submit({ model: OPENAI, requests: [tell('a', 'one')] }, EDITOR);
  vendor.finish();
  await rig.pass(MINUTE);
  const { answers } = await batches.result(params.id, 0, EDITOR);
  expect(answers[0]?.response).toMatchObject({
    type: 'message',
    content: [{ text: 'you said: one' }],
  });
  const url = '/v1/embeddings';
  const lines = [
    { custom_id: 'x', url, method: 'POST', body: { input: 'sky', model: 'gpt-5-mini' } },
  ];
  const embedded = await batches.submit({ model: OPENAI, requests: lines }, EDITOR);
  expect(vendor.got.at(-1)?.text).toContain('"endpoint":"/v1/embeddings"');
  vendor.finish();
  await rig.pass(MINUTE);
  const page = await batches.result(embedded.id, 0, EDITOR);
  expect(page.answers[0]?.response).toMatchObject({ object: 'list' });
});

it('a call with broken arguments is an error, and was paid for', async () => {
  const rig = await start();
  const made = await rig.batches.submit(
    { model: OPENAI, requests: [ask('a', 'broken tool')] },
    EDITOR,
  );
  vendor.finish();
  await rig.pass(MINUTE);
  const { answers, batch } = await rig.batches.result(made.id, 0, EDITOR);
  expect(answers[0]?.error?.code).toBe('STARLING_MODEL_INVALID');
  expect(batch.costMicroUsd).toBe(225);
});

it("says what a vendor's own check has found, and that nothing was paid", async () => {
  const rig = await start();
  await rig.batches.submit({ model: OPENAI, requests: [ask('a', 'one')] }, EDITOR);
  vendor.finish('failed');
  await rig.pass(MINUTE);
  expect(stateOf(rig)).toMatchObject({
    state: 'failed',
    reason: 'line 1 is none',
    costMicroUsd: 0,
  });
});

it.each([
  ['a route', 'cheap', /route of several/],
  ["a peer's model", '@bob/gpu/qwen', /nobody else/],
  ["Google's models", 'gemini/gemini-2.5-flash', /provider gemini has no batches/],
  ['a provider that has no such address', 'bare/qwen', /provider bare has no batches/],
])('a batch for %s is refused by name, and makes no single calls', async (_, model, said) => {
  const rig = await start();
  const submitted = rig.batches.submit({ model, requests: [ask('a', 'one')] }, EDITOR);
  await expect(submitted).rejects.toMatchObject({
    code: 'STARLING_MODEL_UNSUPPORTED',
    message: expect.stringMatching(said),
  });
  expect(vendor.got.filter(({ path }) => path.includes('completions'))).toEqual([]);
  expect(rig.rows.size).toBe(0);
});

it('one whose provider is not here is told so, as it may be about to come', async () => {
  const rig = await start();
  const submitted = rig.batches.submit({ model: 'gpu/qwen', requests: [ask('a', 'one')] }, EDITOR);
  await expect(submitted).rejects.toMatchObject({
    code: 'STARLING_MODEL_UNKNOWN',
    message: expect.stringContaining('nobody else'),
    hint: expect.stringContaining('openai, claude'),
  });
});

it('looks at once for whoever asks for the answers, and not again and again', async () => {
  const rig = await start();
  const made = await rig.batches.submit({ model: OPENAI, requests: [ask('a', 'one')] }, EDITOR);
  const looks = (): number =>
    vendor.got.filter(({ path }) => path === '/v1/batches/batch_0').length;
  for (let at = 0; at < 3; at += 1) {
    await expect(rig.batches.result(made.id, 0, EDITOR)).rejects.toMatchObject({
      code: 'STARLING_BATCH_REFUSED',
    });
  }
  expect(looks()).toBe(1);
  vendor.finish();
  rig.clock.advance(2000);
  expect((await rig.batches.result(made.id, 0, EDITOR)).answers).toHaveLength(1);
});

it('asks the guard before it says whether there is a model, and holds callers to their minute', async () => {
  const refused = await start(undefined, { denied: 'editor' });
  for (const model of [OPENAI, 'nothing/here']) {
    const submitted = refused.batches.submit({ model, requests: [ask('a', 'one')] }, EDITOR);
    await expect(submitted).rejects.toMatchObject({ code: 'STARLING_CALL_REFUSED' });
  }
  const quotas = { 'client:editor': { requestsPerMinute: 1 } };
  const busy = await start(undefined, { quotas });
  await busy.batches.submit({ model: OPENAI, requests: [ask('a', 'one')] }, EDITOR);
  await expect(
    busy.batches.submit({ model: OPENAI, requests: [ask('a', 'one')] }, EDITOR),
  ).rejects.toMatchObject({ code: 'STARLING_RATE_LIMITED' });
});

it('gives requests a limit that the room pays for, and says so', async () => {
  const rig = await start(undefined, { room: { tokens: 1500 } });
  const line = { custom_id: 'a', body: { messages: [{ role: 'user', content: 'why' }] } };
  const requests = [line, { ...line, custom_id: 'b' }];
  const made = await rig.batches.submit({ model: OPENAI, requests }, EDITOR);
  expect(made.added).toMatch(/^max_tokens=\d+$/);
  expect(Number(rig.held[0]?.['tokens'])).toBeLessThanOrEqual(1500);
  expect(JSON.stringify(vendor.batches[0]?.requests[0]?.body)).toMatch(
    /"max_(?:completion_)?tokens":\d+/,
  );
});

const LINE = ask('a', 'one');
it.each<[string, readonly JsonObject[], RegExp]>([
  ['none', [], /has no request/],
  ['two of one name', [LINE, LINE], /request 2 .*'a' is the custom_id of two/],
  ['no name', [{ body: {} }], /request 1 .*custom_id/],
  ['another model', [ask('a', 'x', { model: 'gpt-4o' })], /names the model 'gpt-4o'/],
  ['a stream', [ask('a', 'x', { stream: true })], /streams nothing/],
  ['two bodies', [{ ...LINE, params: {} }], /'body', as OpenAI/],
  ['no body', [{ custom_id: 'a' }], /'body', as OpenAI/],
  ['a strange address', [{ ...LINE, url: '/v1/files' }], /'url' is one of/],
  ['a strange field', [{ ...LINE, priority: 1 }], /'priority' is nothing/],
  ['two kinds', [LINE, tell('b', 'x')], /of one kind/],
  ['another method', [{ ...LINE, method: 'GET' }], /only be POST/],
])('refuses a batch with %s, and names what is wrong', async (_, requests, said) => {
  const rig = await start();
  const submitted = rig.batches.submit({ model: OPENAI, requests }, EDITOR);
  await expect(submitted).rejects.toMatchObject({
    code: 'STARLING_USAGE',
    message: expect.stringMatching(said),
  });
  expect(vendor.got).toEqual([]);
});

it('shows a batch to whoever submitted it, its being there to the operator, and its answers to nobody else', async () => {
  const rig = await start();
  const { batches } = rig;
  const made = await batches.submit({ model: OPENAI, requests: [ask('a', 'one')] }, EDITOR);
  vendor.finish();
  await rig.pass(MINUTE);
  expect(batches.list(OTHER).batches).toEqual([]);
  expect(batches.list(OPERATOR).batches).toHaveLength(1);
  for (const [by, what] of [
    [OTHER, batches.result(made.id, 0, OTHER)],
    [OPERATOR, batches.result(made.id, 0, OPERATOR)],
    [OTHER, batches.cancel(made.id, true, OTHER)],
    [OPERATOR, batches.cancel(made.id, true, OPERATOR)],
  ] as const) {
    await expect(what, by.kind).rejects.toMatchObject({ code: 'STARLING_BATCH_UNKNOWN' });
  }
  await expect(batches.cancel(made.id, false, EDITOR)).rejects.toMatchObject({
    code: 'STARLING_BATCH_REFUSED',
    data: { reason: 'over' },
  });
  await batches.cancel(made.id, true, EDITOR);
  expect(rig.rows.size).toBe(0);
});

it('keeps answers for thirty days, also over a restart, and so many batches at a time', async () => {
  const rig = await start();
  for (let at = 0; at < 10; at += 1) {
    await rig.batches.submit({ model: OPENAI, requests: [ask('a', 'one')] }, EDITOR);
  }
  await expect(
    rig.batches.submit({ model: OPENAI, requests: [ask('a', 'one')] }, EDITOR),
  ).rejects.toMatchObject({ code: 'STARLING_LIMIT_EXCEEDED' });
  for (const batch of vendor.batches) batch.status = 'completed';
  await rig.pass(MINUTE);
  const next = await start(rig.rows);
  expect(next.batches.list(EDITOR).batches.map(({ state }) => state)).toEqual(
    Array.from({ length: 10 }, () => 'completed'),
  );
  await next.pass(31 * DAY);
  expect(next.batches.list(EDITOR).batches).toEqual([]);
  expect(next.rows.size).toBe(0);
});

it('reads many answers by pages, each within the size of a message', async () => {
  const rig = await start();
  const requests = Array.from({ length: 300 }, (_, at) => ask(`r${at}`, 'x'.repeat(3000)));
  const made = await rig.batches.submit({ model: OPENAI, requests }, EDITOR);
  vendor.finish();
  await rig.pass(MINUTE);
  const names: string[] = [];
  let from: number | undefined = 0;
  let pages = 0;
  while (from !== undefined) {
    const page = await rig.batches.result(made.id, from, EDITOR);
    expect(JSON.stringify(page.answers).length).toBeLessThan(300 * 1024);
    names.push(...page.answers.map(({ custom_id }) => custom_id));
    from = page.next;
    pages += 1;
  }
  expect(pages).toBeGreaterThan(2);
  expect(names).toEqual(requests.map(({ custom_id }) => custom_id));
});
