/**
 * The gateway against its rivals, in one run and in front of the same stdio server: a raw loader in a
 * process of its own, rounds that alternate between targets, medians. Then a call over stdio, one
 * through two peers, and small calls while big results stream through another session.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UNLIMITED } from '../limits.ts';
import { startProcess } from '../process.ts';
import type { NodeProcess } from '../process.ts';
import { percentile } from '../report.ts';
import { TITLES, judge, medianOfRuns, renderBars, renderMixed, renderRows } from './bars.ts';
import type { Bar, GatewayFigures, MixedRow, Row } from './bars.ts';
import { startFloors } from './floors/start.ts';
import type { FloorPath } from './floors/start.ts';
import type { Sample, Target } from './job.ts';
import { startLoader } from './loader-process.ts';
import type { Loader } from './loader-process.ts';
import { startRival } from './rivals.ts';
import type { Rival } from './rivals.ts';
import type { GatewaySize } from './size.ts';

const CALLERS = [1, 64] as const;
const STDIO_CALLERS = 64;
const BIG_BYTES = 8 * 1024 * 1024;

const cli = fileURLToPath(new URL('./cli.js', import.meta.url));
const upstream = fileURLToPath(new URL('./bench-upstream.js', import.meta.url));

/** The relay alone is measured, and beside it what everybody has who changes nothing. */
const OFF = { enabled: false } as const;
const ON = {} as const;

/** The figures of the first run, and the bars of all. */
export interface GatewayResult extends GatewayFigures {
  readonly bars: readonly Bar[];
}

/** A way in, and whose CPU is the relay's. */
interface Path {
  readonly title: string;
  readonly target: Target;
  readonly server: string;
  readonly pids: readonly number[];
}

/** Runs it all; `print` hears each table when it is there. */
export async function benchGateway(
  size: GatewaySize,
  print: (text: string) => void,
): Promise<GatewayResult> {
  print(
    `${size.runs} runs of ${size.rounds} rounds of ${size.roundMs} ms, medians; calls of 11 bytes; Node ${process.version}\n\n`,
  );
  const [load = 0] = loadavg();
  if (load > availableParallelism() / 2) {
    print(
      `The machine is busy (load ${load.toFixed(1)}): figures are worse than they would be.\n\n`,
    );
  }
  const runs: GatewayResult[] = [];
  for (let run = 0; run < size.runs; run += 1) {
    const figures = await measureOnce(size, print);
    runs.push({ ...figures, bars: judge(figures) });
  }
  const [first] = runs;
  if (first === undefined) throw new Error('nothing was measured: size.runs is 0');
  const bars = medianOfRuns(runs.map((run) => run.bars));
  print(renderBars(bars));
  return { ...first, bars };
}

/** One run, with processes of its own. */
async function measureOnce(
  size: GatewaySize,
  print: (text: string) => void,
): Promise<GatewayFigures> {
  const root = await mkdtemp(join(tmpdir(), 'starling-bench-'));
  const cleanups: (() => unknown)[] = [() => rm(root, { recursive: true, force: true })];
  try {
    const recorded = await startMesh(join(root, 'audited'), ON, cleanups);
    const { a, b } = size.quietNodes
      ? await startMesh(join(root, 'quiet'), OFF, cleanups)
      : recorded;
    const floors = await startFloors(root, upstream);
    cleanups.push(() => floors.stop());
    const rivals: Rival[] = [];
    cleanups.push(() => Promise.all(rivals.map((rival) => rival.stop())));
    if (size.rivals) {
      rivals.push(await startRival('mcpProxy', upstream));
      rivals.push(await startRival('supergateway', upstream));
    }
    const loader = startLoader();
    const other = startLoader();
    cleanups.push(
      () => loader.stop(),
      () => other.stop(),
    );
    const own: Path = {
      title: TITLES.oneNode,
      target: await httpOf(a),
      server: 'small__',
      pids: [pidOf(a)],
    };
    const far: Path = {
      title: TITLES.twoPeers,
      target: await httpOf(b),
      server: 'owner__small__',
      pids: [pidOf(a), pidOf(b)],
    };
    const audited: Path = {
      title: TITLES.audited,
      target: await httpOf(recorded.b),
      server: far.server,
      pids: [pidOf(recorded.a), pidOf(recorded.b)],
    };
    const bySocket = (path: Path, title: string, node: NodeProcess): Path => ({
      ...path,
      title,
      target: { kind: 'socket', path: node.up.endpoints.socket },
    });
    const sockets = [
      bySocket(far, TITLES.socket, b),
      bySocket(audited, TITLES.auditedSocket, recorded.b),
    ];
    const theirs = rivals.map(({ title, url, pid }): Path => ({
      title,
      target: { kind: 'http', url, headers: {} },
      server: '',
      pids: [pid],
    }));
    const bare = floors.http.map((floor): Path => ({ ...floor, server: '' }));
    const http = await benchHttp(
      loader,
      [own, far, audited, ...sockets, ...bare, ...theirs],
      size,
      print,
    );
    const stdio = await benchStdio({ loader, node: a, floor: floors.stdio }, size, print);
    const mixed = await benchMixed(loader, other, [own, far], size);
    print(renderMixed(mixed));
    return { rivals: rivals.map(({ title }) => title), http, stdio, mixed };
  } finally {
    for (const cleanup of cleanups.reverse()) await cleanup();
  }
}

async function benchHttp(
  loader: Loader,
  paths: readonly Path[],
  size: GatewaySize,
  print: (text: string) => void,
): Promise<GatewayFigures['http']> {
  await openAll(loader, paths);
  const groups: { callers: number; rows: readonly Row[] }[] = [];
  for (const callers of CALLERS) {
    const rows = await rounds(loader, paths, callers, size);
    print(renderRows(`${callers} ${callers === 1 ? 'caller' : 'callers'}`, rows));
    groups.push({ callers, rows });
  }
  return groups;
}

async function benchStdio(
  {
    loader,
    node,
    floor,
  }: { readonly loader: Loader; readonly node: NodeProcess; readonly floor: FloorPath },
  size: GatewaySize,
  print: (text: string) => void,
): Promise<readonly Row[]> {
  const common = { server: 'small__', pids: [pidOf(node)] };
  const args = [cli, 'mcp', '--state', node.stateDir];
  const paths: readonly Path[] = [
    {
      ...common,
      title: "the node's socket",
      target: { kind: 'socket', path: node.up.endpoints.socket },
    },
    { ...common, title: TITLES.pipe, target: { kind: 'command', command: process.execPath, args } },
    { ...floor, server: '' },
  ];
  await openAll(loader, paths);
  const rows = await rounds(loader, paths, STDIO_CALLERS, size);
  print(renderRows(`stdio, ${STDIO_CALLERS} in flight`, rows));
  return rows;
}

async function openAll(loader: Loader, paths: readonly Path[]): Promise<void> {
  for (const { title, target, server } of paths) {
    await loader.open({ session: title, target, tool: `${server}echo` });
  }
}

/** Alternating, so that a busy machine is busy for all. */
async function rounds(
  loader: Loader,
  paths: readonly Path[],
  callers: number,
  size: GatewaySize,
): Promise<readonly Row[]> {
  const samples = new Map<Path, Sample[]>(paths.map((path) => [path, []]));
  for (const path of paths) await echo(loader, path, callers, size, size.firstWarmUpMs);
  for (let round = 0; round < size.rounds; round += 1) {
    for (const path of paths) {
      samples.get(path)?.push(await echo(loader, path, callers, size, size.roundMs));
    }
  }
  return [...samples].map(([path, of]) => ({ title: path.title, ...median(of), rounds: of }));
}

function echo(
  loader: Loader,
  path: Path,
  callers: number,
  { warmUpMs }: GatewaySize,
  durationMs: number,
): Promise<Sample> {
  return loader.run({
    session: path.title,
    tool: `${path.server}echo`,
    args: { message: 'hello world' },
    expect: { text: '"text":"hello world"', sizeBytes: 0 },
    callers,
    warmUpMs,
    durationMs,
    pids: path.pids,
  });
}

/** Each session has a loader and a server of its own: only the gateways are shared. */
async function benchMixed(
  loader: Loader,
  other: Loader,
  paths: readonly Path[],
  size: GatewaySize,
): Promise<readonly MixedRow[]> {
  const rows: MixedRow[] = [];
  for (const path of paths) {
    const tool = `${path.server.replace('small', 'big')}bytes`;
    await other.open({ session: path.title, target: path.target, tool });
    const stream = (durationMs: number): Promise<Sample> =>
      other.run({
        session: path.title,
        tool,
        args: { size: BIG_BYTES },
        expect: { text: '"content"', sizeBytes: BIG_BYTES },
        callers: 1,
        warmUpMs: 0,
        durationMs,
        pids: [],
      });
    await stream(size.mixedMarginMs);
    const quiet: number[] = [];
    const busy: number[] = [];
    const mibs: number[] = [];
    for (let round = 0; round < size.mixedRounds; round += 1) {
      quiet.push((await echo(loader, path, 1, size, size.mixedMs)).p50Us);
      const streaming = stream(size.mixedMs + size.warmUpMs + 2 * size.mixedMarginMs);
      await new Promise((resolve) => setTimeout(resolve, size.mixedMarginMs));
      busy.push((await echo(loader, path, 1, size, size.mixedMs)).p50Us);
      mibs.push(((await streaming).perSecond * BIG_BYTES) / 2 ** 20);
    }
    rows.push({
      title: path.title,
      quietP50Us: percentile(quiet, 0.5),
      busyP50Us: percentile(busy, 0.5),
      mibPerSecond: percentile(mibs, 0.5),
    });
  }
  return rows;
}

/** Node `owner` with the servers `small` and `big`, and node `entry` that may call them. */
async function startMesh(
  root: string,
  audit: Readonly<Record<string, unknown>>,
  cleanups: (() => unknown)[],
): Promise<{ a: NodeProcess; b: NodeProcess }> {
  const server = { command: process.execPath, args: [upstream] };
  const a = await startProcess({
    cli,
    root,
    name: 'owner',
    config: { mcpServers: { small: server, big: server }, limits: UNLIMITED, audit },
  });
  cleanups.push(() => a.stop());
  const b = await startProcess({
    cli,
    root,
    name: 'entry',
    config: { limits: UNLIMITED, audit },
    env: { STARLING_JOIN: a.up.ticket ?? '' },
  });
  cleanups.push(() => b.stop());
  for (const tools of ['small/*', 'big/*']) {
    const granted = await a.run(['grant', 'create', b.up.peerId, '--tool', tools]);
    if (granted.code !== 0) throw new Error(granted.stderr);
  }
  return { a, b };
}

async function httpOf(node: NodeProcess): Promise<Target> {
  const { url = '', tokenFile } = node.up.endpoints;
  const token = (await readFile(tokenFile, 'utf8')).trim();
  return { kind: 'http', url, headers: { authorization: `Bearer ${token}` } };
}

function pidOf(node: NodeProcess): number {
  return node.child.pid ?? 0;
}

function median(samples: readonly Sample[]): Sample {
  const of = (pick: (sample: Sample) => number): number => percentile(samples.map(pick), 0.5);
  const cpu = samples.flatMap(({ cpuUsPerCall }) =>
    cpuUsPerCall === undefined ? [] : [cpuUsPerCall],
  );
  return {
    perSecond: of((sample) => sample.perSecond),
    p50Us: of((sample) => sample.p50Us),
    p99Us: of((sample) => sample.p99Us),
    cpuUsPerCall: cpu.length === 0 ? undefined : percentile(cpu, 0.5),
  };
}
