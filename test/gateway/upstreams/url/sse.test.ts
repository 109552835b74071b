/** HTTP+SSE towards servers at the wire: where messages go, what is refused, how it ends. */
import type { ServerResponse } from 'node:http';
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { describe, expect, it } from 'vitest';
import { Secret } from '../../../../src/core/index.ts';
import type { JsonObject } from '../../../../src/core/index.ts';
import { initialize, listAll } from '../../../../src/gateway/wire/client-handshake.ts';
import type { UpstreamConnection } from '../../../../src/gateway/upstreams/connection-types.ts';
import { connectSse } from '../../../../src/gateway/upstreams/url/sse.ts';
import { until } from '../../support/clients.ts';
import { defer, useCleanup } from '../../support/gateways.ts';
import { startAlone } from '../../support/lone-instance.ts';
import {
  BOUNDS,
  COMMON,
  call,
  components,
  data,
  event,
  json,
  result,
  stream,
  urlServer,
} from '../../support/url-server.ts';
import type { Asked, UrlServer } from '../../support/url-server.ts';

useCleanup();

function connect(server: UrlServer, connectTimeoutMs = 60_000): UpstreamConnection {
  const connection = connectSse(components(), {
    ...BOUNDS,
    name: 'old',
    server: {
      type: 'sse',
      url: server.url,
      headers: { 'X-Key': new Secret('s3cret') },
      ...COMMON,
    },
    connectTimeoutMs,
  });
  defer(() => connection.close());
  return connection;
}

/** Serves the transport: answers come on the stream, after the address that `endpoint` names. */
async function serve(endpoint: string): Promise<UrlServer & { end(): void }> {
  let open: ServerResponse | undefined;
  const server = await urlServer((asked, response) => {
    if (asked.method === 'GET') {
      open = response;
      stream(response, 'event: endpoint', `data: ${endpoint}`, '');
      return;
    }
    response.writeHead(202).end('Accepted');
    if (open !== undefined) event(open, data(result(asked, { at: asked.url.search })));
  });
  return { ...server, end: () => void open?.end() };
}

describe('an SSE server', () => {
  it('of the official SDK is initialised and lists its tools', async () => {
    let transport: SSEServerTransport | undefined;
    const mcp = new McpServer({ name: 'old', version: '1.0.0' });
    mcp.registerTool('hello', {}, () => ({ content: [] }));
    const server = await urlServer(async (asked, response, request) => {
      if (asked.method === 'GET') {
        transport = new SSEServerTransport('/messages', response);
        await mcp.connect(transport);
      } else await transport?.handlePostMessage(request, response, asked.body);
    });
    defer(() => mcp.close());
    const { channel } = connect(server);
    const facts = await initialize(channel, 'old', { timeoutMs: 60_000 });
    expect(facts.serverInfo).toMatchObject({ name: 'old', version: '1.0.0' });
    const bounds = { timeoutMs: 60_000, itemsMax: 10, bytesMax: 10_000 };
    const {
      lists: { tools },
    } = await listAll(channel, 'old', facts, bounds);
    expect(tools).toMatchObject([{ name: 'hello' }]);
  });

  it('gets messages at the address that it names, with the configured headers', async () => {
    const server = await serve('messages?session=1');
    const connection = connect(server);
    expect((await call(connection).answer).result).toEqual({ at: '?session=1' });
    expect(server.asked.map(({ url, headers }) => [url.pathname, headers['x-key']])).toEqual([
      ['/mcp', 's3cret'],
      ['/messages', 's3cret'],
    ]);
  });

  it.each(['http://127.0.0.2/messages', '//evil.example/', 'file:///etc/passwd', 'https://['])(
    'never sends our messages and headers elsewhere: %s',
    async (endpoint) => {
      const connection = connect(await serve(endpoint));
      await expect(call(connection).answer).rejects.toMatchObject({
        code: 'STARLING_UPSTREAM_INVALID',
      });
      await connection.ended;
    },
  );

  it('that names no address in time is unavailable', async () => {
    const server = await urlServer((_, response) => stream(response, ': hold on', ''));
    const connection = connect(server, 100);
    await expect(call(connection).answer).rejects.toThrow('did not open its stream within 0.1 s');
  });

  it('that is a Streamable HTTP server is told from one, with what to change', async () => {
    const server = await urlServer((_, response) => json(response, {}));
    await expect(call(connect(server)).answer).rejects.toMatchObject({
      hint: expect.stringContaining('mcpServers.old.type to "http"') as string,
    });
  });

  it('ends with its stream, and every call with it', async () => {
    const server = await serve('/silent');
    const connection = connect(server);
    await call(connection).answer;
    server.end();
    expect((await connection.ended).message).toContain('has ended its stream');
    await expect(call(connection).answer).rejects.toThrow('has ended its stream');
  });

  it('that sends too much at once is given up', async () => {
    const server = await urlServer((_, response) =>
      stream(response, `data: ${'x'.repeat(70_000)}`),
    );
    expect(await connect(server).ended).toMatchObject({ code: 'STARLING_LIMIT_EXCEEDED' });
  });

  it('that forgot our session ends a connection that can not be initialised anew', async () => {
    const server = await urlServer((asked, response) => {
      if (asked.method === 'GET') stream(response, 'event: endpoint', 'data: /m', '');
      else response.writeHead(404).end();
    });
    const connection = connect(server);
    await expect(call(connection).answer).rejects.toThrow('has forgotten our session');
    await connection.ended;
  });
});

describe('a session that an SSE server has forgotten while its stream is open', () => {
  interface Sessions {
    readonly server: UrlServer;
    readonly connection: UpstreamConnection;
    /** From now on the session of now is refused by `status`. */
    readonly forget: (status: number) => void;
    /** Ends the stream of the session with this number. */
    readonly end: (session: number) => void;
    readonly count: (method: string) => number;
  }

  type Answer = (asked: Asked, session: number) => JsonObject | number | undefined;

  /** A server whose sessions are numbered. */
  async function numbered(answer: Answer): Promise<Omit<Sessions, 'connection'>> {
    const streams: ServerResponse[] = [];
    const forgotten = new Map<string, number>();
    const server = await urlServer((asked, response) => {
      if (asked.method === 'GET') {
        streams.push(response);
        stream(response, 'event: endpoint', `data: /m?session=${streams.length}`, '');
        return;
      }
      const session = asked.url.searchParams.get('session') ?? '';
      const given = forgotten.get(session) ?? answer(asked, Number(session));
      if (typeof given === 'number') {
        response.writeHead(given).end();
        return;
      }
      response.writeHead(202).end('Accepted');
      const open = streams[Number(session) - 1];
      if (open !== undefined && given !== undefined) event(open, data(result(asked, given)));
    });
    return {
      server,
      forget: (status) => void forgotten.set(String(streams.length), status),
      end: (session) => void streams[session - 1]?.end(),
      count: (method) => server.asked.filter(({ body }) => body['method'] === method).length,
    };
  }

  /** The same, with a connection that is initialised as an instance does. */
  async function sessions(answer: Answer): Promise<Sessions> {
    const served = await numbered(answer);
    const begin = (one: UpstreamConnection): ReturnType<typeof initialize> =>
      initialize(one.channel, "server 'old'", { timeoutMs: 60_000 });
    const connection: UpstreamConnection = connectSse(components(), {
      ...BOUNDS,
      name: 'old',
      server: { type: 'sse', url: served.server.url, headers: {}, ...COMMON },
      renew: () => begin(connection),
    });
    defer(() => connection.close());
    await begin(connection);
    return { ...served, connection };
  }

  const facts = { protocolVersion: '2024-11-05', capabilities: {}, serverInfo: {} };
  const answering = ({ body }: Asked, session: number): JsonObject | undefined => {
    if (body['id'] === undefined) return undefined;
    return body['method'] === 'initialize' ? facts : { in: session };
  };

  it.each([404, 400, 401, 403, 410])(
    'and refuses by %i is initialised anew over a new stream, and the call is sent once more',
    async (status) => {
      const { connection, count, forget } = await sessions(answering);
      expect((await call(connection).answer).result).toEqual({ in: 1 });
      forget(status);
      expect((await call(connection).answer).result).toEqual({ in: 2 });
      expect(count('initialize')).toBe(2);
      expect(count('notifications/initialized')).toBe(2);
      expect(count('tools/call')).toBe(3);
    },
  );

  it('is initialised anew once, however many calls have lost it', async () => {
    const { connection, count, forget } = await sessions(answering);
    await call(connection).answer;
    forget(404);
    const calls = Array.from({ length: 20 }, () => call(connection).answer);
    for (const { result: value } of await Promise.all(calls)) expect(value).toEqual({ in: 2 });
    expect(count('initialize')).toBe(2);
  });

  it('still answers on its stream what it took, and fails that with the end of its stream', async () => {
    const waiting: Asked[] = [];
    const late = (asked: Asked, session: number): JsonObject | undefined => {
      if (asked.body['method'] !== 'tools/call' || session !== 1) return answering(asked, session);
      waiting.push(asked);
      return waiting.length === 1 ? { in: 1 } : undefined;
    };
    const { connection, forget, end } = await sessions(late);
    await call(connection).answer;
    const taken = call(connection).answer;
    await until(() => waiting.length === 2);
    forget(404);
    expect((await call(connection).answer).result).toEqual({ in: 2 });
    end(1);
    await expect(taken).rejects.toThrow('has ended its stream');
    expect((await call(connection).answer).result).toEqual({ in: 2 });
  });

  it('is tried in a new session once, and given up when that was in vain', async () => {
    const { connection, count } = await sessions((asked, session) =>
      asked.body['method'] === 'tools/call' ? 404 : answering(asked, session),
    );
    await expect(call(connection).answer).rejects.toThrow('has forgotten our session');
    await connection.ended;
    expect(count('initialize')).toBe(2);
    expect(count('tools/call')).toBe(2);
  });

  it('is given up when it can not be initialised anew, with what the server said', async () => {
    const { connection, forget } = await sessions((asked, session) =>
      session === 2 ? 500 : answering(asked, session),
    );
    await call(connection).answer;
    forget(404);
    await expect(call(connection).answer).rejects.toThrow('HTTP 500');
    await connection.ended;
  });

  it('is one of an instance that goes on, and tells who listens that it is another session', async () => {
    const { count, forget, server } = await numbered(answering);
    const instance = await startAlone({
      server: { type: 'sse', url: server.url, headers: {}, ...COMMON },
      era: 'legacy',
    });
    let told = 0;
    const listener = { notification: () => undefined, request: () => undefined };
    instance.attach(listener, { renewed: () => (told += 1) });
    forget(404);
    const { result: listed } = await instance.channel.request('x/list', {}, { timeoutMs: 60_000 });
    expect(listed).toEqual({ in: 2 });
    expect([count('initialize'), told, instance.isOver]).toEqual([2, 1, false]);
  });
});
