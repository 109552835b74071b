/**
 * The clients that people use, with the servers that people use, two peers apart: each lists them and
 * calls them over every transport that it speaks.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client as ModernClient } from '@modelcontextprotocol/client';
import { StreamableHTTPClientTransport as ModernHttp } from '@modelcontextprotocol/client';
import { StdioClientTransport as ModernStdio } from '@modelcontextprotocol/client/stdio';
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { beforeAll, describe, expect, it } from 'vitest';
import { textOf } from '../../sim/client.ts';
import { runCli } from '../../sim/process.ts';
import type { NodeProcess } from '../../sim/process.ts';
import { CLI, SERVERS, json, startPair, useWorld } from './support.ts';
import { tcpTransport, webSocketTransport } from './transports.ts';
import { sessionFetch } from '../../sim/session-fetch.ts';
import { isLong, someOf } from '../long/extent.ts';
import { longIt } from '../long/long-it.ts';

const world = useWorld('file');
const require = createRequire(import.meta.url);
/** Processes by the dozen, on a machine that has other things to do as well. */
const TIMEOUT_MS = 480_000;
const INFO = { name: 'starling-interop', version: '1.0.0' };

let owner: NodeProcess;
let guest: NodeProcess;
/** The key of a client that is attached to the guest. */
let token = '';
let origin = '';
let hello = '';
let headers: Record<string, string> = {};

beforeAll(async () => {
  const root = await world.root();
  const docs = join(root, 'docs');
  hello = join(docs, 'hello.txt');
  await mkdir(docs);
  await writeFile(hello, 'hello from two peers away');
  const mcpServers = {
    everything: SERVERS.everything(),
    files: SERVERS.files(docs),
    memory: {
      command: process.execPath,
      args: [require.resolve('@modelcontextprotocol/server-memory/dist/index.js')],
      env: { MEMORY_FILE_PATH: join(root, 'memory.jsonl') },
    },
  };
  ({ owner, guest } = await startPair(world, { mcpServers }, {}, ['--tcp', '0']));
  token = await keyOf(guest);
  origin = new URL(guest.up.endpoints.url ?? '').origin;
  headers = { authorization: `Bearer ${token}` };
});

/** A key that has what clients have. */
async function keyOf(node: NodeProcess): Promise<string> {
  return (await json<{ readonly key: string }>(node, 'key', 'create', 'interop')).key;
}

/** What every client can do, in its own way; a name is that of the owner's server and tool. */
interface Tools {
  readonly list: () => Promise<readonly string[]>;
  /** Calls a tool; what it printed or answered, as text. */
  readonly call: (server: string, tool: string, args: object) => Promise<string>;
}

const entity = (name: string): object => ({
  entities: [{ name, entityType: 'test', observations: ['was here'] }],
});

let memory: Promise<unknown> = Promise.resolve();

/** One after the other: the memory server writes its file anew each time, in a process for each client. */
function alone<T>(work: () => Promise<T>): Promise<T> {
  const done = memory.then(work);
  memory = done.catch(() => undefined);
  return done;
}

/** The same for every client: a call of each server, one of them with state. */
async function callsEverything({ call }: Tools, name: string): Promise<void> {
  expect(await call('everything', 'get-sum', { a: 2, b: 40 })).toMatch(/is 42\b/);
  expect(await call('files', 'read_text_file', { path: hello })).toContain('two peers away');
  const remembered = await alone(async () => {
    await call('memory', 'create_entities', entity(name));
    return call('memory', 'read_graph', {});
  });
  expect(remembered).toContain(name);
}

/** One call with an argument that has parts: what comes back is what was sent. */
async function callsOnce({ call }: Tools, name: string): Promise<void> {
  const remembered = await alone(() => call('memory', 'create_entities', entity(name)));
  expect(remembered).toContain(name);
}

/** Numbers, a text, and an argument that has parts: a command writes each of them differently. */
async function callsOfEachKind(tools: Tools, name: string): Promise<void> {
  expect(await tools.call('everything', 'get-sum', { a: 2, b: 40 })).toMatch(/is 42\b/);
  // Among the parts is a text.
  if (isLong)
    expect(await tools.call('files', 'read_text_file', { path: hello })).toContain(
      'two peers away',
    );
  await callsOnce(tools, name);
}

/** By a command each, which is a session with servers of its own: all of them over one transport. */
const callsBy = (way: string): typeof callsOnce => (way === 'stdio' ? callsOfEachKind : callsOnce);

async function listsEverything({ list }: Tools): Promise<void> {
  const listed = await list();
  for (const tool of ['everything__get-sum', 'files__read_text_file', 'memory__read_graph']) {
    expect(listed).toContain(`owner__${tool}`);
  }
}

type Transport = Parameters<LegacyClient['connect']>[0] & Parameters<ModernClient['connect']>[0];

/** How the SDK's clients attach, by transport; `path` as after the endpoint's address. */
const ways: Readonly<Record<string, (era: 'legacy' | 'modern', path: string) => unknown>> = {
  stdio: (era) => {
    const command = {
      command: process.execPath,
      args: [CLI, 'mcp', '--state', guest.stateDir],
      stderr: 'ignore' as const,
    };
    return era === 'legacy' ? new StdioClientTransport(command) : new ModernStdio(command);
  },
  'Streamable HTTP': (era, path) => {
    const url = new URL(`${origin}/mcp${path}`);
    const options = { requestInit: { headers }, fetch: sessionFetch };
    return era === 'legacy'
      ? new StreamableHTTPClientTransport(url, options)
      : new ModernHttp(url, options);
  },
  'HTTP+SSE': (_, path) =>
    new SSEClientTransport(new URL(`${origin}/sse${path}`), { requestInit: { headers } }),
  WebSocket: (_, path) => webSocketTransport(`${origin}/mcp${path}`, token),
  TCP: () => tcpTransport(guest.up.endpoints.tcp ?? '', token),
};

async function sdkClient(
  era: 'legacy' | 'modern',
  transport: unknown,
): Promise<LegacyClient | ModernClient> {
  const client =
    era === 'legacy'
      ? new LegacyClient(INFO)
      : new ModernClient(INFO, { versionNegotiation: { mode: { pin: '2026-07-28' } } });
  await client.connect(transport as Transport);
  world.defer(() => client.close());
  return client;
}

function sdkTools(client: LegacyClient | ModernClient, prefix: (server: string) => string): Tools {
  return {
    list: async () => (await client.listTools()).tools.map(({ name }) => name),
    call: async (server, tool, args) =>
      textOf(await client.callTool({ name: `${prefix(server)}${tool}`, arguments: { ...args } })),
  };
}

const both = ['stdio', 'Streamable HTTP', 'WebSocket', 'TCP'] as const;
/** In `npm test` each transport is tried by one line of the SDK; `first-mesh` has the first line over stdio as well. */
const ofTheSecond: readonly string[] = ['stdio', 'Streamable HTTP', 'WebSocket'];
const ofTheFirst: readonly string[] = ['TCP', 'HTTP+SSE'];

describe.concurrent('the official SDK', { timeout: TIMEOUT_MS }, () => {
  it.each(someOf([...both, 'HTTP+SSE'], (way) => ofTheFirst.includes(way)))(
    'of the first line, over %s',
    async (way) => {
      const client = await sdkClient('legacy', ways[way]?.('legacy', ''));
      const tools = sdkTools(client, (server) => `owner__${server}__`);
      await listsEverything(tools);
      await callsEverything(tools, `first ${way}`);
    },
  );

  it.each(someOf(both, (way) => ofTheSecond.includes(way)))(
    'of the second line, over %s',
    async (way) => {
      const client = await sdkClient('modern', ways[way]?.('modern', ''));
      const tools = sdkTools(client, (server) => `owner__${server}__`);
      await listsEverything(tools);
      await callsEverything(tools, `second ${way}`);
    },
  );

  it('of the second line finds out by itself which era we speak', async () => {
    const client = new ModernClient(INFO, { versionNegotiation: { mode: 'auto' } });
    await client.connect(ways['Streamable HTTP']?.('modern', '') as Transport);
    expect(client.getNegotiatedProtocolVersion()).toBe('2026-07-28');
    expect((await client.listTools()).tools.length).toBeGreaterThan(20);
    await client.close();
  });

  it.each(someOf(['Streamable HTTP', 'HTTP+SSE', 'WebSocket'], (_, way) => way === 0))(
    'over %s at the path of one server, its names untouched',
    async (way) => {
      const client = await sdkClient('legacy', ways[way]?.('legacy', '/owner/everything'));
      expect(client.getServerVersion()?.name).toMatch(/everything/);
      const tools = sdkTools(client, () => '');
      expect(await tools.list()).toContain('get-sum');
      expect(await tools.call('', 'get-sum', { a: 1, b: 1 })).toMatch(/is 2\b/);
    },
  );

  it('of the second line at the path of one server', async () => {
    const transport = ways['Streamable HTTP']?.('modern', '/owner/memory');
    const tools = sdkTools(await sdkClient('modern', transport), () => '');
    expect(await tools.list()).toContain('read_graph');
    const remembered = await alone(async () => {
      await tools.call('', 'create_entities', entity('at its own path'));
      return tools.call('', 'read_graph', {});
    });
    expect(remembered).toContain('at its own path');
  });

  it('at the path of a server of the node itself', async () => {
    const requestInit = { headers: { authorization: `Bearer ${await keyOf(owner)}` } };
    const url = new URL(`${owner.up.endpoints.url}/everything`);
    const client = await sdkClient(
      'legacy',
      new StreamableHTTPClientTransport(url, { requestInit }),
    );
    const tools = sdkTools(client, () => '');
    expect(await tools.call('', 'echo', { message: 'near' })).toBe('Echo: near');
  });
});

/** Runs a command line client that must succeed; what it printed. */
async function run(bin: string, args: readonly string[]): Promise<string> {
  const root = await world.root();
  // Their caches, histories and daemons go where the test's other files go.
  const result = await runCli(bin, args, {
    timeoutMs: TIMEOUT_MS,
    env: { HOME: root, ...PATIENT },
  });
  expect(result.code, `${bin} ${args.join(' ')}: ${result.stderr}${result.stdout}`).toBe(0);
  return result.stdout;
}

const INSPECTOR =
  require.resolve('@modelcontextprotocol/inspector/clients/launcher/build/index.js');
/** How long mcporter waits for a list and for a call, ms: by itself half a minute, and then it ends before a busy reader has all. */
const PATIENT = {
  MCPORTER_LIST_TIMEOUT: '180000',
  MCPORTER_CALL_TIMEOUT: '180000',
  MCPORTER_NO_FORCE_EXIT: '1',
};
const MCPORTER = fileURLToPath(import.meta.resolve('mcporter/cli'));
const MCP_CLI = require.resolve('@wong2/mcp-cli/src/cli.js');

interface Listed {
  readonly tools: readonly { readonly name: string }[];
}

const namesIn = (printed: string): readonly string[] =>
  (JSON.parse(printed) as Listed).tools.map(({ name }) => name);

describe.concurrent('the inspector’s command line', { timeout: TIMEOUT_MS }, () => {
  const attaching: Readonly<Record<string, () => readonly string[]>> = {
    stdio: () => [process.execPath, CLI, 'mcp', '--state', guest.stateDir],
    http: () => [
      `${origin}/mcp`,
      '--transport',
      'http',
      '--header',
      `Authorization: Bearer ${token}`,
    ],
    sse: () => [
      `${origin}/sse`,
      '--transport',
      'sse',
      '--header',
      `Authorization: Bearer ${token}`,
    ],
  };

  it.each(someOf(Object.keys(attaching), (way) => way === 'stdio'))('over %s', async (way) => {
    const target = attaching[way]?.() ?? [];
    const tools: Tools = {
      list: async () =>
        namesIn(await run(INSPECTOR, ['--cli', ...target, '--method', 'tools/list'])),
      call: (server, tool, args) => {
        const pairs = Object.entries(args).map(
          ([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
        );
        return run(INSPECTOR, [
          '--cli',
          ...target,
          '--method',
          'tools/call',
          '--tool-name',
          `owner__${server}__${tool}`,
          ...pairs.flatMap((pair) => ['--tool-arg', pair]),
        ]);
      },
    };
    await listsEverything(tools);
    await callsBy(way)(tools, `inspector-${way}`);
  });
});

describe.concurrent('mcporter', { timeout: TIMEOUT_MS }, () => {
  it.each(someOf(['stdio', 'http', 'sse'], (way) => way === 'http'))('over %s', async (way) => {
    const config = join(await world.root(), `mcporter-${way}.json`);
    const entries: Readonly<Record<string, object>> = {
      stdio: { command: process.execPath, args: [CLI, 'mcp', '--state', guest.stateDir] },
      http: { url: `${origin}/mcp`, headers },
      sse: { url: `${origin}/sse`, headers },
    };
    await writeFile(config, JSON.stringify({ mcpServers: { starling: entries[way] } }));
    const tools: Tools = {
      list: async () =>
        namesIn(await run(MCPORTER, ['--config', config, 'list', 'starling', '--json'])),
      call: (server, tool, args) =>
        run(MCPORTER, [
          '--config',
          config,
          'call',
          `starling.owner__${server}__${tool}`,
          '--args',
          JSON.stringify(args),
          '--output',
          'json',
        ]),
    };
    await listsEverything(tools);
    await callsBy(way)(tools, `mcporter-${way}`);
  });
});

describe.concurrent('@wong2/mcp-cli', { timeout: TIMEOUT_MS }, () => {
  it('calls over stdio', async () => {
    const config = join(await world.root(), 'mcp-cli.json');
    const starling = { command: process.execPath, args: [CLI, 'mcp', '--state', guest.stateDir] };
    await writeFile(config, JSON.stringify({ mcpServers: { starling } }));
    const call: Tools['call'] = (server, tool, args) =>
      run(MCP_CLI, [
        '--config',
        config,
        'call-tool',
        `starling:owner__${server}__${tool}`,
        '--args',
        JSON.stringify(args),
      ]);
    // Its arguments are JSON, as those of mcporter; `npm test` has numbers and parts in words of the shell by the inspector.
    await (isLong ? callsOfEachKind : callsOnce)({ call, list: async () => [] }, 'mcp-cli');
  });

  longIt('lists over stdio, in a menu of which we see the end', async () => {
    const env = { HOME: await world.root(), STARLING_STATE_DIR: guest.stateDir };
    // Up, from the first entry to the last; then Ctrl-C.
    const stdin = '\u001B[A\u0003';
    const args = ['--pass-env', process.execPath, CLI, 'mcp'];
    const { stdout } = await runCli(MCP_CLI, args, { stdin, env, timeoutMs: TIMEOUT_MS });
    expect(stdout).toContain('tool(owner__memory__read_graph)');
    expect(stdout).toContain('prompt(owner__everything__args-prompt)');
  });
});
