/** Escalation: the smaller model first, the next where its answer is not good enough; every call is paid and shown. */
import { describe, expect, it } from 'vitest';
import { StarlingError } from '../../src/core/index.ts';
import type { Json, JsonObject } from '../../src/core/index.ts';
import type { ModelsConfig } from '../../src/config/index.ts';
import { askQuery, createRouter } from '../../src/models/index.ts';
import type { Models } from '../../src/models/index.ts';
import { readCall } from '../../src/models/read-call.ts';
import { eventText } from '../../src/models/translate/stream-translator.ts';
import type { Finding, ModelAnswer, ReadCall } from '../../src/models/types.ts';
import { createTestClock } from '../core/test-clock.ts';

const OPERATOR = { kind: 'operator' } as const;
const SCHEMA = {
  type: 'json_schema',
  json_schema: {
    name: 'x',
    schema: { type: 'object', properties: { n: { type: 'number' } }, required: ['n'] },
  },
};

/** What a scripted model says: a text, a finish with it, or an error. */
type Line = string | { readonly text: string; readonly finish: string } | StarlingError;

function answer(line: Line, isStream: boolean): ModelAnswer {
  if (line instanceof StarlingError) throw line;
  const { text, finish } = typeof line === 'string' ? { text: line, finish: 'stop' } : line;
  const [half, rest] = [text.slice(0, 2), text.slice(2)];
  const chunk = (delta: JsonObject, finished: Json = null): string =>
    eventText({ choices: [{ index: 0, delta, finish_reason: finished }] });
  const whole = JSON.stringify({
    choices: [{ message: { content: text }, finish_reason: finish }],
  });
  const body = isStream
    ? [chunk({ content: half }), chunk({ content: rest }), chunk({}, finish), 'data: [DONE]\n\n']
    : [whole];
  return {
    isStream,
    headers: {},
    body: (async function* parts() {
      for (const one of body) yield Buffer.from(one);
    })(),
    usage: () => ({ input: 10, output: 5 }),
  };
}

/** A route over models that say, in turn, what is written. */
function bench(script: Readonly<Record<string, readonly Line[]>>, votes = 1) {
  const asked: string[] = [];
  const found: (Finding & { readonly model: string })[] = [];
  const models = {
    async ask(call: ReadCall): Promise<ModelAnswer> {
      asked.push(call.model);
      const lines = script[call.model] ?? [];
      const at = asked.filter((name) => name === call.model).length - 1;
      const made = answer(lines[at % lines.length] ?? '', call.isStream);
      return { ...made, found: (one) => found.push({ model: call.model, ...one }) };
    },
    about: (name: string) => ({ name, tier: 'central', price: { input: 1, output: 1 } }),
  } as unknown as Models;
  const route = { models: Object.keys(script), strategy: 'escalate', fallbacks: [], shared: false };
  const config = {
    providers: {},
    prices: {},
    quotas: {},
    cache: { ttlMs: 0, bytes: 0 },
    routes: { up: { ...route, votes } },
  } as unknown as ModelsConfig;
  const clock = createTestClock();
  const router = createRouter({ models, config: () => config, clock }, { messageBytes: 4096 });
  const ask = async (more: JsonObject = {}) => {
    const body = Buffer.from(JSON.stringify({ model: 'up', messages: [], ...more }));
    const made = await router.ask(
      readCall('chat', body, {}),
      OPERATOR,
      new AbortController().signal,
    );
    const chunks: Uint8Array[] = [];
    for await (const one of made.body) chunks.push(one);
    return { headers: made.headers, text: Buffer.concat(chunks).toString(), usage: made.usage?.() };
  };
  const init = {
    models: router,
    principal: OPERATOR,
    signal: new AbortController().signal,
    messageBytes: 4096,
    clock,
  };
  return { asked, ask, found, query: () => askQuery({ query: 'sure?', model: 'up' }, init) };
}

describe.each([false, true])('an answer that is held against a schema (stream: %s)', (stream) => {
  const request = { stream, response_format: SCHEMA };

  it('of the smaller model is taken where it fits', async () => {
    const { asked, ask } = bench({ 'a/small': ['{"n": 1}'], 'b/big': ['{"n": 2}'] });
    const { headers, text } = await ask(request);
    expect(asked).toEqual(['a/small']);
    expect(headers).toEqual({ 'starling-model': 'a/small' });
    expect(text).toContain('n');
  });

  it.each(['{"n": "one"}', '{}', 'I think it is 1', '', '[1]'])(
    'goes on to the next where it is %s; both are paid, and the answer says so',
    async (bad) => {
      const { asked, ask } = bench({ 'a/small': [bad], 'b/big': ['{"n": 2}'] });
      const { headers, usage } = await ask(request);
      expect(asked).toEqual(['a/small', 'b/big']);
      expect(headers).toMatchObject({
        'starling-model': 'b/big',
        'starling-escalated-from': `a/small (${bad === '' ? 'empty' : 'schema'})`,
        'starling-calls-paid': '2',
      });
      expect(usage).toMatchObject({ input: 20, output: 10 });
    },
  );

  it('is given as it is where no model has a better one, and says so', async () => {
    const { ask } = bench({ 'a/small': ['no'], 'b/big': ['neither'] });
    const { headers, text } = await ask(request);
    expect(headers['starling-doubt']).toBe('schema');
    expect(text).toContain('ither');
  });

  it('that was cut is not good enough, and one that failed is no answer', async () => {
    const cut = { text: '{"n": 1}', finish: 'length' };
    const failed = new StarlingError('STARLING_MODEL_FAILED', 'it broke');
    const { headers } = await bench({
      'a/tiny': [failed],
      'b/small': [cut],
      'c/big': ['{"n": 2}'],
    }).ask(request);
    expect(headers).toMatchObject({
      'starling-model': 'c/big',
      'starling-escalated-from': 'b/small (cut)',
      'starling-fallback-from': 'a/tiny',
    });
    // What the smaller one said is better than nothing.
    const { headers: kept } = await bench({ 'a/small': ['no'], 'b/big': [failed] }).ask(request);
    expect(kept).toMatchObject({ 'starling-model': 'a/small', 'starling-doubt': 'schema' });
    await expect(bench({ 'a/small': [failed], 'b/big': [failed] }).ask(request)).rejects.toThrow(
      "no model of 'up' has answered",
    );
  });

  it('is bounded, since it is kept until it is whole', async () => {
    const long = `{"n": 1, "x": "${'x'.repeat(5000)}"}`;
    const { asked, ask } = bench({ 'a/small': [long], 'b/big': ['{"n": 2}'] });
    expect((await ask(request)).headers['starling-fallback-from']).toBe('a/small');
    expect(asked).toHaveLength(2);
  });
});

describe('a vote', () => {
  it('is won by what most say, whatever the order of keys', async () => {
    const lines = ['{"a":1,"b":2}', 'no', '{"b": 2, "a": 1}'];
    const { asked, ask } = bench({ 'a/small': lines, 'b/big': ['{}'] }, 3);
    const { headers, text } = await ask();
    expect(asked).toHaveLength(3);
    expect(headers).toMatchObject({
      'starling-model': 'a/small',
      'starling-calls-paid': '3',
      'starling-votes': '2/3',
    });
    expect(text).toContain('a');
  });

  it('says how sure an answer is, and nobody says that where there was none', async () => {
    const sure = bench({ 'a/small': ['yes', 'Yes.', 'no'], 'b/big': ['yes'] }, 3);
    expect(await sure.query()).toMatchObject({ response: 'yes', confidence: 2 / 3 });
    const unsure = bench({ 'a/small': ['yes', 'no', 'perhaps'], 'b/big': ['yes'] }, 3);
    expect(await unsure.query()).not.toHaveProperty('confidence');
    expect(await bench({ 'a/small': ['yes'] }).query()).not.toHaveProperty('confidence');
  });

  it('is lost where they say different things or too few answer: the next is asked, once', async () => {
    const failed = new StarlingError('STARLING_MODEL_FAILED', 'it broke');
    for (const lines of [
      ['yes', 'no', 'perhaps'],
      ['yes', failed, failed],
    ]) {
      const { asked, ask } = bench({ 'a/small': lines, 'b/big': ['Yes.'] }, 3);
      const { headers } = await ask();
      expect(asked.filter((name) => name === 'b/big')).toHaveLength(1);
      expect(headers['starling-escalated-from']).toBe('a/small (vote)');
    }
  });

  it('takes the same words for the same, in other letters', async () => {
    const { asked, ask } = bench({ 'a/small': ['Yes.', ' yes', 'no'], 'b/big': ['no'] }, 3);
    expect((await ask()).headers['starling-model']).toBe('a/small');
    expect(asked).not.toContain('b/big');
  });
});

it('counts what each answer was found to be, by the model that gave it', async () => {
  const checked = bench({ 'a/small': ['no'], 'b/big': ['{"n": 2}'] });
  await checked.ask({ response_format: SCHEMA });
  expect(checked.found).toEqual([
    { model: 'a/small', what: 'check', isPassed: false },
    { model: 'b/big', what: 'check', isPassed: true },
  ]);
  const voted = bench({ 'a/small': ['yes', 'no', 'Yes.'], 'b/big': ['no'] }, 3);
  await voted.ask();
  expect(voted.found.filter(({ what }) => what === 'vote')).toEqual([
    { model: 'a/small', what: 'vote', isAgreed: true },
    { model: 'a/small', what: 'vote', isAgreed: false },
    { model: 'a/small', what: 'vote', isAgreed: true },
  ]);
  const lost = bench({ 'a/small': ['yes', 'no', 'perhaps'], 'b/big': ['no'] }, 3);
  await lost.ask();
  expect(lost.found.filter((one) => one.what === 'vote' && one.isAgreed)).toEqual([]);
});

it('a schema that can not be read, or holds a pattern, decides nothing bad', async () => {
  const hostile = { type: 'object', properties: { n: { type: 'string', pattern: '^(a+)+$' } } };
  const { asked, ask } = bench({ 'a/small': [`{"n":"${'a'.repeat(60)}!"}`], 'b/big': ['{}'] });
  const schema = { type: 'json_schema', json_schema: { name: 'x', schema: hostile } };
  await ask({ response_format: schema });
  expect(asked).toEqual(['a/small']);
  await ask({
    response_format: { type: 'json_schema', json_schema: { schema: { $ref: '#/no' } } },
  });
});
