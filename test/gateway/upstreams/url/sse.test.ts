/** HTTP+SSE towards servers at the wire: where messages go, what is refused, how it ends. */
import type { ServerResponse } from 'node:http';
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { describe, expect, it } from 'vitest';
import { Secret } from '../../../../src/core/index.ts';
import { initialize, listAll } from '../../../../src/gateway/wire/client-handshake.ts';
import type { UpstreamConnection } from '../../../../src/gateway/upstreams/connection-types.ts';
import { connectSse } from '../../../../src/gateway/upstreams/url/sse.ts';
import { defer, useCleanup } from '../../support/gateways.ts';
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
import type { UrlServer } from '../../support/url-server.ts';

useCleanup();

function connect(server: UrlServer, connectTimeoutMs = 10_000): UpstreamConnection {
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
    const facts = await initialize(channel, 'old', { timeoutMs: 5000 });
    expect(facts.serverInfo).toMatchObject({ name: 'old', version: '1.0.0' });
    const bounds = { timeoutMs: 5000, itemsMax: 10, bytesMax: 10_000 };
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

  it('that forgot our session ends the connection', async () => {
    const server = await urlServer((asked, response) => {
      if (asked.method === 'GET') stream(response, 'event: endpoint', 'data: /m', '');
      else response.writeHead(404).end();
    });
    const connection = connect(server);
    await expect(call(connection).answer).rejects.toThrow('has forgotten our session');
    await connection.ended;
  });
});
