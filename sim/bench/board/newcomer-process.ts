/**
 * A newcomer in a process of its own, which says how soon it has what is there already, and how long its event loop was
 * held up meanwhile. `node bench-board-newcomer.js starling <address> <entries> <folder>`, or `yjs <url> <entries>`.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createNode, loadConfig, silentLogger } from '../../../src/index.ts';
import { UNLIMITED } from '../../limits.ts';
import { NAME, replicaOf } from './nodes.ts';
import { createYjsClient } from './rival.ts';
import type { Replica } from './replica.ts';

/** What the newcomer says: that it is connected, and what came of that. */
export type NewcomerMessage =
  | { readonly t: 'connected' }
  | {
      readonly t: 'done';
      readonly firstMs: number;
      readonly allMs: number;
      readonly stallMs: number;
      /** From the start of the node, ms. */
      readonly withStartMs: number;
    };

const RESOLUTION_MS = 5;

const [kind, target = '', entries = '0', folder = ''] = process.argv.slice(2);
const started = performance.now();
if (kind === 'yjs') await asClient(target, Number(entries));
else await asNode(target, Number(entries), folder);

async function asClient(url: string, count: number): Promise<void> {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  const client = await createYjsClient(url);
  say({ t: 'connected' });
  await whenThere(client.replica, count, started, () => delay.max);
  client.stop();
}

async function asNode(address: string, count: number, stateDir: string): Promise<void> {
  const config = await loadConfig({
    env: { STARLING_CONFIG: '' },
    flags: {
      name: 'newcomer',
      stateDir,
      listen: ['/ip4/127.0.0.1/tcp/0'],
      bootstrap: [address],
      open: 'board',
      mdns: false,
      http: { enabled: false },
      limits: UNLIMITED,
    },
  });
  const node = await createNode(config, { logger: silentLogger });
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  let connectedAt = 0;
  const looking = setInterval(() => {
    if (connectedAt > 0 || !node.peers().some(({ state }) => state === 'alive')) return;
    clearInterval(looking);
    connectedAt = performance.now();
    delay.enable();
    say({ t: 'connected' });
  }, 1);
  await node.start();
  const replica = replicaOf(await node.board(NAME));
  await whenThere(
    replica,
    count,
    () => connectedAt,
    () => delay.max,
  );
  await node.stop();
}

/** Says when all has come; each key comes once. */
function whenThere(
  replica: Replica,
  count: number,
  from: number | (() => number),
  stallNs: () => number,
): Promise<void> {
  return new Promise((resolve) => {
    let there = replica.size();
    let firstAt = there > 0 ? performance.now() : 0;
    const look = (): void => {
      if (firstAt === 0 && there > 0) firstAt = performance.now();
      if (there < count) return;
      stop();
      const now = performance.now();
      const fromAt = typeof from === 'number' ? from : from();
      const stallMs = stallNs() / 1e6;
      say({
        t: 'done',
        firstMs: firstAt - fromAt,
        allMs: now - fromAt,
        stallMs,
        withStartMs: now - started,
      });
      resolve();
    };
    const stop = replica.onChange((keys) => {
      there += [...keys].length;
      look();
    });
    look();
  });
}

function say(message: NewcomerMessage): void {
  process.send?.(message);
}
