/**
 * What a mesh of N nodes costs: nodes in this process over memory, nodes as processes over loopback, and
 * Serf's agents in the same run. Counts and CPU are what to compare: times are of this machine as it is.
 */
import { renderBars, atMost, table } from '../bars.ts';
import type { Bar } from '../bars.ts';
import { measureCuts } from './cuts.ts';
import type { CutRow } from './cuts.ts';
import { measureFloor } from './floor.ts';
import type { FloorRow } from './floor.ts';
import { measureOneProcess } from './one-process.ts';
import type { OneProcessRow } from './one-process.ts';
import { measureAlone, measureProcesses } from './processes.ts';
import type { ProcessRow } from './processes.ts';
import { measureSerf } from './serf.ts';
import type { ScaleSize } from '../size.ts';

/** What was measured. */
export interface ScaleResult {
  readonly oneProcess: readonly OneProcessRow[];
  /** The same meshes once more, over memory that vouches for who is at the ends: nothing but joining is measured. */
  readonly joins: readonly OneProcessRow[];
  /** Bare libp2p with as many hosts and links. */
  readonly floors: readonly FloorRow[];
  readonly processes: readonly ProcessRow[];
  readonly cuts: readonly CutRow[];
  readonly bars: readonly Bar[];
}

/** Of more nodes in one process only joining is measured: nothing is asked of them idle. */
const IDLE_NODES_MAX = 50;
/** Protocols that are named. */
const PROTOCOLS_MAX = 14;
/** Bare libp2p is measured beside meshes up to this. */
const FLOOR_NODES_MAX = 50;
/** Links that a node may have opened or taken while joining, in a mesh that is too big for all to be neighbours. */
const LINKS_A_NODE = 16;
/** Up to so many nodes each keeps all others connected. */
const ALL_LINKED_NODES = 9;
/** Idle CPU of the biggest mesh, as a multiple of that of the smallest with ten nodes or more. */
const FLAT = 1.3;

/** Runs it; `print` hears each table when it is there. */
export async function benchScale(
  size: ScaleSize,
  print: (text: string) => void,
): Promise<ScaleResult> {
  const oneProcess: OneProcessRow[] = [];
  const joins: OneProcessRow[] = [];
  const floors: FloorRow[] = [];
  const processes: ProcessRow[] = [];
  for (const nodes of size.oneProcess) {
    const isBig = nodes > IDLE_NODES_MAX;
    const row = await measureOneProcess({
      ...size,
      nodes,
      ...(isBig ? { restMs: 0, idleMs: 0 } : {}),
    });
    oneProcess.push(row);
    print(renderOneProcess([row]));
    print(`${renderProtocols(row)}\n`);
    const join = await measureOneProcess({ ...size, nodes, restMs: 0, vouches: true });
    joins.push(join);
    const floor = nodes > FLOOR_NODES_MAX ? undefined : await measureFloor(nodes, join.pairs);
    if (floor !== undefined) floors.push(floor);
    print(renderJoining(row, join, floor));
  }
  if (size.processes.length > 0) {
    const aloneMs = await measureAlone();
    print(`a process that starts alone: ${aloneMs.toFixed(0)} ms of CPU\n\n`);
  }
  for (const nodes of size.processes) {
    processes.push(await measureProcesses({ ...size, nodes }));
    const rival = size.rivals ? await measureSerf({ ...size, nodes }) : undefined;
    if (rival !== undefined) processes.push(rival);
    print(renderProcesses(processes.filter((row) => row.nodes === nodes)));
  }
  const cuts = await cutsOf(size, print);
  const bars = judgeScale({ oneProcess, joins, floors, processes, cuts });
  print(renderBars(bars));
  print(verdict(bars));
  return { oneProcess, joins, floors, processes, cuts, bars };
}

/** Where this machine has no hosts to be made, that is said, and the bars of it fail. */
async function cutsOf(
  { cutNodes, ...size }: ScaleSize,
  print: (text: string) => void,
): Promise<readonly CutRow[]> {
  if (size.losses.length === 0) return [];
  try {
    const rows = await measureCuts({ ...size, nodes: cutNodes });
    print(renderCuts(rows));
    return rows;
  } catch (error) {
    print(`not measured: ${error instanceof Error ? error.message : String(error)}\n\n`);
    return size.losses.map((loss) => notMeasured(cutNodes, loss));
  }
}

function notMeasured(nodes: number, loss: number): CutRow {
  const never = Number.NaN;
  const kill = { killMissedMs: never, killDeadMs: never };
  const cut = { cutMissedMs: never, cutDeadMs: never };
  return { title: 'starling', nodes, loss, ...kill, ...cut, falseDeaths: never, busyMs: 0 };
}

/** Which bars are not cleared. */
function verdict(bars: readonly Bar[]): string {
  const failed = bars.filter(({ pass }) => !pass).map(({ title }) => title);
  return failed.length === 0
    ? `all ${bars.length} bars are cleared\n`
    : `${failed.length} of ${bars.length} bars are not cleared: ${failed.join('; ')}\n`;
}

/** How the figures stand against the bars of the issue "A mesh that holds and scales". Pure. */
export function judgeScale(figures: Omit<ScaleResult, 'bars'>): readonly Bar[] {
  const { oneProcess, joins, processes, cuts } = figures;
  const many = oneProcess.filter(({ nodes }) => nodes >= 10);
  const idle = many.map(({ idleCpu }) => idleCpu).filter((share) => !Number.isNaN(share));
  const joining = joins.filter(({ nodes }) => nodes >= 10).map(joinAloneMs);
  return [
    ...oneProcess.flatMap((row) => barsOfOneProcess(row)),
    ...joins.map((row) =>
      atMost(`${row.nodes} in one process: CPU to join, s a node`, 0.2, joinAloneMs(row) / 1000),
    ),
    ...processes
      .filter(({ title }) => title === 'starling')
      .flatMap((row) => barsOfProcesses(row, processes)),
    ...(idle.length < 2
      ? []
      : [atMost('idle CPU, most nodes × least', FLAT, (idle.at(-1) ?? 0) / (idle[0] ?? 0))]),
    ...(joining.length < 2
      ? []
      : [atMost('CPU to join, most nodes × 10', FLAT, (joining.at(-1) ?? 0) / (joining[0] ?? 0))]),
    ...cuts.filter(({ title }) => title === 'starling').flatMap((row) => barsOfCuts(row, cuts)),
  ];
}

/**
 * CPU of joining, without what the nodes that had joined by then used in any case: that has a bar of its own, and lasts the
 * longer the more are started one after the other.
 */
function joinAloneMs({ joinCpuMs, idleInJoinMs }: OneProcessRow): number {
  return joinCpuMs - idleInJoinMs;
}

function barsOfOneProcess(row: OneProcessRow): readonly Bar[] {
  const of = `${row.nodes} in one process`;
  const seconds = row.nodes <= 25 ? 5 : row.nodes <= 50 ? 10 : 60;
  return [
    atMost(`${of}: all know all, s`, seconds, row.knownMs / 1000),
    atMost(`${of}: streams a pair`, 6, row.streamsPerPair),
    atMost(`${of}: connections a pair`, 1.05, row.connectionsPerPair),
    // Whatever dialled everybody would show here.
    ...(row.nodes <= ALL_LINKED_NODES
      ? []
      : [atMost(`${of}: links a node`, LINKS_A_NODE, (2 * row.pairs) / row.nodes)]),
    // Of a mesh that is too big for its neighbours to be alone on two cores, joining is all that is asked.
    ...(Number.isNaN(row.idleCpu)
      ? []
      : [
          atMost(`${of}: idle CPU, % a node`, 1, row.idleCpu * 100),
          atMost(`${of}: idle kB/s a node`, 4, row.idleKilobytesPerSecond),
          atMost(`${of}: receptions a message`, 3, row.receptions),
        ]),
  ];
}

function barsOfCuts(row: CutRow, all: readonly CutRow[]): readonly Bar[] {
  const { nodes, loss, title } = row;
  const of = `${nodes} hosts, ${loss * 100} % loss`;
  const rival = all.find((one) => one.loss === loss && one.title !== title);
  const limit = (theirMs: number | undefined, ownMs: number): number =>
    Math.round(Math.min(ownMs, Number.isNaN(theirMs) ? ownMs : (theirMs ?? ownMs))) / 1000;
  const { killMissedMs, killDeadMs, cutMissedMs } = row;
  return [
    atMost(`${of}: kill -9 known, s`, limit(rival?.killMissedMs, 3000), killMissedMs / 1000),
    atMost(`${of}: kill -9 dead, s`, limit(rival?.killDeadMs, 6000), killDeadMs / 1000),
    atMost(`${of}: silent cut known, s`, limit(rival?.cutMissedMs, 12_000), cutMissedMs / 1000),
    atMost(
      `${of}: living had dead${row.busyMs > 0 ? `, ${row.busyMs / 1000} s of busy loops` : ''}`,
      0,
      row.falseDeaths,
    ),
  ];
}

function barsOfProcesses(row: ProcessRow, all: readonly ProcessRow[]): readonly Bar[] {
  const of = `${row.nodes} processes`;
  const rival = all.find(({ nodes, title }) => nodes === row.nodes && title !== row.title);
  const theirs = (ms: number, limitMs: number): number => Math.round(Math.min(limitMs, ms));
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
      'idle in it',
      'pairs',
      'streams/pair',
      'conn/pair',
      'kB/node',
      'store writes/node',
      'gossip/node',
      'copies/node',
      'idle %',
      'idle kB/s',
      'receptions',
    ],
    rows.map((row) => [
      `${row.nodes} nodes`,
      seconds(row.knownMs),
      row.joinCpuMs.toFixed(0),
      Number.isNaN(row.idleInJoinMs) ? '–' : row.idleInJoinMs.toFixed(0),
      String(row.pairs),
      row.streamsPerPair.toFixed(1),
      row.connectionsPerPair.toFixed(2),
      row.kilobytesPerNode.toFixed(0),
      row.storeWritesPerNode.toFixed(0),
      row.publishedPerNode.toFixed(1),
      row.copiesPerNode.toFixed(0),
      (row.idleCpu * 100).toFixed(2),
      row.idleKilobytesPerSecond.toFixed(1),
      row.receptions.toFixed(1),
    ]),
  );
}

/** What joining costs with and without encryption, beside the least that it could. */
function renderJoining(row: OneProcessRow, join: OneProcessRow, floor?: FloorRow): string {
  const rows: (readonly [string, OneProcessRow | FloorRow])[] = [
    ['encrypted', row],
    ['vouched for', join],
    ...(floor === undefined ? [] : [['bare libp2p, vouched for', floor] as const]),
  ];
  return table(
    ['joining', 'links', 'CPU ms/node', 'idle in it', 'start alone', 'known %', '× the least'],
    rows.map(([title, one]) => [
      title,
      String('links' in one ? one.links : one.pairs),
      one.joinCpuMs.toFixed(0),
      'idleInJoinMs' in one && !Number.isNaN(one.idleInJoinMs) ? one.idleInJoinMs.toFixed(0) : '–',
      'aloneCpuMs' in one ? one.aloneCpuMs.toFixed(0) : '–',
      'known' in one ? (one.known * 100).toFixed(0) : Number.isNaN(one.knownMs) ? '–' : '100',
      floor === undefined ? '–' : (one.joinCpuMs / floor.joinCpuMs).toFixed(2),
    ]),
  );
}

function renderProtocols({ protocols }: OneProcessRow): string {
  const named = protocols.slice(0, PROTOCOLS_MAX);
  return `streams: ${named.map(([name, count]) => `${name === '' ? '?' : name} ${count}`).join(', ')}\n`;
}

function renderCuts(rows: readonly CutRow[]): string {
  return table(
    ['hosts', 'nodes', 'loss %', 'killed: known s', 'dead s', 'cut: known s', 'dead s', 'false'],
    rows.map((row) => [
      row.title,
      String(row.nodes),
      String(row.loss * 100),
      seconds(row.killMissedMs),
      seconds(row.killDeadMs),
      seconds(row.cutMissedMs),
      seconds(row.cutDeadMs),
      String(row.falseDeaths),
    ]),
  );
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
