/**
 * The benchmark in seconds: what `npm run bench -- --quick` does, by the built files. Each part has processes of its own,
 * which are most of what a part costs; `npm test` runs one part of each kind, and `npm run long` all.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import type { AgentsFigures } from '../../../sim/bench/agents/agents.ts';
import type { BudgetFigures } from '../../../sim/bench/budget/budget.ts';
import type { GatewayResult } from '../../../sim/bench/gateway.ts';
import type { GuardFigures } from '../../../sim/bench/guard.ts';
import type { HostileResult } from '../../../sim/bench/hostile/hostile.ts';
import type { ScaleResult } from '../../../sim/bench/scale/scale.ts';
import type { LearnFigures } from '../../../sim/bench/learn/learn.ts';
import type { ModelsFigures } from '../../../sim/bench/models/models.ts';
import type { MeshRow } from '../../../sim/bench/mesh.ts';
import type { MetricsFigures } from '../../../sim/bench/metrics.ts';
import type { PageFigures } from '../../../sim/bench/page/page.ts';
import type { TasksFigures } from '../../../sim/bench/tasks/tasks.ts';
import { QUICK } from '../../../sim/bench/size.ts';
import { hasTerminals, startOnTerminal } from '../../cli/terminal/on-terminal.ts';
import { someOf } from '../../long/extent.ts';

const BENCH = resolve(import.meta.dirname, '../../../dist/bench.js');

interface Report {
  readonly mesh: readonly MeshRow[];
  readonly gateway: GatewayResult;
  readonly guard: GuardFigures;
  readonly metrics: MetricsFigures;
  readonly budget: BudgetFigures;
  readonly hostile: HostileResult;
  readonly scale: ScaleResult;
  readonly agents: AgentsFigures;
  readonly tasks: TasksFigures;
  readonly models: ModelsFigures;
  readonly page: PageFigures;
  readonly learn: LearnFigures;
}

async function bench(
  ...args: string[]
): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [BENCH, ...args]);
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, out: String(Buffer.concat(out)), err: String(Buffer.concat(err)) };
}

/** What it says to a person who looks on: the parts as they begin, in a line that changes, and the report. */
async function benchOnTerminal(
  ...args: string[]
): Promise<{ code: number | null; out: string; err: string }> {
  const terminal = startOnTerminal(args, { program: BENCH });
  const { code, screen } = await terminal.ended();
  const out = screen.split('\n').find((line) => line.startsWith('{')) ?? '';
  return { code, out, err: terminal.raw().replace(out, '') };
}

/** What each part must have measured. */
const PARTS: Readonly<Record<keyof Report, (report: Report) => void>> = {
  mesh({ mesh }) {
    expect(mesh).toHaveLength(4 * QUICK.mesh.concurrency.length);
    expect(mesh.filter(({ perSecond }) => !(perSecond > 0))).toEqual([]);
  },
  gateway({ gateway }) {
    const ofHttp = gateway.http.flatMap((group) => group.rows);
    expect([...ofHttp, ...gateway.stdio].filter(({ perSecond }) => !(perSecond > 0))).toEqual([]);
    expect(ofHttp.map(({ title }) => title)).toEqual(
      expect.arrayContaining([
        'starling, two peers, audited',
        'two peers, by socket, audited',
        'bare relay',
        'libp2p, one stream',
      ]),
    );
    expect(gateway.mixed.map(({ title }) => title)).toEqual(['starling', 'starling, two peers']);
  },
  guard({ guard }) {
    expect(guard.rows.filter(({ p50Us }) => !(p50Us > 0))).toEqual([]);
  },
  metrics({ metrics }) {
    expect(metrics.callUs.all).toBeGreaterThan(0);
    expect(metrics.scrapeMs).toBeGreaterThan(0);
  },
  budget({ budget }) {
    expect(budget.costs?.holdsPerSecond).toBeGreaterThan(0);
    expect(budget.costs?.ratio).toBeGreaterThan(0);
    expect(budget.newcomer?.rows).toBe(QUICK.budget.budgets * QUICK.budget.owners);
  },
  hostile({ hostile }) {
    expect(hostile.rows.map(({ name }) => name)).toEqual(QUICK.hostile.attacks);
    const still = hostile.rows.filter(({ attacked, control }) => !(attacked > 0 && control > 0));
    expect(still).toEqual([]);
  },
  scale({ scale }) {
    const [row] = scale.oneProcess;
    expect(row).toMatchObject({ nodes: 3, pairs: 3 });
    expect(row?.knownMs).toBeGreaterThan(0);
    expect(row?.streamsPerPair).toBeGreaterThan(0);
    expect(scale.floors).toMatchObject([{ nodes: 3, links: 3, known: 1 }]);
  },
  agents({ agents }) {
    const { requests = [], starts, queue, choosing = [] } = agents;
    expect([...requests, ...choosing].map(({ title }) => title)).toEqual([
      'agent of a peer',
      'tool of a peer',
      'two asked on the spot',
      'least loaded by heartbeat',
    ]);
    expect(starts?.agentMs).toBeGreaterThan(0);
    const sent = QUICK.agents.queued;
    expect(queue).toMatchObject({ sent, arrived: sent, isInOrder: true });
    expect(agents.bars).toHaveLength(12);
  },
  tasks({ tasks }) {
    const count = QUICK.tasks.tasks;
    expect(tasks.faults).toMatchObject([{ acked: count, done: count, lost: [], twice: [] }]);
  },
  models({ models }) {
    const { times = [], cpu = [], failures, cache, crowd } = models;
    expect(times.map(({ title, model, faults }) => `${title}, ${model}: ${faults}`)).toEqual([
      'SDK, directly, paced: 0',
      'through a node, paced: 0',
      'SDK, directly, quick: 0',
      'through a node, quick: 0',
    ]);
    expect(cpu.filter(({ sdkMs, faults }) => !(sdkMs > 0) || faults > 0)).toEqual([]);
    const { failovers, failureAsks, cacheAsks } = QUICK.models;
    expect(failures).toMatchObject({ failovers, answered: failureAsks, faults: {} });
    expect(cache).toMatchObject({ asked: cacheAsks, atVendor: 1 });
    expect(crowd).toMatchObject({ faults: {} });
  },
  page({ page }) {
    // The one bar that needs no browser: all that the page loads.
    expect(page.bars.filter(({ pass }) => pass).map(({ title }) => title)).toEqual([
      'page: kB by gzip, in all',
    ]);
  },
  learn({ learn }) {
    expect(learn.ways?.breaks.seeds).toBe(QUICK.learn.seeds);
    expect(learn.experiences?.familiar.reminded).toBeGreaterThan(0);
    expect(learn.bars).toHaveLength(8);
  },
};

/** A mesh in one process, and what needs no node; the other parts start processes for their figures. */
const SHORT: readonly string[] = ['guard', 'scale', 'page', 'learn'];

it('measures every path once, and each answered', { timeout: 900_000 }, async () => {
  const parts = someOf(Object.entries(PARTS), ([name]) => SHORT.includes(name));
  const isAll = parts.length === Object.keys(PARTS).length;
  const names = isAll ? [] : parts.map(([name]) => name);
  const isSeen = await hasTerminals();
  const run = isSeen ? benchOnTerminal : bench;
  const { code, out, err } = await run(...names, '--quick', '--json');
  expect(code, err).toBe(0);
  if (isSeen) expect(err).toContain('measuring: scale');
  const report = JSON.parse(out) as Report;
  for (const [, check] of parts) check(report);
  // Node's warnings of listeners that nobody takes away go there.
  expect(err).not.toContain('Warning');
});

it('records only the whole', async () => {
  const { code, err } = await bench('--quick', '--record');
  expect(code).toBe(2);
  expect(err).toContain('only the whole benchmark is recorded');
});
