/** Plans: from what is needed, and as somebody gives them. */
import { describe, expect, it } from 'vitest';
import { aggregate } from '../../src/orchestration/aggregate.ts';
import { cycleIn, planFrom, planOf } from '../../src/orchestration/plan.ts';

const from = (
  capabilities: string[],
  more: Partial<Parameters<typeof planFrom>[0]> = {},
): string[] =>
  planFrom({ capabilities, copies: 3, sequential: false, hasValidators: false, ...more }).map(
    ({ name, role, dependencies, copies }) =>
      `${name} ${role}×${copies} after ${dependencies.join('+')}`,
  );

describe('a plan from what is needed', () => {
  it('does at once what waits for nothing, and has the check last', () => {
    expect(from(['security', 'code', 'review'])).toEqual([
      'security worker×3 after ',
      'code worker×3 after ',
      'review validator×1 after security+code',
    ]);
  });

  it('goes one after the other where it is to', () => {
    expect(from(['security', 'code', 'review'], { sequential: true })).toEqual([
      'security worker×3 after ',
      'code worker×3 after security',
      'review validator×1 after code',
    ]);
  });

  it('has a check of its own where the swarm has validators', () => {
    expect(from(['code'], { hasValidators: true })).toEqual([
      'code worker×3 after ',
      'validation validator×1 after code',
    ]);
    expect(from(['review'])).toEqual(['review worker×3 after ']);
  });
});

describe('a plan that somebody gives', () => {
  it.each([
    [[], 'needs what an agent must be able to do'],
    [[{ name: 'a', capability: 'x', dependencies: ['b'] }], "waits for 'b', which is none"],
    [
      [
        { name: 'a', capability: 'x' },
        { name: 'a', capability: 'y' },
      ],
      "two phases are called 'a'",
    ],
    [
      [
        { name: 'a', capability: 'x', dependencies: ['c'] },
        { name: 'b', capability: 'x', dependencies: ['a'] },
        { name: 'c', capability: 'x', dependencies: ['b'] },
      ],
      'wait for one another: a → c → b → a',
    ],
    [[{ name: 'a', capability: 'x', dependencies: ['a'] }], 'a → a'],
    [[{ name: 'a', capability: 'x', role: 'validator' as const }], 'says by its dependencies what'],
  ])('%#: is refused with what is wrong', (phases, why) => {
    expect(() => planOf(phases, 1)).toThrow(why);
  });

  it('with a diamond is no cycle', () => {
    const phase = (name: string, ...dependencies: string[]) => ({ name, dependencies });
    expect(
      cycleIn([phase('a'), phase('b', 'a'), phase('c', 'a'), phase('d', 'b', 'c')]),
    ).toBeUndefined();
  });
});

describe('results', () => {
  const given = [
    { agent: 'a@x', result: { holes: [1, 2], level: 'high' } },
    { agent: 'b@y', result: { holes: [2, 3], level: 'low', more: true } },
  ];
  it('are the first one, all of them, or one of all with what differs', () => {
    expect(aggregate('first', given)).toEqual(given[0]?.result);
    expect(aggregate('all', given)).toEqual(given);
    expect(aggregate('merge', given)).toEqual({
      holes: [1, 2, 3],
      level: 'high',
      more: true,
      conflicts: { level: ['high', 'low'] },
    });
    expect(aggregate('merge', [{ agent: 'a@x', result: 'text' }])).toEqual({ 'a@x': 'text' });
  });
});
