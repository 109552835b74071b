/** MCP clients that are attached to a whole node: who they are, what they have, and what they never get. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attach } from '../../src/cli/node/client.ts';
import type { NodeClient } from '../../src/cli/node/client.ts';
import { createNode, loadConfig } from '../../src/index.ts';
import type { StarlingNode } from '../../src/index.ts';
import { UNLIMITED } from '../../sim/limits.ts';
import { MemoryNetwork } from '../network/memory-transport.ts';
import { CLI, SERVERS } from './support.ts';

const GOLDEN = resolve(import.meta.dirname, '../golden/client-access.json');

const cleanups: (() => unknown)[] = [];
afterAll(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

let node: StarlingNode;
let operator: NodeClient;
let stateDir = '';
let access: Readonly<Record<string, 'yes' | 'ask' | 'no'>> = {};

beforeAll(async () => {
  const root = await mkdtemp(join(tmpdir(), 'starling-attached-'));
  cleanups.push(() => rm(root, { recursive: true, force: true }));
  stateDir = join(root, 'state');
  // Beside the state folder, which no server sees.
  const log = join(root, 'plain.log');
  const config = await loadConfig({
    env: { STARLING_CONFIG: '' },
    flags: {
      name: 'desk',
      stateDir,
      listen: ['/ip4/10.0.0.1/tcp/4040'],
      mdns: false,
      http: { port: 0 },
      tcp: { enabled: true, port: 0, requireToken: false },
      limits: { ...UNLIMITED },
      mcpServers: {
        plain: {
          type: 'stdio',
          ...SERVERS.fixture('plain.mjs', '--era', 'legacy', '--log', log),
        },
      },
    },
  });
  node = await createNode(config, { transports: [new MemoryNetwork().host('10.0.0.1')] });
  cleanups.push(() => node.stop());
  await node.start();
  operator = await attach(stateDir);
  cleanups.push(() => operator.close());
  access = JSON.parse(await readFile(GOLDEN, 'utf8')) as typeof access;
});

const SERVER = 'starling__';
/** Names at the built-in server of those that clients may or may not use. */
const having = (isFor: boolean): string[] =>
  Object.keys(access).filter((name) => (access[name] !== 'no') === isFor);
const builtinOf = (names: readonly string[]): string[] =>
  names
    .filter((name) => name.startsWith(SERVER))
    .map((name) => name.slice(SERVER.length))
    .sort();

/** The official client over `starling mcp`. */
async function overStdio(...args: string[]): Promise<Client> {
  const client = new Client({ name: 'I am the operator', version: '1.0.0' });
  await client.connect(
    new StdioClientTransport({
      command: process.execPath,
      args: [CLI, 'mcp', '--state', stateDir, ...args],
      stderr: 'ignore',
    }),
  );
  cleanups.push(() => client.close());
  return client;
}

const whoCalled = async (): Promise<string> => {
  const { entries } = await operator.builtin<{ entries: { who: string; kind: string }[] }>(
    'audit_query',
    { what: 'plain/note', limit: 1 },
  );
  return entries[0]?.who ?? '';
};

it('each built-in tool says whether clients have it', async () => {
  const tools = await operator.tools();
  const said = tools
    .filter(({ name }) => name.startsWith(SERVER))
    .map(({ name, _meta }) => [
      name.slice(SERVER.length),
      (_meta as Record<string, unknown> | undefined)?.['starling/clients'],
    ]);
  expect(Object.fromEntries(said.toSorted())).toEqual(access);
});

describe('a client of `starling mcp --as cursor`', () => {
  it('is client:cursor, whatever it says of itself, and sees servers and the tools that are for it', async () => {
    const client = await overStdio('--as', 'cursor');
    const { tools } = await client.listTools();
    const names = tools.map(({ name }) => name);
    expect(names).toContain('plain__note');
    expect(builtinOf(names)).toEqual(having(true).sort());
    await client.callTool({ name: 'plain__note', arguments: {} });
    expect(await whoCalled()).toBe('client:cursor');
    const { structuredContent } = await client.callTool({ name: 'starling__status' });
    expect(structuredContent).toMatchObject({ name: 'desk', servers: [{ server: 'plain' }, {}] });
    expect(JSON.stringify(structuredContent)).not.toContain(stateDir);
    await client.callTool({
      name: 'starling__board_set',
      arguments: { board: 'plan', key: 'a', value: 1 },
    });
    await expect(
      client.callTool({ name: 'starling__grant_create', arguments: { peer: 'x', tools: ['*'] } }),
    ).rejects.toThrow("it is for this node's operator, and for no client of it");
  });
});

it('a client that nobody named is client:local, and one with --operator is the operator', async () => {
  const nameless = await overStdio();
  await nameless.callTool({ name: 'plain__note', arguments: {} });
  expect(await whoCalled()).toBe('client:local');
  const root = await overStdio('--operator');
  const { tools } = await root.listTools();
  expect(builtinOf(tools.map(({ name }) => name))).toEqual(Object.keys(access).sort());
  await root.callTool({ name: 'plain__note', arguments: {} });
  expect(await whoCalled()).toBe('operator');
});
