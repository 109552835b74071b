import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { openHttpConnection } from '../../../sim/bench/http-connection.ts';
import type { HttpConnection } from '../../../sim/bench/http-connection.ts';

const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

async function connectTo(server: Server): Promise<HttpConnection> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const connection = await openHttpConnection(new URL(`http://127.0.0.1:${port}/mcp`), {
    'content-type': 'application/json',
  });
  stops.push(
    () => connection.close(),
    () => server.close(),
  );
  return connection;
}

const serving = (listener: RequestListener): Promise<HttpConnection> =>
  connectTo(createHttpServer(listener));

/** Answers every request with `bytes`, one at a time, each in a write of its own. */
function dripping(bytes: string): Promise<HttpConnection> {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    socket.on('data', () => {
      const drip = (at: number): void => {
        if (at < bytes.length) socket.write(bytes.charAt(at), () => setImmediate(drip, at + 1));
      };
      drip(0);
    });
  });
  return connectTo(server);
}

describe("the loader's HTTP connection", () => {
  it('posts a body and reads the answer, again and again on one connection', async () => {
    const ports = new Set<number | undefined>();
    const connection = await serving((request, response) => {
      ports.add(request.socket.remotePort);
      request.setEncoding('utf8');
      let body = '';
      request.on('data', (text: string) => (body += text));
      request.on('end', () => response.end(`${request.method} ${request.url} ${body}`));
    });
    for (const body of ['one', 'zwei', 'três']) {
      const answer = await connection.post(body);
      expect([answer.status, answer.body]).toEqual([200, `POST /mcp ${body}`]);
    }
    expect(ports.size).toBe(1);
  });

  it('reads chunked bodies and answers without a body', async () => {
    const answers: ((response: Parameters<RequestListener>[1]) => void)[] = [
      (response) => {
        response.write('data: ');
        setImmediate(() => response.end('{"id":1}'));
      },
      (response) => void response.writeHead(202).end(),
      (response) => void response.end('last'),
    ];
    const connection = await serving((request, response) => {
      request.resume();
      answers.shift()?.(response);
    });
    const seen = [];
    for (let count = 0; count < 3; count += 1) {
      const { status, body, sizeBytes } = await connection.post('{}');
      seen.push([status, body, sizeBytes]);
    }
    expect(seen).toEqual([
      [200, 'data: {"id":1}', 14],
      [202, '', 0],
      [200, 'last', 4],
    ]);
  });

  it('reads an answer that comes byte by byte', async () => {
    const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';
    const connection = await dripping(`${chunked}3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\n`);
    expect((await connection.post('{}')).body).toBe('abcde');
    expect((await connection.post('{}')).body).toBe('abcde');
  });

  it('counts a big body and keeps its first 256 KiB', async () => {
    const connection = await serving((request, response) => {
      request.resume();
      response.end('x'.repeat(1_000_000));
    });
    const { body, sizeBytes } = await connection.post('{}');
    expect([body.length, sizeBytes]).toEqual([262_144, 1_000_000]);
  });

  it('says so when the server hangs up before it has answered', async () => {
    const connection = await serving((request) => request.socket.destroy());
    await expect(connection.post('{}')).rejects.toThrow(/closed|ECONNRESET/);
  });
});
