/** Conversations that grow beyond what fits into their model: what is summarised, by whom, and what a failure leaves. */
import { expect, it } from 'vitest';
import { StarlingError } from '../../src/core/index.ts';
import type { Principal } from '../../src/guard/index.ts';
import { contextTokensOf } from '../../src/models/context-tokens.ts';
import { calm } from '../blackboard/hub.ts';
import { OF, alone, talk } from './alone.ts';

/** 70 % of it are 2,100 bytes. */
const contextTokens = 1000;
const CLERK: Principal = { kind: 'client', name: 'agent:clerk', scopes: [] };
const HOW = { model: 'gpu/small', asks: CLERK, contextTokens };

it('is summarised from 70 % of the model on, for a stated range, and the newest stay as they were said', async () => {
  const node = alone();
  const { asked, contexts } = node;
  const id = await talk(node, 5, { chars: 200 });
  contexts.compress(OF, HOW);
  await calm();
  expect(asked).toEqual([]);
  await talk(node, 1, { chars: 200, from: 6 });
  contexts.compress(OF, HOW);
  await calm();
  expect(asked).toHaveLength(1);
  expect(asked[0]).toMatchObject({ principal: CLERK, call: { model: 'gpu/small' } });
  expect(Number(asked[0]?.call.fields['max_tokens'])).toBeLessThanOrEqual(contextTokens / 8);
  const { said, summary } = await contexts.show(id);
  expect(summary).toMatchObject({ text: 'in short', first: 1, last: 8, model: 'gpu/small' });
  // The lines stay, and their agent is reminded of the others.
  expect(said).toHaveLength(12);
  const recalled = await contexts.recall(OF, contextTokens);
  expect(recalled.summary?.last).toBe(8);
  expect(recalled.said.map(({ n }) => n)).toEqual([9, 10, 11, 12]);
  // The next summary stands for both, and lies sealed on the disk as well.
  await talk(node, 5, { chars: 200, from: 7 });
  contexts.compress(OF, HOW);
  await calm();
  const context = JSON.stringify(asked[1]?.call.fields['messages']);
  expect(context).toContain('in short');
  expect(context).not.toContain('heron 3 ');
  const again = node.again();
  await again.start();
  expect((await again.show(id)).summary).toMatchObject({ first: 1, text: 'in short' });
  const disk = Buffer.concat([...node.rows.values(), ...node.lines.values()]).toString('latin1');
  expect(disk).not.toContain('in short');
});

it('is asked for beside the answer: nobody waits, one at a time, and a stop ends it', async () => {
  let give: (text: string) => void = () => undefined;
  const node = alone(
    ({ signal }) =>
      new Promise((resolve, reject) => {
        give = resolve;
        signal.addEventListener('abort', () => reject(signal.reason as Error));
      }),
  );
  const { asked, contexts } = node;
  const id = await talk(node, 8, { chars: 200 });
  contexts.compress(OF, HOW);
  contexts.compress(OF, HOW);
  await calm();
  contexts.compress(OF, HOW);
  await calm();
  expect(asked).toHaveLength(1);
  // Meanwhile the conversation goes on.
  await talk(node, 1, { chars: 200, from: 9 });
  give('short');
  await calm();
  expect((await contexts.show(id)).summary).toMatchObject({ text: 'short', first: 1 });
  await talk(node, 8, { chars: 200, from: 10 });
  contexts.compress(OF, HOW);
  await calm();
  expect(asked).toHaveLength(2);
  await contexts.stop();
  expect(asked[1]?.signal.aborted).toBe(true);
  contexts.compress(OF, HOW);
  await calm();
  expect(asked).toHaveLength(2);
});

it.each([
  [
    'fails',
    (): never => {
      throw new StarlingError('STARLING_BUDGET_EXHAUSTED', 'nothing is left');
    },
  ],
  ['is empty', () => '  '],
])('a summary that %s changes nothing, and is tried again after a while', async (_, say) => {
  let isBroken = true;
  const node = alone(() => (isBroken ? say() : 'in short'));
  const { asked, clock, contexts } = node;
  const id = await talk(node, 8, { chars: 200 });
  const before = await contexts.show(id);
  contexts.compress(OF, HOW);
  await calm();
  expect(await contexts.show(id)).toEqual(before);
  contexts.compress(OF, HOW);
  await calm();
  expect(asked).toHaveLength(1);
  isBroken = false;
  clock.advance(600_000);
  contexts.compress(OF, HOW);
  await calm();
  expect((await contexts.show(id)).summary?.text).toBe('in short');
});

it('one that hangs is given up', async () => {
  const node = alone(
    ({ signal }) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error));
      }),
  );
  const { clock, contexts } = node;
  const id = await talk(node, 8, { chars: 200 });
  contexts.compress(OF, HOW);
  await calm();
  clock.advance(300_000);
  await calm();
  expect(node.asked[0]?.signal.aborted).toBe(true);
  expect((await contexts.show(id)).summary).toBeUndefined();
});

it('of a conversation that is deleted meanwhile nothing comes back', async () => {
  let give: (text: string) => void = () => undefined;
  const node = alone(
    () =>
      new Promise((resolve) => {
        give = resolve;
      }),
  );
  const { contexts } = node;
  const id = await talk(node, 8, { chars: 200 });
  contexts.compress(OF, HOW);
  await calm();
  await contexts.delete(id);
  await talk(node, 1, { from: 100 });
  give('of what is gone');
  await calm();
  expect((await contexts.show(id)).summary).toBeUndefined();
});

it('one exchange that alone is too long is compressed, too, and no model is sent more than it takes', async () => {
  const node = alone();
  const { asked, contexts } = node;
  const id = await talk(node, 1, { chars: 30_000 });
  contexts.compress(OF, HOW);
  await calm();
  expect((await contexts.show(id)).summary).toMatchObject({ first: 1, last: 2 });
  expect(asked[0]?.call.body.length).toBeLessThan(3 * contextTokens + 500);
  expect((await contexts.recall(OF, contextTokens)).said).toEqual([]);
});

it('knows how much fits into a model', () => {
  const tokens = (name: string, listed?: number, tier: 'edge' | 'central' = 'central'): number =>
    contextTokensOf(name, { 'gpu/*': 8192, 'gpu/big*': 100_000 }, listed, tier);
  expect(tokens('gpu/qwen3:8b', 40_960)).toBe(8192);
  expect(tokens('gpu/big-one')).toBe(100_000);
  expect(tokens('vllm/qwen', 40_960, 'edge')).toBe(40_960);
  expect(tokens('anthropic/claude-opus-4-6')).toBe(200_000);
  expect(tokens('ollama/qwen3:8b', undefined, 'edge')).toBe(4096);
  expect(tokens('far/qwen3:8b')).toBe(32_768);
});
