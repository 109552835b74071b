/** Vendors that stream garbage: whatever comes ends as an answer or as an error of ours, is counted once, and stays bounded. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seededNumbers } from '../../sim/seeded-random.ts';
import { Secret, StarlingError, systemClock } from '../../src/core/index.ts';
import type { Random } from '../../src/core/index.ts';
import { createExchanger } from '../../src/gateway/index.ts';
import type { Reply } from '../../src/gateway/index.ts';
import { answerBy } from '../../src/models/providers/answer.ts';
import { createProvider } from '../../src/models/providers/provider.ts';
import type { Provider, VendorAnswer } from '../../src/models/providers/provider.ts';
import { readCall } from '../../src/models/read-call.ts';
import type { Usage } from '../../src/models/types.ts';
import { startVendor } from './fake-vendor.ts';
import type { FakeVendor } from './fake-vendor.ts';

const MESSAGE_BYTES = 64 * 1024;
const SEEDS = 40;
const STREAM = { status: 200, headers: { 'content-type': 'text/event-stream' } } as Reply;

const exchanger = createExchanger({ clock: systemClock });
let vendor: FakeVendor;
beforeAll(async () => {
  vendor = await startVendor();
});
afterAll(async () => {
  exchanger.close();
  await vendor.stop();
});

function provider(api: Provider['api']): Provider {
  return createProvider({ exchanger, clock: systemClock }, 'gpu', {
    api,
    endpoint: `${vendor.url}/${api === 'google' ? 'v1beta' : 'v1'}`,
    models: [],
    headers: { 'x-api-key': new Secret('a-key-of-the-vendor') },
    timeoutMs: 60_000,
    limits: {},
    tier: 'central',
    problems: [],
  });
}

const TOOL = { name: 'look', description: 'x' };
const schema = { type: 'object', properties: {} };
const ask = [{ role: 'user', content: 'hi' }];
/** The same question in each API. */
const ASKED: Readonly<Record<'chat' | 'messages' | 'responses', object>> = {
  chat: {
    messages: ask,
    tools: [{ type: 'function', function: { ...TOOL, parameters: schema } }],
  },
  messages: { messages: ask, max_tokens: 50, tools: [{ ...TOOL, input_schema: schema }] },
  responses: { input: 'hi', tools: [{ type: 'function', ...TOOL, parameters: schema }] },
};

function callOf(form: 'chat' | 'messages' | 'responses', hasTools: boolean) {
  const { tools, ...rest } = ASKED[form] as { readonly tools: object };
  const body = { model: 'gpu/qwen', stream: true, ...rest, ...(hasTools ? { tools } : {}) };
  return readCall(form, Buffer.from(JSON.stringify(body)), {});
}

/** What comes of a stream: its bytes, or why it broke off; and what it was told to have taken. */
async function read(
  api: Provider['api'],
  call: ReturnType<typeof callOf>,
  send: Provider['send'],
): Promise<{ readonly sizeBytes: number; readonly error: unknown; readonly used: Usage[] }> {
  const used: Usage[] = [];
  let sizeBytes = 0;
  let error: unknown;
  try {
    const made = await answerBy(Object.assign(provider(api), { send }), call, {
      model: 'qwen',
      signal: new AbortController().signal,
      messageBytes: MESSAGE_BYTES,
      clock: systemClock,
      used: (usage) => used.push(usage),
    });
    for await (const chunk of made.body) sizeBytes += chunk.length;
  } catch (thrown) {
    error = thrown;
  }
  return { sizeBytes, error, used };
}

/** A good stream of the vendor. */
async function goodStream(api: Provider['api'], call: ReturnType<typeof callOf>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const send: Provider['send'] = async (request): Promise<VendorAnswer> => {
    const { reply, body } = await provider(api).send(request);
    for await (const chunk of body) chunks.push(chunk);
    return { reply, body: pieces(chunks) };
  };
  const { error } = await read(api, call, send);
  expect(error).toBeUndefined();
  return Buffer.concat(chunks);
}

async function* pieces(chunks: readonly Buffer[]): AsyncGenerator<Buffer> {
  yield* chunks;
}

/** What no API has, and what some parsers take for something else. */
const ODD: readonly string[] = [
  'data: null\n\n',
  'data: [1,2]\n\n',
  'data: 7\n\n',
  'data: "choices"\n\n',
  'data: {"choices":{"0":1}}\n\n',
  'data: {"choices":[null,7,[]]}\n\n',
  'data: {"choices":[{"index":-1,"delta":{"tool_calls":[{"index":-1},{"index":1e9,"function":{"arguments":7}}]}}]}\n\n',
  'data: {"choices":[{"delta":{"content":{"a":1},"tool_calls":{"length":9}}}]}\n\n',
  'data: {"choices":[{"finish_reason":["stop"]}],"usage":{"prompt_tokens":-5,"completion_tokens":1e300}}\n\n',
  'data: {"usage":{"prompt_tokens":"9","completion_tokens":null,"total_tokens":[]}}\n\n',
  'event: content_block_start\ndata: {"type":"content_block_start","index":"x","content_block":7}\n\n',
  'data: {"type":"content_block_delta","index":99,"delta":{"type":"input_json_delta","partial_json":"}}}"}}\n\n',
  'data: {"type":"message_delta","delta":null,"usage":{"output_tokens":-1}}\n\n',
  'data: {"type":"message_start","message":[]}\n\n',
  'data: {"type":"message_stop"}\n\n',
  'data: {"type":"response.completed","response":"no"}\n\n',
  'data: {"type":"response.output_item.added","item":{"type":"function_call"}}\n\n',
  'data: {"candidates":[{"content":{"parts":[7,{"functionCall":{"args":"x"}}]}}],"usageMetadata":{"promptTokenCount":-1}}\n\n',
  'data: {"__proto__":{"choices":[]},"constructor":1}\n\n',
  'data: {"error":{"message":{"a":1}}}\n\n',
  'data: [DONE]\n\n',
  ': a comment\n\n',
  'retry: -1\nid: \0\n\n',
  '\r\r\n\n\r\n',
  '\ufeffdata: {}\n\n',
  'data\n\n',
  `data: ${'['.repeat(20_000)}\n\n`,
  `data: ${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}\n\n`,
  `data: {"choices":[{"delta":{"content":"${'x'.repeat(70_000)}"}}]}\n\n`,
];

function spoiled(good: Buffer, random: Random): Buffer {
  let bytes = good;
  const upTo = (most: number): number => Math.floor(random() * (most + 1));
  for (let times = 1 + upTo(3); times > 0; times -= 1) {
    const [from, to] = [upTo(bytes.length), upTo(bytes.length)].toSorted((a, b) => a - b);
    const odd = Buffer.from(ODD[upTo(ODD.length - 1)] ?? '');
    const noise = Buffer.from(Array.from({ length: upTo(40) }, () => upTo(255)));
    const [start = 0, end = 0] = [from, to];
    const event = bytes.indexOf('\n\n', start) + 2;
    bytes = Buffer.concat(
      [
        [bytes.subarray(0, start), bytes.subarray(end)],
        [bytes.subarray(0, end), bytes.subarray(start)],
        [bytes.subarray(0, start), noise, bytes.subarray(start)],
        [bytes.subarray(0, event), odd, bytes.subarray(event)],
        [bytes.subarray(0, event), odd, bytes.subarray(event)],
        [bytes.subarray(0, start)],
      ][upTo(5)] ?? [bytes],
    );
  }
  return bytes;
}

function cutUp(bytes: Buffer, random: Random): Buffer[] {
  const cut: Buffer[] = [];
  const most = bytes.length < 8000 && random() < 0.2 ? 3 : 4000;
  for (let at = 0; at < bytes.length;) {
    const length = 1 + Math.floor(random() * most);
    cut.push(bytes.subarray(at, at + length));
    at += length;
  }
  return cut;
}

describe.each(['openai', 'anthropic', 'google'] as const)('the stream of a vendor of %s', (api) => {
  it.each([
    ['chat', false],
    ['chat', true],
    ['messages', false],
    ['messages', true],
    ['responses', false],
    ['responses', true],
  ] as const)(
    'that is garbage ends a call in the form %s (tools: %s) well or by an error of ours',
    async (form, hasTools) => {
      const call = callOf(form, hasTools);
      const good = await goodStream(api, call);
      const codes = new Set<string>();
      for (let seed = 0; seed < SEEDS; seed += 1) {
        const random = seededNumbers(seed);
        const cut = cutUp(spoiled(good, random), random);
        const said = await read(api, call, async () => ({ reply: STREAM, body: pieces(cut) }));
        const { error, sizeBytes, used } = said;
        if (error !== undefined) {
          expect(error, `seed ${seed}`).toBeInstanceOf(StarlingError);
          codes.add((error as StarlingError).code);
        }
        expect(used, `seed ${seed}`).toHaveLength(1);
        for (const count of [used[0]?.input, used[0]?.output]) {
          expect(Number.isSafeInteger(count) && Number(count) >= 0, `seed ${seed}`).toBe(true);
        }
        expect(sizeBytes, `seed ${seed}`).toBeLessThan(8 * MESSAGE_BYTES);
      }
      expect([...codes]).toContain('STARLING_MODEL_INVALID');
    },
  );
});
