/** The door as the AI SDK uses it, by both APIs and their providers, and as coding agents do, with all that these send. */
import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import {
  APICallError,
  embed,
  generateObject,
  generateText,
  jsonSchema,
  streamText,
  tool,
} from 'ai';
import type { LanguageModel, ToolSet } from 'ai';
import { beforeAll, expect, it } from 'vitest';
import { makeKey, wholeNodes } from '../fixtures/whole-nodes.ts';
import type { FakeVendor } from './fake-vendor.ts';
import { TEXT, startModelBox } from './model-box.ts';

const nodes = wholeNodes('sdk');
let vendor: FakeVendor;
let base: string;
let apiKey: string;

beforeAll(async () => {
  const box = await startModelBox(nodes, (endpoint) => ({
    providers: { gpu: { endpoint }, claude: { endpoint, api: 'anthropic' } },
  }));
  ({ vendor, base } = box);
  apiKey = await makeKey(box.operator, 'editor', ['model:**']);
});

/** The AI SDK's ways to ask a model: chats, responses and messages. */
const WAYS: Readonly<Record<string, (model: string) => LanguageModel>> = {
  chat: (model) => createOpenAI({ baseURL: base, apiKey }).chat(model),
  responses: (model) => createOpenAI({ baseURL: base, apiKey }).responses(model),
  messages: (model) => createAnthropic({ baseURL: base, apiKey })(model),
};
const look = tool({
  description: 'Looks somewhere.',
  inputSchema: jsonSchema<{ readonly at: string }>({
    type: 'object',
    properties: { at: { type: 'string' } },
    required: ['at'],
  }),
}) as ToolSet[string];

it.each(
  Object.keys(WAYS).flatMap(
    (way) =>
      [
        [way, 'gpu'],
        [way, 'claude'],
      ] as const,
  ),
)(
  'answers the AI SDK by its %s, whole and streamed, of provider %s, and has tools called',
  async (way, provider) => {
    const model = WAYS[way]?.(`${provider}/qwen`) ?? '';
    const asked = { model, maxOutputTokens: 50, maxRetries: 0 };
    const whole = await generateText({ ...asked, prompt: 'why' });
    expect(whole.text).toBe(TEXT);
    expect(whole.usage).toMatchObject({ inputTokens: 11, outputTokens: 5 });
    const streamed = streamText({ ...asked, system: 'Be brief.', prompt: 'why' });
    const pieces: string[] = [];
    for await (const piece of streamed.textStream) pieces.push(piece);
    expect(pieces.join('')).toBe(TEXT);
    expect(pieces.length).toBeGreaterThan(1);
    expect(await streamed.finishReason).toBe('stop');
    const { toolCalls } = await generateText({ ...asked, prompt: 'look', tools: { look } });
    expect(toolCalls).toMatchObject([{ toolName: 'look', input: { at: 'sky' } }]);
  },
);

it('gives the AI SDK objects by a schema, embeddings, and errors with their codes', async () => {
  const { object } = await generateObject({
    model: WAYS['chat']?.('gpu/proposes') ?? '',
    schema: jsonSchema<{ readonly peer: string }>({
      type: 'object',
      properties: { peer: { type: 'string' }, models: { type: 'array' } },
    }),
    prompt: 'propose',
    maxRetries: 0,
  });
  expect(object).toEqual({ peer: 'bob', models: ['gpu/*'] });
  expect(vendor.got.at(-1)?.body['response_format']).toMatchObject({ type: 'json_schema' });
  const { embedding } = await embed({
    model: createOpenAI({ baseURL: base, apiKey }).embedding('gpu/qwen'),
    value: 'heron',
  });
  expect(embedding).toEqual([0.5, -0.25]);
  for (const way of Object.values(WAYS)) {
    const failed = generateText({ model: way('gpu/status-401'), prompt: 'why', maxRetries: 0 });
    const error: unknown = await failed.catch((thrown: unknown) => thrown);
    expect(APICallError.isInstance(error)).toBe(true);
    expect(error).toMatchObject({
      statusCode: 502,
      responseBody: expect.stringContaining('STARLING_MODEL_KEY_REFUSED'),
    });
  }
});

/** As a coding agent asks by the Messages API: betas, caches, thoughts, effort, tools, pictures and their results. */
const CODING = {
  max_tokens: 32_000,
  stream: true,
  temperature: 1,
  thinking: { type: 'enabled', budget_tokens: 31_999 },
  output_config: { effort: 'high' },
  context_management: { edits: [{ type: 'clear_thinking_20251015', keep: 'all' }] },
  metadata: { user_id: 'user_1_account__session_2' },
  system: [
    { type: 'text', text: 'You are a coding agent.', cache_control: { type: 'ephemeral' } },
    { type: 'text', text: 'Use the tools.', cache_control: { type: 'ephemeral' } },
  ],
  tools: [
    {
      name: 'Read',
      description: 'Reads a file.',
      input_schema: { type: 'object', properties: { file_path: { type: 'string' } } },
      cache_control: { type: 'ephemeral' },
    },
  ],
  messages: [
    {
      role: 'user',
      content: [
        { type: 'text', text: '<system-reminder>today</system-reminder>' },
        { type: 'text', text: 'what is wrong here?', cache_control: { type: 'ephemeral' } },
        { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } },
      ],
    },
    {
      role: 'assistant',
      content: [
        { type: 'thinking', thinking: 'I read it.', signature: 'c2ln' },
        { type: 'text', text: 'I look.' },
        { type: 'tool_use', id: 'toolu_1', name: 'Read', input: { file_path: 'a.ts' } },
      ],
    },
    {
      role: 'user',
      content: [
        {
          type: 'tool_result',
          tool_use_id: 'toolu_1',
          content: [{ type: 'text', text: 'let a = 1' }],
          is_error: false,
        },
      ],
    },
  ],
};

const asAgent = (model: string): Promise<Response> =>
  fetch(`${base}/messages?beta=true`, {
    method: 'POST',
    headers: {
      'x-api-key': apiKey,
      'anthropic-version': '2023-06-01',
      'anthropic-beta': 'claude-code-20250219,interleaved-thinking-2025-05-14',
      'content-type': 'application/json',
      'x-stainless-lang': 'js',
    },
    body: JSON.stringify({ model, ...CODING }),
  });

it('takes the request of a coding agent: as it came where the vendor speaks its API', async () => {
  const response = await asAgent('claude/qwen');
  expect(await response.text()).toMatch(/event: message_stop\n/);
  expect(vendor.got.at(-1)?.body).toEqual({ model: 'qwen', ...CODING });
  expect(vendor.got.at(-1)?.headers['anthropic-beta']).toContain('interleaved-thinking');
  expect(response.headers.get('starling-ignored')).toBeNull();
});

it('says the request of a coding agent in another API, and names what is left out', async () => {
  const response = await asAgent('gpu/qwen');
  const text = await response.text();
  expect(response.status, text).toBe(200);
  expect((response.headers.get('starling-ignored') ?? '').split(', ').toSorted()).toEqual([
    'context_management',
    'messages.content.cache_control',
    'messages.content.thinking',
    'output_config.effort',
    'system.cache_control',
    'thinking',
    'tools.cache_control',
  ]);
  expect(vendor.got.at(-1)?.body).toMatchObject({
    model: 'qwen',
    max_tokens: 32_000,
    messages: [
      { role: 'system', content: 'You are a coding agent.\n\nUse the tools.' },
      {
        role: 'user',
        content: [
          { type: 'text', text: '<system-reminder>today</system-reminder>' },
          { type: 'text', text: 'what is wrong here?' },
          { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
        ],
      },
      {
        role: 'assistant',
        content: 'I look.',
        tool_calls: [
          { id: 'toolu_1', function: { name: 'Read', arguments: '{"file_path":"a.ts"}' } },
        ],
      },
      { role: 'tool', tool_call_id: 'toolu_1', content: 'let a = 1' },
    ],
    tools: [{ type: 'function', function: { name: 'Read' } }],
  });
  expect([...text.matchAll(/^event: (.+)$/gm)].map(([, type]) => type)).toEqual([
    'message_start',
    'content_block_start',
    ...Array.from({ length: 2 }, () => 'content_block_delta'),
    'content_block_stop',
    'message_delta',
    'message_stop',
  ]);
});

it('says pictures of a chat in the other API, whether they are there or elsewhere', async () => {
  const image = (url: string) => ({ type: 'image_url', image_url: { url } });
  const content = [image('data:image/png;base64,AAAA'), image('https://pictures.example/a.png')];
  await fetch(`${base}/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'claude/qwen', messages: [{ role: 'user', content }] }),
  });
  expect(vendor.got.at(-1)?.body['messages']).toEqual([
    {
      role: 'user',
      content: [
        { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } },
        { type: 'image', source: { type: 'url', url: 'https://pictures.example/a.png' } },
      ],
    },
  ]);
});
