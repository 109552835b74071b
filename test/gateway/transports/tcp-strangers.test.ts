/** MCP over raw TCP: who gets in, and what those who show no token can't do. */
import { once } from 'node:events';
import { request } from 'node:http';
import { describe, expect, it } from 'vitest';
import { TOKEN_META } from '../../../src/gateway/transports/tcp.ts';
import type { Credential } from '../../../src/gateway/door/types.ts';
import { createTestClock } from '../../core/test-clock.ts';
import type { TestClock } from '../../core/test-clock.ts';
import { OPERATOR, call, ping } from '../support/fake-session.ts';
import { INITIALIZE, until, useCleanup } from '../support/gateways.ts';
import { CREDENTIAL, NOBODY, TOKEN, greeted, greeting, serve } from '../support/tcp-bench.ts';
import type { Client, Served } from '../support/tcp-bench.ts';

useCleanup();

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
    // Nor does its last line need an end.
    client.socket.end(`\ufeff${JSON.stringify(ping(1.5))}`);
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

  it.each([
    ['is revoked', (served: Served) => served.transport.evict(CREDENTIAL.id)],
    ['expires', (_: Served, clock: TestClock) => clock.advance(60_000)],
  ])('has nothing done any more once its key %s, whatever it sent before', async (_, ends) => {
    const clock = createTestClock();
    const served = await serve({
      clock,
      credentialOf: async () => ({ ...CREDENTIAL, expiresAt: clock.now() + 60_000 }),
    });
    const client = await greeted(served);
    const session = served.sessions.last();
    const before = session.seen.length;
    const receive = session.receive.bind(session);
    session.receive = (...one) => {
      receive(...one);
      ends(served, clock);
    };
    // Several parts: the others are taken in later turns.
    client.send(...Array.from({ length: 400 }, (__, at) => call(at + 1, 'echo')));
    await client.rest();
    await until(() => served.sessions.live().length === 0);
    expect(session.seen.length - before).toBe(1);
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
