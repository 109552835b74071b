/** A node whose own clock is wrong, as the others' say. */
import { expect, it } from 'vitest';
import type { PeerId } from '../../src/core/index.ts';
import { createTestClock } from '../core/test-clock.ts';
import { createHub } from './hub.ts';
import { makeMember } from './support.ts';

it('a node whose clock is over 30 s off stamps by the others’ median, says so in its status, and no more once it is right', async () => {
  const clock = createTestClock();
  let offsets: readonly number[] = [];
  const members = (): readonly { peerId: PeerId; clockOffsetMs: number }[] =>
    offsets.map((clockOffsetMs, at) => ({ peerId: `P${at}` as PeerId, clockOffsetMs }));
  const ann = makeMember(createHub(), 'ann', { clock, members });
  await ann.blackboard.start();
  const board = await ann.blackboard.board('plan');
  const stampedBy = async (...given: readonly number[]): Promise<readonly unknown[]> => {
    offsets = given;
    clock.advance(5000);
    const { at } = await board.set('k', given.length);
    return [at - clock.now(), ann.health.warnings().map(({ code }) => code)];
  };
  expect(await stampedBy(45_000, 46_000, 44_000)).toEqual([45_000, ['clock']]);
  // One that is wrong says nothing of ours, and of one alone nobody knows which is wrong.
  expect(await stampedBy(3000, 500_000, 1000)).toEqual([expect.any(Number), []]);
  clock.advance(60_000);
  expect(await stampedBy(500_000)).toEqual([0, []]);
  expect(await stampedBy(29_000, 29_500)).toEqual([0, []]);
  expect(await stampedBy(-50_000, -40_000)).toEqual([expect.any(Number), ['clock']]);
  expect((await board.set('l', 1, { ttlMs: 1000 })).until).toBeGreaterThan(0);
  await ann.blackboard.stop();
  expect(ann.health.warnings()).toEqual([]);
});
