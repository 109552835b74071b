/** What comes in to a node that runs on a terminal: one line while it does, nothing before and after. */
import { expect, it } from 'vitest';
import { comingOf, showComing } from '../../../src/cli/terminal/lines/coming-lines.ts';
import type { Coming } from '../../../src/cli/terminal/lines/coming-lines.ts';
import { createWorkProgress } from '../../../src/cli/terminal/progress.ts';
import { createTestClock } from '../../core/test-clock.ts';

const CLEAR = '\r\u001B[2K';
const board = (name: string, changes: number, of: number) => ({
  board: name,
  from: 'bob',
  changes,
  of,
});

it.each<[Coming, ReturnType<typeof comingOf>]>([
  [{}, undefined],
  [{ boardsComing: [], catalogsComing: [] }, undefined],
  [{ catalogsComing: ['bob'] }, { text: 'asking bob for its tools' }],
  [
    { catalogsComing: ['a', 'b', 'c', 'd', 'e'] },
    { text: 'asking a, b, c and 2 more for their tools' },
  ],
  [
    { boardsComing: [board('plan', 12_000, 48_000)], catalogsComing: ['bob'] },
    { text: "board 'plan' comes in from bob: 12,000 of 48,000 changes", share: 0.25 },
  ],
  [
    { boardsComing: [board('plan', 1000, 3000), board('log', 2000, 3000)] },
    { text: 'boards plan, log come in: 3,000 of 6,000 changes', share: 0.5 },
  ],
])('of %j is said what comes', (coming, told) => {
  expect(comingOf(coming)).toEqual(told);
});

it('is shown while it comes, and is gone when all is here, or when the node ends', () => {
  const clock = createTestClock();
  let written = '';
  const screen = { isTTY: true, columns: 100, write: (text: string) => void (written += text) };
  const progress = createWorkProgress({ screen, env: { TERM: 'xterm' }, clock });
  let coming: Coming = {};
  const stop = showComing(() => coming, progress, clock);
  clock.advance(60_000);
  expect(written).toBe('');
  coming = { boardsComing: [board('plan', 1000, 4000)] };
  clock.advance(3000);
  expect(written).toContain("board 'plan' comes in from bob: 1,000 of 4,000 changes");
  coming = { boardsComing: [board('plan', 3000, 4000)] };
  clock.advance(1000);
  expect(written).toContain(' 75 % ');
  coming = {};
  clock.advance(1000);
  expect(written.endsWith(CLEAR)).toBe(true);
  coming = { catalogsComing: ['bob\u001B]0;x\u0007'] };
  clock.advance(5000);
  expect(written).toContain('asking bob');
  expect(written).not.toContain(']0;x\u0007');
  stop();
  expect(written.endsWith(CLEAR)).toBe(true);
  expect(clock.waiting()).toBe(0);
});

it('is nothing where nobody looks', () => {
  const screen = { isTTY: false, write: () => expect.unreachable() };
  expect(createWorkProgress({ screen, env: {} }).isShown).toBe(false);
});
