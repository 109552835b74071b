/** Strong writes: linearizable whatever the network and the disks do, and a fault in the protocol is found. */
import { describe, expect, it } from 'vitest';
import { NO_BALLOT, answerQuestion } from '../../../src/blackboard/quorum/acceptor.ts';
import type { Ballot } from '../../../src/blackboard/quorum/acceptor.ts';
import { beginRound } from '../../../src/blackboard/quorum/round.ts';
import type { Json } from '../../../src/core/index.ts';
import { upTo } from '../../long/extent.ts';
import { isLinearizable } from '../../../sim/bench/board/runs/linearizable.ts';
import type { Operation } from '../../../sim/bench/board/runs/linearizable.ts';
import { FAULTS, runWorld } from './quorum-world.ts';

const RUNS = upTo(40, 1000);
const RUNS_TO_FIND = 50;

describe('the checker of histories', () => {
  const set = (from: number, to: number, to_: Json): Operation => {
    return { from, to, apply: () => ({ value: to_, result: true }), result: true };
  };
  const get = (from: number, to: number, result: Json | undefined): Operation => {
    return { from, to, apply: (value) => ({ value, result: value ?? null }), result };
  };

  it.each([
    ['a read of what was written', true, [set(0, 1, 5), get(2, 3, 5)]],
    ['a stale read after a write', false, [set(0, 1, 5), get(2, 3, null)]],
    ['a stale read while it is written', true, [set(0, 4, 5), get(2, 3, null)]],
    ['a read that goes back', false, [set(0, 9, 5), get(1, 2, 5), get(3, 4, null)]],
    ['two writes in one order only', false, [set(0, 1, 1), set(2, 3, 2), get(4, 5, 1)]],
    [
      'a write that nobody heard of again',
      true,
      [{ ...set(0, Infinity, 5), result: undefined }, get(2, 3, 5)],
    ],
    ['a value from nowhere', false, [set(0, 1, 5), get(2, 3, 6)]],
  ] as const)('says of %s: %s', (_, isFine, history) => {
    expect(isLinearizable(history)).toBe(isFine);
  });
});

describe('strong writes', () => {
  it(`are linearizable in ${RUNS} worlds of lost, repeated and reordered messages and restarts`, () => {
    const bad: number[] = [];
    let told = 0;
    for (let seed = 1; seed <= RUNS; seed += 1) {
      const history = runWorld(seed);
      told += history.filter(({ result }) => result !== undefined).length;
      if (!isLinearizable(history)) bad.push(seed);
    }
    expect(bad).toEqual([]);
    // Most operations come to an end, or else this shows nothing.
    expect(told).toBeGreaterThan(RUNS * 12);
  });

  it.each(FAULTS)('are found not to be when %s', (fault) => {
    let found = 0;
    for (let seed = 1; seed <= RUNS_TO_FIND && found === 0; seed += 1) {
      if (!isLinearizable(runWorld(seed, fault))) found = seed;
    }
    expect(found).toBeGreaterThan(0);
  });

  it('take two rounds for a stranger, and one for whoever wrote last', () => {
    const replicas = ['a', 'b', 'c'];
    const rows = new Map(
      replicas.map((name) => [name, undefined as ReturnType<typeof answerQuestion>['row']]),
    );
    const add = (value: Json | undefined): { value: Json; result: Json } => {
      const sum = (typeof value === 'number' ? value : 0) + 1;
      return { value: sum, result: sum };
    };
    let known: Parameters<typeof beginRound>[0]['known'];
    const write = (counter: number): { asked: number; result: Json } => {
      const round = beginRound({
        request: `r${counter}`,
        change: add,
        ballot: [counter, 1, 'me'],
        next: [counter + 1, 1, 'me'],
        groups: [replicas],
        ...(known === undefined ? {} : { known }),
      });
      for (let asked = 1; ; asked += 1) {
        const { question } = round;
        for (const name of replicas) {
          const { row, answer } = answerQuestion(rows.get(name), question);
          rows.set(name, row);
          const end = round.hear(name, answer);
          if (end === undefined || end === 'ask') continue;
          if (end.t !== 'done') throw new Error(end.t);
          known = { ballot: [counter, 1, 'me'], state: end.state };
          return { asked, result: end.result };
        }
      }
    };
    expect(write(1)).toEqual({ asked: 2, result: 1 });
    // The third replica has not heard of the first write's end: it does not matter.
    expect(write(2)).toEqual({ asked: 1, result: 2 });
    expect(write(3)).toEqual({ asked: 1, result: 3 });
  });

  it('are refused behind the floor of what was erased', () => {
    const floor: Ballot = [7, 1, 'a'];
    const ask = (ballot: Ballot): string =>
      answerQuestion(undefined, { t: 'prepare', ballot }, { ballot: floor, count: 3 }).answer.t;
    expect([ask([6, 9, 'z']), ask(floor), ask([8, 1, 'a'])]).toEqual([
      'refused',
      'refused',
      'promised',
    ]);
    expect(answerQuestion(undefined, { t: 'prepare', ballot: NO_BALLOT }).answer.t).toBe('refused');
  });
});
