/** The other gateways that the benchmark runs: dev dependencies, started from their own `bin`. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';

const START_TIMEOUT_MS = 20_000;
const POLL_MS = 50;
const HOST = '127.0.0.1';

/** A rival in front of the upstream. */
export interface Rival {
  /** Name and version. */
  readonly title: string;
  readonly url: string;
  /** The gateway's own process; its upstream is another. */
  readonly pid: number;
  stop(): Promise<void>;
}

interface Recipe {
  readonly name: string;
  readonly manifest: string;
  args(port: number, upstream: string): readonly string[];
}

const require = createRequire(import.meta.url);

const RECIPES = {
  mcpProxy: {
    name: 'mcp-proxy',
    manifest: require.resolve('mcp-proxy/package.json'),
    args: (port, upstream) => [
      ...`--host ${HOST} --port ${port} --server stream --`.split(' '),
      process.execPath,
      upstream,
    ],
  },
  supergateway: {
    name: 'supergateway',
    manifest: require.resolve('supergateway/package.json'),
    args: (port, upstream) => [
      ...`--port ${port} --outputTransport streamableHttp --stateful --logLevel none`.split(' '),
      '--stdio',
      `"${process.execPath}" "${upstream}"`,
    ],
  },
} as const satisfies Record<string, Recipe>;

/** Starts one in front of the stdio server `upstream`; resolves when it listens. */
export async function startRival(which: keyof typeof RECIPES, upstream: string): Promise<Rival> {
  const recipe = RECIPES[which];
  const manifest = JSON.parse(readFileSync(recipe.manifest, 'utf8')) as {
    readonly version: string;
    readonly bin: Readonly<Record<string, string>>;
  };
  const bin = join(dirname(recipe.manifest), manifest.bin[recipe.name] ?? '');
  const port = await freePort();
  // What they print costs them time; it goes nowhere, as it would behind any supervisor.
  const child = spawn(process.execPath, [bin, ...recipe.args(port, upstream)], { stdio: 'ignore' });
  const title = `${recipe.name} ${manifest.version}`;
  await untilListening(child, port, title);
  return {
    title,
    url: `http://${HOST}:${port}/mcp`,
    pid: child.pid ?? 0,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill();
      const timer = setTimeout(() => child.kill('SIGKILL'), 2000);
      await ended;
      clearTimeout(timer);
    },
  };
}

/** A port that was free just now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, HOST);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Waits until something listens on the port. @throws when `child` has ended, or after {@link START_TIMEOUT_MS} */
export async function untilListening(
  child: ChildProcess,
  port: number,
  title: string,
): Promise<void> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (!(await isOpen(port))) {
    if (child.exitCode !== null) throw new Error(`${title} ended with code ${child.exitCode}`);
    if (performance.now() > deadline) {
      child.kill('SIGKILL');
      throw new Error(`${title} did not listen in time`);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, HOST);
    const done = (open: boolean): void => {
      socket.destroy();
      resolve(open);
    };
    socket.once('connect', () => done(true));
    socket.once('error', () => done(false));
  });
}
