/** What a scenario comes to: the same seed gives the same steps. */
import { describe, expect, it } from 'vitest';
import { planOf } from '../../../sim/scenario/plan.ts';
import { createChance, shuffled } from '../../../sim/scenario/random.ts';
import { parseScenario } from '../../../sim/scenario/read.ts';

function planFor(events: string, count = 6, seed = 1): ReturnType<typeof planOf> {
  const text = `name: mine
about: Something is shown.
engines: [inproc]
nodes: { count: 6, roles: { provider: first }, late: last }
events: [${events}]
after: [{ expect: known, within: 5s }]
`;
  return planOf(parseScenario(text, 'mine.yaml'), count, seed);
}

const CHURN = '{ at: 1s, do: churn, nodes: others, for: 10s, every: 1s, down: 3s }';
const CALLS = "{ at: 0s, do: calls, from: others, to: 'role:provider', rate: 10, for: 2s }";

describe('a plan', () => {
  it('is the same for the same seed, and another for another', () => {
    const events = `${CHURN}, ${CALLS}`;
    expect(planFor(events).steps).toEqual(planFor(events).steps);
    expect(planFor(events, 6, 2).steps).not.toEqual(planFor(events).steps);
  });

  it('has its steps in the order of their time', () => {
    const times = planFor(`${CALLS}, ${CHURN}`).steps.map(({ atMs }) => atMs);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
  });

  it('brings back each node that churn has taken, before it takes it again', () => {
    const away = new Set<string>();
    for (const step of planFor(CHURN).steps) {
      if (step.act === 'kill') {
        expect(away.has(step.node)).toBe(false);
        away.add(step.node);
      } else if (step.act === 'restart') away.delete(step.node);
    }
    expect([...away]).toEqual([]);
  });

  it('starts all but the late ones, and has late ones start by whom is said', () => {
    const plan = planFor('{ at: 1s, do: join, nodes: last, by: n2 }');
    expect(plan.first).toEqual(['n1', 'n2', 'n3', 'n4', 'n5']);
    expect(plan.steps).toEqual([{ atMs: 1000, act: 'start', node: 'n6', by: ['n2'] }]);
  });

  it('has as many calls as were asked for, never of a node to itself', () => {
    const calls = planFor(CALLS).steps.filter((step) => step.act === 'call');
    expect(calls).toHaveLength(20);
    expect(calls.every(({ from, to }) => from !== to && to === 'n1')).toBe(true);
  });

  it('knows nodes by place, number, share, role and chance', () => {
    const named = (which: string): readonly string[] =>
      planFor(`{ at: 0s, do: kill, nodes: ${which} }`).steps.flatMap((step) =>
        'node' in step ? [step.node] : [],
      );
    expect(named('n2-n4')).toEqual(['n2', 'n3', 'n4']);
    expect(named("'share:0.5'")).toEqual(['n1', 'n2', 'n3']);
    expect(named("'tail:2'")).toEqual(['n5', 'n6']);
    expect(named("'random:2'")).toHaveLength(2);
    expect(named("[first, 'role:provider', last]")).toEqual(['n1', 'n6']);
  });

  it('cuts and mends in turn for a way that flaps', () => {
    const steps = planFor('{ at: 1s, do: flap, from: first, for: 4s, down: 1s, up: 1s }').steps;
    expect(steps.map(({ atMs, act }) => [atMs, act])).toEqual([
      [1000, 'cut'],
      [2000, 'mend'],
      [3000, 'cut'],
      [4000, 'mend'],
    ]);
  });
});

describe('chance', () => {
  it('is in [0, 1), spread evenly, and the same for the same seed', () => {
    const counts = new Array<number>(10).fill(0);
    const chance = createChance(7);
    for (let at = 0; at < 10_000; at += 1) {
      const place = Math.floor(chance.next() * 10);
      counts[place] = (counts[place] ?? 0) + 1;
    }
    expect(Math.min(...counts)).toBeGreaterThan(900);
    expect(createChance(7).bits()).toBe(createChance(7).bits());
    expect(shuffled([1, 2, 3, 4, 5], createChance(3)).toSorted()).toEqual([1, 2, 3, 4, 5]);
  });
});
