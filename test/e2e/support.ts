/** What the end-to-end tests share: folders, processes and clients that end with their test. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { afterAll, afterEach, expect, vi } from 'vitest';
import { connectHttp, connectStdio } from '../../sim/client.ts';
import { runCli, startProcess } from '../../sim/process.ts';
import type { NodeProcess, ProcessInit, RunOptions, RunResult } from '../../sim/process.ts';
import { attach } from '../../src/cli/node/client.ts';
import type { NodeClient, ToolInfo } from '../../src/cli/node/client.ts';
import type { JsonObject } from '../../src/core/json/json.ts';
import { run } from '../cli/support.ts';
import type { Ran } from '../cli/support.ts';
import type {
  GrantCreateResult,
  GrantListResult,
  PeersResult,
  StatusResult,
} from '../../src/index.ts';

/** The built CLI: `npm test` builds before it tests. */
export const CLI = resolve(import.meta.dirname, '../../dist/cli.js');

const require = createRequire(import.meta.url);

const fixture = (
  file: string,
  ...args: string[]
): { readonly command: string; readonly args: string[] } => ({
  command: process.execPath,
  args: [resolve(import.meta.dirname, '../fixtures/servers', file), ...args],
});

/** `mcpServers` entries of real servers: those that people use, and small ones of ours. */
export const SERVERS = {
  files: (folder: string) => ({
    command: process.execPath,
    args: [require.resolve('@modelcontextprotocol/server-filesystem/dist/index.js'), folder],
  }),
  everything: () => ({
    command: process.execPath,
    args: [require.resolve('@modelcontextprotocol/server-everything/dist/index.js')],
  }),
  toolbox: () => fixture('toolbox.mjs'),
  fixture,
};

/**
 * Where a node listens that is to come back at the same port: an address of loopback that nobody else of the tests
 * uses (Linux has all of 127.0.0.0/8), so that nobody is given the port meanwhile.
 */
const OWN_LOOPBACK = process.platform === 'linux' ? '127.0.0.77' : '127.0.0.1';

/** `listen` of a node that is to come back, and with `before` of one that does, at the port that it had then. */
export function sameListen(before?: NodeProcess): string[] {
  const port = before?.up.addresses[0]?.match(/tcp\/(\d+)/)?.[1] ?? '0';
  return [`/ip4/${OWN_LOOPBACK}/tcp/${port}`];
}

/** Everything that one test, or one file, started. */
export interface World {
  /** Its own folder. */
  root(): Promise<string>;
  start(name: string, init?: Partial<ProcessInit>): Promise<NodeProcess>;
  http(node: NodeProcess): Promise<Client>;
  stdio(node: NodeProcess): Promise<Client>;
  cli(args: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** Registers what must end with it. */
  defer(cleanup: () => unknown): void;
}

/** Makes the world of a test file; what is in it ends with each test, or with the last one. */
export function useWorld(until: 'test' | 'file' = 'test'): World {
  const { world, end } = createWorld();
  const after = until === 'test' ? afterEach : afterAll;
  after(end);
  return world;
}

/** A world, and what ends everything in it, also what is still starting. */
export function createWorld(): { readonly world: World; readonly end: () => Promise<void> } {
  let folder: Promise<string> | undefined;
  const cleanups: (() => unknown)[] = [];
  const root = (): Promise<string> => {
    folder ??= mkdtemp(join(tmpdir(), 'starling-e2e-'));
    return folder;
  };
  const end = async (): Promise<void> => {
    for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
    // A killed node's last file may still be on its way.
    if (folder !== undefined) {
      await rm(await folder, { recursive: true, force: true, maxRetries: 5 });
    }
    folder = undefined;
  };
  const world: World = {
    root,
    async start(name, init) {
      const giveUp = new AbortController();
      const { signal } = giveUp;
      const starting = root().then((home) =>
        startProcess({ cli: CLI, root: home, name, signal, ...init }),
      );
      let node: NodeProcess | undefined;
      // Registered now: a test that is over while its node starts would leave the node running.
      cleanups.push(async () => {
        if (node !== undefined) return node.stop();
        giveUp.abort();
        await starting.catch(() => undefined);
      });
      node = await starting;
      return node;
    },
    async http(node) {
      const { url = '', tokenFile } = node.up.endpoints;
      const client = await connectHttp({ url, tokenFile });
      cleanups.push(() => client.close());
      return client;
    },
    async stdio(node) {
      // Tests end nodes under their clients, who then say so.
      const client = await connectStdio(CLI, node.stateDir, 'ignore');
      cleanups.push(() => client.close());
      return client;
    },
    cli: (args, options) => runCli(CLI, args, options),
    defer: (cleanup) => void cleanups.push(cleanup),
  };
  return { world, end };
}

let last: Promise<unknown> = Promise.resolve();

/**
 * Runs a command in this process, as a shell of the node's owner would: a process for each costs more than the
 * command. One after the other, because a command writes to the one standard output. `node.run` starts a process.
 */
function runHere(node: NodeProcess, args: readonly string[]): Promise<Ran> {
  const turn = last.then(async () => {
    const others = Object.keys(process.env).filter((name) => /^(?:STARLING|XDG)_/.test(name));
    for (const name of others) vi.stubEnv(name, undefined);
    vi.stubEnv('HOME', join(node.stateDir, '..'));
    try {
      return await run(...args, '--state', node.stateDir);
    } finally {
      vi.unstubAllEnvs();
    }
  });
  last = turn.catch(() => undefined);
  return turn;
}

/** Runs a command that may fail. One that waits for another command must be a process: see {@link runHere}. */
export const attempt = (node: NodeProcess, ...args: string[]): Promise<Ran> => runHere(node, args);

/** Runs a command that must succeed. */
export async function ok(node: NodeProcess, ...args: string[]): Promise<string> {
  const result = await runHere(node, args);
  expect(result.code, `starling ${args.join(' ')}: ${result.stderr}${result.stdout}`).toBe(0);
  return result.stdout;
}

/** Runs a command with `--json` that must succeed. */
export async function json<T>(node: NodeProcess, ...args: string[]): Promise<T> {
  return JSON.parse(await ok(node, ...args, '--json')) as T;
}

const attached = new WeakMap<NodeProcess, Promise<NodeClient>>();

/**
 * Asks the running node by its socket, as each command does, over one client that stays: a test that
 * waits asks again and again, and a process for each question costs more than what it waits for.
 */
async function onSocket<T>(node: NodeProcess, ask: (client: NodeClient) => Promise<T>): Promise<T> {
  const client = attached.get(node) ?? attach(node.stateDir);
  attached.set(node, client);
  try {
    return await ask(await client);
  } catch (error) {
    attached.delete(node);
    throw error;
  }
}

/** What a tool of the node's built-in server answers to the operator. */
export function builtin<T>(node: NodeProcess, tool: string, args: JsonObject = {}): Promise<T> {
  return onSocket(node, (client) => client.builtin<T>(tool, args));
}

/** A ticket for one node: what `starling invite` shows. */
export const ticketOf = async (node: NodeProcess): Promise<string> =>
  (await builtin<{ readonly ticket: string }>(node, 'invite_create')).ticket;
export const status = (node: NodeProcess): Promise<StatusResult> => builtin(node, 'status');
export const peers = (node: NodeProcess): Promise<PeersResult> => builtin(node, 'peers');
export const grantList = (node: NodeProcess): Promise<GrantListResult> =>
  builtin(node, 'grant_list');

/** What `starling grant create`, `delegate` and `revoke` ask for: a process each would cost more than the grants. */
export async function grantTo(node: NodeProcess, peer: string, what: JsonObject): Promise<string> {
  return (await builtin<GrantCreateResult>(node, 'grant_create', { peer, ...what })).grant.id;
}
export async function handOn(node: NodeProcess, id: string, peer: string): Promise<string> {
  return (await builtin<GrantCreateResult>(node, 'grant_delegate', { id, peer })).grant.id;
}
export const revoke = (
  node: NodeProcess,
  id: string,
  reason = 'a test ends it',
): Promise<unknown> => builtin(node, 'grant_revoke', { id, reason });

export const toolList = (node: NodeProcess): Promise<readonly ToolInfo[]> =>
  onSocket(node, (client) => client.tools());

/** What is awaited comes within seconds; a busy machine may take longer, and only a fault takes so long. */
const LONGEST_MS = 60_000;
/** What takes long is asked for less often: each question costs the node and the test, while others compute. */
const PAUSE_MIN_MS = 100;
const PAUSE_MAX_MS = 500;

/** Asks until `enough`, at most `timeoutMs`; fails with the last answer. Returns how long it took. */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T>,
  enough: (value: T) => boolean,
  timeoutMs = LONGEST_MS,
): Promise<T> {
  const startedAt = performance.now();
  for (;;) {
    const value = await ask();
    if (enough(value)) return value;
    const waitedMs = performance.now() - startedAt;
    if (waitedMs > timeoutMs) {
      throw new Error(`${what}: not within ${timeoutMs} ms; last: ${JSON.stringify(value)}`);
    }
    const pauseMs = Math.min(PAUSE_MAX_MS, Math.max(PAUSE_MIN_MS, waitedMs / 5));
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

/** Waits until `node` sees each of `others` in `state`. */
export async function sees(
  node: NodeProcess,
  others: readonly NodeProcess[],
  state = 'alive',
  timeoutMs = LONGEST_MS,
): Promise<void> {
  await eventually(
    `${node.name} sees ${others.map((other) => other.name).join(', ')} ${state}`,
    () => peers(node),
    (seen) =>
      others.every((other) =>
        seen.peers.some((peer) => peer.peerId === other.up.peerId && peer.state === state),
      ),
    timeoutMs,
  );
}

/** What a node's status says of one of its servers. */
export function upstream(report: StatusResult, server: string): StatusResult['upstreams'][number] {
  const found = report.upstreams.find((candidate) => candidate.server === server);
  if (found === undefined) throw new Error(`no upstream ${server}`);
  return found;
}

/** Two nodes: the servers are the owner's, and the guest was granted all of each. */
export interface Pair {
  readonly owner: NodeProcess;
  readonly guest: NodeProcess;
}

/** Starts both, joins them and grants; waits until the guest knows what it was granted. */
export async function startPair(
  world: World,
  owned: Readonly<Record<string, unknown>> & { readonly mcpServers: Readonly<object> },
  guestConfig: Readonly<Record<string, unknown>> = {},
  guestArgs: readonly string[] = [],
): Promise<Pair> {
  const owner = await world.start('owner', { config: owned });
  const join = ['--join', owner.up.ticket ?? '', ...guestArgs];
  const guest = await world.start('guest', { config: guestConfig, args: join });
  await sees(owner, [guest]);
  const servers = Object.keys(owned.mcpServers);
  await grantTo(owner, 'guest', { servers });
  const lacking = async (): Promise<readonly string[]> => {
    const seen = await toolList(guest);
    return servers.filter((name) => !seen.some((tool) => tool.name.startsWith(`owner__${name}__`)));
  };
  await eventually('the guest lists every server', lacking, (names) => names.length === 0);
  return { owner, guest };
}

/** Names of the tools that a client sees. */
export async function toolNames(client: Client): Promise<string[]> {
  return (await client.listTools()).tools.map((tool) => tool.name);
}

/** A promise that the test resolves itself. */
export function deferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
