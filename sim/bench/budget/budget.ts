/** What budgets cost, and that nobody overspends one, with the bars of both. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeAtExit } from '../../remove-at-exit.ts';
import { atLeast, atMost, renderBars } from '../bars.ts';
import type { Bar } from '../bars.ts';
import type { BudgetSize } from '../size.ts';
import { CALLERS, measureCalls, measureHolds } from './costs.ts';
import type { CallCosts, HoldCosts } from './costs.ts';
import { runCuts } from './cuts.ts';
import type { CutsRow } from './cuts.ts';
import { measureNewcomer } from './newcomer.ts';
import type { NewcomerCosts } from './newcomer.ts';
import { runParallel } from './parallel.ts';
import type { ParallelRow } from './parallel.ts';

/** What was measured. */
export interface BudgetFigures {
  readonly costs?: HoldCosts & CallCosts;
  readonly newcomer?: NewcomerCosts;
  readonly parallel?: ParallelRow;
  readonly cuts: readonly CutsRow[];
  readonly bars: readonly Bar[];
}

const ROOT = 'starling-bench-budget-';
const BARS = {
  holds: 10_000,
  holdMs: 2,
  holdP99Ms: 10,
  ratio: 1.2,
  syncMs: 5000,
  parallelMs: 10_000,
} as const;

type Print = (text: string) => void;

/** Measures, and prints; `only` names the parts that are wanted: `costs`, `newcomer`, `parallel`, `cuts`. */
export async function benchBudget(
  size: BudgetSize,
  only: readonly string[],
  print: Print,
): Promise<BudgetFigures> {
  const wants = (part: string): boolean => only.length === 0 || only.includes(part);
  const costs = wants('costs') ? await inFolder((root) => costsOf(root, size, print)) : undefined;
  const newcomer = wants('newcomer')
    ? await inFolder((root) => measureNewcomer(root, size))
    : undefined;
  if (newcomer !== undefined) {
    const { rows, syncMs, cpuMs } = newcomer;
    print(
      `  ${rows} rows: ${Math.round(syncMs)} ms until a new node has them, ${Math.round(cpuMs)} ms of a processor for both\n`,
    );
  }
  // What the quick form leaves out needs hosts of its own.
  const isReal = size.seeds > 0;
  const parallel = wants('parallel') && isReal ? await runParallel() : undefined;
  if (parallel !== undefined) {
    const { acked, calls, faults, limit, ms } = parallel;
    print(
      `  ${calls} calls at once at five nodes: ${acked} of ${limit} in ${Math.round(ms)} ms: ${saidOf(faults)}\n`,
    );
  }
  const cuts: CutsRow[] = [];
  for (let seed = 1; wants('cuts') && seed <= size.seeds; seed += 1) {
    const row = await runCuts(seed);
    cuts.push(row);
    const { acked, booked, faults, kills, limit } = row;
    print(
      `  seed ${seed}: ${kills} kills, ${row.cuts} cuts, ${acked} acknowledged and ${booked} booked of ${limit}: ${saidOf(faults)}\n`,
    );
  }
  const bars = [
    ...(costs === undefined ? [] : barsOf(costs)),
    ...(newcomer === undefined
      ? []
      : [
          atMost(
            'budget: rows of 1,000 budgets × 50 owners: ms of a processor, both nodes',
            BARS.syncMs,
            newcomer.cpuMs,
          ),
        ]),
    ...(parallel === undefined ? [] : parallelBars(parallel)),
    ...(cuts.length === 0
      ? []
      : [atMost('budget: seeds with faults', 0, cuts.filter(hasFaults).length)]),
  ];
  print(renderBars(bars));
  return {
    ...(costs === undefined ? {} : { costs }),
    ...(newcomer === undefined ? {} : { newcomer }),
    ...(parallel === undefined ? {} : { parallel }),
    cuts,
    bars,
  };
}

async function costsOf(
  root: string,
  size: BudgetSize,
  print: Print,
): Promise<HoldCosts & CallCosts> {
  const holds = await measureHolds(join(root, 'holds'), size);
  const calls = await measureCalls(join(root, 'calls'), size);
  const figures = { ...holds, ...calls };
  print(`
budgets, ${CALLERS} callers
  holds in groups, settled     ${Math.round(figures.holdsPerSecond)}/s
  99 of 100 of them within     ${figures.holdP99Ms.toFixed(2)} ms
  one hold                     ${figures.holdMs.toFixed(2)} ms; a synced write of the store ${figures.writeMs.toFixed(2)} ms
  a call without a budget      ${Math.round(figures.freeUs)} µs of a processor; 99 of 100 within ${figures.freeP99Ms.toFixed(1)} ms
  one that counts against one  ${Math.round(figures.paidUs)} µs, ${figures.ratio.toFixed(2)}×; 99 of 100 within ${figures.paidP99Ms.toFixed(1)} ms
`);
  return figures;
}

function barsOf(figures: HoldCosts & CallCosts): Bar[] {
  const { holdsPerSecond, holdMs, holdP99Ms, writeMs, ratio } = figures;
  return [
    atLeast('budget: grouped holds/s, 64 callers', BARS.holds, holdsPerSecond),
    atMost('budget: one hold over a synced write: ms', BARS.holdMs, holdMs - writeMs),
    atMost('budget: 99 of 100 holds of 64 callers: ms', BARS.holdP99Ms, holdP99Ms),
    atMost('budget: processor of a call with one, × one without, 64 callers', BARS.ratio, ratio),
  ];
}

function parallelBars({ acked, limit, ms, faults }: ParallelRow): Bar[] {
  return [
    atLeast('budget: of 1,000 calls at once against room for 100 ran', limit, acked),
    atMost('budget: until all of them were told: ms', BARS.parallelMs, ms),
    atMost('budget: faults of these', 0, faults.length),
  ];
}

function hasFaults({ faults }: CutsRow): boolean {
  return faults.length > 0;
}

function saidOf(faults: readonly string[]): string {
  return faults.length === 0 ? 'the books agree' : faults.join('; ');
}

async function inFolder<Result>(work: (root: string) => Promise<Result>): Promise<Result> {
  const root = await mkdtemp(join(tmpdir(), ROOT));
  const cancelRemoval = removeAtExit(root);
  try {
    return await work(root);
  } finally {
    await rm(root, { recursive: true, force: true });
    cancelRemoval();
  }
}
