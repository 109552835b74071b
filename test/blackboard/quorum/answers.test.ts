/** What a replica does of a strong board for whom. */
import { expect, it } from 'vitest';
import { StrongAnswers } from '../../../src/blackboard/quorum/answers.ts';
import type { StrongAnswersComponents } from '../../../src/blackboard/quorum/answers.ts';
import type { StrongRequest } from '../../../src/blackboard/index.ts';
import type { Did, PeerId } from '../../../src/core/index.ts';

const PEER = 'eve' as PeerId;

/** What becomes of a request of somebody with these rights. */
async function answerOf(rights: string, request: StrongRequest): Promise<unknown> {
  const parts = {
    network: { report: () => undefined },
    didOf: (peer: PeerId) => `did:key:${peer}` as Did,
    find: () => ({
      mayRead: () => rights.includes('r'),
      mayWrite: () => rights.includes('w'),
    }),
    isReplica: async () => true,
    patienceMs: 1000,
    do: async () => ({ ok: false, version: 3, value: 'secret' }),
  };
  const answers = new StrongAnswers(parts as unknown as StrongAnswersComponents);
  const ask = { t: 'do', id: 'r', request, patienceMs: 1000 } as const;
  const reply = await answers.answer(PEER, { i: 1, board: 'b', key: 'k', ask }, () => true);
  return reply?.t === 'failed' ? reply.code : reply?.t;
}

it('shows what is there to nobody who may not read it, nor by a change that is not done', async () => {
  const cas = { t: 'cas', expect: 1, value: 2 } as const;
  expect(await answerOf('rw', cas)).toBe('done');
  expect(await answerOf('rw', { t: 'get' })).toBe('done');
  expect(await answerOf('r', { t: 'get' })).toBe('done');
  for (const request of [cas, { t: 'get' } as const]) {
    expect(await answerOf('w', request)).toBe('STARLING_BOARD_REFUSED');
    expect(await answerOf('', request)).toBe('STARLING_BOARD_REFUSED');
  }
  expect(await answerOf('r', cas)).toBe('STARLING_BOARD_REFUSED');
});
