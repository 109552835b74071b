/** Many seeded runs of boards on real processes, and runs in which something is planted that they must find. */
import { atMost, table } from '../../bars.ts';
import type { Bar } from '../../bars.ts';
import { FAULTS } from './faults.ts';
import type { Fault } from './faults.ts';
import { buildPlanted } from './planted.ts';
import { runOnce } from './run.ts';
import type { RunInit, RunResult } from './run.ts';

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
}

/** What they have shown. */
export interface RunsRow {
  readonly results: readonly RunResult[];
  /** In how many runs each planted fault was found; undefined: in none. */
  readonly found: ReadonlyMap<string, number | undefined>;
}

/** Makes the runs, one after the other. */
export async function measureRuns(size: RunsSize, print: (text: string) => void): Promise<RunsRow> {
  return { results: await runAll(size, {}, print), found: new Map() };
}

/** Plants one fault after the other; then the same program has none, in as many runs as the hardest one needed. */
export async function measurePlanted(
  size: RunsSize,
  print: (text: string) => void,
): Promise<RunsRow> {
  await buildPlanted();
  const found = new Map<string, number | undefined>();
  for (const fault of FAULTS) found.set(fault, await findPlanted(size, fault, print));
  const seeds = Math.max(...[...found.values()].map((seed) => seed ?? size.plantedSeeds));
  const results = await runAll({ ...size, seeds, first: 1 }, { planted: 'nothing' }, print);
  return { results, found };
}

async function runAll(
  { first = 1, seeds, ...size }: RunsSize,
  planted: Pick<RunInit, 'planted'>,
  print: (text: string) => void,
): Promise<readonly RunResult[]> {
  const results: RunResult[] = [];
  for (let seed = first; seed < first + seeds; seed += 1) {
    const result = await runOnce({ ...size, ...planted, seed });
    results.push(result);
    for (const problem of result.problems) print(`seed ${seed}: ${problem}\n`);
  }
  return results;
}

/** The first run in which a fault shows; undefined: in none. */
async function findPlanted(
  size: RunsSize,
  planted: Fault,
  print: (text: string) => void,
): Promise<number | undefined> {
  for (let seed = 1; seed <= size.plantedSeeds; seed += 1) {
    const { problems } = await runOnce({ ...size, seed, planted });
    const [problem] = problems;
    if (problem === undefined) continue;
    print(`planted: ${planted}; seed ${seed}: ${problem}\n`);
    return seed;
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
