/** How kinds of agents say that they learn. */
import { expect, it } from 'vitest';
import { loadConfig } from '../../src/config/index.ts';
import type { AgentKind } from '../../src/config/index.ts';

type Flags = Parameters<typeof loadConfig>[0]['flags'];

async function kindOf(kind: object): Promise<AgentKind> {
  const flags = { agents: { kinds: { clerk: kind } } } as unknown as Flags;
  const config = await loadConfig({ env: { STARLING_CONFIG: '' }, flags });
  const { clerk } = config.agents.kinds;
  if (clerk === undefined) throw new Error('there is no such kind');
  return clerk;
}

const MIND = { model: 'gpu/small' };

it('a kind with a model learns where it says so, by what it names', async () => {
  expect((await kindOf(MIND)).thinks).toEqual({ model: 'gpu/small', steps: 20 });
  expect((await kindOf({ ...MIND, learning: {} })).thinks?.learning).toEqual({
    ways: {},
    cost: 0.1,
    time: 0.1,
    answers: {},
    experiences: 3,
  });
  const ways = { plain: {}, big: { model: 'gpu/big', steps: 3 } };
  const answers = { sums: { type: 'number' } };
  const { thinks } = await kindOf({ ...MIND, learning: { ways, answers, cost: 1 } });
  expect(thinks?.learning).toMatchObject({ ways, answers, cost: 1 });
});

it('a program learns by itself, and no kind has more ways than can be learned', async () => {
  await expect(kindOf({ command: 'node', learning: {} })).rejects.toMatchObject({
    code: 'STARLING_CONFIG_INVALID',
    message: expect.stringContaining('`learning` is of kinds with a `model`'),
  });
  const many = Object.fromEntries(Array.from({ length: 9 }, (_, at) => [`way${at}`, {}]));
  await expect(kindOf({ ...MIND, learning: { ways: many } })).rejects.toThrow(/at most 8 ways/);
  await expect(kindOf({ ...MIND, learning: { experiences: 4 } })).rejects.toThrow();
  await expect(kindOf({ ...MIND, learning: { ways: { 'a b': {} } } })).rejects.toThrow();
});
