/** What tokens of each kind cost, as vendors tell them, and what is held for a request before anybody has counted. Pure. */
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../../src/config/index.ts';
import type { JsonObject } from '../../../src/core/index.ts';
import { PICTURE_TOKENS, attachmentsIn } from '../../../src/models/attachments.ts';
import {
  batchPriceOf,
  costOfUsage,
  priceOf,
  worstCost,
} from '../../../src/models/prices/price-table.ts';
import { usageOfAnswer } from '../../../src/models/providers/dialects.ts';
import { textLengthOf } from '../../../src/models/providers/token-estimate.ts';
import { readCall } from '../../../src/models/read-call.ts';
import type { StreamApi } from '../../../src/models/translate/stream-translator.ts';
import type { ModelForm, Usage } from '../../../src/models/types.ts';
import { fitted } from '../../../src/models/worst-case.ts';

const PRICE = { input: 2, output: 10, cachedInput: 0.5, imageInput: 4 };
const CHAT = { prompt_tokens: 100, completion_tokens: 50 };

describe('what a vendor tells', () => {
  it.each<[string, StreamApi, JsonObject, Usage]>([
    [
      'OpenAI, with thoughts in the answer',
      'openai',
      {
        ...CHAT,
        total_tokens: 150,
        prompt_tokens_details: { cached_tokens: 60 },
        completion_tokens_details: { reasoning_tokens: 40 },
      },
      { input: 100, output: 50, cachedInput: 60 },
    ],
    [
      // As xAI documents it: thoughts are in the total alone.
      'xAI',
      'openai',
      {
        prompt_tokens: 279,
        completion_tokens: 6,
        total_tokens: 374,
        completion_tokens_details: { reasoning_tokens: 89 },
      },
      { input: 279, output: 95 },
    ],
    [
      'Google where it speaks OpenAI’s API',
      'openai',
      { prompt_tokens: 21, completion_tokens: 0, total_tokens: 81 },
      { input: 21, output: 60 },
    ],
    [
      'OpenAI, with pictures',
      'openai',
      { ...CHAT, prompt_tokens_details: { image_tokens: 85 } },
      { input: 100, output: 50, imageInput: 85 },
    ],
    [
      'OpenAI by responses',
      'responses',
      {
        input_tokens: 100,
        output_tokens: 50,
        total_tokens: 170,
        input_tokens_details: { cached_tokens: 10, image_tokens: 85 },
      },
      { input: 100, output: 70, cachedInput: 10, imageInput: 85 },
    ],
    [
      'Anthropic, with thoughts in the answer and pictures in the input',
      'anthropic',
      {
        input_tokens: 5,
        output_tokens: 50,
        cache_read_input_tokens: 80,
        cache_creation_input_tokens: 15,
      },
      { input: 100, output: 50, cachedInput: 80, cacheWrite: 15 },
    ],
    [
      'Google',
      'google',
      {
        promptTokenCount: 300,
        candidatesTokenCount: 20,
        thoughtsTokenCount: 30,
        cachedContentTokenCount: 40,
        promptTokensDetails: [
          { modality: 'TEXT', tokenCount: 42 },
          { modality: 'IMAGE', tokenCount: 258 },
        ],
      },
      { input: 300, output: 50, cachedInput: 40, imageInput: 258 },
    ],
  ])('%s', (_, api, told, usage) => {
    expect(usageOfAnswer(api, { usage: told, usageMetadata: told })).toEqual(usage);
  });

  it.each([-5, 0.5, 1e30, Number.NaN, '900', null, {}])(
    'is no more than its parts where its total is %s',
    (total_tokens) => {
      const told = { ...CHAT, total_tokens } as JsonObject;
      expect(usageOfAnswer('openai', { usage: told })).toEqual({ input: 100, output: 50 });
      const details = { image_tokens: total_tokens, cached_tokens: total_tokens } as JsonObject;
      const usage = usageOfAnswer('openai', { usage: { ...CHAT, prompt_tokens_details: details } });
      const cost = costOfUsage(PRICE, usage ?? { input: 0, output: 0 });
      expect(cost).toBeGreaterThanOrEqual(100 * 0.5);
      expect(cost).toBeLessThanOrEqual(100 * 4 + 500);
    },
  );
});

describe('the price', () => {
  it('of what was read from the cache, of thoughts, and of pictures, is that of each', () => {
    expect(costOfUsage(PRICE, { input: 100, output: 0 })).toBe(200);
    expect(costOfUsage(PRICE, { input: 100, output: 0, cachedInput: 60 })).toBe(80 + 30);
    // Thoughts are output, wherever the vendor counts them.
    const thought = usageOfAnswer('openai', { usage: { ...CHAT, total_tokens: 190 } });
    expect(costOfUsage(PRICE, thought ?? { input: 0, output: 0 })).toBe(200 + 900);
    const seen = { input: 100, output: 0, imageInput: 60 };
    expect(costOfUsage(PRICE, seen)).toBe(80 + 240);
    // Without a price of their own they cost what all input does.
    expect(costOfUsage({ input: 2, output: 10 }, seen)).toBe(200);
    // More pictures than there is input is nobody's bill.
    expect(costOfUsage(PRICE, { ...seen, cachedInput: 70, imageInput: 900 })).toBe(35 + 120);
    expect(worstCost(PRICE, { input: 100, output: 1 })).toBe(410);
    const known = { ...PRICE, batch: 0.5, source: 'set' } as const;
    expect(costOfUsage(batchPriceOf(known), seen)).toBe(160);
  });

  it('of pictures is set in the configuration like the others', async () => {
    const flags = { models: { prices: { 'x/*': { input: 1, output: 2, image_input: 5 } } } };
    const { models } = await loadConfig({ env: { STARLING_CONFIG: '' }, flags });
    expect(priceOf('x/eye', models.prices, false)).toMatchObject({ source: 'set', imageInput: 5 });
  });
});

describe('what is held for', () => {
  const heldFor = (fields: object, form: ModelForm = 'chat', price = { input: 1, output: 0 }) => {
    const body = JSON.stringify({
      model: 'gpu/eye',
      max_tokens: 1,
      max_output_tokens: 1,
      ...fields,
    });
    const call = readCall(form, Buffer.from(body), {});
    const asked = { price, limitKey: 'max_tokens', contextTokens: 50_000 } as const;
    return fitted(call, asked, {}).worst.tokens ?? 0;
  };
  const user = (...content: readonly object[]) => ({ messages: [{ role: 'user', content }] });
  const url = 'https://a.example/b.png';
  const tool = { type: 'tool_result', tool_use_id: 'a' };

  it.each<[string, ModelForm, object]>([
    ['a chat', 'chat', user({ type: 'image_url', image_url: { url } })],
    ['messages', 'messages', user({ type: 'image', source: { type: 'url', url } })],
    [
      'a result of a tool',
      'messages',
      user({ ...tool, content: [{ type: 'image', source: { type: 'file', file_id: 'f' } }] }),
    ],
    ['a response', 'responses', { input: [{ role: 'user', content: [{ type: 'input_image' }] }] }],
    [
      'what a function gave',
      'responses',
      { input: [{ type: 'function_call_output', output: [{ type: 'input_image' }] }] },
    ],
  ])(
    'a picture in %s is what a picture takes at the most, however short its name is',
    (_, form, fields) => {
      expect(heldFor(fields, form)).toBeGreaterThan(PICTURE_TOKENS);
      expect(heldFor(fields, form)).toBeLessThan(PICTURE_TOKENS + 200);
    },
  );

  it('each of several pictures is held, at a model that counts more for one as much as that', () => {
    const picture = { type: 'image_url', image_url: { url } };
    expect(heldFor(user(picture, picture, picture))).toBeGreaterThan(3 * PICTURE_TOKENS);
    const mini = priceOf('openai/gpt-4o-mini', {}, false);
    expect(heldFor(user(picture), 'chat', mini)).toBeGreaterThan(48_169);
  });

  it.each<[ModelForm, object]>([
    ['messages', user({ type: 'document', source: { type: 'url', url } })],
    ['chat', user({ type: 'file', file: { file_id: 'f' } })],
    ['responses', { input: [{ role: 'user', content: [{ type: 'input_file', file_id: 'f' }] }] }],
  ])('a document in %s is all that fits into the model', (form, fields) => {
    expect(heldFor(fields, form)).toBeGreaterThan(50_000);
    expect(heldFor(fields, form)).toBeLessThan(50_200);
  });

  it('texts and tools is their length, whatever tools call their fields', () => {
    const parameters = { properties: { type: { type: 'image' } }, type: 'file' };
    const tools = [{ type: 'function', function: { name: 'draw', parameters } }];
    expect(heldFor({ ...user({ type: 'text', text: 'why' }), tools })).toBeLessThan(200);
  });

  it('a request that is nested without end is reckoned, and not by a stack that is too small', () => {
    const deep = JSON.parse(`${'['.repeat(30_000)}1${']'.repeat(30_000)}`) as never;
    expect(attachmentsIn({ messages: deep })).toEqual({ pictures: 0, documents: 0 });
    expect(textLengthOf(deep)).toBe(0);
  });
});
