/** Streamable HTTP with the official client, and with clients that behave badly. */
import { once } from 'node:events';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  INITIALIZE,
  STDIO_SERVER,
  defer,
  echoTool,
  http,
  httpClient,
  openSession,
  startNode,
  textOf,
  toolNames,
  until,
  useCleanup,
} from '../support/gateways.ts';
import type { TestNode, TestNodeInit } from '../support/gateways.ts';
import { upTo } from '../../long/extent.ts';

useCleanup();

const withFiles = (init: TestNodeInit = {}): Promise<TestNode> =>
  startNode('alice', { servers: { files: STDIO_SERVER }, ...init });
/** Pins would hold back what a server adds later. */
const CHANGING: TestNodeInit = { pins: 'off' };
const call = (id: number, name: string, args: object = {}): string =>
  JSON.stringify({
    jsonrpc: '2.0',
    id,
    method: 'tools/call',
    params: { name, arguments: args },
  });

describe('the official client over HTTP', () => {
  it('lists and calls tools of the node and of a server behind it', async () => {
    const node = await withFiles();
    const client = await httpClient(node);
    const names = await toolNames(client);
    expect(names).toContain('files__echo');
    expect(names).toContain('starling__status');
    expect(client.getServerVersion()?.name).toBe('starling');
    expect(client.getInstructions()).toContain('alice');
    const echoed = await client.callTool({ name: 'files__echo', arguments: { message: 'hi' } });
    expect(textOf(echoed)).toBe('hi');
    const status = await client.callTool({ name: 'starling__status', arguments: { a: 1 } });
    expect(status.structuredContent).toEqual({ echo: { a: 1 } });
  });

  it('hears progress before the answer', async () => {
    const client = await httpClient(await withFiles());
    const heard: number[] = [];
    const result = await client.callTool({ name: 'files__steps' }, undefined, {
      onprogress: ({ progress }) => heard.push(progress),
    });
    expect(textOf(result)).toBe('done');
    expect(heard).toEqual([1, 2, 3]);
  });

  it('cancels a call, and the server hears it', async () => {
    const client = await httpClient(await withFiles());
    const abort = new AbortController();
    const hanging = client.callTool({ name: 'files__hang' }, undefined, {
      signal: abort.signal,
      onprogress: () => abort.abort('enough'),
    });
    await expect(hanging).rejects.toThrow(/enough/);
    await until(async () => textOf(await client.callTool({ name: 'files__cancelled' })) === '1');
  });

  it('is told when the list changes, once for a burst', async () => {
    const client = await httpClient(await withFiles(CHANGING));
    let told = 0;
    client.setNotificationHandler(ToolListChangedNotificationSchema, () => void (told += 1));
    // At once: a burst that a busy machine stretches is more than one.
    await client.callTool({
      name: 'files__add_tool',
      arguments: { names: ['one', 'two', 'three'] },
    });
    await until(async () => told > 0 && (await toolNames(client)).includes('files__three'));
    expect(told).toBeLessThan(3);
    expect(textOf(await client.callTool({ name: 'files__three' }))).toBe('called three');
  });

  it('gets a fresh session after it said goodbye to the old one', async () => {
    const node = await withFiles();
    const session = await openSession(node);
    const headers = { 'mcp-session-id': session };
    expect(node.gateway.sessions().http).toBe(1);
    expect((await http(node, { method: 'DELETE', headers })).status).toBe(204);
    expect(node.gateway.sessions().http).toBe(0);
    const gone = await http(node, { headers, body: call(1, 'files__echo') });
    expect(gone.status).toBe(404);
    expect(gone.body).toContain('send initialize again');
  });
});

describe('two clients at once', () => {
  it('never get each other’s answers, though they count alike', async () => {
    const node = await withFiles();
    const [one, two] = await Promise.all([httpClient(node), httpClient(node)]);
    const ask = async (client: typeof one, who: string): Promise<void> => {
      await Promise.all(
        Array.from({ length: 50 }, async (_, index) => {
          const message = `${who} ${index}`;
          const arguments_ = { name: 'files__echo', arguments: { message } };
          expect(textOf(await client.callTool(arguments_))).toBe(message);
        }),
      );
    };
    await Promise.all([ask(one, 'one'), ask(two, 'two')]);
  });

  it('never cancel each other’s calls, though their ids are the same', async () => {
    const node = await withFiles();
    const [one, two] = await Promise.all([openSession(node), openSession(node)]);
    const waiting = http(node, {
      headers: { 'mcp-session-id': one },
      body: call(7, 'files__hang'),
    });
    await until(() => node.gateway.load() === 1);
    const cancel = {
      jsonrpc: '2.0',
      method: 'notifications/cancelled',
      params: { requestId: 7 },
    };
    const body = JSON.stringify(cancel);
    expect((await http(node, { headers: { 'mcp-session-id': two }, body })).status).toBe(202);
    expect(node.gateway.load()).toBe(1);
    expect((await http(node, { headers: { 'mcp-session-id': one }, body })).status).toBe(202);
    expect(await waiting).toMatchObject({ status: 202, body: '' });
  });
});

describe('a client that goes away', () => {
  it('ends its call at the server', async () => {
    const node = await withFiles();
    const session = await openSession(node);
    const url = new URL(node.gateway.endpoints().url ?? '');
    // The server is started by the first call: one that never got there needs no cancelling.
    await http(node, { headers: { 'mcp-session-id': session }, body: call(0, 'files__echo') });
    const sent = request({
      host: url.hostname,
      port: url.port,
      path: '/mcp',
      method: 'POST',
      headers: {
        authorization: `Bearer ${await node.token()}`,
        accept: 'application/json, text/event-stream',
        'content-type': 'application/json',
        'mcp-session-id': session,
      },
    });
    sent.on('error', () => undefined);
    sent.end(call(1, 'files__hang'));
    await until(() => node.gateway.load() === 1);
    sent.destroy();
    await until(() => node.gateway.load() === 0);
    await until(async () => {
      const headers = { 'mcp-session-id': session };
      const { body } = await http(node, { headers, body: call(2, 'files__cancelled') });
      return textOf(JSON.parse(body).result) === '1';
    });
  });

  it('is forgotten when many come and none says goodbye', async () => {
    const node = await startNode('alice', { limits: { sessions: 20 } });
    const sessions: string[] = [];
    for (let index = 0; index < 100; index += 1) sessions.push(await openSession(node));
    expect(node.gateway.sessions().http).toBe(20);
    const ping = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' });
    const ask = async (session = ''): Promise<number> =>
      (await http(node, { headers: { 'mcp-session-id': session }, body: ping })).status;
    expect(await ask(sessions.at(-1))).toBe(200);
    expect(await ask(sessions.at(0))).toBe(404);
  });
});

describe('the door', () => {
  const body = JSON.stringify(INITIALIZE);

  it('asks for the token, and tells nobody where it lies', async () => {
    const node = await startNode('alice');
    for (const authorization of [undefined, 'Bearer wrong', 'Basic x', 'Bearer ']) {
      const answer = await http(node, { headers: { authorization }, body });
      expect(answer.status).toBe(401);
      expect(answer.headers['www-authenticate']).toContain('Bearer');
      expect(answer.body).not.toContain(node.folder);
      expect(answer.body).toContain('starling key create');
      expect(answer.body).not.toContain(await node.token());
    }
  });

  it.each([
    [{ host: 'evil.example' }, 403],
    [{ host: 'evil.example:4100' }, 403],
    [{ origin: 'http://evil.example' }, 403],
    [{ origin: 'null' }, 403],
    [{ origin: 'http://127.0.0.1.evil.example' }, 403],
    [{ origin: 'http://localhost:3000' }, 403],
    [{ origin: 'http://localhost:4100', host: 'localhost:4100' }, 200],
    [{ host: 'localhost:1' }, 200],
  ])('answers %j with %i', async (headers, status) => {
    const node = await startNode('alice');
    const answer = await http(node, { headers, body });
    expect(answer.status).toBe(status);
    expect(answer.headers['access-control-allow-origin']).not.toBe('*');
  });

  it('lets pages of a configured origin in, by its name and no other', async () => {
    const origin = 'https://app.example';
    const node = await startNode('alice', { http: { allowedOrigins: [origin] } });
    const preflight = await http(node, {
      method: 'OPTIONS',
      headers: { origin, authorization: undefined },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers['access-control-allow-origin']).toBe(origin);
    const answer = await http(node, { headers: { origin }, body });
    expect(answer.status).toBe(200);
    expect(answer.headers['access-control-expose-headers']).toContain('mcp-session-id');
    const other = { origin: 'https://other.example', authorization: undefined };
    expect((await http(node, { method: 'OPTIONS', headers: other })).status).toBe(403);
  });

  it('says nothing to health checks but that it is there', async () => {
    const node = await startNode('alice');
    const headers = { authorization: undefined, host: 'anything' };
    for (const path of ['/healthz', '/readyz']) {
      const answer = await http(node, { method: 'GET', path, headers });
      expect(answer.status).toBe(200);
      expect(answer.body.length).toBeLessThan(10);
    }
  });
});

describe('a request that is not as MCP wants it', () => {
  it.each([
    ['no content type', { headers: { 'content-type': 'text/plain' } }, 415],
    ['an Accept of neither form', { headers: { accept: 'text/html' } }, 406],
    ['a GET without event-stream', { method: 'GET', headers: { accept: 'application/json' } }, 406],
    ['no session', { body: call(1, 'x') }, 400],
    ['an unknown session', { headers: { 'mcp-session-id': 'x' }, body: call(1, 'x') }, 404],
    ['another method', { method: 'PUT' }, 405],
    ['another path', { path: '/other' }, 404],
    ['a batch', { body: `[${call(1, 'x')}]` }, 400],
    ['no JSON', { body: '{' }, 400],
    ['no UTF-8', { body: Buffer.from([0x22, 0xff, 0x22]) }, 400],
  ])('with %s is answered by its status', async (_, init, status) => {
    const answer = await http(await startNode('alice'), init);
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.body)).toMatchObject({
      jsonrpc: '2.0',
      error: { code: expect.any(Number) },
    });
  });

  it('is refused when its protocol version is unknown', async () => {
    const node = await startNode('alice');
    const session = await openSession(node);
    const headers = { 'mcp-session-id': session, 'mcp-protocol-version': '2099-01-01' };
    const answer = await http(node, { headers, body: call(1, 'x') });
    expect(answer.status).toBe(400);
    expect(answer.body).toContain('2025-11-25');
  });

  it('is refused when it is too large, and the node lives on', async () => {
    const node = await startNode('alice', { limits: { messageBytes: 1000 } });
    const answer = await http(node, { body: 'x'.repeat(100_000) });
    expect(answer.status).toBe(413);
    expect(answer.body).toContain('limits.messageBytes');
    expect(await openSession(node)).toMatch(/^[\w-]{32}$/);
  });

  it('is refused when it has no end, before the end', async () => {
    const node = await startNode('alice', { limits: { messageBytes: 1000 } });
    const { hostname, port, pathname } = new URL(node.gateway.endpoints().url ?? '');
    const headers = {
      authorization: `Bearer ${await node.token()}`,
      'content-type': 'Application/JSON; charset=UTF-8',
    };
    const endless = request({ host: hostname, port, path: pathname, method: 'POST', headers });
    defer(() => endless.destroy());
    endless.on('error', () => undefined);
    endless.write(`{"jsonrpc":"2.0","id":"far","method":"ping","x":"${'x'.repeat(2000)}`);
    const [response] = (await once(endless, 'response')) as [IncomingMessage];
    expect(response.statusCode).toBe(413);
    const [body] = (await once(response, 'data')) as [Buffer];
    expect(JSON.parse(body.toString())).toMatchObject({
      id: 'far',
      error: { data: { limit: 'limits.messageBytes' } },
    });
  });

  it.each([
    ['nothing', undefined, 'application/json'],
    ['anything', '*/*', 'application/json'],
    ['both, in other letters', 'Application/JSON, TEXT/Event-Stream', 'application/json'],
    ['JSON alone', 'application/json; q=0.9', 'application/json'],
    ['all but events', 'text/event-stream;q=0, */*', 'application/json'],
    ['events alone', 'text/event-stream', 'text/event-stream'],
    ['texts', 'text/*', 'text/event-stream'],
  ])('is answered in a form that it takes: %s', async (_, accept, type) => {
    const node = await startNode('alice');
    const opened = await http(node, { headers: { accept }, body: JSON.stringify(INITIALIZE) });
    expect(opened.status).toBe(200);
    expect(opened.headers['content-type']).toBe(type);
    const headers = { accept, 'mcp-session-id': String(opened.headers['mcp-session-id']) };
    const answer = await http(node, { headers, body: call(1e21, 'starling__status') });
    expect(answer.body).toContain('"id":1e+21,"result"');
    expect(answer.headers['content-type']).toBe(type);
  });

  it('is refused with its id, whatever is wrong with it', async () => {
    const node = await startNode('alice');
    const body = '{"jsonrpc":"2.0","id":1.50,"method":"ping"}';
    const wrongs = [
      { 'content-type': 'text/plain' },
      { accept: 'text/html' },
      { 'mcp-session-id': 'gone' },
      { 'mcp-protocol-version': '2099-01-01' },
      {},
    ];
    for (const headers of wrongs) {
      const answer = await http(node, { headers, body });
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(answer.body).toContain('"id":1.50,');
    }
  });

  it('never brings the node down, whatever its body is', async () => {
    const node = await startNode('alice');
    const headers = { 'mcp-session-id': await openSession(node) };
    const broken = fc.oneof(
      fc.json(),
      fc.string(),
      fc
        .record({ jsonrpc: fc.constant('2.0'), id: fc.jsonValue(), method: fc.jsonValue() })
        .map((m) => JSON.stringify(m)),
      fc
        .record({ name: fc.jsonValue(), _meta: fc.jsonValue(), cursor: fc.jsonValue() })
        .chain((params) =>
          fc
            .constantFrom('tools/call', 'tools/list', 'notifications/cancelled', 'initialize')
            .map((method) => JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })),
        ),
    );
    await fc.assert(
      fc.asyncProperty(broken, async (body) => {
        expect([200, 202, 400]).toContain((await http(node, { headers, body })).status);
      }),
      { seed: 3, numRuns: upTo(20, 300) },
    );
    expect((await http(node, { headers, body: call(1, 'starling__status') })).status).toBe(200);
  });
});

describe('the edge', () => {
  it('answers a taken port with what to do', async () => {
    const squatter = createServer().listen(0, '127.0.0.1');
    await once(squatter, 'listening');
    defer(() => squatter.close());
    const { port } = squatter.address() as AddressInfo;
    await expect(startNode('alice', { http: { port } })).rejects.toMatchObject({
      code: 'STARLING_LISTEN_FAILED',
      message: `can't serve HTTP on 127.0.0.1:${port}: another program uses the port`,
      hint: expect.stringContaining('--http-port'),
    });
  });

  it('gives a client that comes again its event stream, and what it missed', async () => {
    const node = await withFiles(CHANGING);
    const headers = { 'mcp-session-id': await openSession(node) };
    await http(node, { headers, body: call(1, 'files__add_tool', { name: 'late' }) });
    await until(async () =>
      (
        await http(node, {
          headers,
          body: JSON.stringify({ jsonrpc: '2.0', id: 2, method: 'tools/list' }),
        })
      ).body.includes('files__late'),
    );
    const open = async (): Promise<Response> =>
      fetch(node.gateway.endpoints().url ?? '', {
        headers: {
          ...headers,
          accept: 'text/event-stream',
          authorization: `Bearer ${await node.token()}`,
        },
      });
    const first = await open();
    const reader = first.body?.getReader();
    const seen = await reader?.read();
    expect(Buffer.from(seen?.value ?? []).toString()).toContain('notifications/tools/list_changed');
    const second = await open();
    expect(second.status).toBe(200);
    let isOver = false;
    while (!isOver) isOver = (await reader?.read())?.done ?? true;
    await second.body?.cancel();
  });

  it('tells a caller when the node stops under its call', async () => {
    const hang = echoTool({ call: () => new Promise(() => undefined) });
    const node = await startNode('alice', { builtin: [hang] });
    const headers = { 'mcp-session-id': await openSession(node) };
    const waiting = http(node, { headers, body: call(1, 'starling__status') });
    await until(() => node.gateway.load() === 1);
    await node.gateway.stop();
    const answer = await waiting.catch((error: Error) => ({ body: error.message }));
    expect(answer.body).toMatch(/STARLING_STOPPED|ECONNRESET|socket hang up/);
  });
});
