/** MCP over raw TCP: who gets in, how lines travel, and what hostile clients can't do. */
import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { silentLogger, systemClock } from '../../../src/core/index.ts';
import type { Clock, JsonObject, Logger } from '../../../src/core/index.ts';
import { notificationBytes } from '../../../src/gateway/wire/frame.ts';
import { TOKEN_META, createTcpTransport } from '../../../src/gateway/transports/tcp.ts';
import type { TcpInit, TcpTransport } from '../../../src/gateway/transports/tcp.ts';
import type { Credential } from '../../../src/gateway/door/types.ts';
import type { Principal } from '../../../src/guard/index.ts';
import { createTestClock } from '../../core/test-clock.ts';
import { OPERATOR, call, fakeSessions, ping } from '../support/fake-session.ts';
import type { FakeSessions } from '../support/fake-session.ts';
import { INITIALIZE, defer, until, useCleanup } from '../support/gateways.ts';

useCleanup();

const TOKEN = 'the-right-token-of-this-node';
const INIT: TcpInit = {
  host: '127.0.0.1',
  port: 0,
  requireToken: true,
  messageBytes: 1024 * 1024,
  keepAliveMs: 30_000,
};

const NOBODY: Principal = { kind: 'client', name: 'tcp', scopes: [] };
const CREDENTIAL: Credential = { id: 'operator', principal: OPERATOR };

interface Served {
  readonly transport: TcpTransport;
  readonly sessions: FakeSessions;
  readonly logged: string[];
  connect(): Promise<Client>;
}

interface Client {
  readonly socket: Socket;
  send(...messages: readonly unknown[]): void;
  next(): Promise<JsonObject>;
  /** Everything until the connection is over. */
  rest(): Promise<readonly JsonObject[]>;
}

interface Options {
  readonly init?: Partial<TcpInit>;
  readonly clock?: Clock;
  readonly max?: number;
  readonly isAllowed?: (address: string | undefined) => boolean;
  readonly credentialOf?: (token: string) => Promise<Credential | undefined>;
}

async function serve(options: Options = {}): Promise<Served> {
  const sessions = fakeSessions(options.max);
  const logged: string[] = [];
  const note = (...said: unknown[]): void => void logged.push(JSON.stringify(said));
  const logger: Logger = { ...silentLogger, debug: note, info: note, warn: note, error: note };
  const transport = createTcpTransport(
    {
      isAllowed: () => true,
      nobody: NOBODY,
      credentialOf: async (token) => (token === TOKEN ? CREDENTIAL : undefined),
      ...options,
      open: (principal, push) => sessions.open(principal, push),
      ended: (session) => sessions.ended(session),
      clock: options.clock ?? systemClock,
      logger,
    },
    { ...INIT, ...options.init },
  );
  await transport.start();
  defer(() => transport.stop());
  return { transport, sessions, logged, connect: () => clientOf(transport) };
}

async function clientOf(transport: TcpTransport): Promise<Client> {
  const [host, port] = (transport.address() ?? '').split(':');
  const socket = connect({ host: host ?? '', port: Number(port), allowHalfOpen: true });
  socket.on('error', () => socket.destroy());
  defer(() => socket.destroy());
  await once(socket, 'connect');
  // Not by `once` of node:events, which fails when the connection is reset.
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => resolve());
  });
  const messages: JsonObject[] = [];
  let text = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (text + chunk).split('\n');
    text = lines.pop() ?? '';
    for (const line of lines) messages.push(JSON.parse(line) as JsonObject);
  });
  socket.on('end', () => socket.end());
  return {
    socket,
    send: (...sent) =>
      void socket.write(
        sent.map((one) => `${typeof one === 'string' ? one : JSON.stringify(one)}\n`).join(''),
      ),
    async next() {
      await until(() => messages.length > 0);
      return messages.shift() ?? {};
    },
    async rest() {
      await closed;
      return messages.splice(0);
    },
  };
}

function greeting(token: unknown = TOKEN, more: JsonObject = {}): JsonObject {
  const params = { ...INITIALIZE.params, _meta: { ...more, [TOKEN_META]: token as string } };
  return { ...INITIALIZE, params };
}

async function greeted(served: Served): Promise<Client> {
  const client = await served.connect();
  client.send(greeting());
  expect(await client.next()).toMatchObject({ id: 0, result: { serverInfo: { name: 'fake' } } });
  return client;
}

describe('a TCP client with the token', () => {
  it('has a session from initialize to its end', async () => {
    const served = await serve();
    const client = await greeted(served);
    client.send(call('a', 'echo', { message: 'hé' }));
    expect(await client.next()).toMatchObject({ result: { content: [{ text: 'hé' }] } });
    expect(served.sessions.last().principal).toEqual(OPERATOR);
    client.socket.destroy();
    await until(() => served.sessions.live().length === 0);
    expect(served.sessions.last().isOver).toBe(true);
  });

  it('may say everything at once, and is answered in order before the socket closes', async () => {
    const served = await serve();
    const client = await served.connect();
    const initialized = { jsonrpc: '2.0', method: 'notifications/initialized' };
    client.send(greeting(), initialized, call(1, 'echo', { message: 'x' }), [ping(2), ping(3)]);
    client.socket.end();
    expect(await client.rest()).toMatchObject([{ id: 0 }, { id: 1 }, [{ id: 2 }, { id: 3 }]]);
  });

  it('is answered what is under way after it has said all', async () => {
    const served = await serve();
    const client = await greeted(served);
    client.send(call(1, 'hang'));
    client.socket.end();
    await until(() => served.sessions.last().inFlight === 1);
    served.sessions.last().release();
    expect(await client.rest()).toContainEqual({
      jsonrpc: '2.0',
      id: 1,
      result: { released: true },
    });
  });

  it('answers what the node asks it', async () => {
    const client = await greeted(await serve());
    client.send(call(1, 'ask'));
    expect(await client.next()).toMatchObject({ id: 'q', method: 'roots/list' });
    client.send({ jsonrpc: '2.0', id: 'q', result: { roots: [] } });
    expect(await client.next()).toMatchObject({
      id: 1,
      result: { content: [{ text: '{"roots":[]}' }] },
    });
  });

  it('is who its token says', async () => {
    const guest = { ...OPERATOR, name: 'guest' };
    const served = await serve({
      credentialOf: async (token) =>
        token === TOKEN ? { id: 'guest', principal: guest } : undefined,
    });
    await greeted(served);
    expect(served.sessions.last().principal).toBe(guest);
  });

  it('may send several calls as VisionFlow does, and has one answer to all', async () => {
    const client = await greeted(await serve());
    const params = [
      { method: 'ping' },
      { method: 'tools/call', params: { name: 'echo', arguments: { a: 1 } } },
    ];
    client.send({ jsonrpc: '2.0', id: 11, method: 'batch', params });
    const { id, result } = (await client.next()) as { id: number; result: object[] };
    expect(id).toBe(11);
    expect(result.map((one) => Object.keys(one))).toEqual([['result'], ['result']]);
  });

  it('never has it handed on, logged or repeated', async () => {
    const served = await serve();
    const client = await served.connect();
    const twice = JSON.stringify(greeting(TOKEN, { traceparent: 't' })).replace(
      '"_meta"',
      `"_meta":{"${TOKEN_META}":"${TOKEN}"},"_meta"`,
    );
    client.send(twice);
    expect(JSON.stringify(await client.next())).not.toContain(TOKEN);
    client.send(greeting(TOKEN, { traceparent: 't' }));
    await client.next();
    const later = { ...ping(5), params: { _meta: { [TOKEN_META]: TOKEN } } };
    client.send(later);
    await client.next();
    const { seen } = served.sessions.last();
    expect(seen.map(({ kind }) => kind)).toEqual(['request', 'request']);
    expect(seen[0]).toMatchObject({
      params: { ...INITIALIZE.params, _meta: { traceparent: 't' } },
    });
    expect(JSON.parse(seen[0]?.bytes.toString() ?? '')).toEqual({
      ...INITIALIZE,
      params: { ...INITIALIZE.params, _meta: { traceparent: 't' } },
    });
    for (const frame of seen) {
      expect(JSON.stringify(frame) + frame.bytes.toString()).not.toContain(TOKEN);
    }
    expect(served.logged.join('')).not.toContain(TOKEN);
  });

  it('is told why when too many sessions are open, and can try again', async () => {
    const served = await serve({ max: 1 });
    const first = await greeted(served);
    const second = await served.connect();
    second.send(greeting());
    expect(await second.next()).toMatchObject({
      id: 0,
      error: { data: { code: 'STARLING_LIMIT_EXCEEDED' } },
    });
    first.socket.destroy();
    await until(() => served.sessions.live().length === 0);
    second.send(greeting());
    expect(await second.next()).toMatchObject({ id: 0, result: {} });
  });
});

describe('a TCP client without a token', () => {
  it('can ask whether the node lives, as netcat does', async () => {
    const served = await serve();
    const client = await served.connect();
    client.send(ping(1));
    client.socket.end();
    const alive = { status: 'ok', timestamp: expect.any(Number) };
    expect(await client.rest()).toEqual([{ jsonrpc: '2.0', id: 1, result: alive }]);
    expect(served.sessions.all).toEqual([]);
  });

  it('is no client of HTTP, but may begin with a byte order mark', async () => {
    const served = await serve();
    const client = await served.connect();
    client.socket.write(`\ufeff${JSON.stringify(ping(1.5))}\n`);
    client.socket.end();
    expect(await client.rest()).toMatchObject([{ id: 1.5, result: { status: 'ok' } }]);
  });

  it.each([
    ['none', INITIALIZE],
    ['a wrong one', greeting('wrong')],
    ['one that is no text', greeting({ a: 1 })],
    ['an empty one', greeting('')],
    ['none, for a call', call(0, 'echo')],
  ])('that brings %s is told what is missing', async (_, message) => {
    const served = await serve();
    const client = await served.connect();
    client.send(message);
    const answer = await client.next();
    expect(answer).toMatchObject({ id: 0, error: { data: { code: 'STARLING_UNAUTHORIZED' } } });
    expect(JSON.stringify(answer)).toContain('starling key create');
    expect(JSON.stringify(answer)).not.toContain('/state');
    expect(JSON.stringify(answer)).not.toContain(TOKEN);
    expect(served.sessions.all).toEqual([]);
    client.send(ping(1), greeting());
    expect(await client.next()).toMatchObject({ id: 1, result: {} });
    expect(await client.next()).toMatchObject({ id: 0, result: {} });
  });

  it('is refused when its token can not be checked', async () => {
    const served = await serve({ credentialOf: () => Promise.reject(new Error('down')) });
    const client = await served.connect();
    client.send(greeting());
    expect(await client.next()).toMatchObject({ id: 0, error: { message: 'internal error' } });
  });

  it('may wait while its token is checked, and not go on before', async () => {
    let decide: (credential: Credential | undefined) => void = () => undefined;
    const served = await serve({
      credentialOf: () => new Promise((resolve) => (decide = resolve)),
    });
    const client = await served.connect();
    client.send(greeting(), call(1, 'echo', { message: 'early' }));
    const other = await served.connect();
    other.send(ping(1));
    await other.next();
    expect(served.sessions.all).toEqual([]);
    decide(CREDENTIAL);
    expect(await client.next()).toMatchObject({ id: 0, result: {} });
    expect(await client.next()).toMatchObject({ id: 1, result: {} });
  });

  it('leaves no session behind when it goes while its token is checked', async () => {
    let decide: (credential: Credential | undefined) => void = () => undefined;
    const served = await serve({
      credentialOf: () => new Promise((resolve) => (decide = resolve)),
    });
    const client = await served.connect();
    client.send(greeting());
    const other = await served.connect();
    other.send(ping(1));
    await other.next();
    client.socket.resetAndDestroy();
    other.send(ping(2));
    await other.next();
    decide(CREDENTIAL);
    other.send(ping(3));
    await other.next();
    await until(() => served.sessions.live().length === 0);
  });

  it('is cut off when its key is revoked, and nobody else is', async () => {
    const served = await serve({
      credentialOf: async (token) => ({ id: `key:${token}`, principal: OPERATOR }),
    });
    const [lost, kept] = [await served.connect(), await served.connect()];
    lost.send(greeting('one'));
    kept.send(greeting('two'));
    await lost.next();
    await kept.next();
    served.transport.evict('key:one');
    expect(await lost.rest()).toEqual([]);
    kept.send(call(1, 'echo', { message: 'here' }));
    expect(await kept.next()).toMatchObject({ id: 1, result: {} });
    expect(served.sessions.live()).toHaveLength(1);
  });

  it('is cut off when what it showed expires', async () => {
    const clock = createTestClock();
    const served = await serve({
      clock,
      credentialOf: async () => ({ ...CREDENTIAL, expiresAt: clock.now() + 60_000 }),
    });
    const client = await served.connect();
    client.send(greeting());
    await client.next();
    clock.advance(59_999);
    client.send(call(1, 'echo', { message: 'still' }));
    expect(await client.next()).toMatchObject({ id: 1, result: {} });
    clock.advance(1);
    expect(await client.rest()).toEqual([]);
  });

  it('is cut off at once when it comes from an address that is not allowed', async () => {
    const served = await serve({ isAllowed: () => false });
    const client = await served.connect();
    client.send(ping(1));
    expect(await client.rest()).toEqual([]);
    expect(served.logged.join()).toContain('from elsewhere');
  });

  it('is cut off in half a minute', async () => {
    const clock = createTestClock();
    const served = await serve({ clock });
    const client = await served.connect();
    client.send(ping(1));
    await client.next();
    const greetedOne = await greeted(served);
    clock.advance(31_000);
    expect(await client.rest()).toEqual([]);
    greetedOne.send(ping(2));
    expect(await greetedOne.next()).toMatchObject({ id: 2 });
  });

  it('can not make the node keep much of what it says', async () => {
    const served = await serve();
    const client = await served.connect();
    client.socket.write(`{"jsonrpc":"2.0","id":1,"method":"${'x'.repeat(600_000)}`);
    expect(await client.rest()).toEqual([]);
  });

  it('costs the oldest of its kind its place when there are too many', async () => {
    const served = await serve();
    const waiting: Client[] = [];
    for (let index = 0; index < 100; index += 1) waiting.push(await served.connect());
    waiting.at(-1)?.send(ping(1));
    await waiting.at(-1)?.next();
    await greeted(served);
    expect(await waiting[0]?.rest()).toEqual([]);
    waiting[1]?.send(ping(1));
    expect(await waiting[1]?.next()).toMatchObject({ id: 1 });
  });
});

describe('a web page', () => {
  it.each(['POST', 'GET', 'PUT', 'OPTIONS'])('can not talk to it by %s', async (method) => {
    const served = await serve({ init: { requireToken: false } });
    const [host, port] = (served.transport.address() ?? '').split(':');
    const sent = request({ host, port, method, headers: { 'content-type': 'text/plain' } });
    const failed = once(sent, 'error');
    if (method !== 'GET') sent.write(`\n${JSON.stringify(call(1, 'echo'))}\n`);
    sent.end();
    const [error] = (await failed) as [Error];
    expect(error.message).toMatch(/socket hang up|ECONNRESET|EPIPE/);
    expect(served.sessions.all).toEqual([]);
  });

  it.each(['\u0016\u0003\u0001', '\r\n\r\nPOST / HTTP/1.1\r\n', 'PRI * HTTP/2.0\r\n', '\0', '"'])(
    'nor by a connection that begins %j, in pieces or not',
    async (start) => {
      const served = await serve({ init: { requireToken: false } });
      const client = await served.connect();
      client.socket.setNoDelay(true);
      for (const piece of start) client.socket.write(piece);
      client.socket.write(`\n${JSON.stringify(call(1, 'echo'))}\n`);
      expect(await client.rest()).toEqual([]);
      expect(served.sessions.all).toEqual([]);
    },
  );
});

describe('a TCP endpoint that asks for no token', () => {
  it('takes whoever connects for the client that has no name there', async () => {
    const served = await serve({ init: { requireToken: false } });
    const client = await served.connect();
    client.send(INITIALIZE);
    expect(await client.next()).toMatchObject({ id: 0, result: {} });
    expect(served.sessions.last().principal).toBe(NOBODY);
  });
});

describe('hostile lines', () => {
  it('that are no messages or too long are answered, and the session goes on', async () => {
    const client = await greeted(await serve({ init: { messageBytes: 2000 } }));
    client.send('garbage', '{"a":'.repeat(10), `{"x":"${'x'.repeat(5000)}"}`, '[]', ping(9));
    expect(await client.next()).toMatchObject({ id: null, error: { code: -32700 } });
    expect(await client.next()).toMatchObject({ id: null, error: { code: -32700 } });
    expect(await client.next()).toMatchObject({
      id: null,
      error: { data: { limit: 'limits.messageBytes' } },
    });
    expect(await client.next()).toMatchObject({ id: null, error: { code: -32600 } });
    expect(await client.next()).toMatchObject({ id: 9, result: {} });
  });

  it('cut anywhere, in the middle of a letter too, are read whole', async () => {
    const client = await greeted(await serve());
    client.socket.setNoDelay(true);
    const bytes = Buffer.from(`${JSON.stringify(call(1, 'echo', { message: 'é𝄞' }))}\r\n`);
    for (const byte of bytes) {
      client.socket.write(Buffer.of(byte));
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
    expect(await client.next()).toMatchObject({ id: 1, result: { content: [{ text: 'é𝄞' }] } });
  });

  it('of bytes that are no UTF-8 are refused', async () => {
    const client = await greeted(await serve());
    client.socket.write(
      Buffer.concat([Buffer.from('{"a":"'), Buffer.of(0xff), Buffer.from('"}\n')]),
    );
    expect(await client.next()).toMatchObject({ id: null, error: { code: -32700 } });
  });

  it('of any kind do no harm, and never reach another client', async () => {
    const served = await serve();
    const bystander = await greeted(served);
    const line = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.json(),
      fc.jsonValue().map((id) => JSON.stringify({ ...call(1, 'echo'), id })),
      fc.array(fc.jsonValue()).map((list) => JSON.stringify(list)),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 20 }), async (lines) => {
        const client = await greeted(served);
        client.send(...lines.map((text) => text.replaceAll('\n', ' ')), ping('last'));
        let answer = await client.next();
        while (answer['id'] !== 'last') answer = await client.next();
        client.socket.end();
        await client.rest();
      }),
      { seed: 4, numRuns: 60 },
    );
    bystander.send(ping('mine'));
    expect(await bystander.next()).toMatchObject({ id: 'mine' });
    await until(() => served.sessions.live().length === 1);
  });
});

describe('a TCP client that does not read', () => {
  it('is not read from, and is cut off when too much waits', async () => {
    const served = await serve();
    const client = await greeted(served);
    client.socket.pause();
    const bytes = 8 * 1024 * 1024;
    client.send(call(1, 'big', { bytes }));
    const session = served.sessions.last();
    await until(() => session.seen.length === 2);
    client.send(ping(2));
    // Somebody else is served after that message came, so that it would have been read by now.
    await greeted(served);
    expect(session.seen).toHaveLength(2);
    const notice = notificationBytes('notifications/message', { data: 'x'.repeat(bytes) });
    for (let count = 0; count < 12; count += 1) session.push(notice);
    await until(() => session.isOver);
  });
});

describe('the TCP port', () => {
  it('that is taken is named, with what to do', async () => {
    const served = await serve();
    const port = Number(served.transport.address()?.split(':')[1]);
    const second = createTcpTransport(
      {
        isAllowed: () => true,
        nobody: NOBODY,
        credentialOf: async () => undefined,
        open: () => {
          throw new Error('none');
        },
        ended: () => undefined,
        clock: systemClock,
        logger: silentLogger,
      },
      { ...INIT, port },
    );
    await expect(second.start()).rejects.toMatchObject({
      code: 'STARLING_LISTEN_FAILED',
      hint: expect.stringContaining('--tcp'),
    });
    expect(second.address()).toBeUndefined();
    await second.stop();
  });

  it('is free again after a stop, and all its sessions are over', async () => {
    const served = await serve();
    const client = await greeted(served);
    await served.transport.start();
    await served.transport.stop();
    await served.transport.stop();
    await client.rest();
    await until(() => served.sessions.live().length === 0);
    expect(served.transport.address()).toBeUndefined();
    await served.transport.start();
    await greeted(served);
  });

  it('bears a thousand clients that come and go', async () => {
    const served = await serve();
    for (let round = 0; round < 20; round += 1) {
      const clients = await Promise.all(Array.from({ length: 50 }, () => greeted(served)));
      for (const { socket } of clients) socket.destroy();
    }
    await until(() => served.sessions.live().length === 0);
    expect(served.sessions.all).toHaveLength(1000);
  });
});

describe('a stranger that shows no token', () => {
  it('may say only so much before it is cut off, however small its messages are', async () => {
    const served = await serve();
    const client = await served.connect();
    let saidBytes = 0;
    const closed = once(client.socket, 'close');
    for (let id = 0; saidBytes < 1024 * 1024; id += 1) {
      if (client.socket.destroyed) break;
      const message = { ...ping(id), params: { filler: 'x'.repeat(4000) } };
      saidBytes += JSON.stringify(message).length;
      client.send(message);
      // One piece after the other: what comes in one piece with a token is not counted.
      const answered = client.next().then(
        () => true,
        () => false,
      );
      await Promise.race([answered, closed]);
    }
    expect(client.socket.destroyed).toBe(true);
    expect(saidBytes).toBeLessThan(128 * 1024);
    expect(served.sessions.all).toEqual([]);
  });

  it('is not counted any more once it has shown one', async () => {
    const served = await serve();
    const client = await served.connect();
    client.send({
      ...INITIALIZE,
      params: { ...INITIALIZE.params, _meta: { [TOKEN_META]: TOKEN } },
    });
    expect(await client.next()).toMatchObject({ id: INITIALIZE.id });
    for (let id = 1; id <= 40; id += 1) {
      client.send({ ...ping(id), params: { filler: 'x'.repeat(4000) } });
      expect(await client.next()).toMatchObject({ id, result: {} });
    }
  });
});
