/** Google's models, asked in the APIs of OpenAI and Anthropic by the vendors' own SDKs. */
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { beforeAll, describe, expect, it } from 'vitest';
import type { NodeClient } from '../../src/cli/node/client.ts';
import type { JsonObject } from '../../src/core/index.ts';
import { makeKey, wholeNodes } from '../fixtures/whole-nodes.ts';
import type { FakeVendor } from './fake-vendor.ts';
import { TEXT, startModelBox } from './model-box.ts';

const KEY = 'AIza-vendor-7c3e';
const nodes = wholeNodes('google');

let vendor: FakeVendor;
let operator: NodeClient;
let base: string;
let key: string;
let openai: OpenAI;
let anthropic: Anthropic;

beforeAll(async () => {
  const box = await startModelBox(
    nodes,
    (endpoint) => ({
      providers: {
        google: { endpoint, keyFrom: 'env:GOOGLE_KEY' },
        hasty: { endpoint, api: 'google', timeout: 100 },
      },
      routes: { any: { models: ['google/blocked', 'google/qwen'] } },
    }),
    { env: { GOOGLE_KEY: KEY } },
  );
  ({ base, operator, vendor } = box);
  key = await makeKey(operator, 'all', ['model:**']);
  openai = new OpenAI({ baseURL: base, apiKey: key, maxRetries: 0 });
  anthropic = new Anthropic({ baseURL: base.replace(/\/v1$/, ''), apiKey: key, maxRetries: 0 });
});

const ask = [{ role: 'user' as const, content: 'hello' }];
const last = (): FakeVendor['got'][number] | undefined => vendor.got.at(-1);
const tools: OpenAI.ChatCompletionTool[] = [
  { type: 'function', function: { name: 'look', parameters: { type: 'object' } } },
];

describe("through the OpenAI SDK, Google's models", () => {
  it('answer whole and streamed, with usage: thoughts are paid for like answers', async () => {
    const whole = await openai.chat.completions.create({ model: 'google/flash', messages: ask });
    expect(whole.choices[0]).toMatchObject({ finish_reason: 'stop', message: { content: TEXT } });
    expect(whole.usage).toMatchObject({ prompt_tokens: 11, completion_tokens: 5 });
    expect(last()?.path).toBe('/v1beta/models/flash:generateContent');
    expect(last()?.headers['x-goog-api-key']).toBe(KEY);
    const stream = openai.chat.completions.stream({
      model: 'google/flash',
      messages: ask,
      stream_options: { include_usage: true },
    });
    const final = await stream.finalChatCompletion();
    expect(final.choices[0]?.message.content).toBe(TEXT);
    expect(final.usage).toMatchObject({ prompt_tokens: 11, completion_tokens: 5 });
    expect(last()?.path).toBe('/v1beta/models/flash:streamGenerateContent?alt=sse');
  });

  it('call tools, and are given their results with the signature that they gave', async () => {
    const request = { model: 'google/gemini-3-pro', messages: ask, tools };
    const { choices } = await openai.chat.completions.create(request);
    const message = choices[0]?.message;
    const wanted = { function: { name: 'look', arguments: '{"at":"sky"}' } };
    expect(choices[0]?.finish_reason).toBe('tool_calls');
    expect(message?.tool_calls).toMatchObject([wanted]);
    const final = await openai.chat.completions.stream(request).finalChatCompletion();
    expect(final.choices[0]?.message.tool_calls).toMatchObject([wanted]);
    if (message === undefined) throw new Error('no message');
    const { id: tool_call_id = '' } = message.tool_calls?.[0] ?? {};
    const result = { role: 'tool' as const, tool_call_id, content: '{"stars":7}' };
    await openai.chat.completions.create({ ...request, messages: [...ask, message, result] });
    const called = { functionCall: { name: 'look', args: { at: 'sky' } } };
    const parts = { functionResponse: { name: 'look', response: { stars: 7 } } };
    expect(last()?.body).toMatchObject({
      contents: [
        { role: 'user' },
        { role: 'model', parts: [{ ...called, thoughtSignature: 'c2lnbmVk' }] },
        { role: 'user', parts: [parts] },
      ],
      tools: [{ functionDeclarations: [{ parametersJsonSchema: { type: 'object' } }] }],
    });
    // A client that keeps no signatures is let on as Google says.
    const bare = { role: 'assistant' as const, tool_calls: message.tool_calls?.slice(0, 1) ?? [] };
    for (const call of bare.tool_calls) Reflect.deleteProperty(call, 'extra_content');
    await openai.chat.completions.create({ ...request, messages: [...ask, bare, result] });
    expect(last()?.text).toContain('skip_thought_signature_validator');
  });

  it('take pictures, settings and a schema for the answer; what has no word is named', async () => {
    const url = 'data:image/png;base64,AAAA';
    const content = [
      { type: 'text' as const, text: 'what is it' },
      { type: 'image_url' as const, image_url: { url } },
    ];
    const json_schema = { name: 'x', schema: { type: 'object' } };
    const { response } = await openai.chat.completions
      .create({
        model: 'google/flash',
        messages: [
          { role: 'system', content: 'be short' },
          { role: 'user', content },
        ],
        max_completion_tokens: 9,
        temperature: 1.5,
        stop: 'END',
        tool_choice: 'required',
        tools,
        response_format: { type: 'json_schema', json_schema },
        parallel_tool_calls: false,
      })
      .withResponse();
    expect(response.headers.get('starling-ignored')).toBe('parallel_tool_calls');
    expect(last()?.body).toEqual({
      contents: [
        {
          role: 'user',
          parts: [{ text: 'what is it' }, { inlineData: { mimeType: 'image/png', data: 'AAAA' } }],
        },
      ],
      systemInstruction: { parts: [{ text: 'be short' }] },
      tools: [
        { functionDeclarations: [{ name: 'look', parametersJsonSchema: { type: 'object' } }] },
      ],
      toolConfig: { functionCallingConfig: { mode: 'ANY' } },
      generationConfig: {
        maxOutputTokens: 9,
        temperature: 1.5,
        stopSequences: ['END'],
        responseMimeType: 'application/json',
        responseJsonSchema: { type: 'object' },
      },
    });
    for (const more of [{ n: 2 }, { logprobs: true }]) {
      const refused = openai.chat.completions.create({ model: 'google/x', messages: ask, ...more });
      await expect(refused).rejects.toThrow(Object.keys(more)[0]);
    }
  });

  it('give embeddings, packed as the SDK asks for them', async () => {
    const made = await openai.embeddings.create({ model: 'google/emb', input: ['a', 'b'] });
    expect(made.data.map(({ embedding }) => embedding)).toEqual([
      [0.5, -0.25],
      [0.5, -0.25],
    ]);
    expect(last()?.path).toBe('/v1beta/models/emb:batchEmbedContents');
    const plain = { model: 'google/emb', input: 'a', encoding_format: 'float' as const };
    expect((await openai.embeddings.create(plain)).data[0]?.embedding).toEqual([0.5, -0.25]);
  });

  it('answer in the Responses API too', async () => {
    const whole = await openai.responses.create({ model: 'google/flash', input: 'hello' });
    expect(whole.output_text).toBe(TEXT);
    const stream = openai.responses.stream({ model: 'google/flash', input: 'hello' });
    expect((await stream.finalResponse()).output_text).toBe(TEXT);
  });
});

describe("through the Anthropic SDK, Google's models", () => {
  it('answer whole and streamed, and call tools', async () => {
    const request = { model: 'google/flash', max_tokens: 100, messages: ask };
    const whole = await anthropic.messages.create(request);
    expect(whole).toMatchObject({
      content: [{ type: 'text', text: TEXT }],
      stop_reason: 'end_turn',
    });
    expect(whole.usage).toMatchObject({ input_tokens: 11, output_tokens: 5 });
    const final = await anthropic.messages.stream(request).finalMessage();
    expect(final.content).toMatchObject([{ type: 'text', text: TEXT }]);
    expect(final.usage.output_tokens).toBe(5);
    const look = { name: 'look', input_schema: { type: 'object' as const } };
    const called = await anthropic.messages.stream({ ...request, tools: [look] }).finalMessage();
    expect(called.stop_reason).toBe('tool_use');
    expect(called.content).toMatchObject([
      { type: 'thinking', thinking: 'I look.' },
      { type: 'tool_use', name: 'look', input: { at: 'sky' } },
    ]);
    expect((await anthropic.messages.countTokens(request)).input_tokens).toBeGreaterThan(0);
  });
});

describe("Google's errors", () => {
  it.each([
    ['google/bad-key', 502, 'STARLING_MODEL_KEY_REFUSED'],
    ['google/too-long', 400, 'STARLING_MODEL_CONTEXT'],
    ['google/busy', 429, 'STARLING_RATE_LIMITED'],
    ['google/status-503', 503, 'STARLING_MODEL_OVERLOADED'],
    ['google/status-500', 502, 'STARLING_MODEL_FAILED'],
    ['google/status-404', 404, 'STARLING_MODEL_UNKNOWN'],
    ['google/blocked', 400, 'STARLING_MODEL_REJECTED'],
    ['google/bad-tool', 502, 'STARLING_MODEL_INVALID'],
    ['google/html', 502, 'STARLING_MODEL_INVALID'],
    ['hasty/silent', 504, 'STARLING_TIMEOUT'],
    ['google/a%2F..%2Fb', 403, 'STARLING_CALL_REFUSED'],
  ])('%s is %i %s in both forms, and shows no key', async (named, status, code) => {
    const model = decodeURIComponent(named);
    const chat = openai.chat.completions.create({ model, messages: ask });
    const failed: unknown = await chat.catch((error: unknown) => error);
    expect(failed).toMatchObject({ status, code });
    const message = anthropic.messages.create({ model, max_tokens: 9, messages: ask });
    const other: unknown = await message.catch((error: unknown) => error);
    expect(other).toMatchObject({ status: code === 'STARLING_MODEL_OVERLOADED' ? 529 : status });
    expect(String(other)).toContain(code);
    expect(`${String(failed)}${String(other)}`).not.toContain(KEY);
    if (model === 'google/busy') {
      expect((failed as { headers: Headers }).headers.get('retry-after')).toBe('7');
    }
  });

  it.each(['cut', 'short', 'malformed', 'fails'])(
    'a stream that is %s ends by an error',
    async (how) => {
      const stream = openai.chat.completions.stream({ model: `google/${how}`, messages: ask });
      await expect(stream.finalChatCompletion()).rejects.toThrow(/STARLING_MODEL_/);
    },
  );

  it('a filter ends an answer as in a chat; a blocked request goes nowhere else', async () => {
    for (const [model, finish] of [
      ['unsafe', 'content_filter'],
      ['long', 'length'],
    ] as const) {
      const stream = openai.chat.completions.stream({ model: `google/${model}`, messages: ask });
      expect((await stream.finalChatCompletion()).choices[0]?.finish_reason).toBe(finish);
    }
    const refused = openai.chat.completions.stream({ model: 'google/blocked', messages: ask });
    await expect(refused.finalChatCompletion()).rejects.toThrow('STARLING_MODEL_REJECTED');
    const routed = openai.chat.completions.create({ model: 'any', messages: ask });
    await expect(routed).rejects.toThrow('STARLING_MODEL_REJECTED');
  });

  it('lists its models by their own names, and answers a probe', async () => {
    const ids = (await openai.models.list()).data.map(({ id }) => id);
    expect(ids).toEqual(
      expect.arrayContaining(['google/gemini-2.5-flash', 'google/tunedModels/own']),
    );
    const probed = await operator.builtin<JsonObject>('model_test', { name: 'google' });
    expect(probed['models']).toContain('gemini-2.5-flash');
  });
});
