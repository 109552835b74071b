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
import type { StrongSize } from '../size.ts';
import { startEtcd } from './etcd.ts';
import { until } from './replica.ts';
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
}

/** Runs callers, and gives the times of all requests. */
type Run = (init: LoopsInit) => Promise<Times>;

/** Measures strong boards, and etcd where it is installed. */
export async function measureStrong(size: StrongSize): Promise<readonly StrongRow[]> {
  const rows: StrongRow[] = [];
  for (const count of size.replicas) {
    const root = await mkdtemp(join(tmpdir(), 'starling-strong-'));
    try {
      rows.push(await withNodes(count, root, (run) => measure('starling', count, { run, size })));
      const etcd = size.rivals ? await startEtcd(count, root) : undefined;
      if (etcd === undefined) continue;
      try {
        const run: Run = (init) => runLoops(etcd.clients, init);
        rows.push(await measure(etcd.title, count, { run, size }));
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
      const rival = rows.find((row) => row.title !== 'starling' && row.replicas === replicas);
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
      ];
    });
}

/** As a table. */
export function renderStrong(rows: readonly StrongRow[]): string {
  return table(
    ['strong', 'replicas', 'cas/s, many', 'p50 ms', 'one caller p50 ms', 'reads/s, many'],
    rows.map((row) => [
      row.title,
      String(row.replicas),
      row.casPerSecond.toFixed(0),
      row.casP50Ms.toFixed(1),
      row.oneP50Ms.toFixed(1),
      row.getPerSecond.toFixed(0),
    ]),
  );
}

async function measure(
  title: string,
  replicas: number,
  { run, size: { ms, callers } }: { readonly run: Run; readonly size: StrongSize },
): Promise<StrongRow> {
  await run({ what: 'cas', callers, ms: ms / 2, prefix: 'warm' });
  const one = await run({ what: 'cas', callers: 1, ms, prefix: 'one' });
  const cas = await run({ what: 'cas', callers, ms, prefix: 'many' });
  const get = await run({ what: 'get', callers, ms, prefix: 'many' });
  return {
    title,
    replicas,
    oneP50Ms: percentile(one, 0.5),
    casPerSecond: (cas.length * 1000) / ms,
    casP50Ms: percentile(cas, 0.5),
    getPerSecond: (get.length * 1000) / ms,
  };
}

interface Replica {
  readonly child: ChildProcess;
  readonly heard: StrongNews[];
}

async function withNodes(
  count: number,
  root: string,
  work: (run: Run) => Promise<StrongRow>,
): Promise<StrongRow> {
  const replicas: Replica[] = [];
  try {
    let address: string | undefined;
    for (let at = 0; at < count; at += 1) {
      const args = [
        `node-${at}`,
        join(root, `node-${at}`),
        ...(address === undefined ? [] : [address]),
      ];
      const child = fork(builtFile('bench-board-strong.js'), args);
      const heard: StrongNews[] = [];
      child.on('message', (news: StrongNews) => heard.push(news));
      replicas.push({ child, heard });
      const up = await news({ child, heard }, 'up');
      address ??= up.address;
    }
    await until(() =>
      replicas.every(({ heard }) =>
        heard.some((one) => one.t === 'peers' && one.count === count - 1),
      ),
    );
    const dids = await Promise.all(
      replicas.map(async (replica) => (await news(replica, 'up')).did),
    );
    const [first] = replicas;
    if (first === undefined) throw new Error('no replica');
    tell(first, { t: 'create', dids });
    await news(first, 'created');
    return await work((init) => runAt(replicas, init));
  } finally {
    for (const { child } of replicas) child.kill('SIGKILL');
  }
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
