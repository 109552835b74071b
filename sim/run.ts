/**
 * `starling sim`: N real nodes in one process over loopback, joined by one bootstrap address, with a
 * real MCP server behind some. Every node calls a tool of another and writes to a shared board.
 */
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { createNode, loadConfig } from '../src/index.ts';
import type { WorkProgress } from '../src/cli/terminal/progress.ts';
import { UNLIMITED } from './limits.ts';
import type { StarlingNode } from '../src/index.ts';
import { connectHttp, textOf } from './client.ts';
import { removeAtExit } from './remove-at-exit.ts';
import { percentile, renderReport } from './report.ts';
import type { SimReport } from './report.ts';
import { seededRandom } from './seeded-random.ts';

export { runDemo } from './demos/demo.ts';
export { listScenarios, runScenario } from './scenario/run.ts';

const BOARD = 'sim';
/** A routing table counts as full at this many peers, or at all of them when there are fewer. */
const ROUTING_FULL = 8;
/** Peers of the first node that start at the same time. */
const JOIN_BATCH = 5;
const POLL_MS = 20;
const PHASE_TIMEOUT_MS = 60_000;

/** What to simulate. */
export interface SimOptions {
  /** 2 to 50. */
  readonly nodes: number;
  /** Tool calls that each node makes; default 20. */
  readonly calls?: number;
  /** Seed of the choice of who calls whom; default 1. */
  readonly seed?: number;
  readonly json: boolean;
  /** Shows what is going on. */
  readonly progress?: WorkProgress;
  readonly print?: (text: string) => void;
}

/** Runs the simulation and prints its table. `exitCode` is 1 when anything failed. */
export async function runSim(options: SimOptions): Promise<{ exitCode: 0 | 1 }> {
  const nodes: StarlingNode[] = [];
  const failures: string[] = [];
  const print = options.print ?? ((text) => void process.stdout.write(text));
  // Made and watched in one turn: a signal between the two would leave the folder.
  const root = mkdtempSync(join(tmpdir(), 'starling-sim-'));
  const cancelRemoval = removeAtExit(root);
  try {
    const report = await simulate(options, root, nodes, failures);
    options.progress?.done();
    print(options.json ? `${JSON.stringify(report)}\n` : renderReport(report));
    return { exitCode: report.failures.length === 0 ? 0 : 1 };
  } finally {
    options.progress?.done();
    await Promise.all(nodes.map((node) => node.stop()));
    await rm(root, { recursive: true, force: true });
    cancelRemoval();
  }
}

async function simulate(
  options: SimOptions,
  root: string,
  nodes: StarlingNode[],
  failures: string[],
): Promise<SimReport> {
  const count = options.nodes;
  const random = seededRandom(options.seed ?? 1);
  const note = (line: string): void => options.progress?.show(line);
  const phase = async (name: string, done: () => boolean | Promise<boolean>): Promise<number> => {
    note(name);
    const from = performance.now();
    const ok = await until(done);
    if (!ok) failures.push(`${name}: not within ${PHASE_TIMEOUT_MS / 1000} s`);
    return performance.now() - from;
  };

  const started = performance.now();
  await startAll(count, root, nodes, (done) =>
    options.progress?.show(`starting ${count} nodes`, done / count),
  );
  const startMs = performance.now() - started;
  await phase('waiting for full membership', () =>
    nodes.every(
      (node) => node.peers().filter((peer) => peer.state === 'alive').length >= count - 1,
    ),
  );
  const membershipMs = performance.now() - started;
  await phase('waiting for full routing tables', () =>
    nodes.every((node) => node.status().routingTable >= Math.min(count - 1, ROUTING_FULL)),
  );
  const routingMs = performance.now() - started;

  note('granting');
  const hosts = nodes.filter((node) => hasServer(node));
  for (const host of hosts) {
    for (const node of nodes) {
      if (node !== host)
        await host.grant({ peer: node.peerId, tools: ['toolbox/*'], expiresInMs: 3_600_000 });
    }
  }

  note('writing to the board');
  const boardFrom = performance.now();
  await Promise.all(
    nodes.map(async (node, index) => (await node.board(BOARD)).set(`node-${index}`, { index })),
  );
  await phase('waiting until all boards are equal', async () => {
    const boards = await Promise.all(nodes.map((node) => node.board(BOARD)));
    const digests = new Set(boards.map((board) => board.digest()));
    return digests.size === 1 && boards.every((board) => board.entries().length === count);
  });
  const boardsMs = performance.now() - boardFrom;

  note('calling tools');
  const latencies = await callAll(nodes, hosts, options.calls ?? 20, random, failures);
  return {
    nodes: count,
    servers: hosts.length,
    startMs: Math.round(startMs),
    membershipMs: Math.round(membershipMs),
    routingMs: Math.round(routingMs),
    boardsMs: Math.round(boardsMs),
    calls: latencies.length,
    p50Ms: percentile(latencies, 0.5),
    p95Ms: percentile(latencies, 0.95),
    p99Ms: percentile(latencies, 0.99),
    rssMiB: Math.round(process.memoryUsage.rss() / 1024 / 1024),
    failures,
  };
}

/** Starts the first node, then the others in batches, all with the first one's address. */
async function startAll(
  count: number,
  root: string,
  nodes: StarlingNode[],
  begun: (done: number) => void,
): Promise<void> {
  begun(0);
  const first = await startOne(0, root, []);
  nodes.push(first);
  const bootstrap = first.status().addresses.slice(0, 1);
  for (let from = 1; from < count; from += JOIN_BATCH) {
    begun(from);
    const batch = Array.from({ length: Math.min(JOIN_BATCH, count - from) }, (_, i) => from + i);
    nodes.push(...(await Promise.all(batch.map((index) => startOne(index, root, bootstrap)))));
  }
}

async function startOne(
  index: number,
  root: string,
  bootstrap: readonly string[],
): Promise<StarlingNode> {
  const server = fileURLToPath(new URL('./sim-server.js', import.meta.url));
  const mounted = index % 5 < 2 && index < 10;
  const config = await loadConfig({
    env: {},
    flags: {
      name: `node-${index}`,
      stateDir: join(root, `node-${index}`),
      listen: ['/ip4/127.0.0.1/tcp/0'],
      bootstrap: [...bootstrap],
      open: 'sim',
      mdns: false,
      http: { port: 0 },
      limits: UNLIMITED,
      mcpServers: mounted ? { toolbox: { command: process.execPath, args: [server] } } : {},
    },
  });
  const node = await createNode(config);
  await node.start();
  return node;
}

function hasServer(node: StarlingNode): boolean {
  return node.status().upstreams.some((upstream) => upstream.server === 'toolbox');
}

async function callAll(
  nodes: readonly StarlingNode[],
  hosts: readonly StarlingNode[],
  calls: number,
  random: () => number,
  failures: string[],
): Promise<number[]> {
  const latencies: number[] = [];
  await Promise.all(
    nodes.map(async (node) => {
      const others = hosts.filter((host) => host !== node);
      const host = others[Math.floor(random() * others.length)];
      if (host === undefined) return;
      const from = node.status().name;
      const to = node.peers().find((peer) => peer.peerId === host.peerId)?.alias ?? '';
      const { url, tokenFile } = node.status().endpoints;
      if (url === undefined) return;
      let client: Client | undefined;
      try {
        client = await connectHttp({ url, tokenFile });
        for (let call = 0; call < calls; call += 1) {
          const begin = performance.now();
          const message = `${from} call ${call}`;
          const result = await client.callTool({
            name: `${to}__toolbox__echo`,
            arguments: { message },
          });
          latencies.push(performance.now() - begin);
          if (textOf(result) !== message) {
            failures.push(`${from} → ${to}: wrong answer to call ${call}: ${textOf(result)}`);
          }
        }
      } catch (error) {
        failures.push(`${from} → ${to}: ${error instanceof Error ? error.message : String(error)}`);
      } finally {
        await client?.close();
      }
    }),
  );
  return latencies;
}

async function until(done: () => boolean | Promise<boolean>): Promise<boolean> {
  const deadline = performance.now() + PHASE_TIMEOUT_MS;
  while (!(await done())) {
    if (performance.now() > deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return true;
}
