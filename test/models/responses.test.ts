/** The Responses API and moderations at the door, asked by the vendor's own SDK and as coding agents do. */
import OpenAI from 'openai';
import { beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/core/index.ts';
import { makeKey, wholeNodes } from '../fixtures/whole-nodes.ts';
import type { FakeVendor } from './fake-vendor.ts';
import { TEXT, startModelBox } from './model-box.ts';
import { errorOf, postTo } from './post.ts';

const nodes = wholeNodes('responses');

let vendor: FakeVendor;
let base: string;
let key: string;
let openai: OpenAI;

beforeAll(async () => {
  const box = await startModelBox(nodes, (endpoint) => ({
    providers: {
      gpu: { endpoint },
      claude: { endpoint, api: 'anthropic' },
      open: { endpoint, responses: true },
    },
    routes: { any: { models: ['gpu/status-500', 'open/status-429', 'claude/qwen'] } },
  }));
  ({ base, vendor } = box);
  key = await makeKey(box.operator, 'all', ['model:**']);
  openai = new OpenAI({ baseURL: base, apiKey: key, maxRetries: 0 });
});

const last = (): FakeVendor['got'][number] | undefined => vendor.got.at(-1);
const look: OpenAI.Responses.FunctionTool = {
  type: 'function',
  name: 'look',
  parameters: { type: 'object' },
  strict: false,
};

describe.each(['gpu', 'claude', 'open'])('responses through the SDK, provider %s', (name) => {
  it('answers whole and streamed, with usage', async () => {
    const whole = await openai.responses.create({ model: `${name}/qwen`, input: 'hello' });
    expect(whole.output_text).toBe(TEXT);
    expect(whole).toMatchObject({ status: 'completed', store: false });
    expect(whole.usage).toMatchObject({ input_tokens: 11, output_tokens: 5, total_tokens: 16 });
    const stream = openai.responses.stream({ model: `${name}/qwen`, input: 'hello' });
    const types: string[] = [];
    let text = '';
    for await (const event of stream) {
      types.push(event.type);
      if (event.type === 'response.output_text.delta') text += event.delta;
    }
    const final = await stream.finalResponse();
    expect(text).toBe(TEXT);
    expect(final.output_text).toBe(TEXT);
    expect(final.usage).toMatchObject({ input_tokens: 11, output_tokens: 5 });
    expect(types[0]).toBe('response.created');
    expect(types.at(-1)).toBe('response.completed');
  });

  it('has tools called, and is given their results', async () => {
    const input: OpenAI.Responses.ResponseInputItem[] = [
      { role: 'user', content: 'what is there?' },
      { type: 'function_call', call_id: 'a', name: 'look', arguments: '{"at":"sea"}' },
      { type: 'function_call_output', call_id: 'a', output: 'waves' },
    ];
    const wanted = { type: 'function_call', name: 'look', arguments: '{"at":"sky"}' };
    const request = { model: `${name}/qwen`, input, tools: [look] };
    const whole = await openai.responses.create(request);
    expect(whole.output).toMatchObject([wanted]);
    expect(last()?.text).toContain('waves');
    const final = await openai.responses.stream(request).finalResponse();
    expect(final.output).toMatchObject([wanted]);
    expect(final.output[0]).toHaveProperty('call_id');
  });

  it('an answer that breaks off, or calls a tool with broken JSON, ends by an error', async () => {
    for (const model of ['cut', 'short', 'malformed', 'fails']) {
      const stream = await openai.responses.create({
        model: `${name}/${model}`,
        input: 'hello',
        stream: true,
      });
      const seen = (async () => {
        for await (const event of stream) expect(event.type).not.toBe('response.completed');
      })();
      await expect(seen, model).rejects.toThrow(/STARLING_MODEL_/);
    }
    const request = { model: `${name}/bad-tool`, input: 'hello', tools: [look] };
    if (name !== 'claude') {
      await expect(openai.responses.create(request)).rejects.toThrow('no JSON object');
    }
    await expect(openai.responses.stream(request).finalResponse()).rejects.toThrow(
      'no JSON object',
    );
  });

  it('refuses by name what would be kept', async () => {
    const before = vendor.got.length;
    const refused: Record<string, unknown>[] = [
      { previous_response_id: 'resp_1' },
      { background: true },
      { store: true },
      { conversation: 'conv_1' },
      { input: [{ type: 'item_reference', id: 'msg_1' }] },
    ];
    for (const more of refused) {
      const response = await post('/responses', { model: `${name}/qwen`, input: 'x', ...more });
      expect(response.status).toBe(400);
      const [field = ''] = Object.keys(more);
      const { message, code } = (await errorOf(response)) as JsonObject;
      expect(message).toContain(`'${field}`);
      expect(code).toBe('STARLING_MODEL_UNSUPPORTED');
    }
    expect(vendor.got.length).toBe(before);
  });
});

describe('what passes and what is said', () => {
  it('passes as it came where the provider speaks it, but for being stored', async () => {
    const include = ['reasoning.encrypted_content'];
    const { headers } = await post('/responses', { model: 'open/qwen', input: 'x', include });
    expect(last()?.path).toBe('/v1/responses');
    expect(last()?.body).toEqual({ store: false, model: 'qwen', input: 'x', include });
    expect(headers.get('starling-added')).toBe('store=false');
    const body = { model: 'open/qwen', input: 'x', store: false };
    expect((await post('/responses', body)).headers.has('starling-added')).toBe(false);
    const twice = '{"model":"open/qwen","input":"x","store":false,"STORE":true}';
    expect((await post('/responses', twice)).status).toBe(400);
  });

  it('takes the request of a coding agent, and names what is left out', async () => {
    const response = await post('/responses', codingRequest('gpu/qwen'));
    const text = await response.text();
    expect(response.status).toBe(200);
    const ignored = response.headers.get('starling-ignored') ?? '';
    for (const name of ['tools.web_search', 'input.reasoning', 'include', 'prompt_cache_key']) {
      expect(ignored).toContain(name);
    }
    expect(last()?.body).toMatchObject({
      model: 'qwen',
      messages: [
        { role: 'system', content: 'You are a coding agent.' },
        { role: 'system', content: 'Use the tools.' },
        { role: 'user', content: 'fix it' },
        {
          role: 'assistant',
          content: 'I look.',
          tool_calls: [
            { id: 'c1', function: { name: 'shell', arguments: '{"command":["ls"]}' } },
            { id: 'c2', function: { name: 'apply_patch', arguments: '{"input":"*** Begin"}' } },
          ],
        },
        { role: 'tool', tool_call_id: 'c1', content: 'a.ts' },
        { role: 'tool', tool_call_id: 'c2', content: 'done' },
      ],
      tools: [{ function: { name: 'shell' } }, { function: { name: 'apply_patch' } }],
      reasoning_effort: 'medium',
      parallel_tool_calls: false,
      tool_choice: 'auto',
    });
    // The order in which clients need it: each item begun, filled, done; then all of it.
    const types = [...text.matchAll(/^event: (.+)$/gm)].map(([, type]) => type);
    expect(types).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.function_call_arguments.delta',
      'response.function_call_arguments.delta',
      'response.function_call_arguments.done',
      'response.output_item.done',
      'response.completed',
    ]);
    const numbers = [...text.matchAll(/"sequence_number":(\d+)/g)].map(([, at]) => Number(at));
    expect(numbers).toEqual(numbers.map((_, at) => at));
  });

  it('a tool that takes a text is a function of one text elsewhere', async () => {
    const tools: OpenAI.Responses.CustomTool[] = [{ type: 'custom', name: 'look' }];
    const request = { model: 'gpu/qwen', input: 'x', tools };
    const whole = await openai.responses.create(request);
    expect(whole.output).toMatchObject([{ type: 'custom_tool_call', input: '{"at":"sky"}' }]);
    const final = await openai.responses.stream(request).finalResponse();
    expect(final.output).toMatchObject([{ type: 'custom_tool_call', input: '{"at":"sky"}' }]);
  });

  it('goes to the next model of a route before the first token, in each form', async () => {
    const response = await post('/responses', { model: 'any', input: 'x', stream: true });
    expect(response.headers.get('starling-model')).toBe('claude/qwen');
    expect(response.headers.get('starling-fallback-from')).toContain('open/status-429');
    expect(await response.text()).toContain('response.completed');
  });

  it('nothing is below it, since nothing is kept', async () => {
    const response = await fetch(`${base}/responses/resp_1`, {
      headers: { authorization: `Bearer ${key}` },
    });
    expect(response.status).toBe(400);
    expect(await errorOf(response)).toMatchObject({ code: 'STARLING_MODEL_UNSUPPORTED' });
  });

  it('moderates where the provider does', async () => {
    const { results } = await openai.moderations.create({ model: 'gpu/omni', input: 'bad' });
    expect(results[0]?.flagged).toBe(true);
    const refused = openai.moderations.create({ model: 'claude/omni', input: 'bad' });
    await expect(refused).rejects.toThrow('has no moderations');
    const none = openai.moderations.create({ model: 'gpu/status-404', input: 'bad' });
    await expect(none).rejects.toThrow('no moderations');
  });
});

/** As an agent in a terminal asks whose API is this one. */
function codingRequest(model: string): object {
  const text = (type: string, said: string): object => ({ type, text: said });
  const message = (role: string, part: object): object => ({
    type: 'message',
    role,
    content: [part],
  });
  return {
    model,
    instructions: 'You are a coding agent.',
    input: [
      message('developer', text('input_text', 'Use the tools.')),
      message('user', text('input_text', 'fix it')),
      { type: 'reasoning', summary: [], encrypted_content: 'gAAAA' },
      { ...message('assistant', text('output_text', 'I look.')), id: 'msg_0', status: 'completed' },
      { type: 'function_call', name: 'shell', arguments: '{"command":["ls"]}', call_id: 'c1' },
      { type: 'custom_tool_call', name: 'apply_patch', input: '*** Begin', call_id: 'c2' },
      { type: 'function_call_output', call_id: 'c1', output: 'a.ts' },
      { type: 'custom_tool_call_output', call_id: 'c2', output: [text('input_text', 'done')] },
    ],
    tools: [
      { type: 'function', name: 'shell', strict: false, parameters: { type: 'object' } },
      { type: 'custom', name: 'apply_patch', format: { type: 'grammar', syntax: 'lark' } },
      { type: 'web_search' },
    ],
    tool_choice: 'auto',
    parallel_tool_calls: false,
    reasoning: { effort: 'medium', summary: 'auto' },
    store: false,
    stream: true,
    include: ['reasoning.encrypted_content'],
    prompt_cache_key: 'b1',
    text: { verbosity: 'low' },
  };
}

function post(path: string, body: unknown): Promise<Response> {
  return postTo({ base, key }, path, body);
}
