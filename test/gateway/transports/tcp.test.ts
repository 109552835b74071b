/** MCP over raw TCP: who has a session, how lines travel, and what hostile lines can't do. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { silentLogger, systemClock } from '../../../src/core/index.ts';
import { notificationBytes } from '../../../src/gateway/wire/frame.ts';
import { TOKEN_META, createTcpTransport } from '../../../src/gateway/transports/tcp.ts';
import { OPERATOR, call, ping } from '../support/fake-session.ts';
import { INITIALIZE, until, useCleanup } from '../support/gateways.ts';
import { INIT, NOBODY, TOKEN, greeted, greeting, serve } from '../support/tcp-bench.ts';
import { anyText } from '../../fixtures/any-text.ts';
import { upTo } from '../../long/extent.ts';

useCleanup();

describe('a TCP client with the token', () => {
  it('has a session from initialize to its end', async () => {
    const served = await serve();
    const client = await greeted(served);
    client.send(call('a', 'echo', { message: 'hé' }));
    expect(await client.next()).toMatchObject({ result: { content: [{ text: 'hé' }] } });
    expect(served.sessions.last().principal).toEqual(OPERATOR);
    client.socket.destroy();
    await until(() => served.sessions.live().length === 0);
    expect(served.sessions.last().isOver).toBe(true);
  });

  it('may say everything at once, and is answered in order before the socket closes', async () => {
    const served = await serve();
    const client = await served.connect();
    const initialized = { jsonrpc: '2.0', method: 'notifications/initialized' };
    client.send(greeting(), initialized, call(1, 'echo', { message: 'x' }), [ping(2), ping(3)]);
    client.socket.end();
    expect(await client.rest()).toMatchObject([{ id: 0 }, { id: 1 }, [{ id: 2 }, { id: 3 }]]);
  });

  it('is answered what is under way after it has said all', async () => {
    const served = await serve();
    const client = await greeted(served);
    client.send(call(1, 'hang'));
    client.socket.end();
    await until(() => served.sessions.last().inFlight === 1);
    served.sessions.last().release();
    expect(await client.rest()).toContainEqual({
      jsonrpc: '2.0',
      id: 1,
      result: { released: true },
    });
  });

  it('answers what the node asks it', async () => {
    const client = await greeted(await serve());
    client.send(call(1, 'ask'));
    expect(await client.next()).toMatchObject({ id: 'q', method: 'roots/list' });
    client.send({ jsonrpc: '2.0', id: 'q', result: { roots: [] } });
    expect(await client.next()).toMatchObject({
      id: 1,
      result: { content: [{ text: '{"roots":[]}' }] },
    });
  });

  it('is who its token says', async () => {
    const guest = { ...OPERATOR, name: 'guest' };
    const served = await serve({
      credentialOf: async (token) =>
        token === TOKEN ? { id: 'guest', principal: guest } : undefined,
    });
    await greeted(served);
    expect(served.sessions.last().principal).toBe(guest);
  });

  it('may send several calls as VisionFlow does, and has one answer to all', async () => {
    const client = await greeted(await serve());
    const params = [
      { method: 'ping' },
      { method: 'tools/call', params: { name: 'echo', arguments: { a: 1 } } },
    ];
    client.send({ jsonrpc: '2.0', id: 11, method: 'batch', params });
    const { id, result } = (await client.next()) as { id: number; result: object[] };
    expect(id).toBe(11);
    expect(result.map((one) => Object.keys(one))).toEqual([['result'], ['result']]);
  });

  it('may cancel them all at once: those end, others go on, and its id is free again', async () => {
    const served = await serve();
    const client = await greeted(served);
    const hang = { method: 'tools/call', params: { name: 'hang', arguments: {} } };
    client.send(call(0, 'hang'), {
      jsonrpc: '2.0',
      id: 11,
      method: 'batch',
      params: [hang, { method: 'ping' }, hang],
    });
    const session = served.sessions.last();
    await until(() => session.inFlight === 3);
    client.send({
      jsonrpc: '2.0',
      method: 'notifications/cancelled',
      params: { requestId: 11 },
    });
    await until(() => session.inFlight === 1);
    client.send({ jsonrpc: '2.0', id: 11, method: 'batch', params: [{ method: 'ping' }] });
    expect(await client.next(), 'the first answer is that of the second batch').toMatchObject({
      id: 11,
      result: [{ result: {} }],
    });
    session.release();
    expect(await client.next()).toMatchObject({ id: 0, result: { released: true } });
  });

  it('never has it handed on, logged or repeated', async () => {
    const served = await serve();
    const client = await served.connect();
    const twice = JSON.stringify(greeting(TOKEN, { traceparent: 't' })).replace(
      '"_meta"',
      `"_meta":{"${TOKEN_META}":"${TOKEN}"},"_meta"`,
    );
    client.send(twice);
    expect(JSON.stringify(await client.next())).not.toContain(TOKEN);
    client.send(greeting(TOKEN, { traceparent: 't' }));
    await client.next();
    const later = { ...ping(5), params: { _meta: { [TOKEN_META]: TOKEN } } };
    client.send(later);
    await client.next();
    const { seen } = served.sessions.last();
    expect(seen.map(({ kind }) => kind)).toEqual(['request', 'request']);
    expect(seen[0]).toMatchObject({
      params: { ...INITIALIZE.params, _meta: { traceparent: 't' } },
    });
    expect(JSON.parse(seen[0]?.bytes.toString() ?? '')).toEqual({
      ...INITIALIZE,
      params: { ...INITIALIZE.params, _meta: { traceparent: 't' } },
    });
    for (const frame of seen) {
      expect(JSON.stringify(frame) + frame.bytes.toString()).not.toContain(TOKEN);
    }
    expect(served.logged.join('')).not.toContain(TOKEN);
  });

  it('is told why when too many sessions are open, and can try again', async () => {
    const served = await serve({ max: 1 });
    const first = await greeted(served);
    const second = await served.connect();
    second.send(greeting());
    expect(await second.next()).toMatchObject({
      id: 0,
      error: { data: { code: 'STARLING_LIMIT_EXCEEDED' } },
    });
    first.socket.destroy();
    await until(() => served.sessions.live().length === 0);
    second.send(greeting());
    expect(await second.next()).toMatchObject({ id: 0, result: {} });
  });
});

describe('hostile lines', () => {
  it('that are no messages or too long are answered, and the session goes on', async () => {
    const client = await greeted(await serve({ init: { messageBytes: 2000 } }));
    client.send('garbage', '{"a":'.repeat(10), `{"x":"${'x'.repeat(5000)}"}`, '[]', ping(9));
    expect(await client.next()).toMatchObject({ id: null, error: { code: -32700 } });
    expect(await client.next()).toMatchObject({ id: null, error: { code: -32700 } });
    expect(await client.next()).toMatchObject({
      id: null,
      error: { data: { limit: 'limits.messageBytes' } },
    });
    expect(await client.next()).toMatchObject({ id: null, error: { code: -32600 } });
    expect(await client.next()).toMatchObject({ id: 9, result: {} });
  });

  it('cut anywhere, in the middle of a letter too, are read whole', async () => {
    const client = await greeted(await serve());
    client.socket.setNoDelay(true);
    const bytes = Buffer.from(`${JSON.stringify(call(1, 'echo', { message: 'é𝄞' }))}\r\n`);
    for (const byte of bytes) {
      client.socket.write(Buffer.of(byte));
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
    expect(await client.next()).toMatchObject({ id: 1, result: { content: [{ text: 'é𝄞' }] } });
  });

  it('of bytes that are no UTF-8 are refused', async () => {
    const client = await greeted(await serve());
    client.socket.write(
      Buffer.concat([Buffer.from('{"a":"'), Buffer.of(0xff), Buffer.from('"}\n')]),
    );
    expect(await client.next()).toMatchObject({ id: null, error: { code: -32700 } });
  });

  it('of any kind do no harm, and never reach another client', async () => {
    const served = await serve();
    const bystander = await greeted(served);
    const line = fc.oneof(
      anyText(),
      fc.json(),
      fc.jsonValue().map((id) => JSON.stringify({ ...call(1, 'echo'), id })),
      fc.array(fc.jsonValue()).map((list) => JSON.stringify(list)),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 20 }), async (lines) => {
        const client = await greeted(served);
        client.send(...lines.map((text) => text.replaceAll('\n', ' ')), ping('last'));
        let answer = await client.next();
        while (answer['id'] !== 'last') answer = await client.next();
        client.socket.end();
        await client.rest();
      }),
      { seed: 4, numRuns: upTo(15, 200) },
    );
    bystander.send(ping('mine'));
    expect(await bystander.next()).toMatchObject({ id: 'mine' });
    await until(() => served.sessions.live().length === 1);
  });
});

describe('a TCP client that does not read', () => {
  it('is not read from, and is cut off when too much waits', async () => {
    const served = await serve();
    const client = await greeted(served);
    client.socket.pause();
    const bytes = 8 * 1024 * 1024;
    client.send(call(1, 'big', { bytes }));
    const session = served.sessions.last();
    await until(() => session.seen.length === 2);
    client.send(ping(2));
    // Somebody else is served after that message came, so that it would have been read by now.
    await greeted(served);
    expect(session.seen).toHaveLength(2);
    const notice = notificationBytes('notifications/message', { data: 'x'.repeat(bytes) });
    for (let count = 0; count < 12; count += 1) session.push(notice);
    await until(() => session.isOver);
  });
});

describe('the TCP port', () => {
  it('that is taken is named, with what to do', async () => {
    const served = await serve();
    const port = Number(served.transport.address()?.split(':')[1]);
    const second = createTcpTransport(
      {
        isAllowed: () => true,
        nobody: NOBODY,
        credentialOf: async () => undefined,
        open: () => {
          throw new Error('none');
        },
        ended: () => undefined,
        clock: systemClock,
        logger: silentLogger,
      },
      { ...INIT, port },
    );
    await expect(second.start()).rejects.toMatchObject({
      code: 'STARLING_LISTEN_FAILED',
      hint: expect.stringContaining('--tcp'),
    });
    expect(second.address()).toBeUndefined();
    await second.stop();
  });

  it('is free again after a stop, and all its sessions are over', async () => {
    const served = await serve();
    const client = await greeted(served);
    await served.transport.start();
    await served.transport.stop();
    await served.transport.stop();
    await client.rest();
    await until(() => served.sessions.live().length === 0);
    expect(served.transport.address()).toBeUndefined();
    await served.transport.start();
    await greeted(served);
  });

  it('bears hundreds of clients that come and go', async () => {
    const served = await serve();
    const rounds = upTo(4, 20);
    for (let round = 0; round < rounds; round += 1) {
      const clients = await Promise.all(Array.from({ length: 50 }, () => greeted(served)));
      for (const { socket } of clients) socket.destroy();
    }
    await until(() => served.sessions.live().length === 0);
    expect(served.sessions.all).toHaveLength(rounds * 50);
  });
});
