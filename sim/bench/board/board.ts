/**
 * Boards of whole nodes beside y-websocket: how soon writes are seen and what they cost (nodes in this process, over
 * memory), what a newcomer waits for (two processes, over loopback), and what overwrites leave.
 */
import { atLeast, atMost, besideFloor, renderBars, table } from '../bars.ts';
import type { Bar } from '../bars.ts';
import type { BoardSize } from '../size.ts';
import { ourNewcomers, theirNewcomer } from './newcomer.ts';
import type { NewcomerRow } from './newcomer.ts';
import { withFloor } from './floor.ts';
import { withNodes } from './nodes.ts';
import { measureOverwrites } from './overwrites.ts';
import type { OverwriteRow } from './overwrites.ts';
import { measurePeers } from './peers.ts';
import type { PeersRow } from './peers.ts';
import { barsOfRuns, measurePlanted, measureRuns, renderRuns } from './runs/runs.ts';
import type { RunsRow } from './runs/runs.ts';
import { createYjsServer } from './rival.ts';
import { barsOfSharedDisk, measureSharedDisk, renderSharedDisk } from './shared-disk.ts';
import type { SharedDiskRow } from './shared-disk.ts';
import { barsOfStrong, measureStrong, renderStrong } from './strong.ts';
import type { StrongRow } from './strong.ts';

/** What was measured. */
export interface BoardFigures {
  /** Ours, the rival's, and the least that counts as the work, in turn. */
  readonly peers: readonly PeersRow[];
  /** Ours, ours at a node that is called, the rival's. */
  readonly newcomers: readonly NewcomerRow[];
  readonly overwrites: OverwriteRow | undefined;
  readonly strong: readonly StrongRow[];
  /** A board and the audit log of one node. */
  readonly disk: readonly SharedDiskRow[];
  /** Those on real processes, and those with planted faults, only where they are asked for: each takes half an hour. */
  readonly runs: readonly RunsRow[];
  readonly bars: readonly Bar[];
}

/** Peers at which writes must be seen about as soon as with y-websocket, with how many times its p50. */
const VISIBLE = new Map([
  [1, 2],
  [10, 1.5],
  [25, 1.5],
]);
/** Peers at which more writes must be seen than with y-websocket. */
const MANY: readonly number[] = [5, 10];

/** How the least that counts as the work is called in the table. */
const FLOOR = 'floor: two synced rows';

/** Measures boards: all of it, or the parts that are named. */
export async function benchBoard(
  size: BoardSize,
  only: readonly string[],
  print: (text: string) => void,
): Promise<BoardFigures> {
  const isWanted = (part: string): boolean => only.length === 0 || only.includes(part);
  const overwrites = isWanted('overwrites') ? await measureOverwrites(size.overwrites) : undefined;
  const peers: PeersRow[] = [];
  for (const count of isWanted('peers') ? size.peers : []) {
    peers.push(await withNodes(count + 1, (mesh) => measurePeers('starling', mesh, size)));
    const server = await createYjsServer();
    for (let i = 0; i <= count; i += 1) await server.client();
    const theirs = { replicas: server.clients, bytes: () => server.bytes() };
    peers.push(await measurePeers('y-websocket', theirs, size));
    await server.stop();
    peers.push(await withFloor(count + 1, (floor) => measurePeers(FLOOR, floor, size)));
  }
  const newcomers = isWanted('newcomer')
    ? [...(await ourNewcomers(size)), await theirNewcomer(size.entries)]
    : [];
  const strong = isWanted('strong') ? await measureStrong(size.strong) : [];
  const disk = isWanted('disk') ? await measureSharedDisk(size.sustainedMs) : [];
  const runs = [
    ...(only.includes('runs') ? [await measureRuns(size.runs, print)] : []),
    ...(only.includes('planted') ? [await measurePlanted(size.runs, print)] : []),
  ];
  const bars = judge({ peers, newcomers, overwrites, strong, disk, runs });
  const figures = { peers, newcomers, overwrites, strong, disk, runs, bars };
  print(render(figures));
  return figures;
}

function judge({
  peers,
  newcomers,
  overwrites,
  strong,
  disk,
  runs,
}: Omit<BoardFigures, 'bars'>): readonly Bar[] {
  const bars = peers.flatMap((row, at) => {
    const [rival, floor] = peers.slice(at + 1);
    if (at % 3 > 0 || rival === undefined || floor === undefined) return [];
    return barsOfPeers(row, rival, floor);
  });
  return [
    ...bars,
    ...barsOfNewcomers(newcomers),
    ...barsOfOverwrites(overwrites),
    ...barsOfStrong(strong),
    ...barsOfSharedDisk(disk),
    ...runs.flatMap((row) => barsOfRuns(row)),
  ];
}

function barsOfOverwrites(row: OverwriteRow | undefined): readonly Bar[] {
  if (row === undefined) return [];
  const { heapMb, freshHeapMb, loadMs, writes } = row;
  return [
    atMost(`heap after ${writes} overwrites, × a fresh copy`, 2, heapMb / freshHeapMb),
    atMost('restart after them, ms', 1000, loadMs),
  ];
}

/**
 * What is seen is on two disks by then, one after the other, which the rival has not: the floor beside it shows how soon that
 * can be.
 */
function barsOfPeers(ours: PeersRow, theirs: PeersRow, floor: PeersRow): readonly Bar[] {
  const { peers } = ours;
  const p50 = VISIBLE.get(peers);
  const visible = [
    besideFloor(
      atMost(`visible on ${peers}, p50, × y-websocket`, p50 ?? 2, ours.p50Ms / theirs.p50Ms),
      floor.p50Ms / theirs.p50Ms,
    ),
    besideFloor(
      atMost(`visible on ${peers}, p99, × y-websocket`, 2, ours.p99Ms / theirs.p99Ms),
      floor.p99Ms / theirs.p99Ms,
    ),
    atMost(`visible on ${peers}, p50, × the floor`, p50 ?? 2, ours.p50Ms / floor.p50Ms),
    atMost(`visible on ${peers}, p99, × the floor`, 2, ours.p99Ms / floor.p99Ms),
  ];
  const { sustainedPerSecond: rate, bytesPerWrite: bytes } = ours;
  const many = [
    atLeast(`sustained, on ${peers}, × y-websocket`, 1.2, rate / theirs.sustainedPerSecond),
    atMost(`bytes a write in a burst, ${peers}, × y-websocket`, 1, bytes / theirs.bytesPerWrite),
  ];
  return [...(p50 === undefined ? [] : visible), ...(MANY.includes(peers) ? many : [])];
}

/** Of nobody but the second is the other node called meanwhile, as nobody calls the rival's; stalls are the worse of both. */
function barsOfNewcomers([ours, called, theirs]: readonly NewcomerRow[]): readonly Bar[] {
  if (ours === undefined || called === undefined || theirs === undefined) return [];
  const { quietP99Ms = Number.NaN, busyP99Ms = Number.NaN } = called;
  const stallMs = Math.max(ours.stallMs, called.stallMs);
  const otherStallMs = Math.max(ours.otherStallMs, called.otherStallMs);
  return [
    atMost('newcomer, all entries, × y-websocket', 1.2, ours.allMs / theirs.allMs),
    atMost('newcomer, first entry, ms', 300, ours.firstMs),
    atMost('newcomer, its longest stall, ms', 50, stallMs),
    atMost('newcomer, longest stall of the other node, ms', 50, otherStallMs),
    atMost('newcomer, p99 of calls meanwhile, × quiet', 3, busyP99Ms / quietP99Ms),
  ];
}

function render(figures: BoardFigures): string {
  const { peers, newcomers, overwrites, strong, disk, runs, bars } = figures;
  return [
    ...(peers.length === 0 ? [] : [renderPeers(peers)]),
    ...(newcomers.length === 0 ? [] : [renderNewcomers(newcomers)]),
    ...(overwrites === undefined ? [] : [renderOverwrites(overwrites)]),
    ...(strong.length === 0 ? [] : [renderStrong(strong)]),
    ...(disk.length === 0 ? [] : [renderSharedDisk(disk)]),
    ...runs.map((row) => renderRuns(row)),
    renderBars(bars),
  ].join('\n');
}

function renderPeers(peers: readonly PeersRow[]): string {
  return table(
    [
      'a board',
      'peers',
      'visible p50 ms',
      'p99 ms',
      'sustained/s',
      'burst/s',
      'bytes/write',
      'CPU µs/write, all',
      'syncs/write',
      'chunks',
      'signatures',
      'checked',
    ],
    peers.map((row) => [
      row.title,
      String(row.peers),
      row.p50Ms.toFixed(1),
      row.p99Ms.toFixed(1),
      row.sustainedPerSecond.toFixed(0),
      row.burstPerSecond.toFixed(0),
      row.bytesPerWrite.toFixed(0),
      row.cpuUsPerWrite.toFixed(0),
      row.costs?.syncs.toFixed(2) ?? '–',
      row.costs?.chunks.toFixed(2) ?? '–',
      row.costs?.signed.toFixed(2) ?? '–',
      row.costs?.checked.toFixed(2) ?? '–',
    ]),
  );
}

function renderNewcomers(newcomers: readonly NewcomerRow[]): string {
  return table(
    [
      'a newcomer',
      'entries',
      'first ms',
      'all ms',
      'CPU ms',
      'stall ms',
      'of the other',
      'calls p99 ms',
      'quiet',
    ],
    newcomers.map((row) => [
      row.title,
      String(row.entries),
      row.firstMs.toFixed(0),
      row.allMs.toFixed(0),
      row.cpuMs.toFixed(0),
      row.stallMs.toFixed(0),
      row.otherStallMs.toFixed(0),
      row.busyP99Ms?.toFixed(1) ?? '–',
      row.quietP99Ms?.toFixed(1) ?? '–',
    ]),
  );
}

function renderOverwrites(row: OverwriteRow): string {
  return table(
    [
      'overwrites of 1,000 keys by 4',
      'CPU µs/write',
      'structs',
      'heap MB',
      'fresh copy MB',
      'left MB',
      'load ms',
    ],
    [
      [
        String(row.writes),
        row.cpuUsPerWrite.toFixed(1),
        String(row.structs),
        row.heapMb.toFixed(2),
        row.freshHeapMb.toFixed(2),
        row.leftMb.toFixed(2),
        row.loadMs.toFixed(0),
      ],
    ],
  );
}
