/** The short form of what `npm run bench -- board --only runs` does: boards on real processes that are killed and cut off. */
import { expect, it } from 'vitest';
import { runOnce } from '../../../sim/bench/board/runs/run.ts';

it('boards of three processes that are killed, cut off and whose clocks jump end equal, and strong changes fit one order', async () => {
  const result = await runOnce({ seed: 1, members: 3, ms: 900, calls: 12, stories: 0 });
  expect(result.problems).toEqual([]);
  expect(result.strong).toBeGreaterThan(0);
  expect(result.open).toBeGreaterThan(0);
  expect(result.kills + result.cuts + result.jumps).toBeGreaterThan(2);
});
