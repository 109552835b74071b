/** What the bench counts of a change of a strong key: as many replicas are asked as make a majority, and no more. */
import { expect, it } from 'vitest';
import { barsOfCounts, countStrong } from '../../../sim/bench/board/strong-counts.ts';
import { someOf } from '../../long/extent.ts';

/** Questions to one or two others, and their answers; a row for each of those and for whoever asks. */
const NEEDED = [
  [3, 2, 2],
  [5, 4, 3],
] as const;

it.each(someOf(NEEDED, ([replicas]) => replicas === 3))(
  'a change on %i replicas takes %i messages and %i rows, or little more, and meets its bars',
  async (replicas, messages, rows) => {
    const counts = await countStrong(replicas, 50);
    expect(counts.messages).toBeGreaterThanOrEqual(messages);
    expect(counts.rows).toBeGreaterThanOrEqual(rows);
    expect(barsOfCounts(replicas, counts).filter(({ pass }) => !pass)).toEqual([]);
  },
);

it('a change that is asked of all replicas misses the bars', () => {
  for (const replicas of [3, 5]) {
    const all = { messages: 2 * (replicas - 1), rows: replicas };
    expect(barsOfCounts(replicas, all).map(({ pass }) => pass)).toEqual([false, false]);
  }
});
