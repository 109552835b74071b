/** The node under the soak, with its upstream servers, and what is asked of it from outside. */
import { readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { startProcess } from '../process.ts';
import type { NodeProcess } from '../process.ts';
import { measureMemory } from './memory.ts';
import type { Memory } from './memory.ts';
import { openRoad } from './session.ts';
import type { Road } from './session.ts';

const cli = fileURLToPath(new URL('./cli.js', import.meta.url));
const upstream = fileURLToPath(new URL('./soak-upstream.js', import.meta.url));
const probe = fileURLToPath(new URL('./soak-probe.js', import.meta.url));
const RELOAD_TIMEOUT_MS = 30_000;
const SETTLE_TIMEOUT_MS = 60_000;
const LOOK_MS = 100;

/** How much of everything is done, by count. */
export interface SoakSize {
  readonly sessions: number;
  readonly crashes: number;
  readonly reloads: number;
  readonly tools: number;
  /** How often all of them are listed. */
  readonly lists: number;
  /** Of each reader that reads slowly. */
  readonly slowCalls: number;
  /** One after the other, with nothing beside them, whose times are compared. */
  readonly quietCalls: number;
  readonly farSessions: number;
  /** Share of the sizes that is done before memory is measured first: until the allocator has what it keeps. */
  readonly warmUpShare: number;
  /** Measurements of memory, a second apart, of which the least counts. */
  readonly samples: number;
  /** `limits.sessionIdleMs` of the node. */
  readonly idleMs: number;
  /** Wait after every phase until all its sessions are reaped, not only at the end. */
  readonly settles: boolean;
}

/** Servers that crash, side by side. */
export const FRAIL = ['frail0', 'frail1', 'frail2', 'frail3'] as const;

/** A node, ready. */
export interface World {
  readonly node: NodeProcess;
  readonly road: () => Promise<Road>;
  memory(): Promise<Memory>;
  /** Sessions by door, as the node counts them. */
  sessions(): Promise<Readonly<Record<string, number>>>;
  /** Resolves when all sessions but those of `kept` have been reaped. */
  settled(kept: number): Promise<void>;
  /** Writes a config with one more server of this name, and makes the node take it up. */
  reload(extra: string | undefined): Promise<void>;
  stop(): Promise<void>;
}

/** A word among the arguments of all processes of the servers that crash. */
export const MARK = `soak-${process.pid}`;

type Servers = Readonly<Record<string, object>>;

function serversOf(size: SoakSize, extra?: string): Servers {
  const server = (...args: string[]): object => ({
    command: process.execPath,
    args: [upstream, ...args],
  });
  return {
    small: server(),
    many: server(String(size.tools)),
    ...Object.fromEntries(FRAIL.map((name) => [name, server('0', MARK)])),
    ...(extra === undefined ? {} : { [extra]: server() }),
  };
}

function configOf(size: SoakSize, extra?: string): Readonly<Record<string, unknown>> {
  return {
    mcpServers: serversOf(size, extra),
    limits: { sessions: 500, sessionIdleMs: size.idleMs, requestsPerSecond: 1_000_000 },
  };
}

/** Starts the node under `root`. */
export async function startWorld(root: string, size: SoakSize): Promise<World> {
  const name = 'soak';
  const probePath = join(root, 'probe');
  const node = await startProcess({
    cli,
    root,
    name,
    config: configOf(size),
    env: { NODE_OPTIONS: `--import ${pathToFileURL(probe).href}`, SOAK_PROBE: probePath },
  });
  const { url = '', tokenFile } = node.up.endpoints;
  const token = (await readFile(tokenFile, 'utf8')).trim();
  const road = (): Promise<Road> => openRoad(url, token);
  const sessions = (): Promise<Readonly<Record<string, number>>> =>
    sessionsOf(node.up.endpoints.socket);
  return {
    node,
    road,
    sessions,
    memory: () => measureMemory(probePath),
    async settled(kept) {
      const deadline = performance.now() + SETTLE_TIMEOUT_MS;
      for (;;) {
        const open = await sessions();
        if ((open['http'] ?? 0) <= kept) return;
        if (performance.now() > deadline) {
          throw new Error(`sessions are not reaped: ${JSON.stringify(open)}`);
        }
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      }
    },
    reload: (extra) => reload(root, node, size, extra),
    async stop() {
      await node.stop();
    },
  };
}

/** Asks over the node's own socket as its operator, where the session ends with the connection. */
async function sessionsOf(path: string): Promise<Readonly<Record<string, number>>> {
  const socket = connect(path);
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: {} };
  const call = { name: 'starling__status', arguments: {} };
  const messages = [
    { jsonrpc: '2.0', id: 'attach', method: 'starling/attach', params: { as: 'operator' } },
    { jsonrpc: '2.0', id: 0, method: 'initialize', params },
    { jsonrpc: '2.0', id: 1, method: 'tools/call', params: call },
  ];
  socket.end(messages.map((message) => `${JSON.stringify(message)}\n`).join(''));
  for await (const line of createInterface({ input: socket })) {
    const { id, result } = JSON.parse(line) as {
      id?: number | string;
      result?: { structuredContent: { sessions: Record<string, number> } };
    };
    if (id === 1 && result !== undefined) return result.structuredContent.sessions;
  }
  throw new Error('the node did not tell its status');
}

async function reload(
  root: string,
  node: NodeProcess,
  size: SoakSize,
  extra: string | undefined,
): Promise<void> {
  const file = join(root, node.name, 'starling.json');
  const config = JSON.parse(await readFile(file, 'utf8')) as object;
  const { stdout } = node.child;
  if (stdout === null) throw new Error('the node has no standard output');
  const text = JSON.stringify({ ...config, ...configOf(size, extra) }, null, 2);
  const reloaded = untilSaid(stdout, '"event":"reloaded"');
  await writeFile(file, text);
  node.child.kill('SIGHUP');
  await reloaded;
}

function untilSaid(stdout: Readable, words: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = '';
    const heard = (chunk: Buffer): void => {
      said += chunk.toString('utf8');
      if (!said.includes(words)) return;
      clearTimeout(timer);
      stdout.off('data', heard);
      resolve();
    };
    const timer = setTimeout(() => {
      stdout.off('data', heard);
      reject(new Error(`the node did not say ${words}`));
    }, RELOAD_TIMEOUT_MS);
    stdout.on('data', heard);
  });
}

/** Starts a second node that may call `small` of the first. */
export async function startFar(root: string, world: World): Promise<NodeProcess> {
  const far = await startProcess({
    cli,
    root,
    name: 'far',
    // Fewer than the first node takes: a session that ends here ends there a moment later.
    config: { limits: { sessions: 300, sessionIdleMs: 2000, requestsPerSecond: 1_000_000 } },
    env: { STARLING_JOIN: world.node.up.ticket ?? '' },
  });
  const granted = await world.node.run(['grant', 'create', far.up.peerId, '--tool', 'small/*']);
  if (granted.code !== 0) throw new Error(granted.stderr);
  return far;
}
