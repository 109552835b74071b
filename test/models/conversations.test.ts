/** Which model of a route a conversation stays with. */
import { describe, expect, it } from 'vitest';
import type { ModelStrategy, ModelsConfig } from '../../src/config/index.ts';
import type { JsonObject } from '../../src/core/index.ts';
import { createRouter } from '../../src/models/index.ts';
import type { Models } from '../../src/models/index.ts';
import { readCall } from '../../src/models/read-call.ts';
import { conversationOf, createConversations } from '../../src/models/routing/conversations.ts';
import type { ModelAnswer, ModelForm, ReadCall } from '../../src/models/types.ts';
import { createTestClock } from '../core/test-clock.ts';

const MINUTE = 60_000;
const said = (role: string, content: string) => ({ role, content });
const BEGIN = [said('system', 'Be short.'), said('user', 'why')];
const NEXT = [...BEGIN, said('assistant', 'so'), said('user', 'and then')];
const LATER = [...NEXT, said('assistant', 'then'), said('user', 'and now')];

const of = (
  fields: object,
  {
    form = 'chat',
    strategy = 'balanced',
    whose = 'client:editor',
  }: Partial<{
    form: ModelForm;
    strategy: ModelStrategy;
    whose: string;
  }> = {},
) => {
  const body = Buffer.from(JSON.stringify({ model: 'cheap', ...fields }));
  return conversationOf(readCall(form, body, {}), strategy, whose);
};

describe('a conversation', () => {
  it('is known by how it began, in each API, by whom, and with which route', () => {
    const first = of({ messages: BEGIN });
    expect(first?.goesOn).toBe(false);
    for (const messages of [NEXT, LATER]) {
      expect(of({ messages })).toEqual({ key: first?.key, goesOn: true });
    }
    const other = [
      of({ messages: [said('user', 'why')] }),
      of({ messages: [said('system', 'Be long.'), said('user', 'why')] }),
      of({ messages: BEGIN, model: 'dear' }),
      of({ messages: BEGIN }, { whose: 'client:other' }),
      of({ messages: BEGIN, system: 'Be short.' }, { form: 'messages' }),
    ].map((one) => one?.key);
    expect(new Set([first?.key, ...other]).size).toBe(6);
    const call = { type: 'function_call', name: 'look', call_id: '1', arguments: '{}' };
    const input = [said('user', 'why')];
    const form = 'responses';
    const asked = of({ input, instructions: 'x' }, { form });
    expect(of({ input: [...input, call], instructions: 'x' }, { form })).toEqual({
      key: asked?.key,
      goesOn: true,
    });
  });

  it('is none where the order is fixed, and where there are no turns', () => {
    for (const strategy of ['best', 'escalate'] as const) {
      expect(of({ messages: NEXT }, { strategy })).toBeUndefined();
    }
    expect(of({ input: 'why' }, { form: 'responses' })).toBeUndefined();
    expect(of({ input: ['why'] }, { form: 'embeddings' })).toBeUndefined();
  });

  it('stays with the model that answered last, for five minutes from then, and begins with any', () => {
    const clock = createTestClock();
    const conversations = createConversations(clock);
    const [first, next] = [of({ messages: BEGIN }), of({ messages: NEXT })];
    expect(conversations.modelOf(next)).toBeUndefined();
    conversations.answered(first, 'gpu/a');
    expect(conversations.modelOf(first)).toBeUndefined();
    clock.advance(4 * MINUTE);
    expect(conversations.modelOf(next)).toBe('gpu/a');
    conversations.answered(next, 'far/b');
    clock.advance(4 * MINUTE);
    expect(conversations.modelOf(of({ messages: LATER }))).toBe('far/b');
    clock.advance(MINUTE + 1);
    expect(conversations.modelOf(next)).toBeUndefined();
    conversations.answered(next, 'gpu/a');
    clock.sleep(-24 * 60 * MINUTE);
    expect(conversations.modelOf(next)).toBeUndefined();
  });

  it('is one of at most two thousand: those idle longest are forgotten', () => {
    const conversations = createConversations(createTestClock());
    const at = (number: number) =>
      of({ messages: [said('user', `${number}`), said('assistant', 'so')] });
    for (let number = 0; number < 2000; number += 1) conversations.answered(at(number), 'gpu/a');
    conversations.answered(at(0), 'gpu/a');
    conversations.answered(at(2000), 'gpu/a');
    expect(conversations.modelOf(at(0))).toBe('gpu/a');
    expect(conversations.modelOf(at(1))).toBeUndefined();
    expect(conversations.modelOf(at(2000))).toBe('gpu/a');
  });
});

it('a route asks the model that answered before, though another is cheaper by now, and a new conversation the cheaper one', async () => {
  const asked: string[] = [];
  const prices = new Map([
    ['gpu/a', 1],
    ['far/b', 2],
  ]);
  const models = {
    async ask({ model }: ReadCall): Promise<ModelAnswer> {
      asked.push(model);
      const body = (async function* parts() {
        yield Buffer.from('{"choices":[{"message":{"content":"so"},"finish_reason":"stop"}]}');
      })();
      return { isStream: false, headers: {}, body };
    },
    about: (name: string) => {
      const input = prices.get(name) ?? 0;
      return { name, tier: 'central', price: { input, output: input } };
    },
  } as unknown as Models;
  const route = { models: [...prices.keys()], strategy: 'cheapest', fallbacks: [], shared: false };
  const config = {
    providers: {},
    quotas: {},
    cache: { ttlMs: 0, bytes: 0 },
    routes: { cheap: route },
  } as unknown as ModelsConfig;
  const clock = createTestClock();
  const router = createRouter({ models, config: () => config, clock }, { messageBytes: 4096 });
  const ask = async (messages: readonly JsonObject[]): Promise<void> => {
    const body = Buffer.from(JSON.stringify({ model: 'cheap', messages }));
    const call = readCall('chat', body, {});
    const { signal } = new AbortController();
    for await (const _ of (await router.ask(call, { kind: 'operator' }, signal)).body);
  };
  await ask(BEGIN);
  prices.set('far/b', 0.5);
  await ask(NEXT);
  await ask([said('user', 'something else')]);
  clock.advance(5 * MINUTE + 1);
  await ask(LATER);
  expect(asked).toEqual(['gpu/a', 'gpu/a', 'far/b', 'far/b']);
});
