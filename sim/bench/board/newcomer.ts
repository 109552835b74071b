/** A newcomer and what is there already: the newcomer is a process of its own, the other node is this one. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createNode, loadConfig, silentLogger } from '../../../src/index.ts';
import { connectHttp } from '../../client.ts';
import { UNLIMITED } from '../../limits.ts';
import { builtFile } from '../../project-root.ts';
import { percentile } from '../../report.ts';
import type { BoardSize } from '../size.ts';
import type { NewcomerMessage } from './newcomer-process.ts';
import { NAME, replicaOf } from './nodes.ts';
import { until } from './replica.ts';
import type { Replica } from './replica.ts';
import { createYjsServer } from './rival.ts';

/** A newcomer, measured from when it is connected. */
export interface NewcomerRow {
  readonly title: string;
  readonly entries: number;
  readonly firstMs: number;
  readonly allMs: number;
  /** The longest time that the event loop of the newcomer, and of the other node, was held up. */
  readonly stallMs: number;
  readonly otherStallMs: number;
  /** What the newcomer has used of processors until it had all: how busy the machine is matters less for that. */
  readonly cpuMs: number;
  /** Of tool calls at the other node before and meanwhile; undefined where there are none. */
  readonly quietP99Ms?: number;
  readonly busyP99Ms?: number;
}

const TOGETHER = 1000;
const RESOLUTION_MS = 5;

/**
 * Measures two nodes, one after the other, that join one that has a board of so many entries. While the second joins, and
 * so often before, that one is called.
 */
export async function ourNewcomers({
  entries,
  quietCalls,
}: Pick<BoardSize, 'entries' | 'quietCalls'>): Promise<readonly NewcomerRow[]> {
  const root = await mkdtemp(join(tmpdir(), 'starling-newcomer-'));
  const config = await loadConfig({
    env: { STARLING_CONFIG: '' },
    flags: {
      name: 'first',
      stateDir: join(root, 'first'),
      listen: ['/ip4/127.0.0.1/tcp/0'],
      open: 'board',
      mdns: false,
      http: { enabled: true, port: 0 },
      limits: UNLIMITED,
    },
  });
  const node = await createNode(config, { logger: silentLogger });
  try {
    await node.start();
    await fill(replicaOf(await node.board(NAME)), entries);
    const { endpoints, addresses } = node.status();
    const [address = ''] = addresses;
    const { url = '', tokenFile } = endpoints;
    const client = await connectHttp({ url, tokenFile });
    const { tools } = await client.listTools();
    const tool = tools.find(({ name }) => name.endsWith('board_get'))?.name ?? 'board_get';
    const call = async (): Promise<number> => {
      const from = performance.now();
      await client.callTool({ name: tool, arguments: { board: NAME, key: 'key-1' } });
      return performance.now() - from;
    };
    const init = (name: string): readonly string[] => {
      return ['starling', address, String(entries), join(root, name)];
    };
    const alone = { title: 'starling', entries, ...(await newcomer(init('alone'))) };
    const quiet: number[] = [];
    for (let i = 0; i < quietCalls; i += 1) quiet.push(await call());
    const busy: number[] = [];
    const row = await newcomer(init('newcomer'), async () => void busy.push(await call()));
    await client.close();
    const p99 = { quietP99Ms: percentile(quiet, 0.99), busyP99Ms: percentile(busy, 0.99) };
    return [alone, { title: 'starling, called', entries, ...row, ...p99 }];
  } finally {
    await node.stop();
    await rm(root, { recursive: true, force: true });
  }
}

/** Measures a client of y-websocket that finds so many entries. */
export async function theirNewcomer(entries: number): Promise<NewcomerRow> {
  const server = await createYjsServer();
  try {
    const [first, second] = [await server.client(), await server.client()];
    for (let i = 0; i < entries; i += 1) first.set(`key-${i}`, i);
    await until(() => second.size() === entries);
    const row = await newcomer(['yjs', server.url, String(entries)]);
    return { title: 'y-websocket', entries, ...row };
  } finally {
    await server.stop();
  }
}

async function fill(board: Replica, entries: number): Promise<void> {
  for (let at = 0; at < entries; at += TOGETHER) {
    const some = Array.from({ length: Math.min(TOGETHER, entries - at) }, (_, i) => at + i);
    await Promise.all(some.map((i) => board.set(`key-${i}`, i)));
  }
}

/** Starts a newcomer, and does `meanwhile` over and over from when it is connected until it has all. */
async function newcomer(
  args: readonly string[],
  meanwhile: () => Promise<void> = aMoment,
): Promise<Pick<NewcomerRow, 'firstMs' | 'allMs' | 'stallMs' | 'otherStallMs' | 'cpuMs'>> {
  const child = fork(builtFile('bench-board-newcomer.js'), args);
  const ended = once(child, 'exit');
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  const heard: { isConnected: boolean; done?: Extract<NewcomerMessage, { t: 'done' }> } = {
    isConnected: false,
  };
  const isOver = (): boolean => heard.done !== undefined || child.exitCode !== null;
  child.on('message', (message: NewcomerMessage) => {
    if (message.t === 'done') heard.done = message;
    else {
      heard.isConnected = true;
      delay.enable();
    }
  });
  try {
    await until(() => heard.isConnected || isOver());
    while (!isOver()) await meanwhile();
  } finally {
    if (heard.done === undefined) child.kill();
    await ended;
  }
  if (heard.done === undefined) throw new Error('the newcomer has ended before it had all');
  const { firstMs, allMs, stallMs, cpuMs } = heard.done;
  return { firstMs, allMs, stallMs, otherStallMs: delay.max / 1e6, cpuMs };
}

function aMoment(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}
