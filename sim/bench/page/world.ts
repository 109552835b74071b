/**
 * The node whose page is measured, in a process of its own; its peers, which share this one; and calls that come at an
 * even pace.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createNode, loadConfig, silentLogger } from '../../../src/index.ts';
import { UNLIMITED } from '../../limits.ts';
import { startProcess } from '../../process.ts';
import type { NodeProcess } from '../../process.ts';
import { openSession } from '../session.ts';

const cli = fileURLToPath(new URL('./cli.js', import.meta.url));
const upstream = fileURLToPath(new URL('./bench-upstream.js', import.meta.url));
const MESH = 'page';
const TOOL = 'small__echo';
const PATIENCE_MS = 120_000;
const POLL_MS = 100;
/** Calls are sent so often, as many as are due. */
const TICK_MS = 10;
/** Calls under way at one time. More = a node that is behind is asked for ever more. */
const UNDER_WAY_MAX = 500;
const MESSAGE = 'hello world';

/** Starts the node. */
export function startMeasured(root: string): Promise<NodeProcess> {
  const small = { command: process.execPath, args: [upstream] };
  const config = { mcpServers: { small }, limits: UNLIMITED, open: MESH };
  return startProcess({ cli, root, name: 'measured', config });
}

/** Starts so many peers of it, and waits until it has them all alive. @throws where they do not come in time */
export async function startPeers(
  root: string,
  node: NodeProcess,
  count: number,
  cleanups: (() => unknown)[],
): Promise<void> {
  const bootstrap = node.up.addresses.slice(0, 1);
  for (let at = 0; at < count; at += 1) {
    const config = await loadConfig({
      env: { STARLING_CONFIG: '' },
      flags: {
        name: `peer-${at}`,
        stateDir: join(root, `peer-${at}`),
        listen: ['/ip4/127.0.0.1/tcp/0'],
        bootstrap,
        open: MESH,
        mdns: false,
        http: { enabled: false },
        limits: UNLIMITED,
      },
    });
    const peer = await createNode(config, { logger: silentLogger });
    cleanups.push(() => peer.stop());
    await peer.start();
  }
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const { stdout } = await node.run(['status', '--json']);
    const { peers } = JSON.parse(stdout) as { readonly peers: { readonly alive: number } };
    if (peers.alive >= count) return;
    if (performance.now() > deadline) throw new Error(`${peers.alive} of ${count} peers came`);
    await sleep(POLL_MS);
  }
}

/** Calls under way. */
export interface PacedCalls {
  /** Calls that were answered since the start. */
  answered(): number;
  stop(): Promise<void>;
}

/** Calls the node's tool `perSecond` times a second, on one connection to its socket. @throws at a wrong answer, when stopped */
export async function startCalls(node: NodeProcess, perSecond: number): Promise<PacedCalls> {
  const session = await openSession({ kind: 'socket', path: node.up.endpoints.socket }, TOOL);
  const [caller] = await session.callers(1);
  if (caller === undefined) throw new Error('no caller');
  const params = JSON.stringify({ name: TOOL, arguments: { message: MESSAGE } });
  const counts: { answered: number; sent: number; failure?: Error } = { answered: 0, sent: 0 };
  const one = async (): Promise<void> => {
    const id = session.nextId();
    const text = `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":${params}}`;
    const answer = await caller.call(id, text);
    if (!answer.text.includes(MESSAGE)) throw new Error(`a wrong answer: ${answer.text}`);
    counts.answered += 1;
  };
  const startedAt = performance.now();
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - startedAt) / 1000) * perSecond);
    for (; counts.sent < due && counts.sent - counts.answered < UNDER_WAY_MAX; counts.sent += 1) {
      one().catch((error: unknown) => {
        counts.failure = error instanceof Error ? error : new Error(String(error));
      });
    }
  }, TICK_MS);
  return {
    answered: () => counts.answered,
    async stop() {
      clearInterval(timer);
      const deadline = performance.now() + PATIENCE_MS;
      while (
        counts.answered < counts.sent &&
        counts.failure === undefined &&
        performance.now() < deadline
      ) {
        await sleep(POLL_MS);
      }
      caller.close();
      if (counts.failure !== undefined) throw counts.failure;
    },
  };
}

/** Waits so many ms. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
