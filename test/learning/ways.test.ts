/** The choice of a way, without anything around it: what was measured leads it, and what is long ago less and less. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../sim/seeded-random.ts';
import { sampleBeta } from '../../src/learning/beta.ts';
import { DECAY, WAYS_MAX } from '../../src/learning/limits.ts';
import { NO_FIGURES, believed, chooseWay, withDeed, withGrade } from '../../src/learning/ways.ts';
import type { WorkFigures } from '../../src/learning/ways.ts';

const FREE = { cost: 0, time: 0 };
const WAYS = ['one', 'two', 'three'];

/** Figures after so many messages by each way. */
function after(
  deeds: readonly (readonly [way: string, success: boolean, more?: object])[],
  before = NO_FIGURES,
): WorkFigures {
  return deeds.reduce(
    (figures, [way, success, more = {}]) => withDeed(figures, way, { success, ...more }),
    before,
  );
}

/** How often each way is taken of a thousand times, where nothing is learned meanwhile. */
function shares(figures: readonly WorkFigures[], weights = FREE): Record<string, number> {
  const random = seededRandom(7);
  const counts: Record<string, number> = {};
  for (let at = 0; at < 1000; at += 1) {
    const way = chooseWay(WAYS, figures, weights, random) ?? '';
    counts[way] = (counts[way] ?? 0) + 1;
  }
  return counts;
}

const times = <T>(count: number, one: T): readonly T[] => Array.from({ length: count }, () => one);

describe('a draw from a beta distribution', () => {
  it.each([
    [1, 1],
    [5, 1],
    [1, 9],
    [30, 12],
  ])('has the mean and the spread of Beta(%d, %d)', (a, b) => {
    const random = seededRandom(1);
    const draws = Array.from({ length: 4000 }, () => sampleBeta(a, b, random));
    const mean = draws.reduce((sum, x) => sum + x, 0) / draws.length;
    const variance = draws.reduce((sum, x) => sum + (x - mean) ** 2, 0) / draws.length;
    expect(mean).toBeCloseTo(a / (a + b), 1);
    expect(variance).toBeCloseTo((a * b) / ((a + b) ** 2 * (a + b + 1)), 2);
    expect(draws.every((x) => x >= 0 && x <= 1)).toBe(true);
  });

  it('comes to an end with a source that is broken', () => {
    for (const value of [0, 0.5, 1 - Number.EPSILON]) {
      const drawn = sampleBeta(3, 2, () => value);
      expect(drawn).toBeGreaterThanOrEqual(0);
      expect(drawn).toBeLessThanOrEqual(1);
    }
  });
});

describe('the choice of a way', () => {
  it('tries all while nothing is known, and is nothing where there is no way', () => {
    const counts = shares([NO_FIGURES]);
    for (const way of WAYS) expect(counts[way]).toBeGreaterThan(250);
    expect(chooseWay([], [NO_FIGURES], FREE, seededRandom(1))).toBeUndefined();
    expect(chooseWay(['only'], [NO_FIGURES], FREE, seededRandom(1))).toBe('only');
  });

  it('follows what was measured, and still looks at the others now and then', () => {
    const figures = after([
      ...times(10, ['one', false] as const),
      ...times(10, ['two', true] as const),
      ...times(10, ['three', false] as const),
    ]);
    const counts = shares([figures]);
    expect(counts['two']).toBeGreaterThan(900);
    expect(counts['two']).toBeLessThanOrEqual(1000);
  });

  it('leaves a way that was good for long within some dozen messages after it broke', () => {
    const random = seededRandom(3);
    let figures = after(times(300, ['one', true] as const));
    let last = 0;
    for (let at = 1; at <= 200; at += 1) {
      const way = chooseWay(WAYS, [figures], FREE, random) ?? '';
      figures = withDeed(figures, way, { success: way === 'two' });
      if (way === 'one') last = at;
    }
    expect(last).toBeLessThan(120);
    expect(shares([figures])['two']).toBeGreaterThan(800);
  });

  it('takes the cheaper and the faster of two that do alike, as far as the weights say', () => {
    const dear = { costMicroUsd: 4000, ms: 400 };
    const cheap = { costMicroUsd: 1000, ms: 100 };
    const figures = after(
      Array.from({ length: 60 }, (_, at): readonly [string, boolean, object] => [
        WAYS[at % 3] ?? '',
        true,
        at % 3 === 1 ? cheap : dear,
      ]),
    );
    const counts = shares([figures], { cost: 0.3, time: 0.3 });
    expect(counts['two']).toBeGreaterThan(900);
    expect(shares([figures])['two']).toBeLessThan(500);
  });

  it('takes a way for one that is called like a member of every object', () => {
    const names = ['constructor', '__proto__', 'toString'];
    let figures: WorkFigures = NO_FIGURES;
    const random = seededRandom(1);
    for (let at = 0; at < 60; at += 1) {
      const way = chooseWay(names, [figures], FREE, random) ?? '';
      figures = withDeed(figures, way, { success: way === '__proto__' });
      figures = withGrade(figures, { age: 0, way }, { success: way === '__proto__' });
    }
    expect(Object.keys(figures.ways)).toEqual(expect.arrayContaining(['__proto__']));
    expect(figures.ways['constructor']).toMatchObject({ wins: 0 });
    expect(chooseWay(names, [figures], FREE, random)).toBe('__proto__');
  });

  it('is by what several books say together', () => {
    const own = after(times(10, ['one', true] as const));
    const theirs = after(times(10, ['two', true] as const));
    expect(shares([own])['one']).toBeGreaterThan(shares([own, theirs])['one'] ?? 0);
  });
});

describe('what is measured', () => {
  it('counts by its weight, and decays with each message of the work', () => {
    const one = withDeed(NO_FIGURES, 'one', { success: true, weight: 5 });
    expect(one).toMatchObject({ deeds: 1, ways: { one: { wins: 5, losses: 0, tried: 1 } } });
    const two = withDeed(one, 'two', { success: false });
    expect(two.ways['one']).toMatchObject({ wins: 5 * DECAY.others, tried: 1 });
    const again = withDeed(one, 'one', { success: false });
    expect(again.ways['one']).toMatchObject({ wins: 5 * DECAY.taken, losses: 1, tried: 2 });
    expect(two.ways['two']).toMatchObject({ losses: 1, tried: 1 });
    const kept = withDeed(one, 'one', { success: true }, { taken: 1, others: 1 });
    expect(kept.ways['one']?.wins).toBe(6);
  });

  it('counts later as much as if it had been measured at once', () => {
    const at = (figures: WorkFigures): WorkFigures =>
      after([...times(5, ['two', true] as const), ...times(3, ['one', true] as const)], figures);
    const first = withDeed(after(times(4, ['one', true] as const)), 'one', {});
    const graded = { age: first.ways['one']?.age ?? 0, way: 'one' };
    const late = withGrade(at(first), graded, { success: false });
    const early = at(withGrade(first, graded, { success: false }));
    expect(late.ways['one']?.losses).toBeCloseTo(early.ways['one']?.losses ?? 0, 12);
    expect(early.ways['one']?.losses).toBeCloseTo(DECAY.others ** 5 * DECAY.taken ** 3, 12);
    expect(withGrade(early, { age: 0, way: 'gone' }, { success: true })).toBe(early);
  });

  it('stays within its bounds, whatever comes', () => {
    const deed = fc.record({
      way: fc.string({ maxLength: 3 }),
      success: fc.option(fc.boolean(), { nil: undefined }),
      costMicroUsd: fc.option(fc.nat(1e9), { nil: undefined }),
      ms: fc.option(fc.nat(86_400_000), { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.array(deed, { maxLength: 200 }), fc.nat(), (deeds, seed) => {
        let figures: WorkFigures = NO_FIGURES;
        for (const { way, ...measured } of deeds) figures = withDeed(figures, way, measured);
        expect(Object.keys(figures.ways).length).toBeLessThanOrEqual(WAYS_MAX);
        for (const one of Object.values(figures.ways)) {
          expect(believed(one)).toBeGreaterThan(0);
          expect(believed(one)).toBeLessThan(1);
          // What decays so has an end, however long it goes on.
          expect(one.wins + one.losses).toBeLessThanOrEqual(1 / (1 - DECAY.taken));
        }
        const names = Object.keys(figures.ways);
        const chosen = chooseWay(names, [figures], { cost: 1, time: 1 }, seededRandom(seed));
        expect(chosen === undefined || names.includes(chosen)).toBe(true);
      }),
    );
  });
});
