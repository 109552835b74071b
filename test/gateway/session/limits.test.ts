/** What passes a limit is refused by an error that names the limit; what is not read is not kept. */
import { connect } from 'node:net';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openLines, openSse, openWebSocket } from '../hostile/connections.ts';
import type { Connection } from '../hostile/connections.ts';
import { INITIALIZE } from '../hostile/well-behaved.ts';
import { defer, http, openSession, startNode, until, useCleanup } from '../support/gateways.ts';
import type { TestNode } from '../support/gateways.ts';
import { standingClock } from '../support/jump-clock.ts';

useCleanup();

const SERVER = {
  type: 'stdio',
  command: process.execPath,
  args: [resolve(import.meta.dirname, '../hostile/upstream.mjs')],
  env: {},
  timeoutMs: 60_000,
  shared: false,
  peerRoots: false,
  idleMs: 60_000,
} as const;
const MIB = 1024 * 1024;

interface Answer {
  readonly id: unknown;
  readonly error?: { readonly message: string; readonly data: { readonly limit?: string } };
}

const request = (id: number, method: string, params: object = {}): Buffer =>
  Buffer.from(JSON.stringify({ jsonrpc: '2.0', id, method, params }));

/** Ways in that are one connection each. */
const DOORS: Readonly<Record<string, (node: TestNode) => Promise<Connection>>> = {
  TCP: (node) => openLines(node.gateway.endpoints().tcp ?? ''),
  WebSocket: async (node) => openWebSocket(node.gateway.endpoints().url ?? '', await node.token()),
  'HTTP+SSE': async (node) => openSse(node.gateway.endpoints().url ?? '', await node.token()),
};

async function greeting(node: TestNode): Promise<Buffer> {
  const own = JSON.parse(INITIALIZE) as { params: object };
  const _meta = { 'starling/token': await node.token() };
  return Buffer.from(JSON.stringify({ ...own, params: { ...own.params, _meta } }));
}

async function answersOf(connection: Connection, count: number): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  await until(() => {
    for (const text of connection.take()) {
      const frame = JSON.parse(text) as Answer & { method?: string };
      if (frame.method === undefined) answers.push(frame);
    }
    return answers.length >= count || connection.isClosed;
  });
  return answers;
}

describe('a caller that asks too often', () => {
  it.each(Object.keys(DOORS))('is told over %s which limit it is', async (door) => {
    const limits = { requestsPerSecond: 5 };
    const node = await startNode('alice', {
      limits,
      tcp: { enabled: true },
      clock: standingClock(),
    });
    const connection = await DOORS[door]?.(node);
    if (connection === undefined) throw new Error('no such door');
    defer(() => connection.close());
    connection.send([await greeting(node)]);
    await answersOf(connection, 1);
    connection.send(Array.from({ length: 30 }, (_, id) => request(id, 'ping')));
    const answers = await answersOf(connection, 30);
    expect(new Set(answers.map(({ id }) => id)).size).toBe(30);
    const refused = answers.filter(({ error }) => error !== undefined);
    expect(refused.length).toBeGreaterThan(15);
    for (const { error } of refused) {
      expect(error?.data.limit).toBe('limits.requestsPerSecond');
      expect(error?.message).toContain('limits.requestsPerSecond');
    }
  });

  it('is told over HTTP by 429, and when to come again', async () => {
    const node = await startNode('alice', {
      limits: { requestsPerSecond: 5 },
      clock: standingClock(),
    });
    const session = await openSession(node);
    const headers = { 'mcp-session-id': session };
    const body = request(1, 'ping');
    const answers = await Promise.all(
      Array.from({ length: 30 }, () => http(node, { headers, body })),
    );
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThan(15);
    for (const answer of refused) {
      expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
      expect(answer.body).toContain('limits.requestsPerSecond');
    }
  });
});

describe('a caller that asks for too much at once', () => {
  it('is told that so many calls are under way, and the others are answered', async () => {
    const limits = { callsPerSession: 10 };
    const node = await startNode('alice', { limits, servers: { up: SERVER } });
    const connection = await openLines(node.gateway.endpoints().socket);
    defer(() => connection.close());
    const call = (id: number): Buffer =>
      request(id, 'tools/call', { name: 'up__slow', arguments: { ms: 50, message: `m${id}` } });
    connection.send([Buffer.from(INITIALIZE)]);
    await answersOf(connection, 1);
    connection.send(Array.from({ length: 30 }, (_, id) => call(id)));
    const answers = await answersOf(connection, 30);
    const refused = answers.filter(({ error }) => error !== undefined);
    expect(refused).toHaveLength(20);
    expect(refused[0]?.error?.data.limit).toBe('limits.callsPerSession');
  });

  it('is told by 413 that a message is too large, and its connection lives on', async () => {
    const node = await startNode('alice', { limits: { messageBytes: 10_000 } });
    const body = request(1, 'ping', { filler: 'x'.repeat(20_000) });
    const answer = await http(node, { body });
    expect(answer.status).toBe(413);
    expect(answer.body).toContain('limits.messageBytes');
    const connection = await openLines(node.gateway.endpoints().socket);
    defer(() => connection.close());
    connection.send([Buffer.from(INITIALIZE), body, request(2, 'ping')]);
    const [, refused, alive] = await answersOf(connection, 3);
    expect(JSON.parse(answer.body)).toMatchObject({ id: 1 });
    expect(refused).toMatchObject({ id: 1, error: { data: { limit: 'limits.messageBytes' } } });
    expect(alive).toMatchObject({ id: 2, result: {} });
  });
});

describe('a caller that does not read', () => {
  it('is not read from either, so that little waits for it', async () => {
    const node = await startNode('alice', { servers: { up: SERVER } });
    const socket = connect(node.gateway.endpoints().socket);
    defer(() => socket.destroy());
    await once(socket, 'connect');
    socket.pause();
    socket.write(`${INITIALIZE}\n`);
    const params = { name: 'up__big', arguments: { size: 20_000 } };
    const line = `${request(1, 'tools/call', params).toString()}\n`;
    const before = process.memoryUsage();
    // Ids differ only in digits: the node keeps none of what it has not read.
    let sentBytes = 0;
    for (let id = 1; id <= 20_000; id += 1) {
      const own = line.replace('"id":1,', `"id":${id},`);
      sentBytes += own.length;
      socket.write(own);
    }
    let unreadBytes = 0;
    await until(async () => {
      unreadBytes = socket.writableLength;
      await new Promise((wake) => {
        setTimeout(wake, 200);
      });
      return unreadBytes === socket.writableLength && node.gateway.load() === 0;
    });
    expect(unreadBytes).toBeGreaterThan(sentBytes / 2);
    const { external } = process.memoryUsage();
    expect(external - before.external).toBeLessThan(sentBytes + 64 * MIB);
  });
});

describe('clients that never say goodbye', () => {
  it.each(['stateless', 'sse'])('make room for %s ones when no session is left', async (kind) => {
    const node = await startNode('alice', { limits: { sessions: 3 } });
    for (let count = 0; count < 3; count += 1) await openSession(node);
    if (kind === 'sse') {
      const sse = await openSse(node.gateway.endpoints().url ?? '', await node.token());
      defer(() => sse.close());
      sse.send([Buffer.from(INITIALIZE)]);
      expect(await answersOf(sse, 1)).toMatchObject([{ id: 'init', result: {} }]);
      return;
    }
    const _meta = {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientCapabilities': {},
    };
    const headers = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/list' };
    const answer = await http(node, { headers, body: request(1, 'tools/list', { _meta }) });
    expect(answer.body).not.toContain('limits.sessions');
    expect(answer.status).toBe(200);
  });
});
