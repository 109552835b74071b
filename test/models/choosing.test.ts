/** What routes are made of, without a wire: the order of models, who is left alone, what is kept, and what a call costs. */
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { StarlingError } from '../../src/core/index.ts';
import type { ErrorCode } from '../../src/core/index.ts';
import { PRICE_LISTS } from '../../src/models/prices/list-prices.ts';
import { costOfUsage, priceOf, worstCost } from '../../src/models/prices/price-table.ts';
import { readCall } from '../../src/models/read-call.ts';
import { cacheKey, createAnswerCache } from '../../src/models/routing/answer-cache.ts';
import { createBreakers } from '../../src/models/routing/breakers.ts';
import { fittingFirst, inOrder } from '../../src/models/routing/choice.ts';
import type { Candidate } from '../../src/models/routing/choice.ts';
import { withFirstToken } from '../../src/models/routing/first-token.ts';
import { createTestClock } from '../core/test-clock.ts';

const failure = (code: ErrorCode, data = {}): StarlingError =>
  new StarlingError(code, 'no', { data });

describe('the order', () => {
  const one = (
    name: string,
    cost: number,
    firstMs: number | undefined,
    tier: Candidate['tier'],
    inFlight = 0,
  ): Candidate => ({ name, cost, firstMs, tier, inFlight });
  const all = [
    one('dear-fast', 100, 50, 'central'),
    one('cheap-slow', 1, 900, 'regional'),
    one('free-slower', 0, 2000, 'edge'),
    one('middle', 30, 200, 'central'),
  ];
  it.each([
    ['best', ['dear-fast', 'cheap-slow', 'free-slower', 'middle']],
    ['cheapest', ['free-slower', 'cheap-slow', 'middle', 'dear-fast']],
    ['fastest', ['dear-fast', 'middle', 'cheap-slow', 'free-slower']],
    ['balanced', ['middle', 'cheap-slow', 'free-slower', 'dear-fast']],
    ['local-first', ['free-slower', 'cheap-slow', 'middle', 'dear-fast']],
  ] as const)('%s', (strategy, names) => {
    expect(inOrder(strategy, all).map(({ name }) => name)).toEqual(names);
  });

  it('has those into which a request does not fit behind all others, as far as that is known', () => {
    const some = [
      { name: 'small', fits: 4096 },
      { name: 'unknown', fits: undefined },
      { name: 'large', fits: 100_000 },
    ];
    const names = (tokens: number) => {
      const { fitting, others } = fittingFirst(some, tokens);
      return [fitting, others].map((part) => part.map(({ name }) => name));
    };
    expect(names(4096)).toEqual([['small', 'unknown', 'large'], []]);
    expect(names(4097)).toEqual([['unknown', 'large'], ['small']]);
    expect(names(1e9)).toEqual([['unknown'], ['small', 'large']]);
  });

  it('spreads calls over models that are alike, and tries one that was never measured', () => {
    const alike = [one('a', 1, 100, 'edge', 2), one('b', 1, 100, 'edge', 0)];
    expect(inOrder('cheapest', alike)[0]?.name).toBe('b');
    expect(inOrder('fastest', alike)[0]?.name).toBe('b');
    expect(
      inOrder('fastest', [one('a', 1, 100, 'edge'), one('new', 1, undefined, 'edge')])[0]?.name,
    ).toBe('new');
  });
});

describe('who is left alone', () => {
  it('after five failures in a row, for a minute; then one call finds out', () => {
    const clock = createTestClock();
    const breakers = createBreakers(clock);
    for (let at = 0; at < 5; at += 1) {
      expect(breakers.restMs('gpu/a', 'one')).toBe(0);
      breakers.begin('gpu/a', 'one').over(failure('STARLING_MODEL_FAILED'));
    }
    expect(breakers.restMs('gpu/b', 'one')).toBe(60_000);
    expect(breakers.restMs('@box/gpu/b', 'one')).toBe(0);
    clock.advance(60_000);
    expect(breakers.restMs('gpu/b', 'one')).toBe(0);
    const probe = breakers.begin('gpu/b', 'one');
    expect(breakers.restMs('gpu/a', 'one')).toBeGreaterThan(0);
    probe.over(failure('STARLING_TIMEOUT'));
    expect(breakers.restMs('gpu/a', 'one')).toBe(60_000);
    clock.advance(60_000);
    const second = breakers.begin('gpu/a', 'one');
    second.begun();
    second.over();
    expect(breakers.restMs('gpu/a', 'one')).toBe(0);
    breakers.begin('gpu/a', 'one').over(failure('STARLING_MODEL_FAILED'));
    expect(breakers.restMs('gpu/a', 'one')).toBe(0);
  });

  it('for no year where the clock was that much ahead, and is set right', () => {
    const clock = createTestClock();
    const breakers = createBreakers(clock);
    for (let at = 0; at < 5; at += 1) {
      breakers.begin('gpu/a', 'one').over(failure('STARLING_MODEL_FAILED'));
    }
    expect(breakers.restMs('gpu/a', 'one')).toBe(60_000);
    clock.sleep(-365 * 86_400_000);
    expect(breakers.restMs('gpu/a', 'one')).toBe(0);
  });

  it('by nobody else for what one caller alone has met with, and by all once others have, too', () => {
    const clock = createTestClock();
    const breakers = createBreakers(clock);
    for (let at = 0; at < 50; at += 1) {
      breakers.begin('gpu/a', 'mallory').over(failure('STARLING_MODEL_FAILED'));
      breakers.begin('gpu/a', 'mallory').over(failure('STARLING_TIMEOUT'));
    }
    expect(breakers.restMs('gpu/a', 'mallory')).toBe(60_000);
    expect(breakers.restMs('gpu/a', 'editor')).toBe(0);
    // One of another's that fails by chance is not enough either.
    breakers.begin('gpu/a', 'editor').over(failure('STARLING_MODEL_FAILED'));
    expect(breakers.restMs('gpu/a', 'editor')).toBe(0);
    breakers.begin('gpu/a', 'editor').over(failure('STARLING_MODEL_FAILED'));
    expect(breakers.restMs('gpu/a', 'editor')).toBe(60_000);
    expect(breakers.restMs('gpu/a', 'third')).toBe(60_000);
    clock.advance(60_000);
    breakers.begin('gpu/a', 'third').over();
    expect(breakers.restMs('gpu/a', 'editor')).toBe(0);
  });

  it('by all at once for what no request can bring about', () => {
    const breakers = createBreakers(createTestClock());
    for (let at = 0; at < 5; at += 1) {
      breakers.begin('gpu/a', 'one').over(failure('STARLING_MODEL_KEY_REFUSED'));
    }
    expect(breakers.restMs('gpu/a', 'other')).toBe(60_000);
  });

  it('a probe whose caller goes leaves the way open for the next', () => {
    const clock = createTestClock();
    const breakers = createBreakers(clock);
    for (let at = 0; at < 5; at += 1)
      breakers.begin('gpu/a', 'one').over(failure('STARLING_MODEL_CUT'));
    clock.advance(60_000);
    breakers.begin('gpu/a', 'one').over(new Error('the caller went'));
    expect(breakers.restMs('gpu/a', 'one')).toBe(0);
  });

  it('as long as it says itself; and nobody for what the request did wrong', () => {
    const clock = createTestClock();
    const breakers = createBreakers(clock);
    breakers.begin('gpu/a', 'one').over(failure('STARLING_RATE_LIMITED', { retryAfterMs: 7000 }));
    expect(breakers.restMs('gpu/a', 'one')).toBe(7000);
    clock.advance(7000);
    expect(breakers.restMs('gpu/a', 'one')).toBe(0);
    for (let at = 0; at < 9; at += 1) {
      breakers.begin('own/a', 'one').over(failure('STARLING_MODEL_CONTEXT'));
      breakers.begin('own/a', 'one').over(failure('STARLING_MODEL_UNKNOWN'));
    }
    expect(breakers.restMs('own/a', 'one')).toBe(0);
  });

  it('measures the first token, and counts what is under way', () => {
    const clock = createTestClock();
    const breakers = createBreakers(clock);
    const trial = breakers.begin('gpu/a', 'one');
    expect(breakers.inFlight('gpu/a')).toBe(1);
    clock.advance(100);
    trial.begun();
    trial.over();
    trial.over();
    expect(breakers.inFlight('gpu/a')).toBe(0);
    expect(breakers.firstMs('gpu/a')).toBe(100);
  });
});

describe('what is kept', () => {
  const call = (fields: object, form: 'chat' | 'embeddings' = 'chat') =>
    readCall(form, Buffer.from(JSON.stringify({ model: 'gpu/a', ...fields })), {});
  const answer = (text: string) => ({
    isStream: false,
    headers: {},
    body: (async function* body() {
      yield Buffer.from(text);
    })(),
  });
  const drain = async (body: AsyncIterable<Uint8Array>): Promise<void> => {
    for await (const _ of body);
  };

  it('has one key for one request, however it is written, and none for what may come out otherwise', () => {
    const key = cacheKey(call({ temperature: 0, messages: [{ a: 1, b: 2 }] }), 'x');
    expect(cacheKey(call({ messages: [{ b: 2, a: 1 }], temperature: 0 }), 'x')).toBe(key);
    expect(cacheKey(call({ messages: [{ b: 2, a: 1 }], temperature: 0 }), 'y')).not.toBe(key);
    expect(
      cacheKey(call({ messages: [{ a: 1, b: 2 }], temperature: 0, stream: true }), 'x'),
    ).not.toBe(key);
    expect(cacheKey(call({ input: 'x' }, 'embeddings'), 'x')).toBeDefined();
    for (const fields of [
      {},
      { temperature: 1 },
      { temperature: '0' },
      { temperature: 0, tools: [] },
    ]) {
      expect(cacheKey(call(fields), 'x')).toBeUndefined();
    }
  });

  it('is bounded in bytes and in time, and keeps none that is too large or not whole', async () => {
    const clock = createTestClock();
    const cache = createAnswerCache(clock, () => ({ ttlMs: 1000, bytes: 10_000 }));
    const { signal } = new AbortController();
    for (let at = 0; at < 20; at += 1)
      await drain(cache.keep(`k${at}`, 'gpu/a', answer('x'.repeat(1000))).body);
    expect(await cache.find('k0', signal)).toBeUndefined();
    expect(await cache.find('k19', signal)).toBeDefined();
    await drain(cache.keep('large', 'gpu/a', answer('x'.repeat(9000))).body);
    expect(await cache.find('large', signal)).toBeUndefined();
    clock.advance(1000);
    expect(await cache.find('k19', signal)).toBeUndefined();
    for await (const _ of cache.keep('left', 'gpu/a', answer('half')).body) break;
    expect(await cache.find('left', signal)).toBeUndefined();
  });

  it('lets a twin wait for the first, and go when its caller goes', async () => {
    const cache = createAnswerCache(createTestClock(), () => ({ ttlMs: 1000, bytes: 10_000 }));
    const end = cache.begin('k');
    const gone = new AbortController();
    const leaving = cache.find('k', gone.signal);
    const waiting = cache.find('k', new AbortController().signal);
    gone.abort(new Error('the caller went'));
    await expect(leaving).rejects.toThrow('the caller went');
    await drain(cache.keep('k', 'gpu/a', answer('it')).body);
    end();
    expect((await waiting)?.body.toString()).toBe('it');
  });
});

it('waits for a token, not for a first event, and gives up what was held when nobody wants it', async () => {
  let isOpen = true;
  const events = [
    'data: {"choices":[{"delta":{"role":"assistant","content":""}}]}\n\n',
    'data: {"choices":[{"delta":{"content":"Hi"}}]}\n\n',
    'data: [DONE]\n\n',
  ];
  let sent = 0;
  const body = (async function* stream() {
    try {
      for (const event of events) {
        sent += 1;
        yield Buffer.from(event);
      }
    } finally {
      isOpen = false;
    }
  })();
  const begun = await withFirstToken({ isStream: true, headers: {}, body }, 'chat');
  expect(sent).toBe(2);
  for await (const chunk of begun.body) {
    expect(chunk.toString()).toBe(events[0]);
    break;
  }
  expect(isOpen).toBe(false);
});

describe('what a call costs', () => {
  it('knows list prices by the beginning of a name, and holds by the dearest where it knows none', () => {
    const known = (name: string) => priceOf(name, {}, false);
    expect(known('openai/gpt-4.1-2025-04-14')).toMatchObject({
      source: 'listed',
      input: 2,
      output: 8,
    });
    expect(known('openai/gpt-4.1-mini')).toMatchObject({ input: 0.4 });
    expect(known('openai/gpt-4.10')).toMatchObject({ source: 'unknown' });
    expect(known('anthropic/claude-sonnet-4-5-20250929')).toMatchObject({ input: 3, output: 15 });
    expect(known('x/mystery')).toMatchObject({
      source: 'unknown',
      input: 30,
      output: 180,
      cacheWrite: 30,
    });
    expect(priceOf('gpu/mystery', {}, true)).toMatchObject({ source: 'own', input: 0, output: 0 });
  });

  it('takes no model for a cheaper one whose name it begins with', () => {
    const known = (name: string) => priceOf(`openai/${name}`, {}, false);
    expect(known('o1-pro')).toMatchObject({ source: 'listed', input: 150, output: 600 });
    expect(known('o3-pro-2025-06-10')).toMatchObject({ input: 20 });
    expect(known('gpt-4o-2024-08-06')).toMatchObject({ input: 2.5 });
    expect(known('gpt-5-chat-latest')).toMatchObject({ input: 1.25 });
    expect(known('claude-opus-4-20250514')).toMatchObject({ input: 15 });
    for (const other of [
      'o3-deep-research',
      'gpt-4o-audio',
      'gpt-5-ultra',
      'claude-opus-6',
      'claude-opus-4-9',
    ]) {
      expect(known(other), other).toMatchObject({ source: 'unknown', output: 180 });
    }
  });

  it('knows that long prompts are dearer where they are', () => {
    const haiku = priceOf('anthropic/claude-haiku-5-5', {}, false);
    expect(costOfUsage(haiku, { input: 100_000, output: 0 })).toBe(10_000);
    expect(costOfUsage(haiku, { input: 100_001, output: 1000 })).toBe(50_001 + 2500);
    expect(worstCost(haiku, { input: 200_000, output: 0 })).toBe(200_000);
  });

  it('says of each list when it was looked up and where, and so do the docs', async () => {
    const docs = await readFile('docs/models.md', 'utf8');
    for (const { asOf, prices, reportedBy = [], source, vendor } of PRICE_LISTS) {
      // Where the page itself was not read, the docs say who has, for each model.
      for (const one of reportedBy) {
        const [models, by] = one.split(': ');
        expect(docs, one).toContain(`| ${models} | ${by} |`);
      }
      expect(asOf).toMatch(/^20\d\d-\d\d-\d\d$/);
      expect(source).toMatch(/^[a-z.]+\//);
      expect(docs).toContain(`| ${vendor} | ${asOf} | \`${source}\` |`);
      for (const [name, price] of Object.entries(prices)) {
        const { input, output, cachedInput = 0, cacheWrite = input } = price;
        expect(Math.min(input, output, cachedInput), name).toBeGreaterThanOrEqual(0);
        expect(cachedInput, name).toBeLessThanOrEqual(input);
        expect(cacheWrite, name).toBeGreaterThanOrEqual(input);
      }
    }
  });

  it('takes the price that is set, the longest pattern first', () => {
    const set = {
      'gpu/*': { input: 1, output: 2 },
      'gpu/big*': { input: 3, output: 4 },
      '@box/*/a': { input: 5, output: 6 },
    };
    expect(priceOf('gpu/small', set, true)).toMatchObject({ source: 'set', input: 1 });
    expect(priceOf('gpu/bigger', set, true)).toMatchObject({ input: 3 });
    expect(priceOf('@box/gpu/a', set, false)).toMatchObject({ input: 5 });
    expect(priceOf('@box/gpu/ab', set, false)).toMatchObject({ source: 'unknown' });
  });

  it('prices fresh, read, written and answered tokens each, in whole micro-dollars, never below', () => {
    const sonnet = priceOf('anthropic/claude-sonnet-4-5', {}, false);
    expect(costOfUsage(sonnet, { input: 1000, output: 100 })).toBe(4500);
    expect(
      costOfUsage(sonnet, { input: 1000, output: 100, cachedInput: 800, cacheWrite: 100 }),
    ).toBe(300 + 240 + 600 + 1500);
    expect(costOfUsage({ input: 0.05, output: 0.4 }, { input: 1, output: 0 })).toBe(1);
    expect(costOfUsage({ input: 0.1, output: 0.2 }, { input: 3, output: 0 })).toBe(1);
    expect(costOfUsage(sonnet, { input: 5, output: 0, cachedInput: 99 })).toBe(2);
    expect(worstCost(sonnet, { input: 1000, output: 100 })).toBe(7500);
  });
});
