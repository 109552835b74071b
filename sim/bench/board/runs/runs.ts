/** Many seeded runs of boards on real processes, and runs in which something is planted that they must find. */
import { atMost, table } from '../../bars.ts';
import type { Bar } from '../../bars.ts';
import { FAULTS } from './faults.ts';
import type { Fault } from './faults.ts';
import { buildPlanted } from './planted.ts';
import { runOnce } from './run.ts';
import type { RunInit, RunResult } from './run.ts';
import { sideBySide } from './side-by-side.ts';

/** How many seeds are tried, and with how many nodes and calls. */
export interface RunsSize {
  readonly seeds: number;
  /** The first of them; default: 1. */
  readonly first?: number;
  readonly members: number;
  readonly ms: number;
  readonly calls: number;
  /** How many stories each run has, see `disturbances.ts`. */
  readonly stories: number;
  /** In so many runs at the most each planted fault must be found. */
  readonly plantedSeeds: number;
  /** So many runs go on at once: much of a run is waiting. */
  readonly atOnce: number;
}

/** What they have shown. */
export interface RunsRow {
  readonly results: readonly RunResult[];
  /** In how many runs each planted fault was found; undefined: in none. */
  readonly found: ReadonlyMap<string, number | undefined>;
}

/** Begins what is said of a run that did not come to its end. */
const BROKEN = 'the run broke';

/** Runs all seeds, a few at once, and judges each run. */
export async function measureRuns(size: RunsSize, print: (text: string) => void): Promise<RunsRow> {
  return { results: await runAll(size, {}, print), found: new Map() };
}

/** Plants each of the faults; then the same program has none, in as many runs as the hardest one needed. */
export async function measurePlanted(
  size: RunsSize,
  print: (text: string) => void,
): Promise<RunsRow> {
  await buildPlanted();
  const found = new Map(
    await sideBySide(FAULTS, size.atOnce, async (fault, place) => {
      return [fault, await findPlanted(size, { fault, place }, print)] as const;
    }),
  );
  const seeds = Math.max(...[...found.values()].map((seed) => seed ?? size.plantedSeeds));
  const results = await runAll({ ...size, seeds, first: 1 }, { planted: 'nothing' }, print);
  return { results, found };
}

function runAll(
  { first = 1, seeds, atOnce, ...size }: RunsSize,
  planted: Pick<RunInit, 'planted'>,
  print: (text: string) => void,
): Promise<readonly RunResult[]> {
  const all = Array.from({ length: seeds }, (_, at) => first + at);
  return sideBySide(all, atOnce, async (seed, place) => {
    const result = await runToItsEnd({ ...size, ...planted, seed, place });
    for (const problem of result.problems) print(`seed ${seed}: ${problem}\n`);
    return result;
  });
}

/** A run that breaks has a problem, and the others go on. */
async function runToItsEnd(init: RunInit): Promise<RunResult> {
  try {
    return await runOnce(init);
  } catch (error) {
    const problems = [`${BROKEN}: ${String(error)}`];
    const counts = { strong: 0, unknown: 0, open: 0, kills: 0, cuts: 0, jumps: 0, healedMs: 0 };
    return { seed: init.seed, problems, ...counts };
  }
}

/** The first run in which a fault shows; undefined: in none. */
async function findPlanted(
  size: RunsSize,
  { fault, place }: { readonly fault: Fault; readonly place: number },
  print: (text: string) => void,
): Promise<number | undefined> {
  for (let seed = 1; seed <= size.plantedSeeds; seed += 1) {
    const { problems } = await runToItsEnd({ ...size, seed, place, planted: fault });
    const [problem] = problems;
    if (problem === undefined) continue;
    print(`planted: ${fault}; seed ${seed}: ${problem}\n`);
    // Of a run that broke nobody knows what it would have found.
    if (!problem.startsWith(BROKEN)) return seed;
  }
  return undefined;
}

/** No run may have a problem, and each planted fault must be found. */
export function barsOfRuns({ results, found }: RunsRow): readonly Bar[] {
  const wrong = results.filter(({ problems }) => problems.length > 0).length;
  const missed = [...found.values()].filter((seed) => seed === undefined).length;
  const kind = found.size === 0 ? '' : ' and nothing planted';
  return [
    atMost(`of ${results.length} runs on real processes${kind}, with a problem`, 0, wrong),
    ...(found.size === 0 ? [] : [atMost('planted faults that no run found', 0, missed)]),
  ];
}

/** As a table. */
export function renderRuns({ results, found }: RunsRow): string {
  const sum = (of: (result: RunResult) => number): string =>
    String(results.reduce((all, result) => all + of(result), 0));
  return [
    table(
      [
        'runs',
        'strong requests',
        'unknown',
        'open writes',
        'kill -9',
        'cuts',
        'clock jumps',
        'healed at most, ms',
      ],
      [
        [
          String(results.length),
          sum(({ strong }) => strong),
          sum(({ unknown }) => unknown),
          sum(({ open }) => open),
          sum(({ kills }) => kills),
          sum(({ cuts }) => cuts),
          sum(({ jumps }) => jumps),
          Math.max(...results.map(({ healedMs }) => healedMs)).toFixed(0),
        ],
      ],
    ),
    ...(found.size === 0
      ? []
      : [
          table(
            ['planted', 'found in run'],
            [...found].map(([fault, seed]) => [fault, seed === undefined ? 'none' : String(seed)]),
          ),
        ]),
  ].join('\n');
}
