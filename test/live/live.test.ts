/** `npm run live` at a vendor of ours: what has an address is asked, and nothing is told of what has not. */
import { expect, it, onTestFinished } from 'vitest';
import { startVendor } from '../models/fake-vendor.ts';
import { askLive } from './live.ts';
import { PROPOSALS, isProposed } from './proposals.ts';

it('measures nothing without a key, and says so', async () => {
  const rows = await askLive({ OPENAI_API_KEY: '' });
  expect(rows).toHaveLength(5 * 7);
  expect(rows.filter(({ outcome }) => outcome !== 'not measured')).toEqual([]);
  expect(rows.map(({ detail }) => detail)).toContain('ANTHROPIC_API_KEY is not set');
});

it('asks the server whose address is there, and fails what it does not do', async () => {
  const vendor = await startVendor();
  onTestFinished(() => vendor.stop());
  const rows = await askLive({ STARLING_LIVE_URL: vendor.url, STARLING_LIVE_MODEL_LOCAL: 'qwen' });
  const local = rows.filter((row) => row.vendor === 'local');
  expect(local.map(({ check, outcome }) => `${check}: ${outcome}`)).toEqual([
    'models listed: ok',
    'answer: failed',
    'stream: ok',
    'function call: failed',
    'structured output: failed',
    'embeddings: not measured',
    'proposals: 95 % right, each < 5 s: failed',
  ]);
  expect(rows.filter(({ outcome }) => outcome === 'not measured')).toHaveLength(4 * 7 + 1);
});

it('takes a proposal for right that says the same in another order', () => {
  expect(PROPOSALS).toHaveLength(60);
  const meant = { peer: 'laptop', tools: ['functions/a', 'functions/b'] };
  expect(isProposed({ tools: ['functions/b', 'functions/a'], peer: 'laptop' }, meant)).toBe(true);
  expect(isProposed({ tools: ['functions/a'], peer: 'laptop' }, meant)).toBe(false);
  expect(isProposed({ ...meant, uses: 1 }, meant)).toBe(false);
  expect(
    isProposed(
      { peer: 'laptop', tools: ['functions/*'] },
      { peer: 'laptop', servers: ['functions'] },
    ),
  ).toBe(true);
});
