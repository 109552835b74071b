/** MCP over WebSocket, with the client of `ws`, and with clients that behave badly. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { WebSocket } from 'ws';
import { describe, expect, it } from 'vitest';
import { silentLogger, systemClock } from '../../../src/core/index.ts';
import type { Clock, JsonObject } from '../../../src/core/index.ts';
import { notificationBytes } from '../../../src/gateway/wire/frame.ts';
import {
  bearerOfUpgrade,
  createWebSocketTransport,
  refuseUpgrade,
} from '../../../src/gateway/transports/websocket.ts';
import type { WebSocketTransport } from '../../../src/gateway/transports/websocket.ts';
import { createTestClock } from '../../core/test-clock.ts';
import { OPERATOR, call, fakeSessions, ping } from '../support/fake-session.ts';
import type { FakeSessions } from '../support/fake-session.ts';
import { INITIALIZE, defer, until, useCleanup } from '../support/gateways.ts';
import { upTo } from '../../long/extent.ts';

useCleanup();

const TOKEN = 'the-right-token';
const BEARER = `bearer.${Buffer.from(TOKEN).toString('base64url')}`;
const MESSAGE_BYTES = 100_000;

interface Served {
  readonly url: string;
  readonly port: number;
  readonly sessions: FakeSessions;
  readonly transport: WebSocketTransport;
}

/** A server that lets in whoever has the token, as the HTTP edge does. */
async function serve(
  options: { clock?: Clock; max?: number; keepAliveMs?: number } = {},
): Promise<Served> {
  const sessions = fakeSessions(options.max);
  const transport = createWebSocketTransport(
    {
      ended: (session) => sessions.ended(session),
      clock: options.clock ?? systemClock,
      logger: silentLogger,
    },
    { messageBytes: MESSAGE_BYTES, keepAliveMs: options.keepAliveMs ?? 30_000 },
  );
  const sockets = new Set<Socket>();
  const server = createServer();
  server.on('connection', (socket) => sockets.add(socket));
  server.on('upgrade', (request, socket, head) => {
    if (bearerOfUpgrade(request) !== TOKEN) {
      refuseUpgrade(socket, 401, new Error('no'), { 'www-authenticate': 'Bearer' });
    } else transport.upgrade(request, socket, head, (push) => sessions.open(OPERATOR, push));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  defer(async () => {
    await transport.stop();
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `ws://127.0.0.1:${port}/mcp`, port, sessions, transport };
}

interface Client {
  readonly socket: WebSocket;
  send(message: unknown): void;
  next(): Promise<JsonObject>;
  readonly closed: Promise<number>;
}

async function clientOf(served: Served, protocols: string[] = ['mcp', BEARER]): Promise<Client> {
  const headers = protocols.includes(BEARER) ? {} : { authorization: `Bearer ${TOKEN}` };
  const socket = new WebSocket(served.url, protocols, { headers });
  defer(() => socket.terminate());
  const messages: JsonObject[] = [];
  socket.on('message', (data: Buffer, isBinary) => {
    expect(isBinary).toBe(false);
    messages.push(JSON.parse(data.toString()) as JsonObject);
  });
  const closed = new Promise<number>((resolve) => {
    socket.once('close', (code) => resolve(code));
  });
  await once(socket, 'open');
  return {
    socket,
    closed,
    send: (message) => socket.send(typeof message === 'string' ? message : JSON.stringify(message)),
    async next() {
      await until(() => messages.length > 0);
      return messages.shift() ?? {};
    },
  };
}

/** The status by which an upgrade is refused, and the body. */
async function refusalOf(served: Served, protocols: string[]): Promise<[number, string]> {
  const socket = new WebSocket(served.url, protocols, {
    headers: protocols.join().includes('bearer.') ? {} : { authorization: `Bearer ${TOKEN}` },
  });
  defer(() => socket.terminate());
  socket.on('error', () => undefined);
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return [response.statusCode ?? 0, Buffer.concat(chunks).toString()];
}

describe('a WebSocket client', () => {
  it('has a session from its upgrade to its end', async () => {
    const served = await serve();
    const client = await clientOf(served);
    expect(client.socket.protocol).toBe('mcp');
    expect(client.socket.extensions).toBe('');
    client.send(INITIALIZE);
    expect(await client.next()).toMatchObject({ id: 0, result: { serverInfo: { name: 'fake' } } });
    client.send(call('a', 'echo', { message: 'hé' }));
    expect(await client.next()).toMatchObject({ id: 'a', result: { content: [{ text: 'hé' }] } });
    client.send([ping(1), ping(2)]);
    expect(await client.next()).toMatchObject([{ id: 1 }, { id: 2 }]);
    client.socket.close();
    expect(await client.closed).toBe(1005);
    await until(() => served.sessions.live().length === 0);
    expect(served.sessions.last().isOver).toBe(true);
  });

  it('that sends too much at once is told the limit when it is closed', async () => {
    const served = await serve();
    const client = await clientOf(served);
    const reason = once(client.socket, 'close');
    client.send(ping('x'.repeat(MESSAGE_BYTES)));
    const [code, text] = (await reason) as [number, Buffer];
    expect(code).toBe(1009);
    expect(text.toString()).toContain(`${MESSAGE_BYTES} bytes (limits.messageBytes)`);
  });

  it('may offer no subprotocol', async () => {
    const client = await clientOf(await serve(), []);
    expect(client.socket.protocol).toBe('');
    client.send(ping(1));
    expect(await client.next()).toMatchObject({ id: 1 });
  });

  it.each([[['chat']], [['chat', 'MCP']], [[BEARER]]])(
    'that offers %j is told which to offer',
    async (protocols) => {
      const served = await serve();
      const [status, body] = await refusalOf(served, protocols);
      expect(status).toBe(400);
      expect(JSON.parse(body)).toMatchObject({
        error: { message: expect.stringContaining("'mcp'") },
      });
      expect(body).not.toContain(BEARER);
      expect(served.sessions.all).toEqual([]);
    },
  );

  it('that the door turns away gets an HTTP answer', async () => {
    const served = await serve();
    const [status, body] = await refusalOf(served, ['mcp', 'bearer.d3Jvbmc']);
    expect(status).toBe(401);
    expect(JSON.parse(body)).toMatchObject({ id: null, error: {} });
  });

  it('hears progress and what the node asks, and answers', async () => {
    const client = await clientOf(await serve());
    const params = { name: 'steps', _meta: { progressToken: 't' } };
    client.send({ ...call(1, 'steps'), params });
    for (const progress of [1, 2, 3]) {
      expect(await client.next()).toMatchObject({ params: { progressToken: 't', progress } });
    }
    expect(await client.next()).toMatchObject({ id: 1, result: { content: [{ text: 'done' }] } });
    client.send(call(2, 'ask'));
    expect(await client.next()).toMatchObject({ id: 'q', method: 'roots/list' });
    client.send({ jsonrpc: '2.0', id: 'q', result: { roots: [] } });
    expect(await client.next()).toMatchObject({ id: 2 });
  });

  it('is told why when too many sessions are open', async () => {
    const served = await serve({ max: 1 });
    await clientOf(served);
    const second = await clientOf(served);
    expect(await second.next()).toMatchObject({
      id: null,
      error: { data: { code: 'STARLING_LIMIT_EXCEEDED' } },
    });
    expect(await second.closed).toBe(1013);
    expect(served.sessions.live()).toHaveLength(1);
  });

  it('is told when the node stops', async () => {
    const served = await serve();
    const client = await clientOf(served);
    await served.transport.stop();
    expect(await client.closed).toBe(1001);
    await until(() => served.sessions.live().length === 0);
  });
});

it('a client that says no goodbye keeps the stop for three tenths of a second', async () => {
  const clock = createTestClock();
  const served = await serve({ clock });
  const client = new WebSocket(served.url, ['mcp', BEARER]);
  await once(client, 'open');
  client.pause();
  const stopped = served.transport.stop();
  clock.advance(300);
  await stopped;
  client.terminate();
});

describe('the token of an upgrade', () => {
  const requestWith = (headers: Record<string, string>): IncomingMessage =>
    ({ headers }) as unknown as IncomingMessage;

  it.each([
    [{ authorization: 'Bearer abc' }, 'abc'],
    [{ authorization: 'bearer  abc', 'sec-websocket-protocol': BEARER }, 'abc'],
    [{ 'sec-websocket-protocol': `mcp, ${BEARER}` }, TOKEN],
    [{ 'sec-websocket-protocol': `${BEARER},mcp` }, TOKEN],
    [{ 'sec-websocket-protocol': 'mcp, bearer.' }, undefined],
    [{ 'sec-websocket-protocol': 'mcp, bearer._w' }, undefined],
    [{ authorization: 'Basic abc' }, undefined],
    [{}, undefined],
  ])('in %j is %s', (headers, token) => {
    expect(bearerOfUpgrade(requestWith(headers as Record<string, string>))).toBe(token);
  });
});

describe('a hostile WebSocket client', () => {
  it('that sends no messages is answered, and its session goes on', async () => {
    const client = await clientOf(await serve());
    for (const garbage of ['', 'garbage', '[]', '{}', '"x"', '[['.repeat(1000)]) {
      client.send(garbage);
      expect(await client.next()).toMatchObject({ id: null, error: {} });
    }
    client.send(ping(1));
    expect(await client.next()).toMatchObject({ id: 1 });
  });

  it.each<[string, (socket: WebSocket) => void, number]>([
    ['a huge message', (socket) => socket.send('x'.repeat(MESSAGE_BYTES + 1)), 1009],
    ['a binary message', (socket) => socket.send(Buffer.from(JSON.stringify(ping(1)))), 1003],
    [
      'text that is no UTF-8',
      (socket) => socket.send(Buffer.of(0x22, 0xff, 0x22), { binary: false }),
      1007,
    ],
  ])('that sends %s is cut off, and nobody else', async (_, send, code) => {
    const served = await serve();
    const bystander = await clientOf(served);
    const client = await clientOf(served);
    send(client.socket);
    expect(await client.closed).toBe(code);
    bystander.send(ping(1));
    expect(await bystander.next()).toMatchObject({ id: 1 });
    await until(() => served.sessions.live().length === 1);
    expect(served.sessions.all.flatMap(({ seen }) => seen)).toHaveLength(1);
  });

  it('that sends a huge message in small pieces is cut off', async () => {
    const client = await clientOf(await serve());
    const piece = 'x'.repeat(1000);
    for (let sent = 0; sent <= MESSAGE_BYTES; sent += piece.length) {
      client.socket.send(piece, { fin: false });
    }
    expect(await client.closed).toBe(1009);
  });

  it('may cut a message in the middle of a letter', async () => {
    const client = await clientOf(await serve());
    const bytes = Buffer.from(JSON.stringify(call(1, 'echo', { message: '𝄞' })));
    for (const [index, byte] of bytes.entries()) {
      client.socket.send(Buffer.of(byte), { binary: false, fin: index === bytes.length - 1 });
    }
    expect(await client.next()).toMatchObject({ id: 1, result: { content: [{ text: '𝄞' }] } });
  });

  it.each(['\u0081\u0005hello', '\u00ff\u00ff\u00ff', 'GET / HTTP/1.1\r\n\r\n'])(
    'that breaks the framing by %j is cut off',
    async (bytes) => {
      const served = await serve();
      const socket = connect(served.port, '127.0.0.1');
      const closed = new Promise<void>((resolve) => {
        socket.once('close', () => resolve());
      });
      socket.on('error', () => socket.destroy());
      defer(() => socket.destroy());
      socket.write(
        `GET /mcp HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\nauthorization: Bearer ${TOKEN}\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`,
      );
      await once(socket, 'data');
      socket.write(Buffer.from(bytes, 'latin1'));
      await closed;
      await until(() => served.sessions.live().length === 0);
    },
  );

  it('that does not read is not read from, and is cut off when too much waits', async () => {
    const served = await serve();
    const client = await clientOf(served);
    client.socket.pause();
    const bytes = 8 * 1024 * 1024;
    client.send(call(1, 'big', { bytes }));
    const session = served.sessions.last();
    await until(() => session.seen.length === 1);
    client.send(ping(2));
    const other = await clientOf(served);
    other.send(ping(1));
    await other.next();
    expect(session.seen).toHaveLength(1);
    const notice = notificationBytes('notifications/message', { data: 'x'.repeat(bytes) });
    for (let count = 0; count < 12; count += 1) session.push(notice);
    await until(() => session.isOver);
  });

  it('that reads late gets everything', async () => {
    const served = await serve();
    const client = await clientOf(served);
    client.socket.pause();
    for (let id = 1; id <= 20; id += 1) client.send(call(id, 'big', { bytes: 1_000_000 }));
    await until(() => served.sessions.last().seen.length > 1);
    client.socket.resume();
    for (let id = 1; id <= 20; id += 1) expect(await client.next()).toMatchObject({ id });
  });
});

describe('a WebSocket connection', () => {
  it('that answers pings lives on', async () => {
    const clock = createTestClock();
    const served = await serve({ clock });
    const client = await clientOf(served);
    for (let beat = 0; beat < 6; beat += 1) {
      const pinged = once(client.socket, 'ping');
      await beatOf(clock);
      await pinged;
      // The pong is on its way before this, so that its arrival is known.
      client.send(ping(beat));
      expect(await client.next()).toMatchObject({ id: beat });
    }
  });

  it('is pinged as often as the configuration says', async () => {
    const clock = createTestClock();
    const client = await clientOf(await serve({ clock, keepAliveMs: 2000 }));
    const pinged = once(client.socket, 'ping');
    await beatOf(clock, 2000);
    await pinged;
  });

  it('that is dead is noticed', async () => {
    const clock = createTestClock();
    const served = await serve({ clock });
    const client = await clientOf(served);
    client.socket.pause();
    await beatOf(clock);
    await beatOf(clock);
    expect(served.sessions.live()).toHaveLength(1);
    await beatOf(clock);
    await until(() => served.sessions.live().length === 0);
  });

  it('is one of hundreds that come and go', async () => {
    const served = await serve();
    const rounds = upTo(4, 20);
    for (let round = 0; round < rounds; round += 1) {
      const clients = await Promise.all(Array.from({ length: 50 }, () => clientOf(served)));
      for (const { socket } of clients) socket.terminate();
    }
    await until(() => served.sessions.live().length === 0);
    expect(served.sessions.all).toHaveLength(rounds * 50);
  });
});

/** Half a minute or `ms`, and the turns after it in which the next beat is scheduled. */
async function beatOf(clock: ReturnType<typeof createTestClock>, ms = 30_000): Promise<void> {
  clock.advance(ms);
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
}
