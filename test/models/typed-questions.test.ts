/** What providers can do and questions by their type, in the words of the Anonymous Identity framework's document. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { NodeClient } from '../../src/cli/node/client.ts';
import type { JsonObject } from '../../src/core/index.ts';
import { run } from '../cli/support.ts';
import { wholeNodes } from '../fixtures/whole-nodes.ts';
import type { FakeVendor } from './fake-vendor.ts';
import { TEXT, startModelBox } from './model-box.ts';

const nodes = wholeNodes('typed');
let operator: NodeClient;
let vendor: FakeVendor;
let file: string;
let at: readonly string[];

beforeAll(async () => {
  let providers: Record<string, object> = {};
  const box = await startModelBox(nodes, (endpoint) => {
    providers = {
      gpu: { endpoint, rate_limits: { requests_per_minute: 600, tokens_per_minute: 150_000 } },
      claude: { endpoint, api: 'anthropic', models: ['qwen'] },
      gemini: { endpoint, api: 'google', models: ['qwen'] },
    };
    return { providers };
  });
  ({ operator, vendor } = box);
  file = join(await nodes.root(), 'box.json');
  const far = { openai: { keyFrom: 'env:NOBODY_SET_THIS' }, broken: { endpoint: 'ftp://x' } };
  await writeFile(file, JSON.stringify({ models: { providers: { ...providers, ...far } } }));
  at = ['--config', file, '--state', box.stateDir];
});
beforeEach(() => vendor.got.splice(0));

const ask = (asked: JsonObject): Promise<JsonObject> =>
  operator.builtin<JsonObject>('ai_query', { query: 'why', model: 'gpu/qwen', ...asked });
const chats = { completion: true, streaming: true, function_calling: true };

it('lists providers with the fields of the document: what each can do, its models and its limits', async () => {
  const { stdout } = await run('model', 'list', '--json', ...at);
  const { providers } = JSON.parse(stdout) as { providers: JsonObject[] };
  expect(providers).toMatchObject([
    {
      id: 'gpu',
      name: 'gpu',
      version: 'v1',
      capabilities: { ...chats, embeddings: true },
      models: ['qwen', 'org/qwen:7b'],
      rate_limits: { requests_per_minute: 600, tokens_per_minute: 150_000 },
    },
    {
      id: 'claude',
      capabilities: { ...chats, embeddings: false, moderation: false },
      models: ['qwen'],
      rate_limits: {},
    },
    { id: 'gemini', version: 'v1beta', capabilities: { ...chats, embeddings: true } },
    { id: 'openai', capabilities: { ...chats, embeddings: true, moderation: true }, models: [] },
    { id: 'broken', problems: [expect.stringContaining('endpoint')] },
  ]);
  // What nobody can know of a server that is compatible is not said.
  expect(providers[0]?.['capabilities']).not.toHaveProperty('moderation');
});

describe('a question', () => {
  it('is for a text, where nobody says otherwise', async () => {
    expect(await ask({})).toMatchObject({ response: TEXT });
    expect(await ask({ type: 'completion' })).toMatchObject({ response: TEXT });
    expect(await ask({})).not.toHaveProperty('function_calls');
  });

  it.each(['gpu/qwen', 'claude/qwen'])(
    'for a call says which function and with what, at %s',
    async (model) => {
      const parameters = { type: 'object', properties: { at: { type: 'string' } } };
      const functions = [{ name: 'look', description: 'Looks.', parameters }];
      const answer = await ask({ model, type: 'function_call', functions });
      expect(answer['function_calls']).toEqual([
        { name: 'look', arguments: expect.any(Object) as object },
      ]);
      expect(JSON.stringify(vendor.got.at(-1)?.body['tools'])).toContain('Looks.');
    },
  );

  it('is told of no call that does not fit: of another function, or with other arguments', async () => {
    const other = [{ name: 'other' }];
    await expect(ask({ type: 'function_call', functions: other })).rejects.toMatchObject({
      code: 'STARLING_MODEL_INVALID',
      message: expect.stringContaining("calls 'look'") as string,
    });
    const parameters = { type: 'object', required: ['never'], properties: {} };
    const strict = [{ name: 'look', parameters }];
    await expect(ask({ type: 'function_call', functions: strict })).rejects.toMatchObject({
      code: 'STARLING_MODEL_INVALID',
    });
  });

  it('for an embedding gives the vector, and for a moderation what is objectionable', async () => {
    const vector = await ask({ type: 'embedding' });
    expect(vector).toMatchObject({ response: '', model: 'gpu/qwen' });
    expect(vector['embedding']).toEqual(expect.arrayContaining([expect.any(Number)]));
    const judged = await ask({ type: 'moderation' });
    expect(judged).toMatchObject({ response: '', flagged: expect.any(Boolean) as boolean });
    expect(vendor.got.map(({ path }) => path)).toEqual(['/v1/embeddings', '/v1/moderations']);
  });

  it('says what a provider can not do, in its own words', async () => {
    for (const type of ['embedding', 'moderation']) {
      await expect(ask({ type, model: 'claude/qwen' })).rejects.toMatchObject({
        code: 'STARLING_MODEL_UNSUPPORTED',
        message: expect.stringContaining('provider claude has no') as string,
      });
    }
  });

  it.each<[JsonObject, RegExp]>([
    [{ type: 'function_call' }, /needs `functions`/],
    [{ functions: [{ name: 'look' }] }, /with the type `function_call` alone/],
    [{ type: 'embedding', system: 'be short' }, /`system` does not go with the type `embedding`/],
    [{ type: 'moderation', max_tokens: 5 }, /`max_tokens` does not go with the type `moderation`/],
    [{ type: 'guess' }, /type/],
  ])('that can not be is refused before anybody is asked: %j', async (asked, text) => {
    await expect(ask(asked)).rejects.toThrow(text);
    expect(vendor.got).toEqual([]);
  });
});
