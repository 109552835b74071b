/**
 * Sessions of clients that come by single HTTP requests: when they are taken away, and by which token
 * each request is judged. Requests are real, time is the test's.
 */
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { Credential } from '../../../src/gateway/door/types.ts';
import { createSseTransport } from '../../../src/gateway/transports/sse.ts';
import { createStatelessTransport, isModern } from '../../../src/gateway/transports/stateless.ts';
import { createStreamableTransport } from '../../../src/gateway/transports/streamable.ts';
import { silentLogger } from '../../../src/core/index.ts';
import { manualClock } from '../../grants/arrange.ts';
import { call, fakeSessions, ping } from '../support/fake-session.ts';
import type { FakeSessions } from '../support/fake-session.ts';
import { INITIALIZE, defer, until, useCleanup } from '../support/gateways.ts';

useCleanup();

const IDLE_MS = 60_000;
const META = 'io.modelcontextprotocol/';

/** Two tokens of one subject. */
const tokens = (nowMs: number): Readonly<Record<string, Credential>> => ({
  wide: {
    id: 'jwt:ann',
    principal: { kind: 'client', name: 'ann', scopes: ['*'] },
    expiresAt: nowMs + 100_000,
  },
  narrow: {
    id: 'jwt:ann',
    principal: { kind: 'client', name: 'ann', scopes: ['tool:files/read'] },
    expiresAt: nowMs + 10_000_000,
  },
  other: { id: 'jwt:eve', principal: { kind: 'client', name: 'eve', scopes: ['*'] } },
});

interface Served {
  readonly clock: ReturnType<typeof manualClock>;
  readonly sessions: FakeSessions;
  reap(): void;
  idlest(): { close(): void } | undefined;
  /** What an SSE stream was told that it may live on by. */
  readonly renewed: Credential[];
  send(init: Sent): ClientRequest;
}

interface Sent {
  readonly method?: string;
  readonly path?: string;
  readonly token?: string;
  readonly session?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

async function serve(): Promise<Served> {
  const clock = manualClock();
  const sessions = fakeSessions(undefined, clock);
  const known = tokens(clock.now());
  const renewed: Credential[] = [];
  const components = {
    rateLimit: { take: () => undefined },
    open: (opening: { credential: Credential; push: (message: Buffer) => void }) =>
      sessions.open(opening.credential.principal, opening.push),
    ended: (session: Parameters<FakeSessions['ended']>[0]) => sessions.ended(session),
    clock,
    logger: silentLogger,
  };
  const init = { messageBytes: 1024 * 1024, sessionIdleMs: IDLE_MS, keepAliveMs: 30_000 };
  const streamable = createStreamableTransport(components, init);
  const stateless = createStatelessTransport(components, init);
  const sse = createSseTransport(components, init);
  const server = createServer((incoming, response) => {
    const credential = known[String(incoming.headers.authorization)];
    if (credential === undefined) throw new Error('no such token');
    const caller = { credential, spec: { kind: 'all' } } as const;
    if (incoming.url === '/sse') {
      sse.get(incoming, response, {
        path: '/messages',
        credential,
        renewed: (newer) => void renewed.push(newer),
        open: (push) => components.open({ credential, push }),
      });
    } else if (incoming.url?.startsWith('/messages') === true) {
      sse.post(incoming, response, credential);
    } else if (incoming.method === 'GET') streamable.listen(incoming, response, caller);
    else if (isModern(incoming)) stateless.post(incoming, response, caller);
    else streamable.post(incoming, response, caller);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  defer(() => {
    streamable.sessions.stop();
    stateless.sessions.stop();
    sse.stop();
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return {
    clock,
    sessions,
    renewed,
    reap() {
      streamable.sessions.reap();
      stateless.sessions.reap();
    },
    idlest: () => streamable.sessions.idlest(),
    send({ method = 'POST', path = '/mcp', token = 'wide', session, headers = {} }) {
      const sent = request({
        port,
        host: '127.0.0.1',
        method,
        path,
        agent: false,
        headers: {
          authorization: token,
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          ...(session === undefined ? {} : { 'mcp-session-id': session }),
          ...headers,
        },
      });
      sent.on('error', () => undefined);
      return sent;
    },
  };
}

async function answerOf(sent: ClientRequest): Promise<IncomingMessage> {
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  response.on('error', () => undefined);
  response.resume();
  return response;
}

/** Sends `message`, and gives the status of the answer. */
async function post(served: Served, init: Sent, message: object): Promise<number> {
  const sent = served.send(init);
  sent.end(JSON.stringify(message));
  return (await answerOf(sent)).statusCode ?? 0;
}

async function openSession(served: Served, token = 'wide'): Promise<string> {
  const sent = served.send({ token });
  sent.end(JSON.stringify(INITIALIZE));
  return String((await answerOf(sent)).headers['mcp-session-id']);
}

/** A request of the stateless era. */
const modern = (id: number, method: string): [headers: Record<string, string>, message: object] => [
  { 'mcp-protocol-version': '2026-07-28', 'mcp-method': method },
  {
    jsonrpc: '2.0',
    id,
    method,
    params: {
      _meta: { [`${META}protocolVersion`]: '2026-07-28', [`${META}clientCapabilities`]: {} },
    },
  },
];

const scopesOf = ({ sessions }: Served): unknown => {
  const { principal } = sessions.last();
  return principal.kind === 'client' ? principal.scopes : undefined;
};

describe('a session that nobody uses', () => {
  it('is taken away once two looks have found it so', async () => {
    const served = await serve();
    const session = await openSession(served);
    await served.clock.advance(IDLE_MS + 1);
    served.reap();
    expect(served.sessions.live()).toHaveLength(1);
    served.reap();
    expect(served.sessions.live()).toHaveLength(0);
    expect(await post(served, { session }, ping(1))).toBe(404);
  });

  it('is not taken away by the first look after the node itself stood still', async () => {
    const served = await serve();
    const session = await openSession(served);
    for (let round = 0; round < 3; round += 1) {
      // What the client has sent meanwhile is read only after the look that is due.
      await served.clock.advance(IDLE_MS * 10);
      served.reap();
      expect(await post(served, { session }, ping(round))).toBe(200);
    }
  });

  it('stays while its event stream is open, and for a while after', async () => {
    const served = await serve();
    const session = await openSession(served, 'other');
    const stream = served.send({ method: 'GET', session, token: 'other' });
    stream.end();
    await answerOf(stream);
    await served.clock.advance(IDLE_MS * 2);
    for (let look = 0; look < 3; look += 1) served.reap();
    stream.destroy();
    await until(() => served.idlest() !== undefined);
    for (let look = 0; look < 3; look += 1) served.reap();
    expect(served.sessions.live()).toHaveLength(1);
  });
});

describe('a session with a request that is under way', () => {
  it('stays, and makes room for nobody', async () => {
    const served = await serve();
    const session = await openSession(served);
    const sent = served.send({ session });
    sent.end(JSON.stringify(call(1, 'hang')));
    await until(() => served.sessions.last().inFlight === 1);
    await served.clock.advance(IDLE_MS * 2);
    for (let look = 0; look < 3; look += 1) served.reap();
    expect(served.idlest()).toBeUndefined();
    served.sessions.last().release();
    expect((await answerOf(sent)).statusCode).toBe(200);
  });

  it('stays from the first bytes of the request on', async () => {
    const served = await serve();
    const session = await openSession(served);
    await served.clock.advance(IDLE_MS * 2);
    served.reap();
    const sent = served.send({ session, headers: { 'transfer-encoding': 'chunked' } });
    const text = JSON.stringify(ping(1));
    sent.write(text.slice(0, 10));
    await until(() => served.idlest() === undefined);
    for (let look = 0; look < 3; look += 1) served.reap();
    sent.end(text.slice(10));
    expect((await answerOf(sent)).statusCode).toBe(200);
    await until(() => served.idlest() !== undefined);
  });

  it('is not kept by a request of somebody else', async () => {
    const served = await serve();
    const session = await openSession(served);
    const sent = served.send({ session, token: 'other' });
    sent.write('{');
    await new Promise((resolve) => sent.once('socket', resolve));
    expect(await post(served, { session, token: 'other' }, ping(1))).toBe(404);
    expect(served.idlest()).toBeDefined();
    sent.destroy();
  });

  it('stays when its token expires, and ends with the request', async () => {
    const served = await serve();
    const session = await openSession(served);
    const sent = served.send({ session });
    sent.end(JSON.stringify(call(1, 'hang')));
    await until(() => served.sessions.last().inFlight === 1);
    await served.clock.advance(100_001);
    for (let look = 0; look < 3; look += 1) served.reap();
    served.sessions.last().release();
    expect((await answerOf(sent)).statusCode).toBe(200);
    await until(() => served.idlest() !== undefined);
    for (let look = 0; look < 2; look += 1) served.reap();
    expect(served.sessions.live()).toHaveLength(0);
  });
});

describe('a subject with two tokens', () => {
  it('is judged in its session by the token that each request brings', async () => {
    const served = await serve();
    const session = await openSession(served, 'wide');
    expect(await post(served, { session, token: 'narrow' }, ping(1))).toBe(200);
    expect(scopesOf(served)).toEqual(['tool:files/read']);
    expect(await post(served, { session, token: 'wide' }, ping(2))).toBe(200);
    expect(scopesOf(served)).toEqual(['*']);
    expect(served.sessions.all).toHaveLength(1);
  });

  it('is judged so without a session as well', async () => {
    const served = await serve();
    const [headers, message] = modern(1, 'tools/list');
    for (const [token, scopes] of [
      ['wide', ['*']],
      ['narrow', ['tool:files/read']],
    ] as const) {
      expect(await post(served, { token, headers }, message)).toBe(200);
      expect(scopesOf(served)).toEqual(scopes);
    }
    expect(served.sessions.all).toHaveLength(1);
  });

  it('is judged so over HTTP+SSE, whose stream may live as long as the newer token', async () => {
    const served = await serve();
    const stream = served.send({ method: 'GET', path: '/sse' });
    stream.end();
    const [response] = (await once(stream, 'response')) as [IncomingMessage];
    const [first] = (await once(response.setEncoding('utf8'), 'data')) as [string];
    const path = /data: (.*)/.exec(first)?.[1] ?? '';
    expect(await post(served, { path, token: 'other' }, ping(1))).toBe(404);
    expect(await post(served, { path, token: 'narrow' }, ping(1))).toBe(202);
    expect(scopesOf(served)).toEqual(['tool:files/read']);
    expect(served.renewed).toMatchObject([{ principal: { scopes: ['tool:files/read'] } }]);
    stream.destroy();
  });

  it('keeps its session until the newer one has expired', async () => {
    const served = await serve();
    const session = await openSession(served, 'wide');
    expect(await post(served, { session, token: 'narrow' }, ping(1))).toBe(200);
    await served.clock.advance(100_001);
    expect(await post(served, { session, token: 'narrow' }, ping(2))).toBe(200);
    for (let look = 0; look < 3; look += 1) served.reap();
    expect(served.sessions.live()).toHaveLength(1);
    await served.clock.advance(10_000_000);
    for (let look = 0; look < 2; look += 1) served.reap();
    expect(served.sessions.live()).toHaveLength(0);
  });

  it('loses its event stream when the last has expired', async () => {
    const served = await serve();
    const session = await openSession(served);
    const stream = served.send({ method: 'GET', session });
    stream.end();
    const response = await answerOf(stream);
    await served.clock.advance(100_001);
    const closed = once(response, 'close');
    served.reap();
    await closed;
  });
});
