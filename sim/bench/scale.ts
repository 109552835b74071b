/**
 * What a mesh of N nodes costs: nodes in this process over memory, nodes as processes over loopback, and
 * Serf's agents in the same run. Counts and CPU are what to compare: times are of this machine as it is.
 */
import { renderBars, atMost, table } from './bars.ts';
import type { Bar } from './bars.ts';
import { measureOneProcess } from './scale-one-process.ts';
import type { OneProcessRow } from './scale-one-process.ts';
import { measureProcesses } from './scale-processes.ts';
import type { ProcessRow } from './scale-processes.ts';
import { measureSerf } from './scale-serf.ts';
import type { ScaleSize } from './size.ts';

/** What was measured. */
export interface ScaleResult {
  readonly oneProcess: readonly OneProcessRow[];
  readonly processes: readonly ProcessRow[];
  readonly bars: readonly Bar[];
}

/** Protocols that are named. */
const PROTOCOLS_MAX = 14;
/** Idle CPU of the biggest mesh, as a multiple of that of the smallest with ten nodes or more. */
const FLAT = 1.3;

/** Runs it; `print` hears each table when it is there. */
export async function benchScale(
  size: ScaleSize,
  print: (text: string) => void,
): Promise<ScaleResult> {
  const oneProcess: OneProcessRow[] = [];
  const processes: ProcessRow[] = [];
  for (const nodes of size.oneProcess) {
    const row = await measureOneProcess({ ...size, nodes });
    oneProcess.push(row);
    print(renderOneProcess([row]));
    print(`${renderProtocols(row)}\n`);
  }
  for (const nodes of size.processes) {
    processes.push(await measureProcesses({ ...size, nodes }));
    const rival = size.rivals ? await measureSerf({ ...size, nodes }) : undefined;
    if (rival !== undefined) processes.push(rival);
    print(renderProcesses(processes.filter((row) => row.nodes === nodes)));
  }
  const bars = judgeScale({ oneProcess, processes });
  print(renderBars(bars));
  return { oneProcess, processes, bars };
}

/** How the figures stand against the bars of the issue "A mesh that holds and scales". Pure. */
export function judgeScale(figures: Omit<ScaleResult, 'bars'>): readonly Bar[] {
  const { oneProcess, processes } = figures;
  const idle = oneProcess.filter(({ nodes }) => nodes >= 10).map(({ idleCpu }) => idleCpu);
  return [
    ...oneProcess.flatMap((row) => barsOfOneProcess(row)),
    ...processes
      .filter(({ title }) => title === 'starling')
      .flatMap((row) => barsOfProcesses(row, processes)),
    ...(idle.length < 2
      ? []
      : [atMost('idle CPU, most nodes × least', FLAT, (idle.at(-1) ?? 0) / (idle[0] ?? 0))]),
  ];
}

function barsOfOneProcess(row: OneProcessRow): readonly Bar[] {
  const of = `${row.nodes} in one process`;
  const seconds = row.nodes <= 25 ? 5 : row.nodes <= 50 ? 10 : 60;
  return [
    atMost(`${of}: all know all, s`, seconds, row.knownMs / 1000),
    atMost(`${of}: CPU to join, s a node`, 0.2, row.joinCpuMs / 1000),
    atMost(`${of}: streams a pair`, 6, row.streamsPerPair),
    atMost(`${of}: connections a pair`, 1.05, row.connectionsPerPair),
    atMost(`${of}: idle CPU, % a node`, 1, row.idleCpu * 100),
    atMost(`${of}: idle kB/s a node`, 4, row.idleKilobytesPerSecond),
    atMost(`${of}: receptions a message`, 3, row.receptions),
  ];
}

function barsOfProcesses(row: ProcessRow, all: readonly ProcessRow[]): readonly Bar[] {
  const of = `${row.nodes} processes`;
  const rival = all.find(({ nodes, title }) => nodes === row.nodes && title !== row.title);
  const theirs = (ms: number, limitMs: number): number => Math.min(limitMs, ms);
  const missed = theirs(rival?.missedMs ?? Infinity, 3000);
  const dead = theirs(rival?.deadMs ?? Infinity, 6000);
  return [
    atMost(`${of}: all know all, s`, 10, row.knownMs / 1000),
    atMost(`${of}: CPU to join, s a node`, 0.4, row.joinCpuMs / 1000),
    atMost(`${of}: idle CPU, % a node`, 1, row.idleCpu * 100),
    atMost(`${of}: RSS, MiB`, 130, row.rssMiB),
    atMost(`${of}: kill -9 suspected by all, s`, missed / 1000, row.missedMs / 1000),
    atMost(`${of}: kill -9 dead for all, s`, dead / 1000, row.deadMs / 1000),
  ];
}

function renderOneProcess(rows: readonly OneProcessRow[]): string {
  return table(
    [
      'one process',
      'known s',
      'CPU ms/node',
      'pairs',
      'streams/pair',
      'conn/pair',
      'kB/node',
      'store writes/node',
      'idle %',
      'idle kB/s',
      'receptions',
    ],
    rows.map((row) => [
      `${row.nodes} nodes`,
      seconds(row.knownMs),
      row.joinCpuMs.toFixed(0),
      String(row.pairs),
      row.streamsPerPair.toFixed(1),
      row.connectionsPerPair.toFixed(2),
      row.kilobytesPerNode.toFixed(0),
      row.storeWritesPerNode.toFixed(0),
      (row.idleCpu * 100).toFixed(2),
      row.idleKilobytesPerSecond.toFixed(1),
      row.receptions.toFixed(1),
    ]),
  );
}

function renderProtocols({ protocols }: OneProcessRow): string {
  const named = protocols.slice(0, PROTOCOLS_MAX);
  return `streams: ${named.map(([name, count]) => `${name === '' ? '?' : name} ${count}`).join(', ')}\n`;
}

function renderProcesses(rows: readonly ProcessRow[]): string {
  return table(
    ['processes', 'nodes', 'known s', 'CPU ms/node', 'idle %', 'RSS MiB', 'missed s', 'dead s'],
    rows.map((row) => [
      row.title,
      String(row.nodes),
      seconds(row.knownMs),
      row.joinCpuMs.toFixed(0),
      (row.idleCpu * 100).toFixed(2),
      row.rssMiB.toFixed(0),
      seconds(row.missedMs),
      seconds(row.deadMs),
    ]),
  );
}

function seconds(ms: number): string {
  return Number.isNaN(ms) ? '–' : (ms / 1000).toFixed(2);
}
