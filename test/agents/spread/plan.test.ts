/** What the parent of a spread agent does next, as pure functions: for any nodes, numbers and histories. */
import { expect, it } from 'vitest';
import { afterSeen, placed, renewed, sharesIn, sharesOf } from '../../../src/agents/spread/plan.ts';
import type { Seen } from '../../../src/agents/spread/plan.ts';
import type { SpreadRow } from '../../../src/agents/spread/rows.ts';
import type { PartView } from '../../../src/agents/types.ts';
import type { Did } from '../../../src/core/index.ts';

const NODES = ['a', 'b', 'c', 'd', 'e'].map((name) => `did:key:z${name}` as Did);
const [A, B, C] = NODES as [Did, Did, Did];

function rowOf(terms: Partial<SpreadRow['terms']> = {}): SpreadRow {
  const claims = { iss: A, spread: 's', agent: 'coder', kind: 'coder', on: NODES, terms: 't' };
  const most = terms.most ?? 3;
  return {
    proof: '',
    claims,
    text: '',
    terms: { least: most, most, strategy: 'one_for_one', restarts: 5, at: 0, ...terms },
    parts: [],
    turn: 0,
    lately: [],
  };
}

const viewOf = (more: Partial<PartView> = {}): PartView => ({
  state: 'ready',
  replicas: 1,
  life: 'first',
  fell: 0,
  isOver: false,
  waiting: 0,
  ...more,
});

/** A row whose parts have been seen. */
function running(on: readonly Did[], terms: Partial<SpreadRow['terms']> = {}): SpreadRow {
  const row = placed(rowOf({ most: on.length, ...terms }), NODES, new Set(on));
  return on.reduce((now, node) => renewed(now, node, viewOf()), row);
}

it('shares are even, together what is wanted, and one at least', () => {
  for (let count = 1; count <= 16; count += 1) {
    for (let most = count; most <= 64; most += 1) {
      const shares = sharesOf({ least: 1, most }, count);
      const all = shares.map((share) => share.most);
      expect(all.reduce((sum, one) => sum + one, 0)).toBe(most);
      expect(Math.max(...all) - Math.min(...all)).toBeLessThan(2);
      expect(shares.every((share) => share.least >= 1 && share.least <= share.most)).toBe(true);
    }
  }
  expect(sharesOf({ least: 3, most: 9 }, 2)).toEqual([
    { least: 2, most: 5 },
    { least: 1, most: 4 },
  ]);
});

it('places as many parts as there are processes, keeps those that are there, and changes nothing where nothing changes', () => {
  const row = placed(rowOf({ most: 2 }), NODES, new Set(NODES));
  expect(row.parts.map(({ node }) => node)).toEqual([A, B]);
  expect(placed(row, NODES, new Set(NODES))).toBe(row);
  const without = placed(row, NODES, new Set([B, C]));
  expect(without.parts.map(({ node }) => node)).toEqual([B, C]);
  // Who is back does not drive out whoever came in its place.
  expect(placed(without, NODES, new Set(NODES))).toBe(without);
  expect(placed(row, NODES, new Set()).parts).toEqual([]);
  expect([...sharesIn(placed(rowOf({ most: 7 }), NODES, new Set([A, B, C]))).values()]).toEqual([
    { least: 3, most: 3 },
    { least: 2, most: 2 },
    { least: 2, most: 2 },
  ]);
});

it('one_for_one: a process that its node has started again is no business of the parent', () => {
  const row = running([A, B, C]);
  const step = afterSeen(row, new Map<Did, Seen>([[B, { view: viewOf({ fell: 3 }) }]]), 1000);
  expect(step.renew).toEqual([]);
  expect(step.row.lately).toEqual([]);
  expect(step.row.parts.find(({ node }) => node === B)).toMatchObject({ fell: 3 });
  expect(afterSeen(step.row, new Map([[B, { view: viewOf({ fell: 3 }) }]]), 2000).row).toBe(
    step.row,
  );
});

it('one_for_all and rest_for_one: those begin anew that are to, and what was begun so has not fallen', () => {
  const fell = new Map<Did, Seen>([[B, { view: viewOf({ fell: 1 }) }]]);
  const all = afterSeen(running([A, B, C], { strategy: 'one_for_all' }), fell, 1000);
  expect(all.renew).toEqual([A, C]);
  expect(all.row.lately).toEqual([1000]);
  const rest = afterSeen(running([A, B, C], { strategy: 'rest_for_one' }), fell, 1000);
  expect(rest.renew).toEqual([C]);
  const after = renewed(rest.row, C, viewOf({ life: 'second' }));
  const quiet = afterSeen(after, new Map([[C, { view: viewOf({ life: 'second' }) }]]), 6000);
  expect(quiet.renew).toEqual([]);
});

it('a part that is lost counts once, and one that was never there does not', () => {
  const lost = afterSeen(running([A, B, C]), new Map([[C, { gone: 'it is away' }]]), 1000);
  expect(lost.row.parts.map(({ node }) => node)).toEqual([A, B]);
  expect(lost.row.lately).toEqual([1000]);
  expect([...lost.lost]).toEqual([[C, 'it is away']]);
  const never = placed(rowOf(), NODES, new Set([A, B, C]));
  expect(afterSeen(never, new Map([[C, { gone: 'refused' }]]), 1000).row.lately).toEqual([]);
});

it('after too many within a minute all are given up; what is older does not count', () => {
  let row = running([A, B, C], { strategy: 'one_for_all', restarts: 2 });
  for (const [at, now] of [0, 30_000, 70_000, 95_000].entries()) {
    row = afterSeen(row, new Map([[B, { view: viewOf({ fell: at + 1 }) }]]), now).row;
    expect(row.ended).toBeUndefined();
  }
  const over = afterSeen(row, new Map([[B, { view: viewOf({ fell: 9 }) }]]), 99_000);
  expect(over.row.ended).toMatchObject({ how: 'failed', done: [] });
  expect(over.renew).toEqual([]);
});
