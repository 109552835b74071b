/** The door of the OpenAI and Anthropic APIs, asked by the vendors' own SDKs; the vendors behind it are ours, at the wire. */
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { NodeClient } from '../../src/cli/node/client.ts';
import type { JsonObject } from '../../src/core/index.ts';
import { makeKey, wholeNodes } from '../fixtures/whole-nodes.ts';
import type { FakeVendor } from './fake-vendor.ts';
import { TEXT, startModelBox } from './model-box.ts';
import { errorOf, postTo } from './post.ts';

const SECRET = 'sk-vendor-5f1e0c9a77d2';
const PROMPT = 'what does the heron whisper';
const nodes = wholeNodes('door');

let operator: NodeClient;
let vendor: FakeVendor;
let base: string;
let key: string;
let narrowKey: string;
let openai: OpenAI;
let anthropic: Anthropic;
let stateDir: string;

beforeAll(async () => {
  const provider = { keyFrom: 'env:VENDOR_KEY', timeout: 60_000 };
  const box = await startModelBox(
    nodes,
    (endpoint) => ({
      providers: {
        gpu: { ...provider, endpoint },
        claude: { ...provider, endpoint, api: 'anthropic' },
        hasty: { ...provider, endpoint, timeout: 100 },
        few: { ...provider, endpoint, models: ['qwen'], rate_limits: { requests_per_minute: 1 } },
        dead: { endpoint: 'http://127.0.0.1:9' },
        keyless: { endpoint, keyFrom: 'secret:NEVER_SET' },
      },
    }),
    {
      env: { VENDOR_KEY: SECRET },
      log: { level: 'debug', file: join(await nodes.root(), 'log') },
    },
  );
  ({ base, operator, stateDir, vendor } = box);
  key = await makeKey(operator, 'all', ['model:**']);
  narrowKey = await makeKey(operator, 'narrow', ['model:gpu/qwen']);
  openai = new OpenAI({ baseURL: base, apiKey: key, maxRetries: 0 });
  anthropic = new Anthropic({ baseURL: base.replace(/\/v1$/, ''), apiKey: key, maxRetries: 0 });
});

const ask = [{ role: 'user' as const, content: PROMPT }];
const tools: OpenAI.ChatCompletionTool[] = [
  { type: 'function', function: { name: 'look', parameters: { type: 'object' } } },
];
const last = () => vendor.got.at(-1);

describe.each(['gpu', 'claude'])('through the OpenAI SDK, provider %s', (name) => {
  it('answers whole and streamed, with usage', async () => {
    const whole = await openai.chat.completions.create({ model: `${name}/qwen`, messages: ask });
    expect(whole.choices[0]?.message.content).toBe(TEXT);
    expect(whole.choices[0]?.finish_reason).toBe('stop');
    expect(whole.usage).toMatchObject({ prompt_tokens: 11, completion_tokens: 5 });
    const stream = await openai.chat.completions.create({
      model: `${name}/qwen`,
      messages: ask,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = '';
    let usage: OpenAI.CompletionUsage | null | undefined;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? '';
      usage = chunk.usage ?? usage;
    }
    expect(text).toBe(TEXT);
    expect(usage).toMatchObject({ prompt_tokens: 11, completion_tokens: 5 });
  });

  it('has tools called, and is given their results', async () => {
    const messages: OpenAI.ChatCompletionMessageParam[] = [
      ...ask,
      {
        role: 'assistant',
        tool_calls: [{ id: 'a', type: 'function', function: { name: 'look', arguments: '{}' } }],
      },
      { role: 'tool', tool_call_id: 'a', content: 'stars' },
    ];
    const request = { model: `${name}/qwen`, messages, tools };
    const { choices } = await openai.chat.completions.create(request);
    const wanted = { function: { name: 'look', arguments: '{"at":"sky"}' } };
    expect(choices[0]?.message.tool_calls?.[0]).toMatchObject(wanted);
    const runner = openai.chat.completions.stream({ ...request });
    const final = await runner.finalChatCompletion();
    expect(final.choices[0]?.message.tool_calls?.[0]).toMatchObject(wanted);
    expect(final.choices[0]?.finish_reason).toBe('tool_calls');
    expect(JSON.stringify(last()?.body)).toContain('stars');
  });
});

describe.each(['gpu', 'claude'])('through the Anthropic SDK, provider %s', (name) => {
  const request = { model: `${name}/qwen`, max_tokens: 100, messages: ask };

  it('answers whole and streamed, with usage', async () => {
    const whole = await anthropic.messages.create(request);
    expect(whole.content).toEqual([{ type: 'text', text: TEXT }]);
    expect(whole.stop_reason).toBe('end_turn');
    expect(whole.usage.output_tokens).toBe(5);
    const final = await anthropic.messages.stream(request).finalMessage();
    expect(final.content).toMatchObject([{ type: 'text', text: TEXT }]);
    expect(final.stop_reason).toBe('end_turn');
    expect(final.usage.output_tokens).toBe(5);
  });

  it('has tools called, and is given their results', async () => {
    const messages: Anthropic.MessageParam[] = [
      ...ask,
      { role: 'assistant', content: [{ type: 'tool_use', id: 'a', name: 'look', input: {} }] },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'a', content: 'stars' }] },
    ];
    const look: Anthropic.Tool = { name: 'look', input_schema: { type: 'object' } };
    const asked = { ...request, messages, tools: [look] };
    const use = { type: 'tool_use', name: 'look', input: { at: 'sky' } };
    expect((await anthropic.messages.create(asked)).content).toMatchObject([use]);
    const final = await anthropic.messages.stream(asked).finalMessage();
    expect(final.content).toMatchObject([use]);
    expect(final.stop_reason).toBe('tool_use');
    expect(JSON.stringify(last()?.body)).toContain('stars');
  });

  it('counts tokens', async () => {
    const { input_tokens: count } = await anthropic.messages.countTokens({
      model: `${name}/qwen`,
      messages: ask,
    });
    expect(count).toBeGreaterThan(5);
  });
});

describe('where door and vendor speak one API', () => {
  it('passes the request as it came but for the name, and the answer byte by byte', async () => {
    const written = `{ "messages":[{"role":"user","content":"h\\u00e9"}] ,"seed": 12345678901234567890, "model" : "gpu/org/qwen:7b","strange":{"model":"x"}}`;
    const response = await post('/chat/completions', written);
    expect(last()?.text).toBe(written.replace('"gpu/org/qwen:7b"', '"org/qwen:7b"'));
    expect(await response.json()).toMatchObject({
      system_fingerprint: 'fp_own',
      model: 'org/qwen:7b',
    });
    expect(response.headers.get('starling-ignored')).toBeNull();
  });

  it('passes beta headers and cache_control to a vendor of the Anthropic API', async () => {
    const system: Anthropic.TextBlockParam[] = [
      { type: 'text', text: 'be brief', cache_control: { type: 'ephemeral' } },
    ];
    await anthropic.messages.create(
      { model: 'claude/qwen', max_tokens: 5, system, messages: ask },
      { headers: { 'anthropic-beta': 'some-beta-2026' } },
    );
    expect(last()?.headers['anthropic-beta']).toBe('some-beta-2026');
    expect(last()?.headers['x-api-key']).toBe(SECRET);
    expect(last()?.headers.authorization).toBeUndefined();
    expect(last()?.body['system']).toEqual(system);
  });

  it('has embeddings', async () => {
    const { data } = await openai.embeddings.create({
      model: 'gpu/qwen',
      input: 'heron',
      encoding_format: 'float',
    });
    expect(data[0]?.embedding).toEqual([0.5, -0.25]);
  });
});

describe('where they do not', () => {
  it('names what was left out, and refuses what would make another answer', async () => {
    const response = await post('/chat/completions', {
      model: 'claude/qwen',
      messages: [{ role: 'user', content: 'hi', name: 'eve' }],
      seed: 7,
      reasoning_effort: 'low',
      logit_bias: null,
    });
    expect(response.headers.get('starling-ignored')).toBe('messages.name, seed, reasoning_effort');
    expect(response.headers.get('starling-added')).toBe('max_tokens=4096');
    for (const field of [
      { n: 2 },
      { logprobs: true },
      { response_format: { type: 'json_object' } },
    ]) {
      const refused = await post('/chat/completions', {
        model: 'claude/qwen',
        messages: ask,
        ...field,
      });
      expect(refused.status).toBe(400);
      const [name = ''] = Object.keys(field);
      expect(await errorOf(refused)).toMatchObject({ code: 'STARLING_MODEL_UNSUPPORTED' });
      expect(
        (await post('/chat/completions', { model: 'gpu/qwen', messages: ask, ...field })).status,
        name,
      ).toBe(200);
    }
    const messages = await post('/messages', {
      model: 'gpu/qwen',
      max_tokens: 5,
      top_k: 3,
      system: [{ type: 'text', text: 'x', cache_control: { type: 'ephemeral' } }],
      messages: ask,
    });
    expect(messages.headers.get('starling-ignored')).toBe('system.cache_control, top_k');
    const web = { type: 'web_search_20250305', name: 'web_search' };
    const refused = await post('/messages', {
      model: 'gpu/qwen',
      max_tokens: 5,
      messages: ask,
      tools: [web],
    });
    expect(await refused.json()).toMatchObject({
      type: 'error',
      error: { type: 'invalid_request_error' },
    });
    expect((await post('/embeddings', { model: 'claude/qwen', input: 'x' })).status).toBe(400);
  });
});

const FAILURES: readonly (readonly [model: string, status: number, code: string])[] = [
  ['gpu/status-401', 502, 'STARLING_MODEL_KEY_REFUSED'],
  ['gpu/status-404', 404, 'STARLING_MODEL_UNKNOWN'],
  ['gpu/status-429', 429, 'STARLING_RATE_LIMITED'],
  ['gpu/status-429-7', 429, 'STARLING_RATE_LIMITED'],
  ['gpu/status-500', 502, 'STARLING_MODEL_FAILED'],
  ['gpu/status-529', 503, 'STARLING_MODEL_OVERLOADED'],
  ['gpu/status-422', 400, 'STARLING_MODEL_REJECTED'],
  ['gpu/too-long', 400, 'STARLING_MODEL_CONTEXT'],
  ['gpu/html', 502, 'STARLING_MODEL_INVALID'],
  ['gpu/moved', 502, 'STARLING_MODEL_INVALID'],
  ['gpu/filtered', 400, 'STARLING_MODEL_REJECTED'],
  ['claude/filtered', 400, 'STARLING_MODEL_REJECTED'],
  ['hasty/silent', 504, 'STARLING_TIMEOUT'],
  ['dead/qwen', 502, 'STARLING_MODEL_FAILED'],
  ['keyless/qwen', 500, 'STARLING_SECRET_MISSING'],
  ['none/qwen', 404, 'STARLING_MODEL_UNKNOWN'],
  ['few/other', 404, 'STARLING_MODEL_UNKNOWN'],
  ['noslash', 404, 'STARLING_MODEL_UNKNOWN'],
];

describe('what a vendor fails', () => {
  it.each(FAILURES)('%s is %i %s in both forms, and shows no key', async (model, status, code) => {
    const request = { model, messages: ask, max_tokens: 5, stream: true };
    const chat = await post('/chat/completions', request);
    const text = await chat.text();
    expect(chat.status).toBe(status);
    expect((JSON.parse(text) as JsonObject)['error']).toMatchObject({ code });
    expect(chat.headers.get('retry-after')).toBe(model.endsWith('-7') ? '7' : null);
    const messages = await post('/messages', request);
    expect(messages.status).toBe(code === 'STARLING_MODEL_OVERLOADED' ? 529 : status);
    const other = await messages.text();
    expect(JSON.parse(other)).toMatchObject({
      type: 'error',
      error: { message: expect.stringContaining(code) },
    });
    for (const shown of [text, other]) expect(shown).not.toContain(SECRET);
  });

  it.each([
    ['cut', 'STARLING_MODEL_CUT'],
    ['short', 'STARLING_MODEL_CUT'],
    ['malformed', 'STARLING_MODEL_INVALID'],
    ['fails', 'STARLING_MODEL_FAILED'],
  ])('a stream that is %s ends by %s after what came', async (model, code) => {
    for (const name of ['gpu', 'claude']) {
      const chat = await openai.chat.completions.create({
        model: `${name}/${model}`,
        messages: ask,
        stream: true,
      });
      let text = '';
      const read = async (): Promise<void> => {
        for await (const chunk of chat) text += chunk.choices[0]?.delta.content ?? '';
      };
      await expect(read(), name).rejects.toThrow(code);
      expect(text, name).toMatch(/^The/);
      const stream = anthropic.messages.stream({
        model: `${name}/${model}`,
        max_tokens: 5,
        messages: ask,
      });
      await expect(stream.finalMessage(), name).rejects.toThrow(code);
    }
  });

  it('a call of a tool with broken JSON is an error, whole and streamed, before the client could act on it', async () => {
    const request = { messages: ask, max_tokens: 5 };
    for (const name of ['gpu', 'claude']) {
      const model = `${name}/bad-tool`;
      const chat = await post('/chat/completions', { ...request, model, tools, stream: true });
      const text = await chat.text();
      expect(text, name).toContain('STARLING_MODEL_INVALID');
      expect(text, name).not.toMatch(/"finish_reason":"tool_calls"|\[DONE\]/);
      const named = { name: 'look', input_schema: { type: 'object' } };
      const asked = { ...request, model, tools: [named], stream: true };
      const messages = await (await post('/messages', asked)).text();
      expect(messages, name).toContain('STARLING_MODEL_INVALID');
      expect(messages, name).not.toMatch(/"stop_reason":"tool_use"|message_stop/);
    }
    const whole = await post('/chat/completions', { ...request, model: 'gpu/bad-tool', tools });
    expect(whole.status).toBe(502);
    expect(await whole.text()).toContain(
      "calls tool 'look' with arguments that are no JSON object",
    );
  });

  it('a stream that stalls ends in time', async () => {
    const chat = await openai.chat.completions.create({
      model: 'hasty/stalls',
      messages: ask,
      stream: true,
    });
    const read = async (): Promise<void> => {
      for await (const _ of chat);
    };
    await expect(read()).rejects.toThrow('STARLING_TIMEOUT');
  });

  it('a provider is sent no more a minute than was said', async () => {
    const send = () => post('/chat/completions', { model: 'few/qwen', messages: ask });
    expect((await send()).status).toBe(200);
    const count = vendor.got.length;
    const second = await send();
    expect(second.status).toBe(429);
    expect(Number(second.headers.get('retry-after'))).toBeGreaterThan(30);
    expect(vendor.got.length).toBe(count);
  });
});

describe('who may', () => {
  it('takes keys of the node, and only for the models of their scopes', async () => {
    const narrow = new OpenAI({ baseURL: base, apiKey: narrowKey, maxRetries: 0 });
    const listed = (await narrow.models.list()).data.map(({ id }) => id);
    expect(listed).toEqual(['gpu/qwen']);
    await narrow.chat.completions.create({ model: 'gpu/qwen', messages: ask });
    const count = vendor.got.length;
    for (const model of ['gpu/org/qwen:7b', 'claude/qwen', 'none/qwen']) {
      await expect(narrow.chat.completions.create({ model, messages: ask })).rejects.toMatchObject({
        status: 403,
        code: 'STARLING_CALL_REFUSED',
      });
    }
    const nobody = new OpenAI({ baseURL: base, apiKey: 'sk-wrong', maxRetries: 0 });
    await expect(nobody.models.list()).rejects.toMatchObject({ status: 401 });
    const stranger = new Anthropic({
      baseURL: base.replace(/\/v1$/, ''),
      apiKey: 'no',
      maxRetries: 0,
    });
    await expect(stranger.models.list()).rejects.toMatchObject({
      status: 401,
      error: { error: { type: 'authentication_error' } },
    });
    expect(vendor.got.length).toBe(count);
  });

  it('lists in the form of whoever asks', async () => {
    const ids = (await openai.models.list()).data.map(({ id }) => id);
    expect(ids).toEqual(
      expect.arrayContaining(['gpu/qwen', 'gpu/org/qwen:7b', 'claude/qwen', 'few/qwen']),
    );
    const page = await anthropic.models.list();
    expect(page.data.map(({ id }) => id)).toEqual(ids);
    expect((await openai.models.retrieve('gpu/qwen')).object).toBe('model');
    expect((await anthropic.models.retrieve('gpu/qwen')).type).toBe('model');
    await expect(openai.models.retrieve('gpu/nothing')).rejects.toMatchObject({ status: 404 });
  });

  it('says what is here, and takes no request that can be read in two ways', async () => {
    expect(await errorOf(await post('/completions', {}))).toMatchObject({
      type: 'not_found_error',
    });
    const deep = `{"model":"claude/qwen","messages":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
    for (const body of ['{', '[]', '{}', '{"model":"gpu/qwen","model":"claude/qwen"}', deep]) {
      for (const path of ['/chat/completions', '/messages', '/responses', '/embeddings']) {
        expect((await post(path, body)).status, body.slice(0, 99)).toBe(400);
      }
    }
  });
});

describe('what stays behind', () => {
  it('a caller that goes ends the stream at the vendor', async () => {
    const before = vendor.left;
    const gone = new AbortController();
    const stream = await openai.chat.completions.create(
      { model: 'gpu/endless', messages: ask, stream: true },
      { signal: gone.signal },
    );
    for await (const _ of stream) break;
    gone.abort();
    await vi.waitFor(() => expect(vendor.left).toBe(before + 1), { timeout: 60_000 });
  });

  it('a caller that does not read holds the vendor back', async () => {
    const before = vendor.written;
    const gone = new AbortController();
    await fetch(`${base}/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'gpu/endless', messages: ask, stream: true }),
      signal: gone.signal,
    });
    let seen = -1;
    await vi.waitFor(
      () => {
        const now = vendor.written;
        const isStill = now > before && now === seen;
        seen = now;
        expect(isStill).toBe(true);
      },
      { timeout: 10_000, interval: 300 },
    );
    expect(seen - before).toBeLessThan(24 * 1024 * 1024);
    gone.abort();
  });

  it('neither the key, nor a prompt, nor an answer is in the log or the audit log', async () => {
    await operator.builtin<JsonObject>('audit_query', { limit: 1 });
    const files = [join(stateDir, '..', 'log')];
    for (const file of await readdir(join(stateDir, 'audit')))
      files.push(join(stateDir, 'audit', file));
    const texts = await Promise.all(files.map((file) => readFile(file, 'utf8').catch(() => '')));
    const all = texts.join('\n');
    expect(all).toContain('model:gpu/qwen');
    for (const secret of [SECRET, PROMPT, 'mesh says']) expect(all).not.toContain(secret);
  });
});

function post(path: string, body: unknown): Promise<Response> {
  return postTo({ base, key }, path, body);
}
