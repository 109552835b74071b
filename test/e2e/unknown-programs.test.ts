/**
 * Clients and servers from npm that Starling was not written for, two peers apart. One of the servers is behind HTTP
 * that redirects every request and forgets its session again and again: callers notice nothing, and nothing is said
 * in the logs.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createMCPClient } from '@ai-sdk/mcp';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { textOf } from '../../sim/client.ts';
import { UNLIMITED } from '../../sim/limits.ts';
import { MemoryNetwork } from '../../sim/memory-transport.ts';
import { startMachine } from '../fixtures/whole-nodes.ts';
import type { Cleanups, Machine, NodeFlags } from '../fixtures/whole-nodes.ts';
import { upTo } from '../long/extent.ts';
import { eventually } from './support.ts';

const require = createRequire(import.meta.url);
const FORGETFUL = resolve(import.meta.dirname, '../fixtures/servers/forgetful.mjs');
const CLOCK = require.resolve('time-mcp');
const THINKING = require.resolve('@modelcontextprotocol/server-sequential-thinking/dist/index.js');
const TASKS = require.resolve('@kazuph/mcp-taskmanager/dist/index.js');
const MCP_REMOTE = require.resolve('mcp-remote/dist/proxy.js');
/** Requests after which a session is forgotten: listing alone takes more. */
const LIFETIME = 4;
const ROUNDS = upTo(1, 3);
const DAYS: Readonly<Record<string, number>> = {
  '2023-02-01': 28,
  '2024-02-01': 29,
  '2024-04-01': 30,
  '2024-05-01': 31,
};

interface Started extends Machine {
  readonly log: () => Promise<string>;
}

const cleanups: Cleanups = [];
afterAll(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

let alice: Started;
let bob: Started;

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'starling-unknown-'));
  cleanups.push(() => rm(path, { recursive: true, force: true, maxRetries: 5 }));
  return path;
}

/** The URL of a server that redirects and forgets, in front of `script`. */
async function forgetful(script: string): Promise<string> {
  const args = [FORGETFUL, String(LIFETIME), '404', process.execPath, script];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  cleanups.push(async () => {
    if (child.exitCode !== null) return;
    child.kill();
    await once(child, 'exit');
  });
  const [url] = (await once(child.stdout, 'data')) as [Buffer];
  return url.toString('utf8').trim();
}

async function start(
  memory: MemoryNetwork,
  ip: string,
  flags: NodeFlags & { readonly name: string },
): Promise<Started> {
  const file = join(await folder(), 'log');
  const machine = await startMachine(
    cleanups,
    { limits: { ...UNLIMITED }, log: { level: 'warn', file }, ...flags },
    { host: { memory, ip } },
  );
  return { ...machine, log: () => readFile(file, 'utf8').catch(() => '') };
}

beforeAll(async () => {
  const memory = new MemoryNetwork();
  const tasks = { TASK_MANAGER_FILE_PATH: join(await folder(), 'tasks.json') };
  alice = await start(memory, '10.79.0.1', {
    name: 'alice',
    mcpServers: {
      clock: { url: await forgetful(CLOCK) },
      thinking: { command: process.execPath, args: [THINKING] },
      tasks: { command: process.execPath, args: [TASKS], env: tasks },
    },
  });
  const { ticket } = await alice.node.createTicket();
  bob = await start(memory, '10.79.0.2', { name: 'bob', join: ticket });
  const tools = ['clock/*', 'thinking/*', 'tasks/*'];
  await alice.node.grant({ peer: bob.node.peerId, tools });
  const wanted = [
    'clock__days_in_month',
    'thinking__sequentialthinking',
    'tasks__request_planning',
  ];
  await eventually(
    'bob lists all three',
    async () => (await bob.operator.tools()).map(({ name }) => name),
    (names) => wanted.every((name) => names.includes(`alice__${name}`)),
  );
});

/** A key of a client that is attached to bob. */
async function keyOf(name: string): Promise<string> {
  return (await bob.operator.builtin<{ key: string }>('key_create', { name })).key;
}

type Call = (tool: string, args: Record<string, unknown>) => Promise<string>;

/** A call or more of each server, with more requests to the forgetful one than a session of it has. */
async function usesAll(call: Call, who: string): Promise<void> {
  for (const [date, days] of Object.entries(DAYS)) {
    expect(await call('clock__days_in_month', { date })).toContain(String(days));
  }
  const thought = { thought: who, nextThoughtNeeded: false, thoughtNumber: 1, totalThoughts: 1 };
  expect(await call('thinking__sequentialthinking', thought)).toContain('"thoughtHistoryLength"');
  const planned = await call('tasks__request_planning', {
    originalRequest: `plan of ${who}`,
    tasks: [{ title: 'one', description: 'the only one' }],
  });
  const { requestId } = JSON.parse(planned) as { requestId: string };
  expect(await call('tasks__get_next_task', { requestId })).toContain('the only one');
}

it('a server that redirects and forgets its session answers each call once, from both sides at the same moment', async () => {
  for (let round = 0; round < ROUNDS; round += 1) {
    const dates = Object.keys(DAYS);
    const answers = await Promise.all(
      dates.map(async (date, index) => {
        const [client, prefix] = index % 2 === 0 ? [alice.operator, ''] : [bob.operator, 'alice__'];
        return textOf(await client.call(`${prefix}clock__days_in_month`, { date }));
      }),
    );
    for (const [index, date] of dates.entries()) expect(answers[index]).toContain(`${DAYS[date]}`);
  }
});

it('mcp-remote brings a client that has only stdio to all of them', async () => {
  const home = await folder();
  const headers = join(home, 'headers');
  const key = await keyOf('remote');
  await writeFile(headers, `Authorization: Bearer ${key}\n`, { mode: 0o600 });
  const url = bob.node.status().endpoints.url ?? '';
  const client = new Client({ name: 'behind-mcp-remote', version: '1.0.0' });
  await client.connect(
    new StdioClientTransport({
      command: process.execPath,
      args: [MCP_REMOTE, url, '--transport', 'http-only', '--header-file', headers, '--silent'],
      env: { HOME: home, PATH: process.env['PATH'] ?? '' },
      stderr: 'ignore',
    }),
  );
  cleanups.push(() => client.close());
  const listed = (await client.listTools()).tools.map(({ name }) => name);
  expect(listed).toContain('alice__clock__days_in_month');
  await usesAll(
    async (name, args) =>
      textOf(await client.callTool({ name: `alice__${name}`, arguments: args })),
    'mcp-remote',
  );
});

it('the client of the AI SDK finds them as tools of its own, and runs them', async () => {
  const headers = { Authorization: `Bearer ${await keyOf('ai-sdk')}` };
  const url = bob.node.status().endpoints.url ?? '';
  const client = await createMCPClient({ transport: { type: 'http', url, headers } });
  cleanups.push(() => client.close());
  const tools = await client.tools();
  await usesAll(async (name, args) => {
    const run = tools[`alice__${name}`]?.execute;
    if (run === undefined) throw new Error(`no tool ${name} among ${Object.keys(tools).join()}`);
    return textOf(await run(args, { toolCallId: name, messages: [] }));
  }, 'AI SDK');
});

it('leaves the servers ready, and no word in the logs', async () => {
  for (const { state } of alice.node.status().upstreams) expect(state).toBe('ready');
  expect([await alice.log(), await bob.log()]).toEqual(['', '']);
});
