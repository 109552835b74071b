/** Changes of strong keys that follow each other closely are shown together, and what was last always is. */
import { expect, it } from 'vitest';
import { PACE_MS, createPacedShowing } from '../../../src/blackboard/quorum/paced-showing.ts';
import { createScope } from '../../../src/core/index.ts';
import { createTestClock } from '../../core/test-clock.ts';

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
