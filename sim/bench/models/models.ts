/**
 * Models through nodes beside the vendor's own SDK, which asks the same vendor directly: times, CPU, a crowd, vendors that
 * fail, and answers that are given again.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeAtExit } from '../../remove-at-exit.ts';
import { atLeast, atMost, renderBars, table } from '../bars.ts';
import type { Bar } from '../bars.ts';
import type { ModelsSize } from '../size.ts';
import { MODELS } from './job.ts';
import {
  WAYS,
  measureCache,
  measureCpu,
  measureCrowd,
  measureFailures,
  measureTimes,
} from './parts.ts';
import type {
  CacheFigures,
  CpuRow,
  CrowdFigures,
  FailureFigures,
  TimeRow,
  World,
} from './parts.ts';
import { grant, startAsker, startNode, startVendor } from './world.ts';

/** What was measured; parts that were left out are absent. */
export interface ModelsFigures {
  readonly times?: readonly TimeRow[];
  readonly cpu?: readonly CpuRow[];
  readonly failures?: FailureFigures;
  readonly cache?: CacheFigures;
  readonly crowd?: CrowdFigures;
  readonly bars: readonly Bar[];
}

type Measured = Omit<ModelsFigures, 'bars'>;
type Print = (text: string) => void;

/** Runs all parts, or those that `only` names: `times`, `cpu`, `failures`, `cache`, `crowd`. */
export async function benchModels(
  size: ModelsSize,
  only: readonly string[],
  print: Print,
): Promise<ModelsFigures> {
  const isWanted = (part: keyof Measured): boolean => only.length === 0 || only.includes(part);
  const root = await mkdtemp(join(tmpdir(), 'starling-bench-models-'));
  const cancelRemoval = removeAtExit(root);
  const cleanups: (() => unknown)[] = [
    () => cancelRemoval(),
    () => rm(root, { recursive: true, force: true }),
  ];
  try {
    const world = await startWorld(root, size, cleanups);
    const measured: Measured = {
      ...(isWanted('times') ? { times: await measureTimes(world, size) } : {}),
      ...(isWanted('cpu') ? { cpu: await measureCpu(world, size) } : {}),
      ...(isWanted('failures') ? { failures: await measureFailures(world, size) } : {}),
      ...(isWanted('cache') ? { cache: await measureCache(world, size) } : {}),
      ...(isWanted('crowd') ? { crowd: await measureCrowd(world, size) } : {}),
    };
    const bars = judge(measured);
    print(render(measured) + renderBars(bars) + LITELLM);
    return { ...measured, bars };
  } finally {
    for (const cleanup of cleanups.toReversed()) await cleanup();
  }
}

async function startWorld(
  root: string,
  { withPeer }: ModelsSize,
  cleanups: (() => unknown)[],
): Promise<World> {
  const vendor = await startVendor(cleanups);
  const node = await startNode(root, 'owner', { vendor }, cleanups);
  const { ticket } = node.up;
  const peer = withPeer ? await startNode(root, 'entry', { vendor, ticket }, cleanups) : undefined;
  if (peer !== undefined) await grant(node, peer);
  return { vendor, node, peer, asker: startAsker(cleanups) };
}

function judge({ times, cpu, failures, cache, crowd }: Measured): readonly Bar[] {
  const bars: Bar[] = [];
  if (times !== undefined) bars.push(...judgeTimes(times));
  for (const { model, ratio } of cpu ?? []) {
    // The bar is the vendor's pace; the other is printed beside.
    if (model !== MODELS.paced) continue;
    bars.push(atMost("models: CPU of the node per stream, × the SDK's", 2, ratio));
  }
  if (failures !== undefined) {
    const { answered, asked, failoverP99Ms } = failures;
    bars.push(atMost('models: from a 5xx to the next vendor, p99, ms', 50, failoverP99Ms));
    const share = (100 * answered) / asked;
    bars.push(atLeast('models: answered with one of three failing half, %', 99.9, share));
  }
  if (cache !== undefined) {
    const { atVendor, p50Ms } = cache;
    bars.push(atMost('models: a cache hit, p50, ms', 10, atVendor === 1 ? p50Ms : Number.NaN));
  }
  if (crowd !== undefined) {
    const { afterMiB, beforeMiB, callers, faults } = crowd;
    bars.push(atMost(`models: faults of ${callers} streams at a time`, 0, sumOf(faults)));
    bars.push(atMost('models: memory meanwhile, last × second quarter', 1.1, afterMiB / beforeMiB));
  }
  return bars;
}

function judgeTimes(times: readonly TimeRow[]): readonly Bar[] {
  const at = (title: string): TimeRow | undefined =>
    times.find((row) => row.title === title && row.model === MODELS.paced);
  const [node, peer] = [at(WAYS.node), at(WAYS.peer)];
  return [
    atMost('models: latency, × SDK directly', 1.1, node?.wholeRatio ?? Number.NaN),
    atMost('models: first token later than directly, p50, ms', 3, node?.firstMoreMs ?? Number.NaN),
    atMost(
      "models: a peer's model, × a local one",
      1.3,
      (peer?.wholeMs ?? Number.NaN) / (node?.wholeMs ?? Number.NaN),
    ),
    atMost(
      'models: faults of these',
      0,
      times.reduce((all, { faults }) => all + faults, 0),
    ),
  ];
}

function render({ times, cpu, failures, cache, crowd }: Measured): string {
  return [
    times === undefined ? '' : timesTable(times),
    cpu === undefined ? '' : cpuTable(cpu),
    failures === undefined && cache === undefined && crowd === undefined
      ? ''
      : table(
          ['models', ''],
          [
            ...(failures === undefined ? [] : failureRows(failures)),
            ...(cache === undefined ? [] : cacheRows(cache)),
            ...(crowd === undefined ? [] : crowdRows(crowd)),
          ],
        ),
  ].join('');
}

function timesTable(times: readonly TimeRow[]): string {
  return table(
    ['one stream at a time', 'vendor', 'first ms', 'later ms', 'whole ms', '× directly', 'p99 ms'],
    times.map((row) => [
      row.title,
      row.model,
      row.firstMs.toFixed(1),
      row.firstMoreMs.toFixed(1),
      row.wholeMs.toFixed(1),
      row.wholeRatio.toFixed(2),
      row.wholeP99Ms.toFixed(1),
    ]),
  );
}

function cpuTable(rows: readonly CpuRow[]): string {
  return table(
    ['CPU of a stream, ms', 'SDK directly', 'SDK at the node', 'node', "node × SDK's", 'faults'],
    rows.map((row) => [
      row.model,
      row.sdkMs.toFixed(2),
      row.sdkAtNodeMs.toFixed(2),
      row.nodeMs.toFixed(2),
      row.ratio.toFixed(2),
      String(row.faults),
    ]),
  );
}

function failureRows(failures: FailureFigures): string[][] {
  const { asked, answered, atBad, failedThere, failovers, failoverP50Ms, failoverP99Ms } = failures;
  return [
    [`from a 5xx to the next vendor, ${failovers} times: p50, ms`, failoverP50Ms.toFixed(1)],
    ['  p99, ms', failoverP99Ms.toFixed(1)],
    ['asked of three vendors, of whom one fails half', String(asked)],
    ['  answered', String(answered)],
    ['  requests at that one', String(atBad)],
    ['  of which failed', String(failedThere)],
    ...faultRows(failures.faults),
  ];
}

function cacheRows({ asked, p50Ms, p99Ms, atVendor }: CacheFigures): string[][] {
  return [
    [`the same answer ${asked} times again: p50, ms`, p50Ms.toFixed(2)],
    ['  p99, ms', p99Ms.toFixed(2)],
    ['  requests at the vendor', String(atVendor)],
  ];
}

function crowdRows(crowd: CrowdFigures): string[][] {
  const { answered, afterMiB, beforeMiB, callers, mostMiB, seconds } = crowd;
  return [
    [`${callers} streams at a time, for ${seconds} s: answered`, String(answered)],
    ['  MiB of the node, second quarter', beforeMiB.toFixed(0)],
    ['  last quarter', afterMiB.toFixed(0)],
    ['  at most', mostMiB.toFixed(0)],
    ...faultRows(crowd.faults),
  ];
}

function faultRows(faults: Readonly<Record<string, number>>): string[][] {
  return Object.entries(faults).map(([text, count]) => [`  ${text.slice(0, 100)}`, String(count)]);
}

function sumOf(faults: Readonly<Record<string, number>>): number {
  return Object.values(faults).reduce((all, one) => all + one, 0);
}

/** It needs Python and a database, so that it was not run here. */
const LITELLM = `LiteLLM, not measured here, as its users report: 1.7 to 4 times the time of a direct call under load (its issue 21046)

`;
