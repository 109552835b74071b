/**
 * Which of several ways is taken for a work: a bandit by Thompson sampling whose counts decay, so that a way that was good
 * once and is so no more is left (Raj and Kalyani, "Taming non-stationary bandits", 2017). What counts is what was
 * measured: a share of successes, what a way costs, and how long it takes. Pure.
 */
import type { Random } from '../core/index.ts';
import { sampleBeta } from './beta.ts';
import { DECAY, WAYS_MAX } from './limits.ts';

/** What is known of one way of one work. All but `tried` and `age` decays. */
export interface WayFigures {
  /** Weights of what was a success, and of what was none. */
  readonly wins: number;
  readonly losses: number;
  /** Messages for which it was taken. */
  readonly tried: number;
  /** Sums of micro-dollars and of milliseconds, and of how many messages they are. */
  readonly costMicroUsd: number;
  readonly costs: number;
  readonly ms: number;
  readonly times: number;
  /** How much of the beginning is forgotten: of what was counted then e to the power of minus this is left. */
  readonly age: number;
}

/** What is left of counts: of the way that is taken, and of the others. */
export interface Decay {
  readonly taken: number;
  readonly others: number;
}

/** What is known of one work. */
export interface WorkFigures {
  /** Messages that were dealt with. */
  readonly deeds: number;
  readonly ways: Readonly<Record<string, WayFigures>>;
}

/** What one message has shown of the way that was taken. */
export interface Measured {
  /** Absent where nothing has measured it. */
  readonly success?: boolean | undefined;
  /** How much that counts; default 1. */
  readonly weight?: number | undefined;
  readonly costMicroUsd?: number | undefined;
  readonly ms?: number | undefined;
}

/** How much cost and time count against success, 0 to 1 each. */
export interface WayWeights {
  readonly cost: number;
  readonly time: number;
}

/** Nothing was seen yet. */
export const NO_FIGURES: WorkFigures = { deeds: 0, ways: {} };

const UNTRIED: WayFigures = {
  wins: 0,
  losses: 0,
  tried: 0,
  costMicroUsd: 0,
  costs: 0,
  ms: 0,
  times: 0,
  age: 0,
};

/**
 * One of `names`, by what several books say together: of each a share of successes is drawn from what is believed of it, and
 * its cost and time, as parts of the dearest and the slowest, are taken off. Undefined of none.
 */
export function chooseWay(
  names: readonly string[],
  books: readonly WorkFigures[],
  weights: WayWeights,
  random: Random,
): string | undefined {
  const known = names.map((name) => together(books.map(({ ways }) => figuresIn(ways, name))));
  const dearest = Math.max(...known.map((one) => meanCost(one)));
  const slowest = Math.max(...known.map((one) => meanTime(one)));
  let best: { readonly name: string; readonly worth: number } | undefined;
  for (const [at, name] of names.entries()) {
    const one = known[at] ?? UNTRIED;
    const drawn = sampleBeta(1 + one.wins, 1 + one.losses, random);
    const worth =
      drawn -
      weights.cost * part(meanCost(one), dearest) -
      weights.time * part(meanTime(one), slowest);
    if (best === undefined || worth > best.worth) best = { name, worth };
  }
  return best?.name;
}

/** What is believed of a way's success, 0 to 1: half of nothing. */
export function believed({ losses, wins }: WayFigures): number {
  return (wins + 1) / (wins + losses + 2);
}

/** The mean of what a way has cost, micro-dollars; 0 of what was never measured, so that it is tried. */
export function meanCost({ costMicroUsd, costs }: WayFigures): number {
  return costs === 0 ? 0 : costMicroUsd / costs;
}

/** The mean time of a way, ms; 0 of what was never measured. */
export function meanTime({ ms, times }: WayFigures): number {
  return times === 0 ? 0 : ms / times;
}

/** One more message was dealt with: what was known before counts a little less. */
export function withDeed(
  figures: WorkFigures,
  way: string,
  measured: Measured,
  { others, taken }: Decay = DECAY,
): WorkFigures {
  const { deeds, ways } = figures;
  const aged = Object.fromEntries(
    Object.entries(ways).map(([name, one]) => [name, decayed(one, name === way ? taken : others)]),
  );
  const before = figuresIn(aged, way);
  const { costMicroUsd, ms } = measured;
  const after: WayFigures = {
    ...withSuccess(before, measured, 1),
    tried: before.tried + 1,
    ...(costMicroUsd === undefined
      ? {}
      : { costMicroUsd: before.costMicroUsd + costMicroUsd, costs: before.costs + 1 }),
    ...(ms === undefined ? {} : { ms: before.ms + ms, times: before.times + 1 }),
  };
  return { deeds: deeds + 1, ways: bounded({ ...aged, [way]: after }, way) };
}

/** What was dealt with when the way had this age was graded: it counts as if it had been graded then, so less by now. */
export function withGrade(
  figures: WorkFigures,
  { age, way }: { readonly age: number; readonly way: string },
  measured: Measured,
): WorkFigures {
  if (!Object.hasOwn(figures.ways, way)) return figures;
  const before = figuresIn(figures.ways, way);
  const after = withSuccess(before, measured, Math.exp(Math.min(0, age - before.age)));
  return { ...figures, ways: { ...figures.ways, [way]: after } };
}

/** What is known of a way, which may be called `constructor`. */
export function figuresIn(ways: WorkFigures['ways'], name: string): WayFigures {
  return Object.hasOwn(ways, name) ? (ways[name] ?? UNTRIED) : UNTRIED;
}

function withSuccess(
  one: WayFigures,
  { success, weight = 1 }: Measured,
  share: number,
): WayFigures {
  if (success === undefined) return one;
  const counts = weight * share;
  return success ? { ...one, wins: one.wins + counts } : { ...one, losses: one.losses + counts };
}

function decayed(one: WayFigures, decay: number): WayFigures {
  return {
    tried: one.tried,
    wins: one.wins * decay,
    losses: one.losses * decay,
    costMicroUsd: one.costMicroUsd * decay,
    costs: one.costs * decay,
    ms: one.ms * decay,
    times: one.times * decay,
    age: one.age - Math.log(decay),
  };
}

/** Names come from the configuration, where they change: those of which least is left go. */
function bounded(
  ways: Readonly<Record<string, WayFigures>>,
  kept: string,
): Readonly<Record<string, WayFigures>> {
  const names = Object.keys(ways);
  if (names.length <= WAYS_MAX) return ways;
  const left = ({ losses, times, wins }: WayFigures): number => wins + losses + times;
  const [least] = names
    .filter((name) => name !== kept)
    .toSorted((one, other) => left(ways[one] ?? UNTRIED) - left(ways[other] ?? UNTRIED));
  return Object.fromEntries(Object.entries(ways).filter(([name]) => name !== least));
}

function together(all: readonly WayFigures[]): WayFigures {
  const sum = (pick: (one: WayFigures) => number): number =>
    all.reduce((total, one) => total + pick(one), 0);
  return {
    wins: sum(({ wins }) => wins),
    losses: sum(({ losses }) => losses),
    tried: sum(({ tried }) => tried),
    costMicroUsd: sum(({ costMicroUsd }) => costMicroUsd),
    costs: sum(({ costs }) => costs),
    ms: sum(({ ms }) => ms),
    times: sum(({ times }) => times),
    age: 0,
  };
}

function part(value: number, most: number): number {
  return most > 0 ? value / most : 0;
}
