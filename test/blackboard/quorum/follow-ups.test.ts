/** Follow-ups of changes: a key has its turn when it changes no more, and after a while all the same. */
import { expect, it } from 'vitest';
import { createFollowUps } from '../../../src/blackboard/quorum/follow-ups.ts';
import { createScope, silentLogger } from '../../../src/core/index.ts';
import { createTestClock } from '../../core/test-clock.ts';
import { calm } from '../hub.ts';

const REST_MS = 100;
/** Looks at a key that goes on changing until its turn. */
const LOOKS = 4;

function makeKeys(turn: (key: string) => Promise<void> = async () => undefined) {
  const clock = createTestClock();
  const scope = createScope(clock);
  const turns: string[] = [];
  const keys = createFollowUps<number>({
    scope,
    logger: silentLogger,
    restMs: REST_MS,
    busyMs: REST_MS * LOOKS,
    turn: (cell, last) => {
      turns.push(`${cell.key}${last}`);
      return turn(cell.key);
    },
  });
  const add = (key: string, last: number): boolean => keys.add({ board: 'jobs', key }, last);
  const wait = async (): Promise<void> => {
    clock.advance(REST_MS);
    await calm();
  };
  return { add, clock, scope, turns, wait };
}

it('a key that is changed has its turn once nothing changes it, with the last change, and then none', async () => {
  const { add, clock, turns, wait } = makeKeys();
  add('a', 1);
  add('a', 2);
  await wait();
  expect(turns).toEqual([]);
  await wait();
  expect(turns).toEqual(['a2']);
  expect(clock.waiting()).toBe(0);
  add('a', 3);
  await wait();
  await wait();
  expect(turns).toEqual(['a2', 'a3']);
});

it('a key that goes on changing has its turn after so many times', async () => {
  const { add, turns, wait } = makeKeys();
  for (let change = 1; change < 2 * LOOKS; change += 1) {
    add('a', change);
    await wait();
  }
  expect(turns).toEqual([`a${LOOKS}`]);
});

it('keys have their turns a few at a time, and one that fails holds up none', async () => {
  const ends: (() => void)[] = [];
  const { add, turns, wait } = makeKeys((key) =>
    key === 'a' ? Promise.reject(new Error('no')) : new Promise((resolve) => ends.push(resolve)),
  );
  for (let at = 0; at < 20; at += 1) add(at === 0 ? 'a' : `b${at}-`, 1);
  await wait();
  await wait();
  expect(turns).toHaveLength(17);
  ends.shift()?.();
  await calm();
  expect(turns).toHaveLength(18);
});

it('a key for which there is no room is told so, and none has a turn after the end', async () => {
  const { add, scope, turns, wait } = makeKeys();
  let room = 0;
  while (room < 10_000 && add(`k${room}`, 1)) room += 1;
  expect(room).toBe(4096);
  expect(add('k0', 2)).toBe(true);
  scope.close();
  await wait();
  await wait();
  expect(turns).toEqual([]);
});
