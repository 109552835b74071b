/** Who is asked about a suspect, and whose word counts: two of five that lie acquit nobody for good. */
import { expect, it } from 'vitest';
import { createScope, silentLogger } from '../../../src/core/index.ts';
import type { PeerId } from '../../../src/core/index.ts';
import { probeSuspect } from '../../../src/membership/detection/reach-suspect.ts';
import { calm } from '../../blackboard/hub.ts';
import { createTestClock } from '../../core/test-clock.ts';

const SUSPECT = 'S' as PeerId;

/** What the first probes of a suspect that this node does not reach come to, and who was asked in each. */
async function probes(vouch: readonly string[], count: number) {
  const clock = createTestClock();
  const scope = createScope(clock);
  const witnesses = ['L', 'M', 'a', 'b', 'c'] as PeerId[];
  const asked: string[] = [];
  const vouched: boolean[] = [];
  const gone = () => Promise.reject(new Error('gone'));
  const running = probeSuspect(
    {
      network: { connected: () => witnesses, dial: gone, ping: gone },
      indirectProbe: {
        ask: async (_, [witness = '']) => {
          asked.push(witness);
          return vouch.includes(witness) ? 1 : 0;
        },
      },
      neighbours: { of: () => new Set(witnesses) },
      clock,
      // As they stand in the list: the two first are asked first.
      random: () => 0,
      logger: silentLogger,
    },
    scope,
    SUSPECT,
    {
      isInDoubt: () => vouched.length < count,
      patience: () => 1,
      probed: ({ isVouched }) => void vouched.push(isVouched),
    },
  );
  for (let turn = 0; turn < count * 3; turn += 1) {
    await calm(5);
    clock.advance(1000);
  }
  await running;
  scope.close();
  return { vouched, asked };
}

it('asks those first that were asked less often, and believes more than a third of all alone', async () => {
  const lied = await probes(['L', 'M'], 4);
  expect(lied.asked.slice(0, 6).toSorted()).toEqual(['L', 'L', 'M', 'a', 'b', 'c']);
  // The first three may be taken in by two; from the second probe on all five were heard.
  expect(lied.vouched).toEqual([true, false, false, false]);
  expect((await probes(['a', 'b', 'c'], 3)).vouched.slice(1)).toEqual([true, true]);
});
