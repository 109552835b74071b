/** The fixtures and nodes that the conformance suite is pointed at. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { startProcess } from '../../sim/process.ts';
import type { NodeProcess } from '../../sim/process.ts';
import { startProxy } from './proxy.ts';

/** The built command line. */
export const CLI = resolve(import.meta.dirname, '../../dist/cli.js');

const START_TIMEOUT_MS = 30_000;
const POLL_MS = 200;
const STOP_TIMEOUT_MS = 5_000;

/** Which revision a fixture speaks. */
export type Era = 'legacy' | 'modern';

/** What ends when the run does, newest first. */
export interface Cleanup {
  defer(end: () => unknown): void;
}

/** The two nodes. */
export interface Mesh {
  /** Owns the fixtures. */
  readonly owner: Endpoint;
  /** Was granted everything by the owner. */
  readonly guest: Endpoint;
}

/** A node behind a proxy that knows its token. */
export interface Endpoint {
  readonly node: NodeProcess;
  /** `http://127.0.0.1:<port>` of the proxy. */
  readonly origin: string;
}

/** How the built `fixture` is started as an upstream on stdio. */
export function fixtureCommand(fixture: string, era: Era): { command: string; args: string[] } {
  return { command: process.execPath, args: [fixture, '--era', era] };
}

/** Starts the built `fixture` over HTTP; resolves with its address. */
export async function startFixture(fixture: string, era: Era, cleanup: Cleanup): Promise<string> {
  const { command, args } = fixtureCommand(fixture, era);
  const child = spawn(command, [...args, '--http', '0'], { stdio: ['ignore', 'pipe', 'ignore'] });
  cleanup.defer(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill();
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await ended;
    clearTimeout(timer);
  });
  const lines = createInterface({ input: child.stdout });
  const signal = AbortSignal.timeout(START_TIMEOUT_MS);
  const [url] = (await once(lines, 'line', { signal })) as [string];
  return url;
}

/** Starts the owner with `mcpServers` and the guest, joins them and grants the guest everything. */
export async function startMesh(
  root: string,
  mcpServers: Readonly<Record<string, unknown>>,
  cleanup: Cleanup,
): Promise<Mesh> {
  const start = async (name: string, init: object): Promise<NodeProcess> => {
    const node = await startProcess({ cli: CLI, root, name, args: ['--no-mdns'], ...init });
    cleanup.defer(() => node.stop());
    return node;
  };
  // The suite adds tools as it goes, and wants to hear of them; pinned ones would be held back.
  const owner = await start('owner', { config: { mcpServers, pins: 'off' } });
  const guest = await start('guest', {
    config: { pins: 'off' },
    args: ['--no-mdns', '--join', owner.up.ticket ?? ''],
  });
  await eventually('the guest is seen', async () => {
    const { stdout } = await owner.run(['peers', '--json']);
    return stdout.includes(guest.up.peerId) && stdout.includes('"alive"');
  });
  for (const server of Object.keys(mcpServers)) {
    const granted = await owner.run(['grant', 'create', 'guest', '--server', server]);
    if (granted.code !== 0) throw new Error(`no grant: ${granted.stderr}${granted.stdout}`);
  }
  return { owner: await behindProxy(owner, cleanup), guest: await behindProxy(guest, cleanup) };
}

/** Puts a proxy before `node`. */
export async function behindProxy(node: NodeProcess, cleanup: Cleanup): Promise<Endpoint> {
  const { url = '', tokenFile } = node.up.endpoints;
  const token = (await readFile(tokenFile, 'utf8')).trim();
  const proxy = await startProxy(new URL(url).origin, token);
  cleanup.defer(() => proxy.close());
  return { node, origin: proxy.origin };
}

async function eventually(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`${what}: not in ${START_TIMEOUT_MS} ms`);
    await new Promise((done) => setTimeout(done, POLL_MS));
  }
}
