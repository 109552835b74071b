/** Callers, peers and vendors that do their worst: what they say must not widen a right, empty a budget, or hold anything for ever. */
import { getEventListeners } from 'node:events';
import { createServer } from 'node:http';
import { connect, createServer as createRawServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { loadConfig } from '../../src/config/index.ts';
import { Secret, StarlingError, silentLogger, systemClock } from '../../src/core/index.ts';
import { createExchanger } from '../../src/gateway/index.ts';
import { OPERATOR } from '../../src/guard/index.ts';
import { createModelsDoor } from '../../src/models/door/models-door.ts';
import { usageIn } from '../../src/models/mesh/frames.ts';
import { createModels } from '../../src/models/models.ts';
import type { ModelsComponents, PeerModels } from '../../src/models/models.ts';
import { createAllowance } from '../../src/models/providers/minute-limits.ts';
import { answerBy } from '../../src/models/providers/answer.ts';
import { createProvider } from '../../src/models/providers/provider.ts';
import type { Provider } from '../../src/models/providers/provider.ts';
import { readCall } from '../../src/models/read-call.ts';
import { chatUsage, messagesUsage } from '../../src/models/translate/answers.ts';
import type { ModelAnswer, Usage } from '../../src/models/types.ts';
import { fitted } from '../../src/models/worst-case.ts';
import type { AskedModel } from '../../src/models/worst-case.ts';
import { createUsageBook } from '../../src/models/index.ts';
import { createTestClock } from '../core/test-clock.ts';
import { memoryTable } from '../grants/memory-table.ts';
import { startVendor } from './fake-vendor.ts';
import type { FakeVendor } from './fake-vendor.ts';

const exchanger = createExchanger({ clock: systemClock });
let vendor: FakeVendor;
beforeAll(async () => {
  vendor = await startVendor();
});
afterAll(async () => {
  exchanger.close();
  await vendor.stop();
});

const chat = (text: string) => readCall('chat', Buffer.from(text), {});
function provider(
  key: string,
  api: 'openai' | 'anthropic' = 'openai',
  timeoutMs = 60_000,
): Provider {
  const header = api === 'openai' ? 'authorization' : 'x-api-key';
  return createProvider({ exchanger, clock: systemClock }, 'gpu', {
    api,
    endpoint: `${vendor.url}/v1`,
    models: [],
    headers: { [header]: new Secret(api === 'openai' ? `Bearer ${key}` : key) },
    timeoutMs,
    limits: {},
    tier: 'edge',
    problems: [],
  });
}
const signal = (): AbortSignal => new AbortController().signal;
const askedFor = (price: AskedModel['price']): AskedModel => ({
  price,
  limitKey: 'max_tokens',
  contextTokens: 1000,
});
/** The same provider, but for some things. */
const otherwise = (one: Provider, more: Partial<Provider>): Provider => ({
  name: one.name,
  api: one.api,
  isOpenAi: one.isOpenAi,
  hasResponses: one.hasResponses,
  allowance: one.allowance,
  offers: (model) => one.offers(model),
  models: (until) => one.models(until),
  sizeOf: (model) => one.sizeOf(model),
  probe: (until) => one.probe(until),
  withoutKeys: (text) => one.withoutKeys(text),
  send: (request) => one.send(request),
  ...more,
});

it.each(['MODEL', 'Max_Tokens', 'N', '\u017ftream', 'max_to\u212aens'])(
  "refuses the key '%s', which some vendors read as one that decides",
  (key) => {
    expect(() => chat(`{"model":"gpu/small","${key}":"gpu/large"}`)).toThrow(StarlingError);
    expect(() => chat(`{"${key}":9,"model":"gpu/small","max_tokens":1,"stream":true}`)).toThrow(
      StarlingError,
    );
  },
);

it.each(['messages', 'tools', 'metadata', 'x'])(
  "refuses a request whose '%s' is nested deeper than any stack, and takes one that is nested deep",
  (key) => {
    const nested = (depth: number) =>
      `{"model":"a","${key}":${'['.repeat(depth)}${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}${']'.repeat(depth)}}`;
    expect(() => chat(nested(200_000))).toThrow('nested deeper than 1000');
    expect(() => chat(nested(501))).toThrow('nested deeper');
    expect(chat(nested(400)).model).toBe('a');
  },
);

it('counts a number of answers that is none as the most there can be', () => {
  const worst = (n: string) =>
    fitted(chat(`{"model":"a","max_tokens":1,"n":${n}}`), askedFor({ input: 0, output: 1 }), {})
      .worst.usd;
  expect([worst('null'), worst('3'), worst('"100"'), worst('1.5')]).toEqual([1, 3, 128, 128]);
});

it.each([-1, 0.5, 1e12, Number.MAX_SAFE_INTEGER])('takes %d tokens for nothing told', (many) => {
  expect(chatUsage({ prompt_tokens: many, completion_tokens: 1 })).toBeUndefined();
  expect(chatUsage({ prompt_tokens: 1, completion_tokens: many })).toBeUndefined();
  expect(messagesUsage({ input_tokens: 1, output_tokens: many })).toBeUndefined();
  expect(usageIn({ input: many, output: 1 })).toBeUndefined();
});

it('shows no key that a vendor quotes within its stream', async () => {
  const made = await answerBy(provider('sk-quoted-2718'), chat('{"model":"gpu/x","stream":true}'), {
    model: 'fails',
    signal: signal(),
    messageBytes: 100_000,
    clock: systemClock,
    used: () => undefined,
  });
  const reading = (async () => {
    for await (const _ of made.body);
  })();
  const error: Error = await reading.then(
    () => expect.unreachable(),
    (thrown: Error) => thrown,
  );
  expect(error.message).toContain('broke: Bearer ***');
});

it('counts what came of a stream that its caller left before it had told its tokens', async () => {
  const used: Usage[] = [];
  const body = Buffer.from('{"model":"claude/qwen","stream":true,"max_tokens":99,"messages":[]}');
  const made = await answerBy(provider('key', 'anthropic'), readCall('messages', body, {}), {
    model: 'steps',
    signal: signal(),
    messageBytes: 100_000,
    clock: systemClock,
    used: (usage) => used.push(usage),
  });
  let text = '';
  for await (const chunk of made.body) {
    text += Buffer.from(chunk).toString();
    if (text.includes('" hello"')) break;
    while (!vendor.step()) await new Promise((resolve) => setImmediate(resolve));
  }
  expect(used).toEqual([
    {
      input: 11,
      output: expect.toSatisfy((n: number) => n >= 5),
      cachedInput: 2,
      isEstimated: true,
    },
  ]);
});

it('asks OpenAI itself for the tokens of a stream, and keeps from a caller what it has not asked for', async () => {
  const openAi = otherwise(provider('key'), { isOpenAi: true });
  const streamOf = async (
    more: object,
  ): Promise<{ readonly text: string; readonly used: Usage[] }> => {
    const used: Usage[] = [];
    const body = JSON.stringify({ model: 'gpu/o3', stream: true, messages: [], ...more });
    const made = await answerBy(openAi, chat(body), {
      model: 'o3',
      signal: signal(),
      messageBytes: 100_000,
      clock: systemClock,
      used: (usage) => used.push(usage),
    });
    const parts: Uint8Array[] = [];
    for await (const chunk of made.body) parts.push(chunk);
    return { text: Buffer.concat(parts).toString(), used };
  };
  const silent = await streamOf({});
  expect(vendor.got.at(-1)?.body['stream_options']).toEqual({ include_usage: true });
  expect(silent.used).toEqual([{ input: 11, output: 5 }]);
  expect(silent.text).toContain('" hello"');
  expect(silent.text).toMatch(/data: \[DONE\]\n\n$/);
  expect(silent.text).not.toContain('prompt_tokens');
  const asking = await streamOf({ stream_options: { include_usage: true } });
  expect(asking.text).toContain('prompt_tokens');
});

it.each([
  ['o3', {}, 99],
  ['gpt-5-mini', {}, 99],
  ['qwen', { reasoning_effort: 'high' }, 99],
  ['qwen', { thinking: { type: 'enabled' } }, 99],
  ['gpt-50', {}, undefined],
  ['qwen', {}, undefined],
])(
  'of %s with %j, which may think unseen, a stream that broke off took %s',
  async (model, more, took) => {
    const used: Usage[] = [];
    const body = JSON.stringify({
      model: 'gpu/x',
      stream: true,
      max_tokens: 99,
      messages: [],
      ...more,
    });
    const cut = otherwise(provider('key'), {
      send: (request: Parameters<Provider['send']>[0]) =>
        provider('key').send({ ...request, body: Buffer.from('{"model":"cut","stream":true}') }),
    });
    const made = await answerBy(cut, chat(body), {
      model,
      signal: signal(),
      messageBytes: 100_000,
      clock: systemClock,
      used: (usage) => used.push(usage),
    });
    const reading = (async () => {
      for await (const _ of made.body);
    })();
    await expect(reading).rejects.toMatchObject({ code: 'STARLING_MODEL_CUT' });
    expect(used[0]?.output).toEqual(took ?? (expect.toSatisfy((n: number) => n < 20) as number));
  },
);

it('a node that stops has settled what calls under way held, also of who does not read its answer', async () => {
  const { clock, models, spent } = meshed();
  const call = chat('{"model":"@evil/gpu/x","max_tokens":10}');
  const read = await models.ask(call, OPERATOR, signal());
  const unread = await models.ask(call, OPERATOR, signal());
  const stopping = models.stop();
  for await (const _ of read.body);
  await new Promise((resolve) => void setImmediate(resolve));
  clock.advance(2000);
  await stopping;
  expect(spent).toHaveLength(2);
  // Of what nobody knows all that was held is spent.
  expect(spent[1]).toBeUndefined();
  for await (const _ of unread.body);
  expect(spent).toHaveLength(2);
  // A node that starts again has models again.
  await models.start();
  await models.ask(call, OPERATOR, signal());
});

it('says in a refusal that the price of a model is not known', async () => {
  const refused = { unit: 'usd', left: 1, wanted: 2, budget: 'b' };
  const { models } = meshed({
    prices: {},
    begin: async () => {
      throw new StarlingError('STARLING_BUDGET_EXHAUSTED', 'too little', { data: refused });
    },
  });
  await expect(
    models.ask(chat('{"model":"@evil/gpu/x"}'), OPERATOR, signal()),
  ).rejects.toMatchObject({
    message: expect.stringContaining('nobody knows the price of @evil/gpu/x') as string,
    hint: expect.stringContaining('models.prices') as string,
  });
  const { models: paid } = meshed({ prices: {}, room: async () => ({ usd: 10_000_000 }) });
  const { headers } = await paid.ask(chat('{"model":"@evil/gpu/x"}'), OPERATOR, signal());
  expect(headers['starling-estimated']).toBe('price');
});

it('settles a minute once, so that nobody gets back more than was taken', () => {
  const clock = createTestClock();
  const minute = createAllowance(clock, { who: 'x', key: 'y' }, { tokensPerMinute: 100 });
  minute.take(50)(50);
  const settle = minute.take(50);
  settle(10);
  settle(10);
  expect(() => minute.take(41)).toThrow('no more than 100');
});

it('owes no more than ten minutes bring, whatever somebody says that it took', () => {
  const clock = createTestClock();
  const minute = createAllowance(clock, { who: 'x', key: 'y' }, { tokensPerMinute: 100 });
  minute.take(1)(9e15);
  expect(() => minute.take(1)).toThrow('no more than 100');
  clock.advance(10 * 60_000);
  expect(() => minute.take(1)).toThrow('no more than 100');
  clock.advance(60_000);
  minute.take(100);
});

it('ends the wait for a list that does not come, and leaves out names that can be none', async () => {
  await expect(provider('hanging', 'openai', 100).models(signal())).rejects.toMatchObject({
    code: 'STARLING_TIMEOUT',
  });
  expect(await provider('odd').models(signal())).toEqual(['qwen']);
});

it('sends nothing to another host than that of its endpoint, by no path and no redirect', async () => {
  let reached = 0;
  const other = createServer((_, response) => {
    reached += 1;
    response.end('{}');
  });
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const elsewhere = `127.0.0.1:${(other.address() as AddressInfo).port}`;
  const sender = createServer((_, response) =>
    response.writeHead(307, { location: `http://${elsewhere}/v1/models` }).end(),
  );
  await new Promise<void>((resolve) => sender.listen(0, '127.0.0.1', resolve));
  const made = createProvider({ exchanger, clock: systemClock }, 'gpu', {
    api: 'openai',
    endpoint: `http://127.0.0.1:${(sender.address() as AddressInfo).port}`,
    models: [],
    headers: { authorization: new Secret('Bearer sk-stays-here') },
    timeoutMs: 60_000,
    limits: {},
    tier: 'edge',
    problems: [],
  });
  const send = (path: string) => made.send({ path, model: 'x', headers: {}, signal: signal() });
  const paths = [`@${elsewhere}/v1/models`, `//${elsewhere}/`, `/../../@${elsewhere}`, '/models'];
  for (const path of paths) {
    await expect(send(path), path).rejects.toMatchObject({ code: 'STARLING_MODEL_INVALID' });
  }
  expect(reached).toBe(0);
  other.close();
  sender.close();
});

it.each([
  ['are too long', (line: string) => line.repeat(4000), 'STARLING_MODEL_FAILED'],
  ['never end', (line: string) => line, 'STARLING_TIMEOUT'],
])('gives up a provider whose headers %s', async (_, headers, code) => {
  const raw = createRawServer((socket) => {
    socket.on('error', () => undefined);
    socket.write(`HTTP/1.1 200 OK\r\n${headers('x-more: abcdefgh\r\n')}`);
  });
  await new Promise<void>((resolve) => raw.listen(0, '127.0.0.1', resolve));
  const { port } = raw.address() as AddressInfo;
  const made = createProvider({ exchanger, clock: systemClock }, 'gpu', {
    api: 'openai',
    endpoint: `http://127.0.0.1:${port}/v1`,
    models: [],
    headers: {},
    timeoutMs: 150,
    limits: {},
    tier: 'edge',
    problems: [],
  });
  await expect(made.probe(signal())).rejects.toMatchObject({ code });
  raw.close();
});

it('holds a public address without dots for no neighbour, which would cost nothing', async () => {
  const tierOf = async (endpoint: string) => {
    const flags = { models: { providers: { x: { endpoint } } } };
    const { models } = await loadConfig({ env: { STARLING_CONFIG: '' }, flags });
    return models.providers['x']?.tier;
  };
  expect(await tierOf('http://[2001:db8::1]/v1')).toBe('central');
  expect(await tierOf('http://[fd00::1]/v1')).toBe('edge');
  expect(await tierOf('http://gpu:8080/v1')).toBe('edge');
});

it('ends an answer whose caller went before it could be written', async () => {
  const over = vi.fn<() => void>();
  let asked = (): void => undefined;
  const isAsked = new Promise<void>((resolve) => (asked = resolve));
  const ask = async (_call: unknown, _by: unknown, gone: AbortSignal): Promise<ModelAnswer> => {
    asked();
    await new Promise((resolve) => gone.addEventListener('abort', resolve));
    return { isStream: true, headers: {}, body: answering(over) };
  };
  const door = createModelsDoor(
    { models: { ask } as never, clock: systemClock },
    { messageBytes: 1000 },
  );
  const server = createServer((request, response) =>
    door.serve(request, response, '/v1/chat/completions', { principal: OPERATOR } as never),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const body = '{"model":"gpu/qwen","stream":true}';
  socket.write(`POST / HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
  await isAsked;
  socket.destroy();
  await vi.waitFor(() => expect(over).toHaveBeenCalled(), 20_000);
  server.close();
});

it('gives up a caller that reads nothing of its answer', async () => {
  const over = vi.fn<() => void>();
  const clock = createTestClock();
  const ask = async (): Promise<ModelAnswer> => ({
    isStream: true,
    headers: {},
    body: endless(over),
  });
  const door = createModelsDoor({ models: { ask } as never, clock }, { messageBytes: 1000 });
  const server = createServer((request, response) =>
    door.serve(request, response, '/v1/chat/completions', { principal: OPERATOR } as never),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.pause();
  const body = '{"model":"gpu/qwen","stream":true}';
  socket.write(`POST / HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
  await vi.waitFor(() => {
    clock.advance(100_000);
    expect(over).toHaveBeenCalled();
  }, 20_000);
  socket.destroy();
  server.close();
});

async function* endless(over: () => void): AsyncGenerator<Uint8Array> {
  const chunk = Buffer.alloc(1024 * 1024, 'x');
  try {
    for (;;) yield chunk;
  } finally {
    over();
  }
}

async function* answering(over: () => void): AsyncGenerator<Uint8Array> {
  try {
    yield Buffer.from('data: 1\n\n');
    yield Buffer.from('data: 2\n\n');
  } finally {
    over();
  }
}

it('books of what a peer tells no more than was held, and nothing of a call that never left', async () => {
  const { models, spent, state } = meshed();
  const call = chat('{"model":"@evil/gpu/qwen","max_tokens":100}');
  for await (const _ of (await models.ask(call, OPERATOR, signal())).body);
  const most = fitted(call, askedFor({ input: 1, output: 10 }), {}).worst;
  expect(spent).toEqual([most]);
  expect(models.stats()[0]?.costMicroUsd).toBe(most.usd);
  state.isGone = true;
  await expect(models.ask(call, OPERATOR, state.gone.signal)).rejects.toThrow('went');
  expect(spent[1]).toEqual({ tokens: 0, calls: 0, usd: 0 });
});

it('keeps nothing of a call that is over, however long its caller and the room live on', async () => {
  const { models, state } = meshed();
  const { signal: lasting } = new AbortController();
  const call = chat('{"model":"@evil/gpu/qwen","max_tokens":100}');
  for (let times = 0; times < 3; times += 1) {
    for await (const _ of (await models.ask(call, OPERATOR, lasting)).body);
  }
  state.isGone = true;
  await expect(models.ask(call, OPERATOR, state.gone.signal)).rejects.toThrow('went');
  for (const signal of [lasting, state.gone.signal]) {
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    // Where Node notes those that `AbortSignal.any` has made of a signal, for as long as that one lives.
    const noted = Object.getOwnPropertySymbols(signal)
      .filter(({ description }) => description === 'kDependantSignals')
      .map((key) => Reflect.get(signal, key) as { readonly size: number } | undefined);
    expect(noted.map((all) => all?.size ?? 0).filter((count) => count > 0)).toEqual([]);
  }
});

/** A node whose one peer tells of enormous usage, and whose caller goes while its call is cleared, once `isGone`. */
function meshed({
  prices = { '@evil/*': { input: 1, output: 10 } },
  ...spendings
}: {
  readonly prices?: object;
  readonly begin?: () => Promise<never>;
  readonly room?: () => Promise<object>;
} = {}) {
  const clock = createTestClock();
  const spent: unknown[] = [];
  const state = { isGone: false, gone: new AbortController() };
  const peers: Pick<PeerModels, 'find' | 'ask'> = {
    find: (name) => ({ ...name, peer: 'evil' }),
    async ask(_name, _call, _principal, { used }) {
      const body = (async function* (): AsyncGenerator<Uint8Array> {
        yield Buffer.from('{}');
        used({ input: 900_000_000, output: 900_000_000 });
      })();
      return { isStream: false, headers: {}, body };
    },
  };
  const components = {
    config: () => ({ contexts: {}, providers: {}, prices }),
    exchanger,
    peers,
    usage: createUsageBook({ table: memoryTable(), clock, logger: silentLogger }),
    clock,
    logger: silentLogger,
    self: 'box',
    guard: () => ({ decide: () => ({ allow: true }) }),
    audit: { isOn: false, append: async () => 1, note: () => undefined },
    spendings: {
      room: async () => ({}),
      async begin() {
        if (state.isGone) state.gone.abort(new Error('the caller went'));
        return { over: (_: boolean, cost: unknown) => (spent.push(cost), {}) };
      },
      ...spendings,
    },
  };
  const models = createModels(components as unknown as ModelsComponents, { messageBytes: 1000 });
  return { clock, models, spent, state };
}
