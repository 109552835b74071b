/**
 * The soak: a node does all at once what a year brings, and is then as it was before. First everything
 * a little, so that what is kept on purpose is there; then the memory is measured after a collection
 * in the node itself; then everything in full; and then the memory is measured again.
 */
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { percentile } from '../report.ts';
import type { Memory } from './memory.ts';
import {
  abandon,
  comeByPeer,
  crash,
  list,
  newTally,
  quietCalls,
  readSlowly,
  reload,
} from './phases.ts';
import type { Tally } from './phases.ts';
import { MARK, startWorld } from './world.ts';
import type { SoakSize, World } from './world.ts';

const SAMPLE_EACH_MS = 1000;
const MEMORY_GROWTH_MAX = 0.1;
/** Where times are this short, what else the machine does counts for more. */
const P50_GROWTH_MAX = 0.5;
const P50_SLACK_MS = 0.2;
const MIB = 1024 * 1024;
const GONE_MS = 30_000;

/** The whole, as `npm run soak` does it. */
export const FULL: SoakSize = {
  sessions: 10_000,
  crashes: 1000,
  reloads: 100,
  tools: 10_000,
  lists: 10,
  slowCalls: 200,
  quietCalls: 2000,
  farSessions: 1000,
  warmUpShare: 0.5,
  samples: 30,
  idleMs: 3000,
  settles: true,
};
/** The same in seconds. */
export const QUICK: SoakSize = {
  sessions: 24,
  crashes: 2,
  reloads: 1,
  tools: 120,
  lists: 1,
  slowCalls: 8,
  quietCalls: 40,
  farSessions: 4,
  warmUpShare: 0.25,
  samples: 1,
  idleMs: 1000,
  settles: false,
};

/** How many calls a phase asked, how many were rightly answered, and in what time. */
export interface PhaseResult {
  readonly title: string;
  readonly count: number;
  readonly asked: number;
  readonly right: number;
  readonly seconds: number;
  /** After it. */
  readonly memory: Memory;
  readonly wrongs: readonly string[];
}

/** One thing that must hold. */
export interface Check {
  readonly title: string;
  readonly measured: string;
  readonly bar: string;
  readonly pass: boolean;
}

/** What came of it. */
export interface SoakReport {
  readonly before: Memory;
  readonly phases: readonly PhaseResult[];
  readonly checks: readonly Check[];
}

type Work = readonly [title: string, count: number, run: (count: number, tally: Tally) => unknown];

/** Runs it; `print` hears each line when it is there, `begins` each phase, and the share of them that is over. */
export async function soak(
  size: SoakSize,
  print: (text: string) => void,
  begins: (title: string, share: number) => void = () => undefined,
): Promise<SoakReport> {
  const root = await mkdtemp(join(tmpdir(), 'starling-soak-'));
  const crashed = { count: 0 };
  const phases: PhaseResult[] = [];
  let world: World | undefined;
  try {
    world = await startWorld(root, size);
    const works = worksOf(root, world, size, crashed);
    const calm = newTally();
    for (const [at, [title, count, run]] of works.entries()) {
      begins(`warm-up: ${title}`, at / works.length / 2);
      const from = performance.now();
      await run(Math.ceil(count * size.warmUpShare), calm);
      const seconds = (performance.now() - from) / 1000;
      print(line(`warm-up: ${title}`.slice(0, 25), calm, seconds, await world.memory()));
    }
    await quietCalls(world, size.quietCalls, calm);
    await world.settled(0);
    const p50Before = percentile(await quietCalls(world, size.quietCalls, calm), 0.5);
    await world.settled(0);
    const before = await keptMemory(world, size.samples);
    print(line('warm-up', calm, 0, before));
    for (const [at, [title, count, run]] of works.entries()) {
      begins(title, (1 + at / works.length) / 2);
      const tally = newTally();
      const from = performance.now();
      await run(count, tally);
      const seconds = (performance.now() - from) / 1000;
      if (size.settles) await world.settled(0);
      const memory = await world.memory();
      phases.push({ title, count, ...tally, seconds, memory });
      print(line(`${title} ${count}`, tally, seconds, memory));
    }
    const p50After = percentile(await quietCalls(world, size.quietCalls, calm), 0.5);
    await world.settled(0);
    const after = await keptMemory(world, size.samples);
    await world.stop();
    world = undefined;
    const checks = [
      ...memoryChecks(before, after),
      answersCheck([calm, ...phases]),
      p50Check(p50Before, p50After),
      await orphansCheck(crashed.count),
    ];
    return { before, phases, checks };
  } finally {
    await world?.stop();
    await rm(root, { recursive: true, force: true });
  }
}

/** The least of several: what is freed goes back to the system bit by bit, and what is kept stays. */
async function keptMemory(world: World, samples: number): Promise<Memory> {
  const taken: Memory[] = [];
  while (taken.length < samples) {
    if (taken.length > 0) await new Promise((resolve) => setTimeout(resolve, SAMPLE_EACH_MS));
    taken.push(await world.memory());
  }
  const least = (pick: (memory: Memory) => number): number => Math.min(...taken.map(pick));
  return {
    rss: least(({ rss }) => rss),
    heapUsed: least(({ heapUsed }) => heapUsed),
    external: least(({ external }) => external),
  };
}

function worksOf(
  root: string,
  world: World,
  size: SoakSize,
  crashed: { count: number },
): readonly Work[] {
  return [
    ['abandoned sessions', size.sessions, (count, tally) => abandon(world, count, tally)],
    ['upstream crashes', size.crashes, (count, tally) => crash(world, count, tally, crashed)],
    ['config reloads', size.reloads, (count, tally) => reload(world, count, tally)],
    ['whole lists', size.lists, (count, tally) => list(world, size.tools, count, tally)],
    ['slow readers', 1, (_, tally) => readSlowly(world, size.slowCalls, tally)],
    [
      'sessions by a peer',
      size.farSessions,
      (count, tally) => comeByPeer(root, world, count, tally),
    ],
  ];
}

function memoryChecks(before: Memory, after: Memory): readonly Check[] {
  const check = (title: string, from: number, to: number): Check => ({
    title,
    measured: `${mib(from)} → ${mib(to)} MiB (${percent(to / from - 1)})`,
    bar: `at most ${percent(MEMORY_GROWTH_MAX)}`,
    pass: to <= from * (1 + MEMORY_GROWTH_MAX),
  });
  const used = ({ heapUsed, external }: Memory): number => heapUsed + external;
  return [check('heap', used(before), used(after)), check('RSS', before.rss, after.rss)];
}

function answersCheck(tallies: readonly Pick<PhaseResult, 'asked' | 'right' | 'wrongs'>[]): Check {
  const asked = tallies.reduce((sum, tally) => sum + tally.asked, 0);
  const right = tallies.reduce((sum, tally) => sum + tally.right, 0);
  const [wrong] = tallies.flatMap(({ wrongs }) => wrongs);
  return {
    title: 'answers',
    measured: `${right} of ${asked}${wrong === undefined ? '' : `, as: ${wrong}`}`,
    bar: 'each call one, its own',
    pass: asked > 0 && right === asked,
  };
}

function p50Check(beforeMs: number, afterMs: number): Check {
  return {
    title: 'p50 of a call',
    measured: `${beforeMs} → ${afterMs} ms`,
    bar: `at most ${percent(P50_GROWTH_MAX)} and ${P50_SLACK_MS} ms more`,
    pass: afterMs <= beforeMs * (1 + P50_GROWTH_MAX) + P50_SLACK_MS,
  };
}

/** What the servers that crashed have left, themselves and the processes that they had started. */
async function orphansCheck(crashed: number): Promise<Check> {
  const deadline = performance.now() + GONE_MS;
  let left = await marked();
  while (left > 0 && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    left = await marked();
  }
  return {
    title: 'orphans',
    measured: `${left} processes of ${crashed} servers`,
    bar: 'none',
    pass: left === 0 && crashed > 0,
  };
}

/** How many processes of the machine carry the mark (Linux; elsewhere there is nothing to see). */
async function marked(): Promise<number> {
  const names = await readdir('/proc').catch(() => []);
  const texts = await Promise.all(
    names
      .filter((name) => /^\d+$/.test(name))
      .map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
  );
  return texts.filter((text) => text.split('\0').includes(MARK)).length;
}

function line(title: string, tally: Tally, seconds: number, { rss, heapUsed, external }: Memory) {
  const cells = [
    title.padEnd(26),
    `${tally.right}/${tally.asked}`.padStart(15),
    seconds.toFixed(1).padStart(8),
    mib(heapUsed).padStart(9),
    mib(external).padStart(9),
    mib(rss).padStart(9),
  ];
  return `${cells.join('')}${tally.wrongs.map((wrong) => `\n  ✗ ${wrong}`).join('')}\n`;
}

/** Heads of the table that {@link soak} prints. */
export const HEADS = `${['phase'.padEnd(26), 'answers'.padStart(15)].join('')}       s  heap MiB  ext. MiB  RSS MiB\n`;

/** The checks as a table. */
export function renderChecks(checks: readonly Check[]): string {
  return checks
    .map(
      ({ title, measured, bar, pass }) =>
        `${pass ? 'pass' : 'FAIL'}  ${title.padEnd(14)}  ${measured}  (${bar})\n`,
    )
    .join('');
}

function mib(bytes: number): string {
  return (bytes / MIB).toFixed(1);
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
