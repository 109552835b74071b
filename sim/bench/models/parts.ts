/** The parts of the benchmark of models: each asks a node beside the vendor itself, in turns. */
import { setTimeout as wait } from 'node:timers/promises';
import { percentile } from '../../report.ts';
import { cpuUs, rssMiB } from '../cpu.ts';
import type { ModelsSize } from '../size.ts';
import { MODELS } from './job.ts';
import type { Asked, Way } from './job.ts';
import { ROUTES, wayOf } from './world.ts';
import type { Asker, Vendor } from './world.ts';
import type { NodeProcess } from '../../process.ts';

/** Ways by which models are asked. */
export const WAYS = {
  direct: 'SDK, directly',
  node: 'through a node',
  peer: 'through two nodes',
} as const;
const SAMPLE_MS = 1000;
/** How long the node has to collect its garbage before its memory is read, at the most. */
const COLLECT_MS = 500;
/** So many times the crowd asks before memory is read at all: until then code is compiled, and buffers find their size. */
const WARM_UPS = 5;
/** Callers at a time, where CPU is counted. */
const SOME_CALLERS = 50;

/** What runs. `peer` is a second node that asks the first one's models; undefined where none is wanted. */
export interface World {
  readonly vendor: Vendor;
  readonly asker: Asker;
  readonly node: NodeProcess;
  readonly peer?: NodeProcess | undefined;
}

/** One caller's times by one way, ms: medians and those of 1 in 100. */
export interface TimeRow {
  readonly title: string;
  readonly model: string;
  readonly firstMs: number;
  readonly wholeMs: number;
  readonly wholeP99Ms: number;
  /** Medians, against the question before it to the vendor itself. */
  readonly firstMoreMs: number;
  readonly wholeRatio: number;
  readonly faults: number;
}

/**
 * Asks each way once, over and over: what else the machine does is the same for all. Quick questions come first, so that code
 * is compiled at both ends, as in any program and any node that has run for a minute.
 */
export async function measureTimes(
  world: World,
  { pacedAsks, quickAsks }: ModelsSize,
): Promise<readonly TimeRow[]> {
  const rows: Record<'paced' | 'quick', readonly TimeRow[]> = { paced: [], quick: [] };
  for (const [model, count] of [
    [MODELS.quick, quickAsks],
    [MODELS.paced, pacedAsks],
  ] as const) {
    const ways = await waysOf(world, model);
    // A first one each opens connections.
    await world.asker.ask({ ways, callers: 1, count: Math.ceil(count / 10), isStream: true });
    const { ways: asked } = await world.asker.ask({ ways, callers: 1, count, isStream: true });
    const [direct] = asked;
    if (direct === undefined) throw new Error('the vendor was not asked');
    rows[model] = asked.map((one) => timeRow(one, direct, model));
  }
  return [...rows.paced, ...rows.quick];
}

async function waysOf({ vendor, node, peer }: World, model: string): Promise<readonly Way[]> {
  const direct = { title: WAYS.direct, baseURL: vendor.baseURL('zero'), apiKey: 'none', model };
  return [
    direct,
    await wayOf(node, WAYS.node, `one/${model}`),
    ...(peer === undefined ? [] : [await wayOf(peer, WAYS.peer, `@${node.up.name}/one/${model}`)]),
  ];
}

function timeRow(asked: Asked, direct: Asked, model: string): TimeRow {
  const { title, firstMs, wholeMs, faults } = asked;
  return {
    title,
    model,
    firstMs: percentile(firstMs, 0.5),
    wholeMs: percentile(wholeMs, 0.5),
    wholeP99Ms: percentile(wholeMs, 0.99),
    firstMoreMs: percentile(
      firstMs.map((ms, at) => ms - (direct.firstMs[at] ?? Number.NaN)),
      0.5,
    ),
    wholeRatio: percentile(
      wholeMs.map((ms, at) => ms / (direct.wholeMs[at] ?? Number.NaN)),
      0.5,
    ),
    faults: sum(Object.values(faults)),
  };
}

/** CPU of one stream, ms: of the SDK when it asks the vendor, of the same when it asks a node, and of the node. */
export interface CpuRow {
  readonly model: string;
  readonly sdkMs: number;
  readonly sdkAtNodeMs: number;
  readonly nodeMs: number;
  /** Median over rounds: the node's to the SDK's. */
  readonly ratio: number;
  readonly faults: number;
}

/** Streams of many callers at a time, directly and through the node, in turns. */
export async function measureCpu(
  world: World,
  { cpuRounds, cpuStreams }: ModelsSize,
): Promise<readonly CpuRow[]> {
  const rows: CpuRow[] = [];
  for (const model of [MODELS.paced, MODELS.quick]) {
    const [direct, through] = await waysOf(world, model);
    if (direct === undefined || through === undefined) throw new Error('a way is missing');
    const rounds: { sdkMs: number; sdkAtNodeMs: number; nodeMs: number; faults: number }[] = [];
    // The first one warms both up: what is compiled then is no part of any stream.
    for (let round = 0; round <= cpuRounds; round += 1) {
      const alone = await cpuOf(world, direct, cpuStreams);
      const ours = await cpuOf(world, through, cpuStreams);
      if (round === 0 && cpuRounds > 1) continue;
      rounds.push({
        sdkMs: alone.askerMs,
        sdkAtNodeMs: ours.askerMs,
        nodeMs: ours.nodeMs,
        faults: alone.faults + ours.faults,
      });
    }
    const median = (pick: (round: (typeof rounds)[number]) => number): number =>
      percentile(rounds.map(pick), 0.5);
    rows.push({
      model,
      sdkMs: median(({ sdkMs }) => sdkMs),
      sdkAtNodeMs: median(({ sdkAtNodeMs }) => sdkAtNodeMs),
      nodeMs: median(({ nodeMs }) => nodeMs),
      ratio: median(({ sdkMs, nodeMs }) => nodeMs / sdkMs),
      faults: sum(rounds.map(({ faults }) => faults)),
    });
  }
  return rows;
}

async function cpuOf(
  { asker, node }: World,
  way: Way,
  count: number,
): Promise<{ readonly askerMs: number; readonly nodeMs: number; readonly faults: number }> {
  const pids = [node.child.pid ?? 0];
  const before = cpuUs(pids) ?? Number.NaN;
  const job = { ways: [way], callers: SOME_CALLERS, count, isStream: true };
  const { ways, cpuUs: askerUs } = await asker.ask(job);
  const nodeUs = (cpuUs(pids) ?? Number.NaN) - before;
  return { askerMs: askerUs / 1000 / count, nodeMs: nodeUs / 1000 / count, faults: faultsIn(ways) };
}

/** A crowd at one node for a while. */
export interface CrowdFigures {
  readonly callers: number;
  readonly seconds: number;
  readonly answered: number;
  /** What streams failed with. */
  readonly faults: Readonly<Record<string, number>>;
  /** Memory of the node in the second quarter of the time, and in the last: medians, MiB. */
  readonly beforeMiB: number;
  readonly afterMiB: number;
  /** Of all samples, its peak. */
  readonly mostMiB: number;
}

/** So many paced streams at any time, for so long, once there have been as many: what grows only then is no leak. */
export async function measureCrowd(
  { asker, node }: World,
  { crowd, crowdMs }: ModelsSize,
): Promise<CrowdFigures> {
  const way = await wayOf(node, WAYS.node, `one/${MODELS.paced}`);
  const streams = { ways: [way], callers: crowd, isStream: true };
  const before = await asker.ask({ ...streams, count: crowd * WARM_UPS });
  const samples: number[] = [];
  const over = new AbortController();
  const sampling = (async (): Promise<void> => {
    while (!over.signal.aborted) {
      const pauseMs = Math.max(SAMPLE_MS, crowdMs / 32);
      await wait(Math.min(pauseMs, crowdMs / 8), undefined, { signal: over.signal }).catch(
        () => undefined,
      );
      // Garbage counts for nothing: how much of it waits to be collected is up to the machine.
      node.child.kill('SIGUSR2');
      await wait(Math.min(COLLECT_MS, crowdMs / 16));
      samples.push(rssMiB(node.child.pid ?? 0));
    }
  })();
  try {
    const job = { ...streams, count: Number.MAX_SAFE_INTEGER, durationMs: crowdMs };
    const both = [before, await asker.ask(job)].flatMap(({ ways }) => ways);
    const quarter = Math.floor(samples.length / 4);
    const within = (from: number): number =>
      percentile(samples.slice(from * quarter, (from + 1) * quarter), 0.5);
    return {
      callers: crowd,
      seconds: crowdMs / 1000,
      answered: sum(both.map(({ answered }) => answered)),
      faults: Object.assign({}, ...both.map(({ faults }) => faults)),
      beforeMiB: within(1),
      afterMiB: within(3),
      mostMiB: Math.max(...samples),
    };
  } finally {
    over.abort();
    await sampling;
  }
}

/** How a node does when vendors fail. */
export interface FailureFigures {
  /** From the end of a vendor's 5xx to the request at the next one, ms. */
  readonly failovers: number;
  readonly failoverP50Ms: number;
  readonly failoverP99Ms: number;
  /** Questions to a route of three vendors, of which one fails half of its requests. */
  readonly asked: number;
  readonly answered: number;
  /** Requests to the one that fails, and how many of them did. */
  readonly atBad: number;
  readonly failedThere: number;
  readonly faults: Readonly<Record<string, number>>;
}

/** A vendor that fails every other time, one question at a time; then one of three that fails half, many at a time. */
export async function measureFailures(
  { asker, node, vendor }: World,
  { failovers, failureAsks }: ModelsSize,
): Promise<FailureFigures> {
  await vendor.counted();
  const over = await wayOf(node, WAYS.node, ROUTES.failover);
  await asker.ask({ ways: [over], callers: 1, count: failovers * 2, isStream: true });
  const { gapsMs } = await vendor.counted();
  const three = await wayOf(node, WAYS.node, ROUTES.three);
  const job = { ways: [three], callers: SOME_CALLERS, count: failureAsks, isStream: true };
  const { ways } = await asker.ask(job);
  const { requests, failed } = await vendor.counted();
  const [asked] = ways;
  return {
    failovers: gapsMs.length,
    failoverP50Ms: percentile(gapsMs, 0.5),
    failoverP99Ms: percentile(gapsMs, 0.99),
    asked: failureAsks,
    answered: asked?.answered ?? 0,
    atBad: requests['one'] ?? 0,
    failedThere: failed['one'] ?? 0,
    faults: asked?.faults ?? {},
  };
}

/** Answers that are given again, ms. */
export interface CacheFigures {
  readonly asked: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Requests that the vendor got of all these: one, where each of the others was a hit. */
  readonly atVendor: number;
}

/** The same question again and again. */
export async function measureCache(
  { asker, node, vendor }: World,
  { cacheAsks }: ModelsSize,
): Promise<CacheFigures> {
  const way = await wayOf(node, WAYS.node, `one/${MODELS.paced}`);
  const job = { ways: [way], callers: 1, isStream: false, isSame: true };
  await vendor.counted();
  await asker.ask({ ...job, count: 1 });
  const { ways } = await asker.ask({ ...job, count: cacheAsks });
  const { requests } = await vendor.counted();
  const [asked] = ways;
  return {
    asked: asked?.answered ?? 0,
    p50Ms: percentile(asked?.wholeMs ?? [], 0.5),
    p99Ms: percentile(asked?.wholeMs ?? [], 0.99),
    atVendor: requests['one'] ?? 0,
  };
}

function faultsIn(ways: readonly Asked[]): number {
  return sum(ways.flatMap(({ faults }) => Object.values(faults)));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
