/**
 * What choosing a way is worth: the same seeded world, where each way succeeds as often as the world says, dealt with by a
 * choice at random, by what was learned, and by what was learned where nothing is ever forgotten.
 */
import { NO_FIGURES, chooseWay, withDeed } from '../../../src/testing.ts';
import type { Random, WorkFigures } from '../../../src/testing.ts';
import { seededNumbers } from '../../seeded-random.ts';
import { meanInterval } from './intervals.ts';
import type { Interval } from './intervals.ts';

/** A way of a world: how often it succeeds before and after the middle, and what it costs. */
interface WorldWay {
  readonly success: readonly [before: number, after: number];
  readonly costMicroUsd: number;
}

/** A world in which ways are chosen. */
interface World {
  readonly title: string;
  readonly ways: Readonly<Record<string, WorldWay>>;
}

/** What came of one world. Differences are between the same seeds. */
export interface WaysRow {
  readonly title: string;
  readonly seeds: number;
  /** Share of successes after the middle: chosen at random, learned, learned without forgetting. */
  readonly random: Interval;
  readonly learned: Interval;
  readonly unforgetting: Interval;
  /** Learned less random, and learned less what never forgets. */
  readonly gain: Interval;
  readonly byForgetting: Interval;
  /** What a message costs, as a part of what it costs at random. */
  readonly cost: Interval;
}

const NO_WAY: WorldWay = { success: [0, 0], costMicroUsd: 0 };
const CHEAP = 1000;
const DEAR = 4000;
const WEIGHTS = { cost: 0.1, time: 0.1 };
const NEVER_FORGETS = { taken: 1, others: 1 };

/** The worlds, by what they show. */
const WORLDS = {
  breaks: {
    title: 'the best way breaks half-way',
    ways: {
      one: { success: [0.9, 0.2], costMicroUsd: CHEAP },
      two: { success: [0.5, 0.5], costMicroUsd: CHEAP },
      three: { success: [0.3, 0.3], costMicroUsd: CHEAP },
    },
  },
  stays: {
    title: 'one way is best, and stays so',
    ways: {
      one: { success: [0.5, 0.5], costMicroUsd: CHEAP },
      two: { success: [0.8, 0.8], costMicroUsd: CHEAP },
      three: { success: [0.4, 0.4], costMicroUsd: CHEAP },
    },
  },
  alike: {
    title: 'all ways do alike: nothing to learn',
    ways: {
      one: { success: [0.6, 0.6], costMicroUsd: CHEAP },
      two: { success: [0.6, 0.6], costMicroUsd: CHEAP },
      three: { success: [0.6, 0.6], costMicroUsd: CHEAP },
    },
  },
  dearer: {
    title: 'they do alike, and one is dearer',
    ways: {
      one: { success: [0.8, 0.8], costMicroUsd: CHEAP },
      two: { success: [0.8, 0.8], costMicroUsd: DEAR },
    },
  },
} satisfies Readonly<Record<string, World>>;

/** What was measured, by world. */
export type WaysFigures = Readonly<Record<keyof typeof WORLDS, WaysRow>>;

/** Runs all worlds, each over `seeds` seeds of `messages` messages. */
export function measureWays(seeds: number, messages: number): WaysFigures {
  const rows = Object.entries(WORLDS).map(([name, world]) => [name, rowOf(world, seeds, messages)]);
  return Object.fromEntries(rows) as WaysFigures;
}

function rowOf(world: World, seeds: number, messages: number): WaysRow {
  const runs = Array.from({ length: seeds }, (_, at) => {
    const seed = at + 1;
    return {
      random: run(world, messages, { seed, choose: atRandom }),
      learned: run(world, messages, { seed, choose: byLearning }),
      unforgetting: run(world, messages, { seed, choose: byLearning, decay: NEVER_FORGETS }),
    };
  });
  const over = (pick: (one: (typeof runs)[number]) => number): Interval =>
    meanInterval(runs.map(pick));
  return {
    title: world.title,
    seeds,
    random: over(({ random }) => random.late),
    learned: over(({ learned }) => learned.late),
    unforgetting: over(({ unforgetting }) => unforgetting.late),
    gain: over(({ learned, random }) => learned.late - random.late),
    byForgetting: over(({ learned, unforgetting }) => learned.late - unforgetting.late),
    cost: over(({ learned, random }) => learned.costMicroUsd / random.costMicroUsd),
  };
}

type Choose = (names: readonly string[], figures: WorkFigures, random: Random) => string;

const atRandom: Choose = (names, _, random) => names[Math.floor(random() * names.length)] ?? '';
const byLearning: Choose = (names, figures, random) =>
  chooseWay(names, [figures], WEIGHTS, random) ?? '';

/** One seed: the share of successes after the middle, and what all has cost. */
function run(
  { ways }: World,
  messages: number,
  init: {
    readonly seed: number;
    readonly choose: Choose;
    readonly decay?: typeof NEVER_FORGETS;
  },
): { readonly late: number; readonly costMicroUsd: number } {
  const { seed, choose, decay } = init;
  // What would happen by each way is the same whoever chooses; who chooses has a source of its own.
  const happens = seededNumbers(seed);
  const random = seededNumbers(seed + 1_000_003);
  const names = Object.keys(ways);
  let figures: WorkFigures = NO_FIGURES;
  let late = 0;
  let costMicroUsd = 0;
  for (let at = 0; at < messages; at += 1) {
    const draws = new Map(names.map((one) => [one, happens()]));
    const name = choose(names, figures, random);
    const { costMicroUsd: cost, success: shares } = ways[name] ?? NO_WAY;
    const isLate = at >= messages / 2;
    const success = (draws.get(name) ?? 1) < shares[isLate ? 1 : 0];
    figures = withDeed(figures, name, { success, costMicroUsd: cost }, decay);
    costMicroUsd += cost;
    if (isLate && success) late += 1;
  }
  return { late: late / Math.ceil(messages / 2), costMicroUsd };
}
