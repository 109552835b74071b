/** Changes of strong keys that follow each other closely are shown together, and what was last always is, whoever is gone. */
import { expect, it } from 'vitest';
import {
  PACE_MS,
  createPacedShowing,
  createShowing,
} from '../../../src/blackboard/quorum/showing.ts';
import { createScope, silentLogger } from '../../../src/core/index.ts';
import type { Did } from '../../../src/core/index.ts';
import { createTestClock } from '../../core/test-clock.ts';
import { calm } from '../hub.ts';

const BOARD = 'jobs@z6MkAnn';

function makeShowing() {
  const clock = createTestClock();
  const shown: string[] = [];
  const scope = createScope(clock);
  const showing = createPacedShowing<{ readonly at: number }>(scope, ({ key }, { at }) => {
    shown.push(`${key}${at}`);
  });
  const show = (key: string, at: number): void => showing.show({ board: BOARD, key }, { at });
  return { clock, shown, scope, show };
}

it('the first change of a key is shown at once, and the last of those that follow in one turn with other keys', () => {
  const { clock, shown, show } = makeShowing();
  show('a', 1);
  clock.advance(PACE_MS / 2);
  show('b', 1);
  show('a', 2);
  show('b', 3);
  show('b', 2);
  expect(shown).toEqual(['a1', 'b1']);
  clock.advance(PACE_MS / 2);
  expect(shown).toEqual(['a1', 'b1', 'a2', 'b3']);
});

it('a key that was left alone for a turn is shown at once again, and nothing is looked at while none changes', () => {
  const { clock, shown, show } = makeShowing();
  show('a', 1);
  clock.advance(PACE_MS);
  show('a', 2);
  expect(shown).toEqual(['a1', 'a2']);
  clock.advance(10 * PACE_MS);
  show('a', 3);
  expect(shown).toEqual(['a1', 'a2', 'a3']);
});

it('nothing is shown after the end', () => {
  const { clock, shown, scope, show } = makeShowing();
  show('a', 1);
  show('a', 2);
  scope.close();
  clock.advance(PACE_MS);
  expect(shown).toEqual(['a1']);
});

/** A node that has accepted what somebody else is to show. */
function makeLooking() {
  const clock = createTestClock();
  const shown = new Set<string>();
  const read: string[] = [];
  const by = 'did:key:z6MkAnn' as Did;
  const showing = createShowing({
    scope: createScope(clock),
    logger: silentLogger,
    chosen: () => undefined,
    isShown: (_board, { key }) => shown.has(key),
    accepted: async ({ key }) =>
      key === 'new' ? undefined : { value: { v: 1, by, at: 1 }, count: 1, ops: [] },
    read: async ({ key }) => read.push(key),
  });
  const wait = async (ms: number): Promise<void> => {
    await calm(10);
    clock.advance(ms);
    await calm(10);
  };
  return { look: (key: string) => showing.look({ board: BOARD, key }), read, shown, wait };
}

it('what was accepted is read once its key rests, where it is not shown by then', async () => {
  const { look, read, shown, wait } = makeLooking();
  for (const key of ['a', 'b', 'new']) look(key);
  shown.add('b');
  await wait(2500);
  expect(read).toEqual([]);
  await wait(2500);
  expect(read).toEqual(['a']);
});

it('what was accepted of a key that goes on changing is read once a minute', async () => {
  const { look, read, wait } = makeLooking();
  for (let ms = 0; ms < 150_000; ms += 500) {
    look('a');
    await wait(500);
  }
  expect(read).toEqual(['a', 'a']);
});
