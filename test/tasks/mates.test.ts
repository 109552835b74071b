/** Which tasks of a lane go to an agent along with another one. */
import { describe, expect, it } from 'vitest';
import { matesIn } from '../../src/tasks/awards/awarded-together.ts';
import type { WaitingTask } from '../../src/tasks/awards/awarded-together.ts';
import { rowOf } from './durable-world.ts';

const waiting = (id: string, inputBytes = 10): WaitingTask => {
  const row = rowOf(id, 'ann');
  return { row: { ...row, state: 'bidding', order: { ...row.order, inputBytes } } };
};
const idsOf = (mates: readonly WaitingTask[]): readonly string[] =>
  mates.map(({ row }) => row.order.id);

describe('tasks that go along with another', () => {
  it('are the first of their lane, as many as there are places', () => {
    const lane = ['t1', 't2', 't3'].map((id) => waiting(id));
    expect(idsOf(matesIn(lane, 2))).toEqual(['t1', 't2']);
    expect(matesIn(lane, 0)).toEqual([]);
    expect(matesIn([], 5)).toEqual([]);
  });

  it('are together no longer than a message to a peer may be', () => {
    const lane = Array.from({ length: 40 }, (_, at) => waiting(`t${at}`, 200_000));
    expect(matesIn(lane, 40)).toHaveLength(5);
  });

  it('leave out those that cost something, were tried before, or do not wait', () => {
    const paid = waiting('paid');
    const tried = waiting('tried');
    const over = waiting('over');
    const attempt = { token: 1, agent: 'a@b', did: 'did:key:z', startedAt: 0 };
    const lane: WaitingTask[] = [
      { row: { ...paid.row, order: { ...paid.row.order, fund: { budgets: ['b'] } } } },
      { row: { ...tried.row, attempts: [attempt] } },
      { row: { ...over.row, state: 'cancelled' } },
      waiting('fresh'),
    ];
    expect(idsOf(matesIn(lane, 9))).toEqual(['fresh']);
  });
});
