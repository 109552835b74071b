/** Streamable HTTP towards servers at the wire: resumption, lost sessions, refusals, the modern era. */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { McpServer, createMcpHandler, fromJsonSchema } from '@modelcontextprotocol/server';
import { describe, expect, it } from 'vitest';
import { Secret } from '../../../../src/core/index.ts';
import type { JsonObject } from '../../../../src/core/index.ts';
import { connectHttp } from '../../../../src/gateway/upstreams/url/streamable-http.ts';
import type { UpstreamConnection } from '../../../../src/gateway/upstreams/connection-types.ts';
import type { HttpInit } from '../../../../src/gateway/upstreams/url/streamable-http.ts';
import { headerParamsOf, paramHeadersOf } from '../../../../src/gateway/wire/modern-headers.ts';
import type { HeaderParam } from '../../../../src/gateway/wire/modern-headers.ts';
import { defer, useCleanup } from '../../support/gateways.ts';
import { until } from '../../support/clients.ts';
import {
  BOUNDS,
  COMMON,
  call,
  components,
  data,
  event,
  handshake,
  json,
  result,
  stream,
  urlServer,
} from '../../support/url-server.ts';
import type { Answering, Asked, UrlServer } from '../../support/url-server.ts';

useCleanup();

interface Connected {
  readonly server: UrlServer;
  readonly connection: UpstreamConnection;
  readonly heard: string[];
}

async function connect(answering: Answering, init: Partial<HttpInit> = {}): Promise<Connected> {
  const server = await urlServer(answering);
  const heard: string[] = [];
  const connection = connectHttp(
    components((frame) => heard.push(frame.method)),
    {
      ...BOUNDS,
      name: 'far',
      server: {
        type: 'http',
        url: server.url,
        headers: { 'X-Key': new Secret('s3cret') },
        ...COMMON,
      },
      ...init,
    },
  );
  defer(() => connection.close());
  return { server, connection, heard };
}

it('a call that is given up while the token is renewed is never sent', async () => {
  let renewed: () => void = () => undefined;
  const token = new Promise<undefined>((resolve) => {
    renewed = () => resolve(undefined);
  });
  const server = await urlServer((asked, response) => json(response, result(asked)));
  const connection = connectHttp(
    { ...components(), credentials: { token: () => token, refused: async () => false } },
    {
      ...BOUNDS,
      name: 'far',
      server: { type: 'http', url: server.url, headers: {}, ...COMMON },
      era: () => 'modern',
    },
  );
  defer(() => connection.close());
  const given = call(connection);
  given.cancel();
  const next = call(connection, 'tools/call', { name: 'next' });
  renewed();
  await next.answer;
  expect(server.asked.map(({ body }) => body['params'])).toEqual([{ name: 'next' }]);
});

/** Serves a session: `initialize` gives it, and the rest is the test's. */
const withSession =
  (rest: Answering): Answering =>
  (asked, response, request) => {
    if (asked.body['method'] === 'initialize') {
      return json(response, result(asked), 200, { 'mcp-session-id': 'one' });
    }
    if (asked.method === 'DELETE') return response.end();
    return rest(asked, response, request);
  };

const initialized = async (connection: UpstreamConnection): Promise<void> => {
  await call(connection, 'initialize', {}).answer;
};

describe('an answer', () => {
  it('comes as JSON, with the configured headers and no redirect', async () => {
    const { server, connection } = await connect((asked, response) =>
      json(response, result(asked, { ok: true })),
    );
    expect((await call(connection).answer).result).toEqual({ ok: true });
    expect(server.asked[0]?.headers['x-key']).toBe('s3cret');
  });

  it('is not fetched from where a redirect leads', async () => {
    const other = await urlServer((asked, response) => json(response, result(asked)));
    const { connection } = await connect((_, response) =>
      response.writeHead(307, { location: other.url }).end(),
    );
    await expect(call(connection).answer).rejects.toMatchObject({
      message: expect.stringContaining('sends us elsewhere (HTTP 307') as string,
    });
    expect(other.asked).toEqual([]);
  });

  it('that is a web page is told from a message', async () => {
    const { connection } = await connect((_, response) =>
      response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>log in</h1>'),
    );
    await expect(call(connection).answer).rejects.toThrow('answered with text/html');
  });

  it.each<[string, Answering, string]>([
    ['no body', (_, response) => response.writeHead(200).end(), 'an empty body (HTTP 200)'],
    ['a receipt', (_, response) => response.writeHead(202).end(), 'gave no answer (HTTP 202)'],
    ['another id', (_, response) => json(response, { id: 99, result: {} }), 'another one'],
    [
      'another id, on a stream that stays open',
      (_, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write(`${data({ jsonrpc: '2.0', id: 'zzz', result: {} })}\n\n`);
      },
      'another one: "zzz"',
    ],
    ['no object', (_, response) => json(response, { id: 1, result: 'x' }), 'is text'],
    [
      'half of it',
      (_, response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{"id'),
      'not JSON',
    ],
  ])('with %s ends its call at once, and says so', async (_, answering, words) => {
    const { connection } = await connect(answering);
    await expect(call(connection).answer).rejects.toThrow(words);
  });

  it.each(['application/vnd.api+json', 'text/plain', 'text/json; charset=utf-8', undefined])(
    'is read under the media type %s, where it is a message',
    async (type) => {
      const { connection } = await connect((asked, response) => {
        response.writeHead(200, type === undefined ? {} : { 'content-type': type });
        response.end(JSON.stringify(result(asked, { ok: true })));
      });
      expect((await call(connection).answer).result).toEqual({ ok: true });
    },
  );

  it('is read whatever the letters of its media type, and the type of its id', async () => {
    const { connection } = await connect((asked, response) => {
      const own = { ...result(asked, { ok: true }), id: String(asked.body['id']), error: null };
      const isStream = asked.text.includes('stream');
      const type = isStream ? 'Text/Event-Stream; charset=UTF-8' : 'APPLICATION/JSON;charset=utf-8';
      response.writeHead(200, { 'content-type': type });
      response.end(isStream ? `${data(own)}\n\n` : `\ufeff${JSON.stringify(own)}`);
    });
    for (const name of ['stream', 'json']) {
      expect((await call(connection, 'tools/call', { name }).answer).result).toEqual({ ok: true });
    }
  });

  it('over the limit fails its call and no other, as JSON and as a stream', async () => {
    const { connection } = await connect((asked, response) => {
      if (asked.text.includes('whole')) json(response, result(asked, { x: 'x'.repeat(70_000) }));
      else if (asked.text.includes('stream')) {
        stream(response, data(result(asked, { x: 'x'.repeat(70_000) })));
      } else json(response, result(asked));
    });
    for (const name of ['whole', 'stream']) {
      await expect(call(connection, 'tools/call', { name }).answer).rejects.toMatchObject({
        code: 'STARLING_LIMIT_EXCEEDED',
      });
    }
    await call(connection, 'tools/call', { name: 'small' }).answer;
  });

  it('of more than 1,500 concurrent calls leaves no listeners behind', async () => {
    const warnings: Error[] = [];
    // Other tests of this process may warn as well, of other things.
    const warned = (warning: Error): void => {
      if (warning.name === 'MaxListenersExceededWarning') warnings.push(warning);
    };
    process.on('warning', warned);
    defer(() => process.off('warning', warned));
    const server = await urlServer((asked, response) => json(response, result(asked)));
    const connection = connectHttp(components(), {
      ...BOUNDS,
      name: 'far',
      server: { ...COMMON, type: 'http', url: server.url, headers: {}, timeoutMs: 60_000 },
      callsMax: 3000,
    });
    defer(() => connection.close());
    await Promise.all(Array.from({ length: 1600 }, () => call(connection).answer));
    expect(warnings).toEqual([]);
  });
});

describe('a stream that ends before its answer', () => {
  it('is resumed after the time that the server names, where it stopped', async () => {
    let first: Asked | undefined;
    const { server, connection, heard } = await connect((asked, response) => {
      if (asked.method === 'POST') {
        first = asked;
        stream(response, 'retry: 30', 'id: é1', 'data:', '');
        response.end();
      } else if (first !== undefined) {
        stream(
          response,
          data({ jsonrpc: '2.0', method: 'notifications/message', params: {} }),
          data(result(first, { late: true })),
        );
        response.end();
      }
    });
    expect((await call(connection).answer).result).toEqual({ late: true });
    expect(heard).toEqual(['notifications/message']);
    const resumed = server.asked[1]?.headers['last-event-id'] ?? '';
    expect(Buffer.from(String(resumed), 'latin1').toString('utf8')).toBe('é1');
  });

  it('without an id fails the call at once', async () => {
    const { connection } = await connect((_, response) => {
      stream(response, ': nothing', '');
      response.end();
    });
    await expect(call(connection).answer).rejects.toThrow(
      'ended its event stream before the answer',
    );
  });

  it('is not resumed for ever', async () => {
    const { server, connection } = await connect((_, response) => {
      stream(response, 'retry: 1', 'id: same', 'data:', '');
      response.end();
    });
    await expect(call(connection).answer).rejects.toThrow(
      'ended its event stream before the answer',
    );
    expect(server.asked.length).toBe(1 + 5);
  });

  it('is not resumed when the answer was there, whatever ids the server itself uses', async () => {
    const { server, connection } = await connect((asked, response) => {
      const { id } = asked.body;
      stream(
        response,
        'id: 1',
        data({ jsonrpc: '2.0', id, method: 'ping' }),
        'id: 2',
        data(result(asked)),
      );
      response.end();
    });
    await call(connection).answer;
    await server.once(({ body }) => body['result'] !== undefined);
    expect(server.asked.filter(({ method }) => method === 'GET')).toEqual([]);
  });

  it('is not resumed for a call that was cancelled meanwhile', async () => {
    let closed: Promise<unknown> = Promise.resolve();
    const { server, connection } = await connect((asked, response) => {
      if (asked.method === 'GET') {
        closed = once(response, 'close');
        stream(response, 'retry: 1', 'id: 2', 'data:', '');
      } else if (asked.text.includes('"polled"')) {
        stream(response, 'retry: 1', 'id: 1', 'data:', '');
        response.end();
      } else json(response, result(asked));
    });
    const calling = call(connection, 'tools/call', { name: 'polled' });
    await server.once(({ method }) => method === 'GET');
    calling.cancel();
    await closed;
    await call(connection).answer;
    expect(server.asked.filter(({ method }) => method === 'GET').length).toBe(1);
  });
});

describe('an answer that is cut in the middle', () => {
  it.each<[string, Record<string, string>]>([
    ['a stream', { 'content-type': 'text/event-stream' }],
    ['a body', { 'content-type': 'application/json', 'content-length': '1000' }],
  ])(
    'of %s is told as that, in our words, and not as a server that is out of reach',
    async (_, headers) => {
      const { connection } = await connect((__, response) => {
        response.writeHead(200, headers).write('{"jsonrpc":');
        setImmediate(() => response.destroy());
      });
      await expect(call(connection).answer).rejects.toMatchObject({
        message: "server 'far' cut its answer short: whoever is there ended the connection",
        hint: 'ask again; where that does not help, its owner sees why in its log',
      });
    },
  );
});

describe('a session', () => {
  it('that the server forgot ends the connection with an error that says to try again', async () => {
    const { connection } = await connect(
      withSession((_, response) =>
        json(response, { jsonrpc: '2.0', id: null, error: { code: -32001, message: 'x' } }, 404),
      ),
    );
    await initialized(connection);
    await expect(call(connection).answer).rejects.toMatchObject({
      code: 'STARLING_UPSTREAM_UNAVAILABLE',
      row: { retryable: true },
    });
    expect((await connection.ended).message).toContain('has forgotten our session (HTTP 404)');
  });

  it('is lost by 400, too, when the error names it', async () => {
    const error = { code: -32000, message: 'Bad Request: No valid session ID provided' };
    const { connection } = await connect(
      withSession((_, response) => json(response, { jsonrpc: '2.0', id: null, error }, 400)),
    );
    await initialized(connection);
    await expect(call(connection).answer).rejects.toThrow('has forgotten our session (HTTP 400)');
    await connection.ended;
  });

  it('goes with every later message, and is given back at the end', async () => {
    const { server, connection } = await connect(
      withSession((asked, response) => json(response, result(asked))),
    );
    await initialized(connection);
    await call(connection).answer;
    await connection.close();
    expect(server.asked.map(({ method, headers }) => [method, headers['mcp-session-id']])).toEqual([
      ['POST', undefined],
      ['POST', 'one'],
      ['DELETE', 'one'],
    ]);
  });

  it('takes nothing before the server has taken notifications/initialized', async () => {
    let release: () => void = () => undefined;
    const { server, connection } = await connect((asked, response) => {
      if (asked.body['method'] === 'notifications/initialized') {
        release = () => response.writeHead(202).end();
      } else json(response, result(asked));
    });
    connection.channel.notify('notifications/initialized', {});
    const { answer } = call(connection);
    await server.once(({ body }) => body['method'] === 'notifications/initialized');
    expect(server.asked.length).toBe(1);
    release();
    await answer;
    expect(server.asked.length).toBe(2);
  });
});

describe('a refusal', () => {
  it('that is a JSON-RPC error reaches the caller as that error', async () => {
    const error = { code: -32602, message: 'no such thing', data: { a: 1 } };
    for (const ours of [true, false]) {
      const { connection } = await connect((asked, response) =>
        json(response, { jsonrpc: '2.0', id: ours ? asked.body['id'] : null, error }, 400),
      );
      expect((await call(connection).answer).error).toEqual(error);
    }
  });

  it('of our token ends the connection, says what to set, and never the token', async () => {
    const { connection } = await connect((_, response) =>
      response.writeHead(401, { 'www-authenticate': 'Bearer' }).end(),
    );
    await expect(call(connection).answer).rejects.toMatchObject({
      hint: expect.stringContaining('mcpServers.far.headers') as string,
    });
    expect(JSON.stringify(await connection.ended)).not.toContain('s3cret');
  });
});

describe('the stream of notifications', () => {
  it('is opened after initialize, and again when it breaks, from where it was', async () => {
    const streams: ServerResponse[] = [];
    const { server, connection, heard } = await connect((asked, response) => {
      if (asked.method !== 'GET') return;
      streams.push(response);
      const method = `notifications/${streams.length}`;
      stream(response, 'retry: 20', `id: ${streams.length}`, data({ jsonrpc: '2.0', method }));
      if (streams.length === 1) response.end();
    });
    connection.negotiated(handshake());
    await server.once(({ headers }) => headers['last-event-id'] === '1');
    expect(server.asked[0]?.headers['mcp-protocol-version']).toBe('2025-11-25');
    while (heard.length < 2) await new Promise((resolve) => setImmediate(resolve));
    expect(heard).toEqual(['notifications/1', 'notifications/2']);
  });

  it('goes on where it was, though the server could not be reached in between', async () => {
    let opened = 0;
    const { server, connection } = await connect((asked, response, request) => {
      if (asked.method !== 'GET') return;
      opened += 1;
      if (opened === 2) request.socket.destroy();
      else
        stream(response, 'retry: 20', 'id: 7', data({ jsonrpc: '2.0', method: 'notifications/x' }));
      if (opened === 1) response.end();
    });
    connection.negotiated(handshake());
    await until(() => opened === 3);
    expect(server.asked.map(({ headers }) => headers['last-event-id'])).toEqual([
      undefined,
      '7',
      '7',
    ]);
  });

  it('is not asked for twice where there is none', async () => {
    const { server, connection } = await connect((asked, response) =>
      asked.method === 'GET' ? response.writeHead(405).end() : json(response, result(asked)),
    );
    connection.negotiated(handshake());
    await server.once(({ method }) => method === 'GET');
    await call(connection).answer;
    expect(server.asked.filter(({ method }) => method === 'GET').length).toBe(1);
  });
});

describe('a server of the modern era', () => {
  const modern: Partial<HttpInit> = { era: () => 'modern' };

  it('gets the headers of its era, and neither session nor notification stream', async () => {
    const { server, connection } = await connect(
      (asked, response) => json(response, result(asked), 200, { 'mcp-session-id': 'none' }),
      { ...modern, paramHeaders: (method) => ({ 'mcp-param-m': method }) },
    );
    connection.negotiated({ ...handshake('2026-07-28'), era: 'modern' });
    await call(connection, 'tools/call', { name: 'ü' }).answer;
    await call(connection, 'tools/list', {}).answer;
    await connection.close();
    expect(server.asked.map(({ method }) => method)).toEqual(['POST', 'POST']);
    expect(server.asked[0]?.headers).toMatchObject({
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': '=?base64?w7w=?=',
      'mcp-param-m': 'tools/call',
    });
    expect(server.asked[1]?.headers).not.toHaveProperty('mcp-session-id');
  });

  it('of the official SDK, which checks every header, lists and runs its tools', async () => {
    const region = { type: 'string', 'x-mcp-header': 'Region' } as const;
    const handler = createMcpHandler(
      () => {
        const mcp = new McpServer({ name: 'new', version: '2.0.0' });
        mcp.registerTool(
          'where',
          {
            inputSchema: fromJsonSchema<{ region: string }>({
              type: 'object',
              properties: { region },
            }),
          },
          ({ region }) => ({ content: [{ type: 'text', text: region }] }),
        );
        return mcp;
      },
      { legacy: 'reject' },
    );
    defer(() => handler.close());
    const serve = toNodeHandler(handler);
    let declared: readonly HeaderParam[] = [];
    const { connection } = await connect(
      (asked, response, request) =>
        serve(request as Parameters<typeof serve>[0], response, asked.body),
      {
        ...modern,
        paramHeaders: (_, params) =>
          paramHeadersOf(declared, (params['arguments'] ?? {}) as JsonObject),
      },
    );
    const _meta = {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientCapabilities': {},
    };
    const listed = await call(connection, 'tools/list', { _meta }).answer;
    const [tool] = (listed.result?.['tools'] ?? []) as readonly JsonObject[];
    const found = headerParamsOf(tool?.['inputSchema']);
    if (typeof found === 'string') throw new Error(found);
    const params = { name: 'where', arguments: { region: 'Zürich' }, _meta };
    const refused = await call(connection, 'tools/call', params).answer;
    expect(refused.error).toMatchObject({ code: -32020 });
    declared = found;
    const { result: answer } = await call(connection, 'tools/call', params).answer;
    expect(answer).toMatchObject({ content: [{ text: 'Zürich' }] });
  });

  it('hears of a cancellation by the end of the stream, and by no message', async () => {
    let closed: Promise<unknown> = Promise.resolve();
    const { server, connection } = await connect((_, response) => {
      closed = once(response, 'close');
      stream(response, ': open', '');
    }, modern);
    const calling = call(connection);
    await server.once(() => true);
    calling.cancel();
    await closed;
    expect(server.asked.length).toBe(1);
  });

  it('says by 404 that it has no such method, and the caller hears it', async () => {
    const error = { code: -32601, message: 'no such method' };
    const { connection } = await connect(
      (asked, response) => json(response, { jsonrpc: '2.0', id: asked.body['id'], error }, 404),
      modern,
    );
    expect((await call(connection).answer).error).toEqual(error);
  });
});

describe('a cancelled call', () => {
  it('tells a server of the old era, and lets go of the stream', async () => {
    let closed: Promise<unknown> = Promise.resolve();
    const { server, connection } = await connect((asked, response) => {
      if (asked.body['method'] === 'notifications/cancelled') response.writeHead(202).end();
      else {
        closed = once(response, 'close');
        event(response.writeHead(200, { 'content-type': 'text/event-stream' }), ': open', '');
      }
    });
    const calling = call(connection);
    const asked = await server.once(() => true);
    calling.cancel();
    await closed;
    const told = await server.once(({ body }) => body['method'] === 'notifications/cancelled');
    expect(told.body['params']).toMatchObject({ requestId: asked.body['id'] });
  });
});
