/**
 * Strong boards beside etcd, in one run: as many replicas, each a process with its own disk on this machine, and callers
 * that compare and set, or read, keys of their own.
 */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { builtFile } from '../../project-root.ts';
import { percentile } from '../../report.ts';
import { atLeast, atMost, table } from '../bars.ts';
import type { Bar } from '../bars.ts';
import { cpuUs } from '../cpu.ts';
import type { StrongSize } from '../size.ts';
import { countStrong } from './counted-nodes.ts';
import { startEtcd } from './etcd.ts';
import { until } from './replica.ts';
import { barsOfCounts } from './strong-counts.ts';
import type { StrongCounts } from './strong-counts.ts';
import { runLoops } from './strong-loops.ts';
import type { LoopsInit, Times } from './strong-loops.ts';
import type { StrongNews, StrongOrder } from './strong-process.ts';

/** What one of both did. */
export interface StrongRow {
  readonly title: string;
  readonly replicas: number;
  /** One caller. */
  readonly oneP50Ms: number;
  /** Compare and set, and readings, of many callers. */
  readonly casPerSecond: number;
  readonly casP50Ms: number;
  readonly getPerSecond: number;
  /** What the replicas, and callers that are in their processes, use of a processor for each, µs; undefined: not known. */
  readonly casCpuUs: number | undefined;
  readonly getCpuUs: number | undefined;
  /** Of a change of ours. */
  readonly counts?: StrongCounts;
}

/** How the least that counts as the work is called in the table. */
const FLOOR = 'floor: bare libp2p';

/** Runs callers, and gives the times of all requests. */
type Run = (init: LoopsInit) => Promise<Times>;

/** Replicas that callers ask, and the processes that do the work. */
interface Replicas {
  readonly run: Run;
  readonly pids: readonly number[];
}

/** Measures strong boards, and etcd where it is installed. */
export async function measureStrong(size: StrongSize): Promise<readonly StrongRow[]> {
  const rows: StrongRow[] = [];
  for (const count of size.replicas) {
    const root = await mkdtemp(join(tmpdir(), 'starling-strong-'));
    try {
      const counts = await countStrong(count, size.counted);
      const ours = await withNodes(count, root, (all) => measure('starling', count, all, size));
      rows.push({ ...ours, counts });
      if (size.rivals) {
        rows.push(await withFloor(count, root, (all) => measure(FLOOR, count, all, size)));
      }
      const etcd = size.rivals ? await startEtcd(count, root) : undefined;
      if (etcd === undefined) continue;
      try {
        const run: Run = (init) => runLoops(etcd.clients, init);
        rows.push(await measure(etcd.title, count, { run, pids: etcd.pids }, size));
      } finally {
        await etcd.stop();
      }
    } finally {
      await rm(root, { recursive: true, force: true });
    }
  }
  return rows;
}

/** How ours stands beside the rival, and readings beside writes. */
export function barsOfStrong(rows: readonly StrongRow[]): readonly Bar[] {
  return rows
    .filter(({ title }) => title === 'starling')
    .flatMap((ours) => {
      const { replicas } = ours;
      const rival = rows.find((row) => row.title.startsWith('etcd') && row.replicas === replicas);
      const { casPerSecond = Number.NaN, oneP50Ms = Number.NaN } = rival ?? {};
      return [
        atLeast(`strong cas/s, ${replicas} replicas, × etcd`, 1, ours.casPerSecond / casPerSecond),
        atMost(
          `strong cas, one caller, p50, ${replicas} replicas, × etcd`,
          1.5,
          ours.oneP50Ms / oneP50Ms,
        ),
        atLeast(
          `strong reads, ${replicas} replicas, × cas`,
          3,
          ours.getPerSecond / ours.casPerSecond,
        ),
        ...(ours.counts === undefined ? [] : barsOfCounts(replicas, ours.counts)),
      ];
    });
}

/** As a table. */
export function renderStrong(rows: readonly StrongRow[]): string {
  return table(
    [
      'strong',
      'replicas',
      'cas/s, many',
      'p50 ms',
      'CPU µs/cas, all',
      'one caller p50 ms',
      'reads/s, many',
      'CPU µs/read, all',
      'messages/cas',
      'rows/cas',
    ],
    rows.map((row) => [
      row.title,
      String(row.replicas),
      row.casPerSecond.toFixed(0),
      row.casP50Ms.toFixed(1),
      shownUs(row.casCpuUs),
      row.oneP50Ms.toFixed(1),
      row.getPerSecond.toFixed(0),
      shownUs(row.getCpuUs),
      row.counts?.messages.toFixed(2) ?? '–',
      row.counts?.rows.toFixed(2) ?? '–',
    ]),
  );
}

function shownUs(us: number | undefined): string {
  return us === undefined ? '–' : us.toFixed(0);
}

async function measure(
  title: string,
  replicas: number,
  { run, pids }: Replicas,
  { warmUpMs, ms, callers }: StrongSize,
): Promise<StrongRow> {
  await run({ what: 'cas', callers, ms: warmUpMs, prefix: 'warm' });
  const one = await run({ what: 'cas', callers: 1, ms, prefix: 'one' });
  const before = cpuUs(pids);
  const cas = await run({ what: 'cas', callers, ms, prefix: 'many' });
  const between = cpuUs(pids);
  const get = await run({ what: 'get', callers, ms, prefix: 'many' });
  const after = cpuUs(pids);
  const each = (from?: number, to?: number, count = 0): number | undefined =>
    from === undefined || to === undefined ? undefined : (to - from) / count;
  return {
    title,
    replicas,
    oneP50Ms: percentile(one, 0.5),
    casPerSecond: (cas.length * 1000) / ms,
    casP50Ms: percentile(cas, 0.5),
    getPerSecond: (get.length * 1000) / ms,
    casCpuUs: each(before, between, cas.length),
    getCpuUs: each(between, after, get.length),
  };
}

interface Replica {
  readonly child: ChildProcess;
  readonly heard: StrongNews[];
}

/** Processes of a program, one after the other, each of which is told where the first is. */
async function withProcesses(
  program: string,
  { count, root }: { readonly count: number; readonly root: string },
  work: (replicas: readonly Replica[], dids: readonly string[]) => Promise<StrongRow>,
): Promise<StrongRow> {
  const replicas: Replica[] = [];
  const dids: string[] = [];
  try {
    let first: readonly string[] = [];
    for (let at = 0; at < count; at += 1) {
      const args = [`node-${at}`, join(root, `${program}-${at}`), ...first];
      const child = fork(builtFile(program), args);
      const heard: StrongNews[] = [];
      child.on('message', (one: StrongNews) => heard.push(one));
      replicas.push({ child, heard });
      const { did, address } = await news({ child, heard }, 'up');
      dids.push(did);
      if (at === 0) first = [address];
    }
    return await work(replicas, dids);
  } finally {
    for (const { child } of replicas) child.kill('SIGKILL');
  }
}

function asReplicas(replicas: readonly Replica[]): Replicas {
  return {
    run: (init) => runAt(replicas, init),
    pids: replicas.flatMap(({ child }) => child.pid ?? []),
  };
}

function withFloor(
  count: number,
  root: string,
  work: (all: Replicas) => Promise<StrongRow>,
): Promise<StrongRow> {
  const init = { count, root };
  return withProcesses('bench-board-strong-floor.js', init, async (replicas, dids) => {
    for (const replica of replicas) {
      tell(replica, { t: 'create', dids });
      await news(replica, 'created');
    }
    return work(asReplicas(replicas));
  });
}

function withNodes(
  count: number,
  root: string,
  work: (all: Replicas) => Promise<StrongRow>,
): Promise<StrongRow> {
  return withProcesses('bench-board-strong.js', { count, root }, async (replicas, dids) => {
    await until(() =>
      replicas.every(({ heard }) =>
        heard.some((one) => one.t === 'peers' && one.count === count - 1),
      ),
    );
    const [first] = replicas;
    if (first === undefined) throw new Error('no replica');
    tell(first, { t: 'create', dids });
    await news(first, 'created');
    return work(asReplicas(replicas));
  });
}

/** Callers are spread over the nodes. */
async function runAt(replicas: readonly Replica[], init: LoopsInit): Promise<Times> {
  const shares = replicas.map((_, at) => Math.ceil((init.callers - at) / replicas.length));
  const busy = replicas.flatMap((replica, at) => {
    const callers = shares[at] ?? 0;
    if (callers <= 0) return [];
    replica.heard.length = 0;
    tell(replica, { t: 'run', ...init, callers, prefix: `${init.prefix}-${at}` });
    return [news(replica, 'ran')];
  });
  return (await Promise.all(busy)).flatMap(({ times }) => times);
}

function tell({ child }: Replica, order: StrongOrder): void {
  child.send(order);
}

async function news<T extends StrongNews['t']>(
  { heard, child }: Replica,
  t: T,
): Promise<Extract<StrongNews, { t: T }>> {
  const find = (): StrongNews | undefined => heard.find((one) => one.t === t || one.t === 'failed');
  await until(() => find() !== undefined || child.exitCode !== null);
  const found = find();
  if (found?.t === t) return found as Extract<StrongNews, { t: T }>;
  throw new Error(found?.t === 'failed' ? found.text : 'a replica has ended');
}
