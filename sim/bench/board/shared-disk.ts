/**
 * A board and the audit log of one node share its disk, and its thread: how many writes to the board and how many calls that are on
 * record there are in a second, each kind alone and both at once. Neither may starve the other.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createNode, loadConfig, silentLogger } from '../../../src/index.ts';
import { UNLIMITED } from '../../limits.ts';
import { MemoryNetwork } from '../../memory-transport.ts';
import { percentile } from '../../report.ts';
import { atLeast, table } from '../bars.ts';
import type { Bar } from '../bars.ts';
import { NAME } from './nodes.ts';

/** One kind of work, alone and beside the other. */
export interface SharedDiskRow {
  readonly what: string;
  readonly alonePerSecond: number;
  readonly besidePerSecond: number;
  readonly aloneP99Ms: number;
  readonly besideP99Ms: number;
}

const WRITERS = 64;
const CALLERS = 16;
const KEYS = 1000;
/** Of what there is alone: half would be an even share of one thread. */
const SHARE = 0.3;

/** Measures for so long each. */
export async function measureSharedDisk(ms: number): Promise<readonly SharedDiskRow[]> {
  const root = await mkdtemp(join(tmpdir(), 'starling-shared-disk-'));
  const config = await loadConfig({
    env: { STARLING_CONFIG: '' },
    flags: {
      name: 'alone',
      stateDir: root,
      listen: ['/ip4/10.81.0.1/tcp/4040'],
      open: 'board',
      mdns: false,
      http: { enabled: false },
      limits: UNLIMITED,
    },
  });
  const memory = new MemoryNetwork();
  const node = await createNode(config, {
    transports: [memory.host('10.81.0.1')],
    logger: silentLogger,
  });
  try {
    await node.start();
    const board = await node.board(NAME);
    await board.set('k0', 0);
    let written = 0;
    const write = async (): Promise<void> => {
      written += 1;
      await board.set(`k${written % KEYS}`, written);
    };
    const call = async (): Promise<void> => {
      await node.call('starling__board_get', { board: NAME, key: 'k0' });
    };
    const writes = (): Promise<Loops> => loop(WRITERS, ms, write);
    const calls = (): Promise<Loops> => loop(CALLERS, ms, call);
    // What is only done once is done before.
    await Promise.all([writes(), calls()]);
    const alone = [await writes(), await calls()] as const;
    const beside = await Promise.all([writes(), calls()]);
    return ['writes to a board', 'calls on record'].map((what, at) => {
      const [one, both] = [alone[at], beside[at]];
      if (one === undefined || both === undefined) throw new Error('not measured');
      return {
        what,
        alonePerSecond: one.perSecond,
        besidePerSecond: both.perSecond,
        aloneP99Ms: one.p99Ms,
        besideP99Ms: both.p99Ms,
      };
    });
  } finally {
    await node.stop();
    await rm(root, { recursive: true, force: true });
  }
}

/** Each of both has its part beside the other. */
export function barsOfSharedDisk(rows: readonly SharedDiskRow[]): readonly Bar[] {
  return rows.map(({ what, alonePerSecond, besidePerSecond }) =>
    atLeast(`${what} beside the other, × alone`, SHARE, besidePerSecond / alonePerSecond),
  );
}

/** As a table. */
export function renderSharedDisk(rows: readonly SharedDiskRow[]): string {
  return table(
    ['a board and the audit log', 'alone/s', 'beside/s', 'alone p99 ms', 'beside p99 ms'],
    rows.map((row) => [
      row.what,
      row.alonePerSecond.toFixed(0),
      row.besidePerSecond.toFixed(0),
      row.aloneP99Ms.toFixed(1),
      row.besideP99Ms.toFixed(1),
    ]),
  );
}

interface Loops {
  readonly perSecond: number;
  readonly p99Ms: number;
}

/** So many who do `work` over and over, for so long. */
async function loop(count: number, ms: number, work: () => Promise<void>): Promise<Loops> {
  const begin = performance.now();
  const times: number[] = [];
  const one = async (): Promise<void> => {
    while (performance.now() - begin < ms) {
      const from = performance.now();
      await work();
      times.push(performance.now() - from);
    }
  };
  await Promise.all(Array.from({ length: count }, one));
  const passedMs = performance.now() - begin;
  return { perSecond: (times.length * 1000) / passedMs, p99Ms: percentile(times, 0.99) };
}
