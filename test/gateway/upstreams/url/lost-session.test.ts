/** Streamable HTTP servers that forget our session, that redirect us, and that refuse us for other reasons. */
import type { ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { Secret } from '../../../../src/core/index.ts';
import type { JsonObject } from '../../../../src/core/index.ts';
import type { UpstreamConnection } from '../../../../src/gateway/upstreams/connection-types.ts';
import { connectHttp } from '../../../../src/gateway/upstreams/url/streamable-http.ts';
import { initialize } from '../../../../src/gateway/wire/client-handshake.ts';
import { until } from '../../support/clients.ts';
import { defer, useCleanup } from '../../support/gateways.ts';
import { startAlone } from '../../support/lone-instance.ts';
import {
  BOUNDS,
  COMMON,
  call,
  components,
  json,
  result,
  urlServer,
} from '../../support/url-server.ts';
import type { Answering, Asked, UrlServer } from '../../support/url-server.ts';

useCleanup();

type Refuse = (asked: Asked, response: ServerResponse) => void;

const status =
  (code: number, body?: JsonObject, headers: Record<string, string> = {}): Refuse =>
  (_, response) =>
    body === undefined
      ? void response.writeHead(code, headers).end()
      : json(response, body, code, headers);

/** A server that can be told to forget its session, and then refuses what comes in that session. */
function forgetful(
  refuse: Refuse,
  rest?: Answering,
): {
  readonly answering: Answering;
  readonly forget: () => void;
} {
  let count = 0;
  let current = '';
  return {
    forget() {
      current = '';
    },
    answering(asked, response, request) {
      const { method } = asked.body;
      if (asked.method !== 'POST') return response.writeHead(405).end();
      if (method === 'initialize') {
        count += 1;
        current = `s${count}`;
        const facts = { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: {} };
        return json(response, result(asked, facts), 200, { 'mcp-session-id': current });
      }
      if (asked.headers['mcp-session-id'] !== current) return refuse(asked, response);
      if (asked.body['id'] === undefined) return response.writeHead(202).end();
      return rest === undefined
        ? json(response, result(asked, { in: current }))
        : rest(asked, response, request);
    },
  };
}

interface Connected {
  readonly server: UrlServer;
  readonly connection: UpstreamConnection;
}

/** A connection that is initialised, as an instance does. */
async function connect(answering: Answering): Promise<Connected> {
  const server = await urlServer(answering);
  const begin = (connection: UpstreamConnection): ReturnType<typeof initialize> =>
    initialize(connection.channel, "server 'far'", { timeoutMs: 60_000 });
  const connection: UpstreamConnection = connectHttp(components(), {
    ...BOUNDS,
    name: 'far',
    server: {
      type: 'http',
      url: server.url,
      headers: { 'X-Key': new Secret('s3cret') },
      ...COMMON,
    },
    renew: () => begin(connection),
  });
  defer(() => connection.close());
  connection.negotiated(await begin(connection));
  return { server, connection };
}

const count = (server: UrlServer, method: string): number =>
  server.asked.filter(({ body }) => body['method'] === method).length;

describe('a session that the server has forgotten', () => {
  it.each([404, 400, 401, 403, 410])(
    'and refuses by %i is initialised anew, and the call is sent once more',
    async (code) => {
      const { answering, forget } = forgetful(status(code));
      const { server, connection } = await connect(answering);
      expect((await call(connection).answer).result).toEqual({ in: 's1' });
      forget();
      expect((await call(connection).answer).result).toEqual({ in: 's2' });
      expect(count(server, 'initialize')).toBe(2);
      expect(count(server, 'notifications/initialized')).toBe(2);
      expect(count(server, 'tools/call')).toBe(3);
    },
  );

  it('is initialised anew once, however many calls have lost it', async () => {
    const { answering, forget } = forgetful(status(404));
    const { server, connection } = await connect(answering);
    await call(connection).answer;
    forget();
    const calls = Array.from({ length: 20 }, () => call(connection).answer);
    for (const { result: value } of await Promise.all(calls)) expect(value).toEqual({ in: 's2' });
    expect(count(server, 'initialize')).toBe(2);
  });

  it('does not disturb a call that is under way in it', async () => {
    let slow: (() => void) | undefined;
    const { answering, forget } = forgetful(status(404), (asked, response) => {
      if (!asked.text.includes('slow')) return json(response, result(asked));
      slow = () => json(response, result(asked, { slow: true }));
    });
    const { connection } = await connect(answering);
    await call(connection).answer;
    const waiting = call(connection, 'tools/call', { name: 'slow' }).answer;
    await until(() => slow !== undefined);
    forget();
    await call(connection).answer;
    slow?.();
    expect((await waiting).result).toEqual({ slow: true });
  });

  it('is not looked for twice by a server that refuses the new one, too', async () => {
    const { server, connection } = await connect(
      forgetful(status(404), (_, response) => response.writeHead(404).end()).answering,
    );
    await expect(call(connection).answer).rejects.toMatchObject({
      message: expect.stringContaining('has forgotten our session (HTTP 404)') as string,
      row: { retryable: true },
    });
    await connection.ended;
    expect(count(server, 'initialize')).toBe(2);
    expect(count(server, 'tools/call')).toBe(2);
  });

  it('is given up when it can not be initialised anew, with what the server said', async () => {
    const { answering, forget } = forgetful(status(404));
    let isDown = false;
    const { connection } = await connect((asked, response, request) =>
      isDown && asked.body['method'] === 'initialize'
        ? response.writeHead(503).end()
        : answering(asked, response, request),
    );
    await call(connection).answer;
    forget();
    isDown = true;
    await expect(call(connection).answer).rejects.toThrow('answered with HTTP 503');
    await connection.ended;
  });
});

describe('a refusal in a session that works', () => {
  it('that answers the call is the answer of the call', async () => {
    const error = { code: -32602, message: 'no session of yours has that' };
    const { server, connection } = await connect(
      forgetful(status(404), (asked, response) =>
        asked.text.includes('bad')
          ? json(response, { jsonrpc: '2.0', id: asked.body['id'], error }, 400)
          : json(response, result(asked)),
      ).answering,
    );
    await call(connection).answer;
    expect((await call(connection, 'tools/call', { name: 'bad' }).answer).error).toEqual(error);
    expect(count(server, 'initialize')).toBe(1);
  });

  it('is tried in a new session once, and not again when that was in vain', async () => {
    const { server, connection } = await connect(
      forgetful(status(404), (asked, response) =>
        asked.text.includes('bad') ? response.writeHead(403).end() : json(response, result(asked)),
      ).answering,
    );
    for (let round = 0; round < 3; round += 1) {
      await call(connection).answer;
      const { answer } = call(connection, 'tools/call', { name: 'bad' });
      await expect(answer).rejects.toThrow('refuses us (HTTP 403)');
    }
    expect(count(server, 'initialize')).toBe(2);
  });

  it('by 401 ends the connection for a login only where the server asks for one', async () => {
    const challenge = { 'www-authenticate': 'Bearer' };
    const { connection } = await connect(
      forgetful(status(404), (asked, response) =>
        response.writeHead(401, asked.text.includes('"login"') ? challenge : {}).end(),
      ).answering,
    );
    let isOver = false;
    void connection.ended.then(() => {
      isOver = true;
    });
    const { answer } = call(connection);
    await expect(answer).rejects.toMatchObject({ data: { status: 401 } });
    expect(isOver).toBe(false);
    const asking = call(connection, 'tools/call', { name: 'login' });
    await expect(asking.answer).rejects.toMatchObject({ data: { reason: 'login' } });
    await connection.ended;
  });
});

describe('a stream of its own', () => {
  it.each([404, 405, 501, 400])('is what a server lacks that answers by %i', async (code) => {
    const { answering } = forgetful(status(404));
    const { server, connection } = await connect((asked, response, request) =>
      asked.method === 'GET' ? response.writeHead(code).end() : answering(asked, response, request),
    );
    await call(connection).answer;
    expect((await call(connection).answer).result).toEqual({ in: 's1' });
    expect(server.asked.filter(({ method }) => method === 'GET').length).toBe(1);
    expect(count(server, 'initialize')).toBe(1);
  });
});

describe('a redirect', () => {
  it.each([307, 308])(
    'by %i to the same origin is followed with method, body and credentials',
    async (code) => {
      const { server, connection } = await connect((asked, response, request) =>
        asked.url.pathname === '/mcp'
          ? response.writeHead(code, { location: '/mcp/' }).end()
          : forgetful(status(404)).answering(asked, response, request),
      );
      const initializing = server.asked.filter(({ body }) => body['method'] === 'initialize');
      expect(initializing.map(({ method, url }) => [method, url.pathname])).toEqual([
        ['POST', '/mcp'],
        ['POST', '/mcp/'],
      ]);
      expect(initializing[1]?.text).toBe(initializing[0]?.text);
      expect(initializing[1]?.headers['x-key']).toBe('s3cret');
      await connection.close();
    },
  );

  it.each([
    ['another origin', (other: UrlServer) => `${other.origin}/mcp`],
    ['another scheme', (_: UrlServer, own: string) => own.replace('http:', 'https:')],
  ])('to %s is never followed, and named', async (_, where) => {
    const other = await urlServer((asked, response) => json(response, result(asked)));
    const failing = connect((asked, response) =>
      response.writeHead(307, { location: where(other, asked.url.href) }).end(),
    );
    await expect(failing).rejects.toThrow(/sends us elsewhere \(HTTP 307 to https?:/);
    expect(other.asked).toEqual([]);
  });

  it('in a circle ends', async () => {
    const failing = connect((_, response) => response.writeHead(308, { location: '/mcp' }).end());
    await expect(failing).rejects.toThrow('sends us on and on (HTTP 308');
  });
});

it('an instance subscribes anew in its new session, and tells who set a log level', async () => {
  const { answering, forget } = forgetful(status(404));
  const server = await urlServer(answering);
  let renewals = 0;
  const instance = await startAlone(
    { server: { type: 'http', url: server.url, headers: {}, ...COMMON }, era: 'legacy' },
    { renewed: () => void (renewals += 1) },
  );
  const listener = { notification: () => undefined, request: () => undefined };
  let told = 0;
  instance.attach(listener, {
    renewed: () => {
      told += 1;
    },
  });
  instance.subscribers.set('file:///a', new Set([listener]));
  forget();
  await instance.channel.request('tools/list', {}, { timeoutMs: 60_000 });
  const again = await server.once(({ body }) => body['method'] === 'resources/subscribe');
  expect(again.body['params']).toEqual({ uri: 'file:///a' });
  expect([renewals, told]).toEqual([1, 1]);
});
