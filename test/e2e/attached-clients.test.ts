/** MCP clients that are attached to a whole node: who they are, what they have, and what they never get. */
import { ResourceUpdatedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attach } from '../../src/cli/node/client.ts';
import type { NodeClient } from '../../src/cli/node/client.ts';
import type { JsonObject } from '../../src/core/index.ts';
import type { StarlingNode } from '../../src/index.ts';
import { UNLIMITED } from '../../sim/limits.ts';
import { MemoryNetwork } from '../../sim/memory-transport.ts';
import { startNode as startWholeNode } from '../fixtures/whole-nodes.ts';
import type { Cleanups, NodeFlags } from '../fixtures/whole-nodes.ts';
import { openSse, openWebSocket } from '../gateway/hostile/connections.ts';
import type { Connection } from '../gateway/hostile/connections.ts';
import { runCli } from '../../sim/process.ts';
import { CLI, SERVERS } from './support.ts';
import { someOf } from '../long/extent.ts';

const GOLDEN = resolve(import.meta.dirname, '../golden/client-access.json');

const cleanups: Cleanups = [];
afterAll(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

let node: StarlingNode;
let peer: StarlingNode;
let operator: NodeClient;
let stateDir = '';
let access: Readonly<Record<string, 'yes' | 'ask' | 'no'>> = {};

const startNode = (
  memory: MemoryNetwork,
  ip: string,
  flags: NodeFlags & { readonly name: string },
): Promise<StarlingNode> =>
  startWholeNode(cleanups, { limits: { ...UNLIMITED }, ...flags }, { host: { memory, ip } });

beforeAll(async () => {
  const memory = new MemoryNetwork();
  const plain = SERVERS.fixture('plain.mjs', '--era', 'legacy', '--log', '/dev/null');
  node = await startNode(memory, '10.0.0.1', {
    name: 'desk',
    tcp: { enabled: true, port: 0, requireToken: false },
    mcpServers: { plain: { type: 'stdio', ...plain } },
  });
  ({ stateDir } = node.status());
  peer = await startNode(memory, '10.0.0.2', {
    name: 'bob',
    http: { enabled: false },
    join: (await node.createTicket()).ticket,
    mcpServers: { plain: { type: 'stdio', ...plain } },
  });
  const isMet = (): boolean => node.peers().some(({ state }) => state === 'alive');
  while (!isMet()) await new Promise((wake) => void node.events.once('peer', wake));
  operator = await attach(stateDir);
  cleanups.push(() => operator.close());
  access = JSON.parse(await readFile(GOLDEN, 'utf8')) as typeof access;
});

const SERVER = 'starling__';
/** All ways of asking that somebody could try are tried within so many tools. */
const SHARE = 4;
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
      arguments: { board: 'plan', key: 'a', value: 1, create: true },
    });
    const templates = await client.listResourceTemplates();
    expect(templates.resourceTemplates.map(({ uriTemplate }) => uriTemplate)).toEqual(
      expect.arrayContaining([
        'board://{board}/{key}',
        'board://{board}',
        'memory_bank://{swarmId}',
        'task://{taskId}',
        'task_queue://{which}',
        'agent://{agent}',
        'agent://{agent}/inbox',
      ]),
    );
    const heard = new Promise((updated) => {
      client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) =>
        updated(params.uri),
      );
    });
    await client.subscribeResource({ uri: 'board://plan/a' });
    await client.callTool({
      name: 'starling__board_set',
      arguments: { board: 'plan', key: 'a', value: 2 },
    });
    expect(await heard).toBe('board://plan/a');
    const { contents } = await client.readResource({ uri: 'board://plan/a' });
    expect(JSON.parse((contents[0] as { text: string }).text)).toMatchObject({ value: 2 });
    const mail = new Promise((updated) => {
      client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) =>
        updated(params.uri),
      );
    });
    await client.callTool({ name: 'agent_announce', arguments: { name: 'me' } });
    await client.subscribeResource({ uri: 'agent://me/inbox' });
    await client.callTool({ name: 'agent_message', arguments: { agentId: 'me', message: 'hi' } });
    expect(await mail).toBe('agent://me/inbox');
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

describe('a client that means harm', () => {
  const ADMIN_URIS = [
    'grants://active',
    'grants://audit',
    'secrets://all',
    'starling://starling/keys',
  ];
  const TWIN = '\u0455tarling__'; // Its first letter is Cyrillic.

  /** Every way of asking for `tool` that somebody could try. */
  const asks = (tool: string): JsonObject[] => [
    ...[
      `starling__${tool}`,
      tool,
      `starling/${tool}`,
      `starling.${tool}`,
      `desk__starling__${tool}`,
      `bob__starling__${tool}`,
      `Starling__${tool}`,
      `${TWIN}${tool}`,
      `starling__${tool}\u200b`,
      `starling__${tool.toUpperCase()}`,
    ].map((name) => ({ method: 'tools/call', params: { name, arguments: ARGUMENTS } })),
    { method: 'tools/call', params: { name: 'starling__status', Name: `starling__${tool}` } },
    {
      method: 'tools/call',
      params: { name: 'call_tool', arguments: { name: `starling__${tool}`, arguments: ARGUMENTS } },
    },
    {
      method: 'tools/call',
      params: { name: `starling__${tool}`, arguments: ARGUMENTS, task: { ttl: 1000 } },
    },
    { method: `starling/${tool}`, params: ARGUMENTS },
    { method: tool, params: ARGUMENTS },
    { method: 'prompts/get', params: { name: `starling__${tool}` } },
    { method: 'tasks/result', params: { taskId: `starling__${tool}` } },
    {
      method: 'completion/complete',
      params: {
        ref: { type: 'ref/prompt', name: `starling__${tool}` },
        argument: { name: 'name', value: '' },
      },
    },
  ];
  /** Fits many of the tools, so that not only the arguments are what is refused. */
  const ARGUMENTS = { name: 'stolen', peer: 'bob', tools: ['plain/*'], scopes: ['*'], key: 'ci' };
  /** Which of the {@link asks} of a tool are sent: each tool by its name, and of the other ways some for each tool. */
  const some = <T>(all: readonly T[], tool: number): readonly T[] =>
    someOf(all, (_, way) => way === 0 || way % SHARE === tool % SHARE);
  const everything = (): JsonObject[] => [
    { method: 'starling/attach', params: { as: 'operator' } },
    { method: 'initialize', params: { _meta: { 'starling/token': 'guess' } } },
    ...having(false).flatMap((tool, index) => some(asks(tool), index)),
    ...ADMIN_URIS.map((uri) => ({ method: 'resources/read', params: { uri } })),
    {
      method: 'tools/call',
      params: { name: 'starling__approval_answer', arguments: { id: 'abcd', approve: true } },
    },
  ];

  const state = async (): Promise<unknown[]> => [
    await operator.builtin('key_list'),
    await operator.builtin('grant_list'),
    await operator.builtin('secret_list'),
    // What is seen for the first time is pinned, whoever looks; nothing may be approved.
    (await operator.builtin<{ quarantined: unknown }>('pin_list')).quarantined,
    await readFile(join(stateDir, 'token'), 'utf8'),
  ];

  /** Sends lines on a connection; the answers, when there is one to each. */
  async function onLines(
    socket: Socket,
    lines: readonly string[],
    count: number,
  ): Promise<JsonObject[]> {
    cleanups.push(() => socket.destroy());
    const answers: JsonObject[] = [];
    const done = new Promise<void>((resolve) => {
      createInterface({ input: socket }).on('line', (line) => {
        const said = JSON.parse(line) as JsonObject | JsonObject[];
        const all = Array.isArray(said) ? said : [said];
        answers.push(...all.filter((one) => one['method'] === undefined));
        if (answers.length >= count) resolve();
      });
    });
    for (const line of lines) socket.write(`${line}\n`);
    await done;
    return answers;
  }

  const INITIALIZE = {
    jsonrpc: '2.0',
    id: 'hello',
    method: 'initialize',
    params: {
      protocolVersion: '2025-06-18',
      capabilities: { elicitation: {} },
      clientInfo: { name: 'operator', version: '1' },
      _meta: { 'starling/tools': 'all' },
    },
  };

  /** What was refused may say why, and nothing that was asked for may have been done. */
  function check(answers: readonly JsonObject[], asked: readonly JsonObject[], offset = 0): void {
    for (const [index, one] of asked.entries()) {
      const answer = answers.find(({ id }) => id === index + offset) ?? {};
      const text = JSON.stringify(answer);
      const isRefused =
        answer['error'] !== undefined || (answer['result'] as JsonObject)['isError'] === true;
      const isOwn = one['method'] === 'resources/read';
      if (!isRefused && !isOwn) expect.fail(`${JSON.stringify(one)} was answered ${text}`);
      expect(text).not.toMatch(/starling_[0-9a-f]{12}_/);
      expect(text).not.toContain(join(stateDir, 'token'));
      // Of the audit log a client sees what is about itself.
      expect(text).not.toContain('\\"who\\":\\"operator');
    }
  }

  it.each<[string, () => Promise<Socket>, object | undefined]>([
    [
      'on the socket, by a name',
      async () => connectTo({ path: node.status().endpoints.socket }),
      { as: 'client:mallory' },
    ],
    [
      'on the socket, without a name',
      async () => connectTo({ path: node.status().endpoints.socket }),
      undefined,
    ],
    ['over TCP, without a token', async () => connectTo(tcpOf(node)), undefined],
  ])(
    '%s, one by one and in a batch, reaches nothing that changes rights',
    async (_, open, attachAs) => {
      const asked = everything();
      const before = await state();
      const requests = asked.map((one, id) => ({ jsonrpc: '2.0', id, ...one }));
      const first =
        attachAs === undefined
          ? []
          : [{ jsonrpc: '2.0', id: 'as', method: 'starling/attach', params: attachAs }];
      const lines = [...first, INITIALIZE, ...requests].map((one) => JSON.stringify(one));
      const answers = await onLines(await open(), lines, lines.length);
      check(answers, asked);
      const batch = JSON.stringify(requests.slice(0, 50));
      const again = [...first, INITIALIZE].map((one) => JSON.stringify(one));
      const inBatch = await onLines(await open(), [...again, batch], again.length + 50);
      check(inBatch, asked.slice(0, 50));
      expect(await state()).toEqual(before);
    },
  );

  /** Sends messages a few at a time, as an event stream takes them; the answers, one to each. */
  async function asking(
    connection: Connection,
    messages: readonly JsonObject[],
  ): Promise<JsonObject[]> {
    cleanups.push(() => connection.close());
    const answers: JsonObject[] = [];
    for (let at = 0; at < messages.length; at += 40) {
      const part = messages.slice(at, at + 40);
      connection.send(part.map((one) => Buffer.from(JSON.stringify(one))));
      const isAnswered = ({ id }: JsonObject): boolean => answers.some((one) => one['id'] === id);
      while (!part.every(isAnswered)) {
        await connection.heard();
        expect(connection.isClosed).toBe(false);
        const said = connection.take().map((text) => JSON.parse(text) as JsonObject);
        answers.push(...said.filter((one) => one['method'] === undefined));
      }
    }
    return answers;
  }

  it.each([
    ['WebSocket', openWebSocket],
    ['HTTP+SSE', openSse],
  ] as const)(
    'over %s with a key of every scope reaches nothing that changes rights',
    async (way, open) => {
      const { key } = await operator.builtin<{ key: string }>('key_create', {
        name: `greedy-${way === 'WebSocket' ? 'ws' : 'sse'}`,
        scopes: ['*', 'tool:starling/**', 'resource:starling/**', 'tool:@*/starling/**'],
      });
      const before = await state();
      const asked = everything();
      const connection = await open(node.status().endpoints.url ?? '', key);
      await asking(connection, [INITIALIZE]);
      const requests = asked.map((one, id) => ({ jsonrpc: '2.0', id, ...one }));
      check(await asking(connection, requests), asked);
      const after = await state();
      for (const [index, one] of before.entries()) {
        expect(without(after[index])).toBe(without(one));
      }
    },
  );

  it('over HTTP with a key of every scope, at every path, reaches nothing that changes rights', async () => {
    const { key } = await operator.builtin<{ key: string }>('key_create', {
      name: 'greedy',
      scopes: ['*', 'tool:starling/**', 'resource:starling/**', 'tool:@*/starling/**'],
    });
    const before = await state();
    const url = node.status().endpoints.url ?? '';
    const agent = new Agent({ keepAlive: true });
    for (const path of ['', '/starling', '/bob/starling']) {
      const post = (body: unknown, more: Record<string, string> = {}): Promise<Answer> =>
        postJson(`${url}${path}`, body, agent, { authorization: `Bearer ${key}`, ...more });
      const hello = await post(INITIALIZE);
      const session = { 'mcp-session-id': String(hello.headers['mcp-session-id']) };
      // At the other paths, which are judged alike, each third of it.
      const asked =
        path === '' ? everything() : someOf(everything(), (_, index) => index % 3 === 0);
      for (const [id, one] of asked.entries()) {
        const { text } = await post({ jsonrpc: '2.0', id, ...one }, session);
        const data = /^data: (\{.*)$/m.exec(text)?.[1] ?? text;
        check([{ ...(JSON.parse(data) as JsonObject), id }], [one], id);
      }
    }
    agent.destroy();
    const after = await state();
    for (const [index, one] of before.entries()) {
      expect(without(after[index])).toBe(without(one));
    }
  });
});

interface Answer {
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** A request as MCP clients send it, by node:http: `fetch` takes three times as long, thousands of times. */
async function postJson(
  url: string,
  body: unknown,
  agent: Agent,
  headers: Readonly<Record<string, string>>,
): Promise<Answer> {
  const sent = request(url, {
    method: 'POST',
    agent,
    headers: {
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
      ...headers,
    },
  });
  sent.end(JSON.stringify(body));
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += String(chunk);
  return { headers: response.headers, text };
}

/** Without when keys were used last. */
function without(state: unknown): string {
  return JSON.stringify(state).replaceAll(/"lastUsedAt":\d+,?/g, '');
}

function tcpOf(of: StarlingNode): { host: string; port: number } {
  const [host = '', port = ''] = (of.status().endpoints.tcp ?? '').split(':');
  return { host, port: Number(port) };
}

async function connectTo(to: { path: string } | { host: string; port: number }): Promise<Socket> {
  const socket = connect(to as { path: string });
  await once(socket, 'connect');
  return socket;
}

describe('`starling request`', () => {
  const ask = (...args: string[]): ReturnType<typeof runCli> =>
    runCli(CLI, ['request', 'bob__plain__note', '--state', stateDir, ...args]);
  const because = ['--as', 'researcher', '--because', 'to read the plan of the launch on Friday'];

  it('asks a peer from the shell, waits for the person there, and brings the grant', async () => {
    const waits = new Promise<{ id: string; agentId?: string }>((resolve) => {
      peer.approvals.events.once('pending', ({ id, permission }) =>
        resolve({ id, ...(permission === undefined ? {} : { agentId: permission.agentId }) }),
      );
    });
    const asking = ask(...because);
    const { id, agentId } = await waits;
    expect(agentId).toBe('researcher');
    await peer.approvals.approve(id, 'agreed');
    const ran = await asking;
    expect(ran).toMatchObject({ code: 0 });
    expect(ran.stderr).toMatch(
      /… waits until somebody at bob answers, for up to \w+; Ctrl-C stops waiting, the request stays/,
    );
    expect(ran.stderr).toMatch(/a yes gives it for 5m, at most 12 calls a minute, 10 at once/);
    expect(ran.stdout).toMatch(/^bob grants plain\/note for \d\S*(?:, at most .*)?\n$/);
  });

  it('says no where the peer says no, and what is wrong with what names no peer', async () => {
    const never = ['request', 'bob/plain/hang', '--because', 'test', '--state', stateDir];
    expect(await runCli(CLI, never)).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/^not passed on: the reason is too short/) as string,
    });
    const odd = await runCli(CLI, ['request', 'plain', '--because', 'x', '--state', stateDir]);
    expect(odd).toMatchObject({ code: 2 });
    expect(odd.stderr).toContain("'plain' names nothing of a peer");
  });
});
