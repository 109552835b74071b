/** The node's own socket: lines in, lines out, for whoever may open it. */
import { once } from 'node:events';
import { stat, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { silentLogger, systemClock } from '../../../src/core/index.ts';
import { OPERATOR } from '../../../src/guard/index.ts';
import { createSocketTransport } from '../../../src/gateway/transports/socket.ts';
import {
  INITIALIZE,
  STDIO_SERVER,
  defer,
  echoTool,
  lineClient,
  startNode,
  until,
  useCleanup,
} from '../support/gateways.ts';
import type { LineClient, TestNode } from '../support/gateways.ts';
import { anyText } from '../../fixtures/any-text.ts';
import { upTo } from '../../long/extent.ts';

useCleanup();

const call = (id: unknown, name: string, args: object = {}): object => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name, arguments: args },
});

const NOBODY = {
  principalOf: () => OPERATOR,
  open: () => {
    throw new Error('no sessions here');
  },
  ended: () => undefined,
  clock: systemClock,
  logger: silentLogger,
};

async function ready(node: TestNode): Promise<LineClient> {
  const client = await lineClient(node);
  client.send(INITIALIZE);
  await client.next();
  return client;
}

describe('the socket', () => {
  it('lets only its owner in', async () => {
    const node = await startNode('alice');
    const { socket } = node.gateway.endpoints();
    expect((await stat(socket)).mode & 0o777).toBe(0o600);
    expect((await stat(dirname(socket))).mode & 0o777).toBe(0o700);
  });

  it('serves a session from initialize to a call', async () => {
    const node = await startNode('alice', { servers: { files: STDIO_SERVER } });
    const client = await ready(node);
    client.send(call('a', 'files__echo', { message: 'hi' }));
    expect(await client.next()).toMatchObject({
      id: 'a',
      result: { content: [{ text: 'hi' }], unknown: 1 },
    });
    expect(node.gateway.sessions()).toEqual({ socket: 1, http: 0, tcp: 0, peer: 0 });
  });

  it('answers everything that was asked before the client said it was done', async () => {
    let release: () => void = () => undefined;
    const slow = echoTool({
      call: () =>
        new Promise((resolve) => {
          release = () => resolve({ late: true });
        }),
    });
    const node = await startNode('alice', { builtin: [slow] });
    const client = await ready(node);
    client.send(call(1, 'starling__status'));
    client.end();
    await until(() => node.gateway.load() === 1);
    release();
    expect(await client.next()).toMatchObject({
      id: 1,
      result: { structuredContent: { late: true } },
    });
    await client.closed;
    await until(() => node.gateway.sessions().socket === 0);
  });

  it('answers a burst of requests in its order, of a client that says at once that it is done', async () => {
    const node = await startNode('alice');
    const client = await ready(node);
    const ids = Array.from({ length: 300 }, (_, index) => index + 10);
    client.send(ids.map((id) => JSON.stringify({ jsonrpc: '2.0', id, method: 'ping' })).join('\n'));
    client.end();
    for (const id of ids) expect(await client.next()).toEqual({ jsonrpc: '2.0', id, result: {} });
    await client.closed;
  });

  it('ends the calls of a client that goes', async () => {
    const node = await startNode('alice', { servers: { files: STDIO_SERVER } });
    const client = await ready(node);
    client.send(call(1, 'files__hang'));
    await until(() => node.gateway.load() === 1);
    const other = connect(node.gateway.endpoints().socket);
    defer(() => other.destroy());
    await once(other, 'connect');
    other.write(`${JSON.stringify(INITIALIZE)}\n${JSON.stringify(call(1, 'files__hang'))}\n`);
    await until(() => node.gateway.load() === 2);
    other.destroy();
    await until(() => node.gateway.load() === 1);
  });

  it('survives answers of megabytes to a client that reads late', async () => {
    const node = await startNode('alice', { servers: { files: STDIO_SERVER } });
    const client = await ready(node);
    for (let id = 1; id <= 20; id += 1) client.send(call(id, 'files__big', { bytes: 1_000_000 }));
    const ids = new Set<unknown>();
    while (ids.size < 20) ids.add((await client.next())['id']);
    expect(ids.size).toBe(20);
  });

  it('says why when too many sessions are open, and lets the operator in all the same', async () => {
    const node = await startNode('alice', { limits: { sessions: 1 } });
    await ready(node);
    const second = await lineClient(node, '');
    second.send(INITIALIZE);
    expect(await second.next()).toMatchObject({
      id: 0,
      error: { data: { code: 'STARLING_LIMIT_EXCEEDED' } },
    });
    await second.closed;
    await ready(node);
  });

  it('answers lines that are no messages, and those that are too long, and goes on', async () => {
    const node = await startNode('alice', { limits: { messageBytes: 2000 } });
    const client = await ready(node);
    client.send('garbage');
    expect(await client.next()).toMatchObject({ id: null, error: { code: -32700 } });
    client.send('x'.repeat(5000));
    expect(await client.next()).toMatchObject({
      id: null,
      error: { data: { code: 'STARLING_LIMIT_EXCEEDED' } },
    });
    client.send({ jsonrpc: '2.0', id: 5, method: 'ping' });
    expect(await client.next()).toMatchObject({ id: 5, result: {} });
  });

  it('lives through any lines at all', async () => {
    const node = await startNode('alice');
    const line = fc.oneof(
      anyText(),
      fc.json(),
      fc
        .jsonValue()
        .map((id) =>
          JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'x', id } }),
        ),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 20 }), async (lines) => {
        const client = await lineClient(node);
        for (const text of lines) client.send(text.replaceAll('\n', ' '));
        client.send({ jsonrpc: '2.0', id: 'last', method: 'ping' });
        let answer = await client.next();
        while (answer['id'] !== 'last') answer = await client.next();
        client.end();
        await client.closed;
      }),
      { seed: 4, numRuns: upTo(15, 200) },
    );
    await until(() => node.gateway.sessions().socket === 0);
  });
});

describe('a socket file', () => {
  it('that a killed node left behind is replaced', async () => {
    const node = await startNode('alice');
    const path = join(node.folder, 'stale');
    await writeFile(path, '');
    const transport = createSocketTransport(NOBODY, { path, messageBytes: 1000 });
    await transport.start();
    await transport.start();
    expect((await stat(path)).isSocket()).toBe(true);
    await transport.stop();
    await transport.stop();
  });

  it('that somebody listens on is left alone', async () => {
    const node = await startNode('alice');
    const path = join(node.folder, 'other');
    const other = createServer().listen(path);
    await once(other, 'listening');
    defer(() => other.close());
    const transport = createSocketTransport(NOBODY, { path, messageBytes: 1000 });
    await expect(transport.start()).rejects.toMatchObject({ code: 'STARLING_LISTEN_FAILED' });
    expect((await stat(path)).isSocket()).toBe(true);
  });
});
