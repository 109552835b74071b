/** Prompts that a server has cut without a word: the operator hears of that. */
import { expect, it } from 'vitest';
import { createHealth } from '../../src/core/index.ts';
import { createCutPrompts } from '../../src/models/cut-prompts.ts';

function watching(runsWith?: number) {
  const health = createHealth();
  const hear = createCutPrompts(health);
  const provider = { name: 'gpu', sizeOf: () => (runsWith === undefined ? {} : { runsWith }) };
  const took = (length: number, input: number, isEstimated = false): readonly string[] => {
    const fields = { messages: [{ role: 'user', content: 'x'.repeat(length) }] };
    hear(
      provider,
      'qwen',
      { fields },
      { input, output: 1, ...(isEstimated ? { isEstimated } : {}) },
    );
    return health.warnings().map(({ text }) => text);
  };
  return took;
}

it('warns of a prompt that is longer than what the server has read, and no more once one is read', () => {
  const took = watching(4096);
  expect(took(20_000, 4096)).toEqual([]);
  expect(took(40_000, 4096)).toEqual([
    'gpu/qwen, whose context is 4096 as it runs, has read 4096 tokens of a prompt of at least 8000: its server has dropped the rest',
  ]);
  expect(took(100, 30)).toHaveLength(1);
  expect(took(40_000, 9000)).toEqual([]);
});

it('tells it by what was read where nobody says how long the context is', () => {
  const took = watching();
  expect(took(10_000, 2000)).toEqual([]);
  expect(took(14_000, 2000)).toEqual([]);
  expect(took(20_000, 2000)).toEqual([
    'gpu/qwen has read 2000 tokens of a prompt of at least 4000: its server has dropped the rest',
  ]);
});

it('says nothing where nobody told how much was read, or no count that could be one', () => {
  expect(watching(4096)(90_000, 300, true)).toEqual([]);
  expect(watching()(90_000, 11)).toEqual([]);
});
