/** Many seeded runs of boards on real processes, and runs in which something is planted that they must find. */
import { atMost, table } from '../../bars.ts';
import type { Bar } from '../../bars.ts';
import { FAULTS } from './orders.ts';
import { runOnce } from './run.ts';
import type { RunResult } from './run.ts';

/** How many seeds are tried, and with how many nodes and calls. */
export interface RunsSize {
  readonly seeds: number;
  /** The first of them; default: 1. */
  readonly first?: number;
  readonly members: number;
  readonly ms: number;
  readonly calls: number;
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
  const { members, ms, calls } = size;
  const results: RunResult[] = [];
  const { first = 1 } = size;
  for (let seed = first; seed < first + size.seeds; seed += 1) {
    const result = await runOnce({ seed, members, ms, calls });
    results.push(result);
    for (const problem of result.problems) print(`seed ${seed}: ${problem}\n`);
  }
  const found = new Map<string, number | undefined>();
  for (const fault of size.plantedSeeds === 0 ? [] : FAULTS) {
    let seed = 1;
    for (; seed <= size.plantedSeeds; seed += 1) {
      const { problems } = await runOnce({ seed, members, ms, calls, fault });
      if (problems.length > 0) break;
    }
    found.set(fault, seed > size.plantedSeeds ? undefined : seed);
  }
  return { results, found };
}

/** No run may have a problem, and each planted fault must be found. */
export function barsOfRuns({ results, found }: RunsRow): readonly Bar[] {
  const wrong = results.filter(({ problems }) => problems.length > 0).length;
  const missed = [...found.values()].filter((seed) => seed === undefined).length;
  return [
    atMost(`of ${results.length} runs on real processes, with a problem`, 0, wrong),
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
