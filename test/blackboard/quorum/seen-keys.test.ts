/** Keys that one node alone changes are known from those that several do. */
import { expect, it } from 'vitest';
import { SeenKeys } from '../../../src/blackboard/quorum/seen-keys.ts';

const CELL = { board: 'jobs@z6MkAnn', key: 'k' };

/** A key of which so many own changes were seen. */
function seenAlone(times: number): SeenKeys {
  const seen = new SeenKeys();
  for (let count = 1; count <= times; count += 1) seen.note(CELL, count, true);
  return seen;
}

it('a key is own after several changes that nobody else made any between', () => {
  expect([seenAlone(7).isOwn(CELL), seenAlone(8).isOwn(CELL)]).toEqual([false, true]);
  expect(seenAlone(8).isOwn({ ...CELL, key: 'l' })).toBe(false);
});

it('is own no more once somebody else has changed it, and answers that come late say nothing', () => {
  const seen = seenAlone(20);
  seen.note(CELL, 19, false);
  expect([seen.isOwn(CELL), seen.countOf(CELL)]).toEqual([true, 20]);
  // A change of another one between two own ones, whether it was seen itself or not.
  seen.note(CELL, 22, true);
  expect([seen.isOwn(CELL), seen.countOf(CELL)]).toEqual([false, 22]);
  const other = seenAlone(20);
  other.note(CELL, 21, false);
  expect(other.isOwn(CELL)).toBe(false);
});

it('a bounded number of keys is remembered', () => {
  const seen = seenAlone(8);
  for (let at = 0; at < 4096; at += 1) seen.note({ ...CELL, key: `k${at}` }, 1, true);
  expect([seen.countOf(CELL), seen.isOwn(CELL)]).toEqual([0, false]);
  expect(seen.countOf({ ...CELL, key: 'k4095' })).toBe(1);
});
