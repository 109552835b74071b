/**
 * Boards of whole nodes in this process, over memory, beside Yjs documents that a WebSocket server on loopback relays
 * (as y-websocket does: one update a change, to all others; nothing is kept on disk, which is where ours begins).
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createNode, loadConfig, silentLogger } from '../../src/index.ts';
import type { Board, StarlingNode } from '../../src/index.ts';
import { createBoardDocument } from '../../src/testing.ts';
import type { BoardDocument } from '../../src/testing.ts';
import { UNLIMITED } from '../limits.ts';
import { MemoryNetwork } from '../memory-transport.ts';
import { percentile } from '../report.ts';
import { atLeast, atMost, renderBars, table } from './bars.ts';
import type { Bar } from './bars.ts';
import { createYjsRelay } from './board-rival.ts';
import type { Replica } from './board-rival.ts';
import type { BoardSize } from './size.ts';

/** One writer and so many others, measured. */
interface PeersRow {
  readonly title: string;
  readonly peers: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of a burst, until all was visible on all. */
  readonly perSecond: number;
  readonly cpuUsPerWrite: number;
}

/** A newcomer and what is there already. */
interface NewcomerRow {
  readonly title: string;
  readonly entries: number;
  readonly allMs: number;
  readonly firstMs: number;
  readonly stallMs: number;
}

/** Overwrites of the same keys. */
interface OverwriteRow {
  readonly writes: number;
  readonly cpuUsPerWrite: number;
  /** Pieces of Yjs' memory. */
  readonly structs: number;
  readonly heapMb: number;
  readonly freshHeapMb: number;
  readonly loadMs: number;
}

/** What was measured. */
export interface BoardFigures {
  readonly peers: readonly PeersRow[];
  readonly newcomers: readonly NewcomerRow[];
  readonly overwrites: OverwriteRow;
  readonly bars: readonly Bar[];
}

const NAME = 'bench';
const KEYS = 1000;
const WRITERS = 4;
/** Writes that a writer brings into one tick. */
const TICK = 16;
const POLL_MS = 1;
const PATIENCE_MS = 120_000;

/** Measures boards. */
export async function benchBoard(
  size: BoardSize,
  print: (text: string) => void,
): Promise<BoardFigures> {
  const overwrites = await measureOverwrites(size.overwrites);
  const peers: PeersRow[] = [];
  for (const count of size.peers) {
    peers.push(await withNodes(count + 1, (boards) => measurePeers('starling', boards, size)));
    const relay = await createYjsRelay();
    for (let i = 0; i <= count; i += 1) await relay.client();
    peers.push(await measurePeers('yjs over ws', relay.clients, size));
    await relay.stop();
  }
  const newcomers = [await ourNewcomer(size.entries), await theirNewcomer(size.entries)];
  const bars = judge({ peers, newcomers, overwrites });
  print(render({ peers, newcomers, overwrites, bars }));
  return { peers, newcomers, overwrites, bars };
}

async function measurePeers(
  title: string,
  replicas: readonly Replica[],
  { writes, burst }: BoardSize,
): Promise<PeersRow> {
  const [writer, ...others] = replicas;
  if (writer === undefined) throw new Error('nobody writes');
  const times: number[] = [];
  for (let i = 0; i < writes; i += 1) {
    const from = performance.now();
    await writer.set('one', i);
    await until(() => others.every((other) => other.get('one') === i));
    times.push(performance.now() - from);
  }
  const cpu = process.cpuUsage();
  const from = performance.now();
  await Promise.all(Array.from({ length: burst }, (_, i) => writer.set(`k${i % KEYS}`, i)));
  const last = burst - 1;
  await until(() => others.every((other) => other.get(`k${last % KEYS}`) === last));
  return {
    title,
    peers: others.length,
    p50Ms: percentile(times, 0.5),
    p99Ms: percentile(times, 0.99),
    perSecond: (burst * 1000) / (performance.now() - from),
    cpuUsPerWrite: cpuUs(cpu) / burst,
  };
}

async function ourNewcomer(entries: number): Promise<NewcomerRow> {
  return withMesh(async (mesh) => {
    const [first] = await mesh.grow(1);
    if (first === undefined) throw new Error('no node');
    for (let at = 0; at < entries; at += 1000) {
      const some = Array.from({ length: Math.min(1000, entries - at) }, (_, i) => at + i);
      await Promise.all(some.map((i) => first.set(`key-${i}`, i)));
    }
    const from = performance.now();
    const stall = stalls();
    const [newcomer] = await mesh.grow(1);
    return arrival('starling (start included)', { entries, from, stall, replica: newcomer });
  });
}

async function theirNewcomer(entries: number): Promise<NewcomerRow> {
  const relay = await createYjsRelay();
  const first = await relay.client();
  for (let i = 0; i < entries; i += 1) first.set(`key-${i}`, i);
  await until(() => relay.size() === entries);
  const from = performance.now();
  const stall = stalls();
  const row = await arrival('yjs over ws', {
    entries,
    from,
    stall,
    replica: await relay.client(),
  });
  await relay.stop();
  return row;
}

async function arrival(
  title: string,
  init: {
    readonly entries: number;
    readonly from: number;
    readonly stall: () => number;
    readonly replica: Replica | undefined;
  },
): Promise<NewcomerRow> {
  const { entries, from, stall, replica } = init;
  await until(() => replica?.get('key-0') !== undefined);
  const firstMs = performance.now() - from;
  await until(() => replica?.get(`key-${entries - 1}`) !== undefined && replica.size() === entries);
  return { title, entries, firstMs, allMs: performance.now() - from, stallMs: stall() };
}

/** Four replicas that overwrite the same keys and hear each other, and one that hears of it all; no disk and no network. */
async function measureOverwrites(writes: number): Promise<OverwriteRow> {
  let now = Date.now();
  const open = (name: string, pieces: readonly Uint8Array[] = []): BoardDocument =>
    createBoardDocument({ self: `did:key:${name}`, now: () => now }, pieces);
  const tick = (): void => {
    now += 1;
  };
  // Once before, so that what code takes is not counted.
  overwrite(open('reader'), { writes: Math.min(writes, 2000), open, tick });
  const before = await quietHeapMb();
  const reader = open('reader');
  const cpuUsPerWrite = overwrite(reader, { writes, open, tick });
  reader.digest();
  const heap = (await quietHeapMb()) - before;
  const pieces = [...reader.snapshot()];
  const from = performance.now();
  const size = loadedSize(open('reader', pieces));
  const loadMs = performance.now() - from;
  if (size !== reader.size) throw new Error('the copy is not whole');
  const alone = await quietHeapMb();
  const fresh = freshCopy(open('copy'), reader);
  const freshHeapMb = Math.max((await quietHeapMb()) - alone, 0.01);
  if (fresh.size !== reader.size) throw new Error('the copy is not whole');
  return { writes, cpuUsPerWrite, structs: reader.structs, heapMb: heap, freshHeapMb, loadMs };
}

/** Gives the CPU that a write took, at all replicas together. */
function overwrite(
  reader: BoardDocument,
  init: {
    readonly writes: number;
    readonly open: (name: string) => BoardDocument;
    readonly tick: () => void;
  },
): number {
  const writers = Array.from({ length: WRITERS }, (_, i) => init.open(`writer${i}`));
  for (const writer of writers) {
    writer.onUpdate((update, origin) => {
      if (origin !== 'local') return;
      for (const other of [reader, ...writers]) if (other !== writer) other.apply(update);
    });
  }
  const cpu = process.cpuUsage();
  for (let done = 0; done < init.writes; init.tick()) {
    for (const writer of writers) {
      const changes = Array.from({ length: TICK }, (_, i) => {
        return { key: `k${((done + i) * 7919) % KEYS}`, value: done + i, valueBytes: 7 };
      });
      commit(writer, writer.draft(changes));
      commit(writer, writer.draftRenewal());
      done += TICK;
    }
  }
  return cpuUs(cpu) / init.writes;
}

function loadedSize(loaded: BoardDocument): number {
  loaded.digest();
  return loaded.size;
}

function commit(document: BoardDocument, draft: ReturnType<BoardDocument['draft']>): void {
  if (draft !== undefined) document.commit(draft);
}

/** The same entries, written once. */
function freshCopy(copy: BoardDocument, of: BoardDocument): BoardDocument {
  const changes = of.entries('').map(({ key, value }) => ({ key, value, valueBytes: 7 }));
  commit(copy, copy.draft(changes));
  copy.digest();
  return copy;
}

function judge(figures: Omit<BoardFigures, 'bars'>): readonly Bar[] {
  const [ours, theirs] = ['starling', 'yjs over ws'].map((title) =>
    figures.peers.filter((row) => row.title === title),
  ) as [PeersRow[], PeersRow[]];
  const bars = ours.flatMap((row, at): Bar[] => {
    const rival = theirs[at];
    if (rival === undefined) return [];
    const { peers } = row;
    return [
      atMost(
        `visible on ${peers}, p50, × yjs over ws`,
        peers === 1 ? 2 : 1.5,
        row.p50Ms / rival.p50Ms,
      ),
      atLeast(`burst visible on ${peers}, × yjs over ws`, 1.2, row.perSecond / rival.perSecond),
    ];
  });
  const [newcomer, other] = figures.newcomers;
  const { heapMb: heap, freshHeapMb, loadMs, writes } = figures.overwrites;
  return [
    ...bars,
    atMost(
      'newcomer, all entries, × yjs over ws',
      1.2,
      (newcomer?.allMs ?? NaN) / (other?.allMs ?? NaN),
    ),
    atMost('newcomer, longest stall of the loop, ms', 50, newcomer?.stallMs ?? NaN),
    atMost(`heap after ${writes} overwrites, × a fresh copy`, 2, heap / freshHeapMb),
    atMost('restart after them, ms', 1000, loadMs),
  ];
}

function render({ peers, newcomers, overwrites, bars }: BoardFigures): string {
  const { writes, cpuUsPerWrite, structs, heapMb: heap, freshHeapMb, loadMs } = overwrites;
  return [
    table(
      ['a board', 'peers', 'visible p50 ms', 'p99 ms', 'burst writes/s', 'CPU µs/write, all'],
      peers.map((row) => [
        row.title,
        String(row.peers),
        row.p50Ms.toFixed(1),
        row.p99Ms.toFixed(1),
        row.perSecond.toFixed(0),
        row.cpuUsPerWrite.toFixed(0),
      ]),
    ),
    table(
      ['a newcomer', 'entries', 'first ms', 'all ms', 'longest stall ms'],
      newcomers.map((row) => [
        row.title,
        String(row.entries),
        row.firstMs.toFixed(0),
        row.allMs.toFixed(0),
        row.stallMs.toFixed(0),
      ]),
    ),
    table(
      [
        'overwrites of 1,000 keys by 4',
        'CPU µs/write',
        'structs',
        'heap MB',
        'fresh copy MB',
        'load ms',
      ],
      [
        [
          String(writes),
          cpuUsPerWrite.toFixed(1),
          String(structs),
          heap.toFixed(2),
          freshHeapMb.toFixed(2),
          loadMs.toFixed(0),
        ],
      ],
    ),
    renderBars(bars),
  ].join('\n');
}

interface Mesh {
  grow(count: number): Promise<readonly Replica[]>;
}

function withNodes<T>(count: number, work: (boards: readonly Replica[]) => Promise<T>): Promise<T> {
  return withMesh(async (mesh) => work(await mesh.grow(count)));
}

async function withMesh<T>(work: (mesh: Mesh) => Promise<T>): Promise<T> {
  const root = await mkdtemp(join(tmpdir(), 'starling-board-'));
  const memory = new MemoryNetwork();
  const nodes: StarlingNode[] = [];
  const startOne = async (): Promise<Replica> => {
    const at = nodes.length;
    const ip = `10.80.0.${at + 1}`;
    const config = await loadConfig({
      env: { STARLING_CONFIG: '' },
      flags: {
        name: `node-${at}`,
        stateDir: join(root, `node-${at}`),
        listen: [`/ip4/${ip}/tcp/4040`],
        bootstrap: nodes.slice(0, 1).flatMap((node) => node.status().addresses.slice(0, 1)),
        open: 'board',
        mdns: false,
        http: { enabled: false },
        limits: UNLIMITED,
      },
    });
    const node = await createNode(config, { transports: [memory.host(ip)], logger: silentLogger });
    nodes.push(node);
    await node.start();
    return replicaOf(await node.board(NAME));
  };
  try {
    return await work({
      async grow(count) {
        const grown: Replica[] = [];
        for (let i = 0; i < count; i += 1) grown.push(await startOne());
        const isMet = (node: StarlingNode): boolean =>
          node.peers().filter(({ state }) => state === 'alive').length >= nodes.length - 1;
        if (count > 1) await until(() => nodes.every(isMet));
        return grown;
      },
    });
  } finally {
    await Promise.all(nodes.map((node) => node.stop()));
    await rm(root, { recursive: true, force: true });
  }
}

function replicaOf(board: Board): Replica {
  return {
    set: (key, value) => board.set(key, value),
    get: (key) => board.get(key)?.value,
    size: () => board.info().keys,
  };
}

/** The longest time that the event loop was held up from now on, ms. */
function stalls(): () => number {
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  return () => {
    delay.disable();
    return delay.max / 1e6;
  };
}

async function until(isSo: () => boolean): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!isSo()) {
    if (performance.now() > deadline) throw new Error('this takes too long');
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

const collect = collector();

/** In another turn: what a function has left on the stack is gone by then. */
async function quietHeapMb(): Promise<number> {
  await new Promise((resolve) => setImmediate(resolve));
  return heapMb();
}

function heapMb(): number {
  for (let i = 0; i < 3; i += 1) collect();
  return process.memoryUsage().heapUsed / 1e6;
}

/** V8's garbage collector, which only a flag gives. */
function collector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}

function cpuUs(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return user + system;
}
