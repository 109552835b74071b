/** What a lane that is begun anew keeps of writes that others have beaten, where a board has bounds. */
import { expect, it } from 'vitest';
import type { LaneAccess } from '../../../src/blackboard/access/board-access.ts';
import type { BoardLimits } from '../../../src/blackboard/limits.ts';
import type { Did } from '../../../src/core/index.ts';
import { makeDocument } from '../support.ts';
import type { LooseDocument } from '../support.ts';

const BEATEN = 20;
const WORN = 60;
const access: LaneAccess = {
  hasCuts: false,
  limitOf: () => Number.POSITIVE_INFINITY,
  mayBegin: () => true,
  mayWriteIn: () => true,
  mayWriteSome: () => true,
  mayAdopt: () => true,
};

/** Pieces of the lane of a writer who has begun it anew after another had beaten some of its writes, by values or by deletions. */
function renewed(limits: Partial<BoardLimits>, isClosed: boolean, isDeleted = false): number {
  const rules = isClosed ? { access } : {};
  const make = (name: string, bounds: Partial<BoardLimits> = {}): LooseDocument =>
    makeDocument([], { dead: 2, ...bounds }, { self: `did:key:${name}` as Did, ...rules });
  const [bob, cyd] = [make('bob', limits), make('cyd')];
  const tell = (from: LooseDocument, to: LooseDocument): unknown => to.take(from.diff(to.vector()));
  for (let n = 0; n < BEATEN; n += 1) bob.set({ key: `a/${n}`, value: '.'.repeat(100) });
  tell(bob, cyd);
  for (let n = 0; n < BEATEN; n += 1) {
    if (isDeleted) cyd.delete(`a/${n}`);
    else cyd.set({ key: `a/${n}`, value: n });
  }
  tell(cyd, bob);
  for (let n = 0; n < WORN; n += 1) {
    bob.set({ key: 'b', value: n });
    bob.set({ key: `b/${n}`, value: n });
  }
  expect(bob.renew()).toBe(true);
  // Beside these the head, and what has won; cyd has as many pieces and a head.
  return bob.structs - 1 - (WORN + 1) - (BEATEN + 1);
}

it('what others have beaten is kept on a board that is not open alone, and each writer has its part of the bounds of the board', () => {
  expect([renewed({}, false), renewed({}, true)]).toEqual([0, BEATEN]);
  // Of two writers; each write takes a little over 100 bytes.
  expect(renewed({ boardBytes: 1000 }, true)).toBe(3);
  expect(renewed({ structs: 36 }, true)).toBe(9);
  // What others deleted has the bound of deletions as well.
  expect(renewed({ tombstones: 7 }, true, true)).toBe(7);
  expect(renewed({ tombstones: 7 }, true)).toBe(BEATEN);
});
