/** HTTP+SSE of 2024-11-05, with the official client of it, and with clients that behave badly. */
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { ListRootsRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { describe, expect, it } from 'vitest';
import { silentLogger, systemClock } from '../../../src/core/index.ts';
import type { Clock, JsonObject } from '../../../src/core/index.ts';
import { notificationBytes } from '../../../src/gateway/wire/frame.ts';
import { createSseTransport } from '../../../src/gateway/transports/sse.ts';
import type { SseTransport } from '../../../src/gateway/transports/sse.ts';
import { createTestClock } from '../../core/test-clock.ts';
import { OPERATOR, call, fakeSessions, ping } from '../support/fake-session.ts';
import type { FakeSessions } from '../support/fake-session.ts';
import { INITIALIZE, defer, textOf, until, useCleanup } from '../support/gateways.ts';
import { upTo } from '../../long/extent.ts';

useCleanup();

const MESSAGE_BYTES = 100_000;

interface Served {
  readonly port: number;
  readonly sessions: FakeSessions;
  readonly transport: SseTransport;
  /** How many POSTs the transport was given. */
  posts(): number;
}

/** The credential is the header's, as the door of the HTTP edge would find out. */
async function serve(
  options: { clock?: Clock; max?: number; keepAliveMs?: number } = {},
): Promise<Served> {
  const sessions = fakeSessions(options.max);
  const transport = createSseTransport(
    {
      ended: (session) => sessions.ended(session),
      clock: options.clock ?? systemClock,
      logger: silentLogger,
    },
    { messageBytes: MESSAGE_BYTES, keepAliveMs: options.keepAliveMs ?? 30_000 },
  );
  let posts = 0;
  const server = createServer((incoming, response) => {
    const { who = 'operator' } = incoming.headers;
    const credential = { id: String(who), principal: OPERATOR };
    if (incoming.method === 'POST') {
      posts += 1;
      transport.post(incoming, response, credential);
    } else {
      transport.get(incoming, response, {
        path: '/messages',
        credential,
        renewed: () => undefined,
        open: (push) => sessions.open(OPERATOR, push),
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  defer(() => {
    transport.stop();
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return { port, sessions, transport, posts: () => posts };
}

async function sdkClient(served: Served): Promise<Client> {
  const client = new Client({ name: 'old', version: '1' }, { capabilities: { roots: {} } });
  await client.connect(new SSEClientTransport(new URL(`http://127.0.0.1:${served.port}/sse`)));
  defer(() => client.close());
  return client;
}

interface Stream {
  /** Where to POST. */
  readonly endpoint: string;
  readonly request: ClientRequest;
  readonly response: IncomingMessage;
  next(): Promise<JsonObject>;
  readonly comments: string[];
  readonly closed: Promise<void>;
}

async function openStream(served: Served, headers: Record<string, string> = {}): Promise<Stream> {
  const sent = request({
    host: '127.0.0.1',
    port: served.port,
    path: '/sse',
    headers: { accept: 'text/event-stream', ...headers },
    agent: false,
  });
  sent.on('error', () => undefined);
  sent.end();
  defer(() => sent.destroy());
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  const messages: JsonObject[] = [];
  const comments: string[] = [];
  let endpoint = '';
  let text = '';
  response.on('error', () => undefined);
  response.setEncoding('utf8').on('data', (chunk: string) => {
    const events = (text + chunk).split('\n\n');
    text = events.pop() ?? '';
    for (const event of events) {
      const data = event.replace(/^event: \w+\ndata: /, '');
      if (event.startsWith(':')) comments.push(event);
      else if (event.startsWith('event: endpoint')) endpoint = data;
      else messages.push(JSON.parse(data) as JsonObject);
    }
  });
  const closed = new Promise<void>((resolve) => {
    response.once('close', () => resolve());
  });
  if (response.statusCode === 200) await until(() => endpoint !== '');
  return {
    endpoint,
    request: sent,
    response,
    comments,
    closed,
    async next() {
      await until(() => messages.length > 0);
      return messages.shift() ?? {};
    },
  };
}

async function post(
  served: Served,
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: string; headers: IncomingMessage['headers'] }> {
  const sent = request({
    host: '127.0.0.1',
    port: served.port,
    path,
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    agent: false,
  });
  sent.end(typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body));
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  return { status: response.statusCode ?? 0, body: text, headers: response.headers };
}

describe('the official client over HTTP+SSE', () => {
  it('lists, calls, hears progress and answers what it is asked', async () => {
    const served = await serve();
    const client = await sdkClient(served);
    client.setRequestHandler(ListRootsRequestSchema, () => ({ roots: [{ uri: 'file:///a' }] }));
    expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(['echo']);
    const echoed = await client.callTool({ name: 'echo', arguments: { message: 'hé\n' } });
    expect(textOf(echoed)).toBe('hé\n');
    const heard: number[] = [];
    const asked = await client.callTool({ name: 'ask' }, undefined, {
      onprogress: ({ progress }) => heard.push(progress),
    });
    expect(textOf(asked)).toContain('file:///a');
    expect(heard).toEqual([1]);
    await client.close();
    await until(() => served.sessions.live().length === 0);
    expect(served.sessions.last().isOver).toBe(true);
  });

  it('never gets the answers of another, though they count alike', async () => {
    const served = await serve();
    const [one, two] = await Promise.all([sdkClient(served), sdkClient(served)]);
    const ask = async (client: Client, who: string): Promise<void> => {
      for (let index = 0; index < 50; index += 1) {
        const message = `${who} ${index}`;
        const result = await client.callTool({ name: 'echo', arguments: { message } });
        expect(textOf(result)).toBe(message);
      }
    };
    await Promise.all([ask(one, 'one'), ask(two, 'two')]);
  });
});

describe('a POST', () => {
  it('is taken with 202, and answered on the stream: batches as one', async () => {
    const served = await serve();
    const stream = await openStream(served);
    expect(stream.endpoint).toMatch(/^\/messages\?sessionId=[\w-]{32}$/);
    expect((await post(served, stream.endpoint, INITIALIZE)).status).toBe(202);
    expect(await stream.next()).toMatchObject({ id: 0, result: {} });
    expect((await post(served, stream.endpoint, [ping(1), ping(2)])).status).toBe(202);
    expect(await stream.next()).toMatchObject([{ id: 1 }, { id: 2 }]);
    const notification = { jsonrpc: '2.0', method: 'notifications/initialized' };
    expect((await post(served, stream.endpoint, [notification])).status).toBe(202);
    expect(served.sessions.last().seen.at(-1)).toMatchObject({ kind: 'notification' });
  });

  it('names a trace in its headers, which each of its requests is a part of', async () => {
    const served = await serve();
    const stream = await openStream(served);
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    await post(served, stream.endpoint, ping(1), { traceparent });
    await post(served, stream.endpoint, [ping(2), ping(3)], { traceparent });
    await stream.next();
    await stream.next();
    const { seen } = served.sessions.last();
    expect(seen.map((frame) => 'params' in frame && frame.params['_meta'])).toEqual([
      { traceparent },
      { traceparent },
      { traceparent },
    ]);
  });

  it('that can’t be taken is refused with its id', async () => {
    const served = await serve();
    const stream = await openStream(served);
    const twin = '{"jsonrpc":"2.0","id":"x7","method":"ping","Method":"tools/call"}';
    const refused = await post(served, stream.endpoint, twin);
    expect(refused.status).toBe(400);
    expect(refused.body).toContain('"id":"x7"');
  });

  it('of somebody else looks as if there were no session', async () => {
    const served = await serve();
    const stream = await openStream(served, { who: 'alice' });
    const others = await post(served, stream.endpoint, ping(1), { who: 'mallory' });
    const unknown = await post(served, '/messages?sessionId=none', ping(1), { who: 'mallory' });
    expect(others.status).toBe(404);
    expect(others.body).toBe(unknown.body);
    expect((await post(served, stream.endpoint, ping(1), { who: 'alice' })).status).toBe(202);
    expect(served.sessions.last().seen).toHaveLength(1);
  });

  it.each([
    '/messages',
    '/messages?',
    '/messages?sessionId=',
    '/messages?sessionId=a&sessionId=b',
    '//',
    '/%zz?%',
  ])('to %s finds no session', async (path) => {
    const served = await serve();
    await openStream(served);
    expect((await post(served, path, ping(1))).status).toBe(404);
  });

  it.each<[string, unknown, number]>([
    ['is no JSON', 'garbage', 400],
    ['is no message', '{"jsonrpc":"2.0"}', 400],
    ['is an empty batch', '[]', 400],
    ['is no UTF-8', Buffer.of(0x22, 0xff, 0x22), 400],
    ['is too long', `"${'x'.repeat(MESSAGE_BYTES)}"`, 413],
  ])('that %s is refused, and the session goes on', async (_, body, status) => {
    const served = await serve();
    const stream = await openStream(served);
    const refused = await post(served, stream.endpoint, body);
    expect(refused.status).toBe(status);
    expect(JSON.parse(refused.body)).toMatchObject({ id: null, error: {} });
    expect((await post(served, stream.endpoint, ping(1))).status).toBe(202);
    expect(await stream.next()).toMatchObject({ id: 1 });
    expect(served.sessions.last().seen).toHaveLength(1);
  });

  it('of another type is refused, as a web page can send it without asking', async () => {
    const served = await serve();
    const stream = await openStream(served);
    const headers = { 'content-type': 'text/plain' };
    expect((await post(served, stream.endpoint, ping(1), headers)).status).toBe(415);
    expect(served.sessions.last().seen).toEqual([]);
  });

  it('to a stream that is over finds no session', async () => {
    const served = await serve();
    const stream = await openStream(served);
    stream.request.destroy();
    await until(() => served.sessions.live().length === 0);
    expect((await post(served, stream.endpoint, ping(1))).status).toBe(404);
  });
});

describe('an event stream', () => {
  it('is given only to who takes one', async () => {
    const served = await serve();
    const { response } = await openStream(served, { accept: 'application/json' });
    expect(response.statusCode).toBe(406);
    expect(served.sessions.all).toEqual([]);
  });

  it('is kept alive, and ended when nobody POSTs', async () => {
    const clock = createTestClock();
    const served = await serve({ clock });
    const silent = await openStream(served);
    const used = await openStream(served);
    await post(served, used.endpoint, ping(1));
    await used.next();
    for (let beat = 0; beat < 6; beat += 1) {
      clock.advance(15_000);
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
    await silent.closed;
    await until(() => used.comments.length >= 5);
    expect(served.sessions.live()).toEqual([served.sessions.last()]);
  });

  it('is kept alive twice as often as the configuration says of other connections', async () => {
    const clock = createTestClock();
    const stream = await openStream(await serve({ clock, keepAliveMs: 2000 }));
    for (let beat = 0; beat < 3; beat += 1) {
      clock.advance(1000);
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
    await until(() => stream.comments.length === 3);
  });

  it('is offered as the idlest unless a call is under way, and refused where no more fit', async () => {
    const served = await serve({ max: 2 });
    const [busy, idle] = [await openStream(served), await openStream(served)];
    await post(served, busy.endpoint, call(1, 'hang'));
    const third = await openStream(served);
    expect(third.response.statusCode).toBe(503);
    expect(third.response.headers['retry-after']).toBe('10');
    served.transport.idlest()?.close();
    await idle.closed;
    expect(served.transport.idlest()).toBeUndefined();
    expect(served.sessions.live()).toHaveLength(1);
  });

  describe('that is read slowly', () => {
    const BIG = 8 * 1024 * 1024;

    /** A client with a large answer on its way that it does not read. */
    async function behind(clock?: Clock): Promise<{ served: Served; stream: Stream }> {
      const served = await serve(clock === undefined ? {} : { clock });
      const stream = await openStream(served);
      stream.response.pause();
      await post(served, stream.endpoint, call(1, 'big', { bytes: BIG }));
      return { served, stream };
    }

    it('loses nothing of what its client says meanwhile, and keeps the order', async () => {
      const { served, stream } = await behind();
      const posts: ReturnType<typeof post>[] = [];
      for (const id of [2, 3, 4]) {
        posts.push(post(served, stream.endpoint, ping(id)));
        await until(() => served.posts() === id);
      }
      expect(served.sessions.last().seen).toHaveLength(1);
      stream.response.resume();
      const statuses = (await Promise.all(posts)).map(({ status }) => status);
      expect(statuses).toEqual([202, 202, 202]);
      const ids: unknown[] = [];
      for (let count = 0; count < 4; count += 1) ids.push((await stream.next())['id']);
      expect(ids).toEqual([1, 2, 3, 4]);
    });

    it('refuses by id what has waited too long, and what is one too many', async () => {
      const clock = createTestClock();
      const { served, stream } = await behind(clock);
      const waiting = Array.from({ length: 100 }, (_, at) =>
        post(served, stream.endpoint, ping(at + 2)),
      );
      await until(() => served.posts() === 101);
      const refused = [await post(served, stream.endpoint, ping(102))];
      clock.advance(20_000);
      refused.push(...(await Promise.all(waiting)));
      for (const { status, headers } of refused) {
        expect(status).toBe(429);
        expect(headers).toMatchObject({ 'retry-after': '1' });
      }
      const ids = refused.map(({ body }) => (JSON.parse(body) as { id: number }).id);
      expect(ids.toSorted((a, b) => a - b)).toEqual(waiting.map((_, at) => at + 2).concat(102));
      expect(served.sessions.last().seen).toHaveLength(1);
    });

    it('tells who waits that the stream has ended', async () => {
      const { served, stream } = await behind();
      const waiting = post(served, stream.endpoint, ping(2));
      await until(() => served.posts() === 2);
      stream.request.destroy();
      expect((await waiting).status).toBe(404);
    });

    it('ends when too much waits', async () => {
      const { served } = await behind();
      const session = served.sessions.last();
      const notice = notificationBytes('notifications/message', { data: 'x'.repeat(BIG) });
      for (let count = 0; count < 12; count += 1) session.push(notice);
      await until(() => session.isOver);
    });
  });

  it('that is stuck is ended in two minutes', async () => {
    const clock = createTestClock();
    const served = await serve({ clock });
    const stream = await openStream(served);
    stream.response.pause();
    await post(served, stream.endpoint, call(1, 'big', { bytes: 16 * 1024 * 1024 }));
    // The two minutes begin when no byte moves any more, which is not known here.
    let beats = 0;
    for (; beats < 40 && !served.sessions.last().isOver; beats += 1) {
      clock.advance(15_000);
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
    await until(() => served.sessions.last().isOver);
    expect(beats).toBeGreaterThanOrEqual(8);
  });

  it('ends with the node', async () => {
    const served = await serve();
    const stream = await openStream(served);
    served.transport.stop();
    served.transport.stop();
    await stream.closed;
    expect(served.sessions.live()).toEqual([]);
  });

  it('is one of hundreds that come and go', async () => {
    const served = await serve();
    const rounds = upTo(4, 20);
    for (let round = 0; round < rounds; round += 1) {
      const streams = await Promise.all(Array.from({ length: 50 }, () => openStream(served)));
      for (const stream of streams) stream.request.destroy();
    }
    await until(() => served.sessions.live().length === 0);
    expect(served.sessions.all).toHaveLength(rounds * 50);
  });
});
