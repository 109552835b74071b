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
      /** What the process has used of processors meanwhile. */
      readonly cpuMs: number;
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
  const cpu = process.cpuUsage();
  const client = await createYjsClient(url);
  say({ t: 'connected' });
  await whenThere(client.replica, count, () => ({ at: started, cpu, stallNs: delay.max }));
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
  let cpu = process.cpuUsage();
  const looking = setInterval(() => {
    if (connectedAt > 0 || !node.peers().some(({ state }) => state === 'alive')) return;
    clearInterval(looking);
    connectedAt = performance.now();
    cpu = process.cpuUsage();
    delay.enable();
    say({ t: 'connected' });
  }, 1);
  await node.start();
  const replica = replicaOf(await node.board(NAME));
  await whenThere(replica, count, () => ({ at: connectedAt, cpu, stallNs: delay.max }));
  await node.stop();
}

/** What was when the newcomer was connected, and how long the event loop was held up since. */
interface Since {
  readonly at: number;
  readonly cpu: NodeJS.CpuUsage;
  readonly stallNs: number;
}

/** Says when all has come; each key comes once. */
function whenThere(replica: Replica, count: number, since: () => Since): Promise<void> {
  return new Promise((resolve) => {
    let there = replica.size();
    let firstAt = there > 0 ? performance.now() : 0;
    const look = (): void => {
      if (firstAt === 0 && there > 0) firstAt = performance.now();
      if (there < count) return;
      stop();
      const now = performance.now();
      const { at, cpu, stallNs } = since();
      const { user, system } = process.cpuUsage(cpu);
      say({
        t: 'done',
        firstMs: firstAt - at,
        allMs: now - at,
        stallMs: stallNs / 1e6,
        cpuMs: (user + system) / 1000,
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
