/**
 * What figures and traces cost: a call's share for the counting of it, the CPU of calls with a collector beside those
 * without one, and the CPU of a scrape of ten thousand series. Nodes run as processes and take turns; of the rounds of each the
 * one counts that cost the least, because what else the machine does only adds.
 */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createMetricsRegistry, createMetrics, systemClock } from '../../src/testing.ts';
import { UNLIMITED } from '../limits.ts';
import { startProcess } from '../process.ts';
import type { NodeProcess } from '../process.ts';
import { atMost, renderBars, table } from './bars.ts';
import type { Bar } from './bars.ts';
import { startLoader } from './loader-process.ts';
import type { Loader } from './loader-process.ts';
import type { MetricsSize } from './size.ts';

const CALLERS = 64;
const SERIES = 10_000;
const SHARE_MAX = 0.02;
const SCRAPE_MAX_MS = 100;
const HEARD_MS = 10_000;
const cli = fileURLToPath(new URL('./cli.js', import.meta.url));
const upstream = fileURLToPath(new URL('./bench-upstream.js', import.meta.url));

/** What was measured. */
export interface MetricsFigures {
  /** CPU of counting one call, µs. */
  readonly countUs: number;
  /** CPU of one call, µs, by how it is traced; NaN of what is not measured. */
  readonly callUs: Readonly<Record<Way, number>>;
  /** CPU of a scrape, ms. */
  readonly scrapeMs: number;
  readonly bars: readonly Bar[];
}

type Way = MetricsSize['ways'][number];

const TITLES: Readonly<Record<Way, string>> = {
  off: 'no collector',
  traced: 'a collector, 1000 spans a second at the most',
  all: 'a collector, every call',
};

/** Measures, and prints tables. */
export async function benchMetrics(
  size: MetricsSize,
  print: (text: string) => void,
): Promise<MetricsFigures> {
  const countUs = leastOf(size.rounds, () => countingUs(size.counted));
  const callUs = await measureCalls(size);
  const scrapes: number[] = [];
  for (let round = 0; round < size.rounds; round += 1) scrapes.push(await scrapeMs());
  const scrape = Math.min(...scrapes);
  print(
    table(
      [`calls by socket, ${CALLERS} at a time`, 'CPU µs/call'],
      size.ways.map((way) => [TITLES[way], callUs[way].toFixed(1)]),
    ),
  );
  print(`counting a call: ${countUs.toFixed(2)} µs; ${SERIES} series: ${scrape.toFixed(1)} ms\n\n`);
  const bars = [
    atMost('metrics: share of a call', SHARE_MAX, countUs / callUs.off),
    atMost('traces: CPU of a call, × without', 1 + SHARE_MAX, callUs.traced / callUs.off),
    atMost(`a scrape of ${SERIES} series: ms of CPU`, SCRAPE_MAX_MS, scrape),
  ];
  print(renderBars(bars));
  return { countUs, callUs, scrapeMs: scrape, bars };
}

/** CPU of counting one call, with the two looks at the time. */
function countingUs(calls: number): number {
  const { calls: meter } = createMetrics(NOTHING, systemClock);
  const before = process.cpuUsage();
  for (let call = 0; call < calls; call += 1) {
    const beganAt = performance.now();
    meter.ended('tools/call', (call & 1) === 1, 'ok', performance.now() - beganAt);
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / calls;
}

/** The same figures as a node has, without anything in its rooms. */
const NOTHING: Parameters<typeof createMetrics>[0] = {
  callsNow: () => 0,
  sessions: () => ({}),
  peers: () => ({}),
  servers: () => [],
  boards: () => 0,
  tasks: () => ({}),
  budgets: () => [],
  agents: () => [],
  models: () => [],
  isAuditHealthy: () => true,
  auditEntries: () => 0,
  warnings: () => 0,
  spans: () => ({ sent: 0, rejected: 0, dropped: 0, limited: 0, waiting: 0 }),
};

/** CPU of the text of so many series, as a node makes it, ms. */
async function scrapeMs(): Promise<number> {
  const samples = Array.from({ length: SERIES }, (_, index) => ({
    labels: { kind: 'tool', place: 'here', step: index },
    value: index / 3,
  }));
  const figure = { name: 'bench_series', type: 'gauge', help: 'Many series.', labels: {} } as const;
  const registry = await createMetricsRegistry([[figure, () => samples]]);
  const before = process.cpuUsage();
  const text = await registry.metrics();
  const { user, system } = process.cpuUsage(before);
  const lines = text.split('\n').filter((line) => line.startsWith('bench_series{')).length;
  if (lines !== SERIES) throw new Error(`a scrape of ${SERIES} series had ${lines}`);
  return (user + system) / 1000;
}

/** The least CPU that a call took, by each way; the nodes take turns. */
async function measureCalls(size: MetricsSize): Promise<Record<Way, number>> {
  const root = await mkdtemp(join(tmpdir(), 'starling-bench-'));
  const cleanups: (() => unknown)[] = [() => rm(root, { recursive: true, force: true })];
  try {
    const collector = await startCollector();
    cleanups.push(() => collector.stop());
    const loader = startLoader();
    cleanups.push(() => loader.stop());
    const otlp = { endpoint: collector.url };
    const configs: Record<Way, object> = {
      off: {},
      traced: { otlp },
      all: { otlp, spansPerSecond: 1_000_000 },
    };
    const pids: Partial<Record<Way, number>> = {};
    for (const way of size.ways) {
      const node = await startNode(join(root, way), configs[way]);
      cleanups.push(() => node.stop());
      await openAt(loader, way, node);
      pids[way] = node.up.pid;
    }
    const least: Record<Way, number> = { off: Number.NaN, traced: Number.NaN, all: Number.NaN };
    for (let round = 0; round < size.rounds; round += 1) {
      for (const way of size.ways) {
        const us = await callsAt(loader, way, pids[way] ?? Number.NaN, size);
        // What was not measured yet is no number.
        if (!(least[way] <= us)) least[way] = us;
      }
    }
    // Else what was measured is a node that sends nothing.
    await collector.heard();
    return least;
  } finally {
    for (const cleanup of cleanups.reverse()) await cleanup();
  }
}

async function openAt(loader: Loader, way: Way, node: NodeProcess): Promise<void> {
  const target = { kind: 'socket', path: node.up.endpoints.socket } as const;
  await loader.open({ session: way, target, tool: 'small__echo' });
}

/** CPU of the node `pid` for one call. */
async function callsAt(loader: Loader, way: Way, pid: number, size: MetricsSize): Promise<number> {
  const { cpuUsPerCall = Number.NaN } = await loader.run({
    session: way,
    tool: 'small__echo',
    args: { message: 'hello world' },
    expect: { text: '"text":"hello world"', sizeBytes: 0 },
    callers: CALLERS,
    warmUpMs: size.warmUpMs,
    durationMs: size.roundMs,
    pids: [pid],
  });
  return cpuUsPerCall;
}

function startNode(root: string, telemetry: object): Promise<NodeProcess> {
  const small = { command: process.execPath, args: [upstream] };
  const audit = { enabled: false };
  return startProcess({
    cli,
    root,
    name: 'bench',
    config: { mcpServers: { small }, limits: UNLIMITED, audit, telemetry },
  });
}

/** Takes all spans, and reads none of them: its own work is not what is measured. */
async function startCollector(): Promise<{
  readonly url: string;
  /** Until a node has sent something. @throws after a while */
  heard(): Promise<void>;
  stop(): void;
}> {
  let requests = 0;
  const server = createServer((request, response) => {
    requests += 1;
    request.resume().on('end', () => response.end('{}'));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    async heard() {
      if (requests > 0) return;
      await once(server, 'request', { signal: AbortSignal.timeout(HEARD_MS) });
    },
    stop() {
      server.close();
      server.closeAllConnections();
    },
  };
}

function leastOf(rounds: number, measure: () => number): number {
  return Math.min(...Array.from({ length: rounds }, measure));
}
