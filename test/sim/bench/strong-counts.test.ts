/**
 * What the bench counts of a change of a strong key: as many replicas are asked as make a majority, and no more. Whole nodes
 * are counted in the long form alone; `test/blackboard/quorum/strong-costs.test.ts` counts the same without them.
 */
import { expect, it } from 'vitest';
import { barsOfCounts } from '../../../sim/bench/board/strong-counts.ts';
import { someOf } from '../../long/extent.ts';

/** Questions to one or two others, and their answers; a row for each of those and for whoever asks. */
const NEEDED = [
  [3, 2, 2],
  [5, 4, 3],
] as const;

it.each(someOf(NEEDED, () => false))(
  'a change on %i replicas takes %i messages and %i rows, or little more, and meets its bars',
  async (replicas, messages, rows) => {
    const { countStrong } = await import('../../../sim/bench/board/counted-nodes.ts');
    const counts = await countStrong(replicas, 50);
    expect(counts.messages).toBeGreaterThanOrEqual(messages);
    expect(counts.rows).toBeGreaterThanOrEqual(rows);
    expect(barsOfCounts(replicas, counts).filter(({ pass }) => !pass)).toEqual([]);
  },
);

it('a change that is asked of as many replicas as are needed meets the bars, and one that is asked of all misses them', () => {
  for (const [replicas, messages, rows] of NEEDED) {
    const passOf = (counts: Parameters<typeof barsOfCounts>[1]) =>
      barsOfCounts(replicas, counts).map(({ pass }) => pass);
    expect(passOf({ messages, rows })).toEqual([true, true]);
    expect(passOf({ messages: 2 * (replicas - 1), rows: replicas })).toEqual([false, false]);
  }
});
