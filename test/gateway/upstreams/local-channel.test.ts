/** One session's channel to a server of this node: what the server learns of its client, and keeps. */
import { describe, expect, it } from 'vitest';
import { Secret } from '../../../src/core/index.ts';
import type { Principal } from '../../../src/guard/index.ts';
import { until, useCleanup } from '../support/gateways.ts';
import {
  ALICE,
  BOB,
  callerOf,
  upstreamBench,
  useCallers,
  whoami,
} from '../support/upstream-bench.ts';
import type { Caller } from '../support/upstream-bench.ts';

useCleanup();
const callerAt = useCallers();

const PEER: Principal = {
  kind: 'peer',
  did: 'did:key:z1' as never,
  peerId: 'p1' as never,
  alias: 'bob',
};
const ROOTS = { roots: { listChanged: true }, sampling: {} };
const askRoots = { requests: [{ method: 'roots/list', params: {} }] };
const askSampling = { requests: [{ method: 'sampling/createMessage', params: { messages: [] } }] };
const uri = 'note://one';
const params = { uri };

const updates = (caller: Caller): unknown[] =>
  caller.heard
    .filter(({ method }) => method === 'notifications/resources/updated')
    .map((frame) => frame.params['uri']);

describe('the roots of a client', () => {
  it('are told to a server of the same node', async () => {
    const caller = await callerAt({ capabilities: ROOTS });
    expect((await whoami(caller)).capabilities).toEqual(ROOTS);
    const asking = caller.tool('ask', askRoots);
    expect((await caller.answer({ roots: [{ uri: 'file:///home' }] })).method).toBe('roots/list');
    expect(await asking).toEqual([{ roots: [{ uri: 'file:///home' }] }]);
  });

  it('of a peer are not, and asking for them all the same is of no use', async () => {
    const bench = await upstreamBench();
    const caller = callerOf(bench, { principal: PEER, capabilities: ROOTS });
    expect((await whoami(caller)).capabilities).toEqual({ sampling: {} });
    expect(await caller.tool('ask', askRoots)).toMatchObject([{ error: { code: -32601 } }]);
    expect(caller.asked).toEqual([]);
    const sampling = caller.tool('ask', askSampling);
    await caller.answer({ model: 'm' });
    expect(await sampling).toEqual([{ model: 'm' }]);
  });

  it('of a peer are told where the configuration says so', async () => {
    const bench = await upstreamBench({ server: { peerRoots: true } });
    const caller = callerOf(bench, { principal: PEER, capabilities: ROOTS });
    expect((await whoami(caller)).capabilities).toEqual(ROOTS);
  });

  it('of a peer are kept from modern servers, too', async () => {
    const bench = await upstreamBench({ eras: 'modern' });
    const caller = callerOf(bench, { principal: PEER });
    const seen = await caller.modernTool('whoami', {}, { capabilities: ROOTS });
    expect(seen).toMatchObject({ capabilities: { sampling: {} }, clientInfo: { name: 'modern' } });
    const asking = caller.sendModern(
      'tools/call',
      { name: 'ask', arguments: askRoots },
      { capabilities: ROOTS },
    );
    expect((await asking.ending).failed?.code).toBe('STARLING_UPSTREAM_INVALID');
  });
});

describe('a question of a server', () => {
  it('reaches the session whose call it belongs to, and no other of the same person', async () => {
    const bench = await upstreamBench();
    const [one, two] = [1, 2].map(() => callerOf(bench, { capabilities: ROOTS })) as [
      Caller,
      Caller,
    ];
    await whoami(two);
    const asking = one.tool('ask', askSampling);
    await one.answer({ model: 'mine' });
    expect(await asking).toEqual([{ model: 'mine' }]);
    expect(two.asked).toEqual([]);
  });

  it('is answered for clients that can not be asked: no roots, and nothing else', async () => {
    const bench = await upstreamBench({ server: { shared: true } });
    const [one, two] = [callerOf(bench, { capabilities: ROOTS }), callerOf(bench)];
    await whoami(two);
    const requests = [...askRoots.requests, ...askSampling.requests];
    expect(await one.tool('ask', { requests })).toMatchObject([
      { roots: [] },
      { error: { code: -32601 } },
    ]);
    expect([...one.asked, ...two.asked]).toEqual([]);
  });
});

describe('the log level of a session', () => {
  it('is told to an instance that starts later, and to the one after a crash', async () => {
    const caller = await callerAt();
    await caller.channel.request('logging/setLevel', { level: 'warning' }, { timeoutMs: 60_000 });
    expect((await whoami(caller)).logLevel).toBe('warning');
    await caller.send('tools/call', { name: 'crash' }).ending;
    expect((await whoami(caller)).logLevel).toBe('warning');
    await caller.channel.request('logging/setLevel', { level: 'error' }, { timeoutMs: 60_000 });
    expect((await whoami(caller)).logLevel).toBe('error');
  });

  it('is in every request to a modern server', async () => {
    const caller = await callerAt({ eras: 'modern' });
    await caller.send('logging/setLevel', { level: 'notice' }).ending;
    expect(await whoami(caller)).toMatchObject({ era: 'modern', logLevel: 'notice' });
  });
});

describe('a subscription', () => {
  it('is heard, and renewed when the server crashes, though nobody calls', async () => {
    const bench = await upstreamBench();
    const caller = callerOf(bench, { capabilities: ROOTS });
    expect((await caller.send('resources/subscribe', params).ending).result).toEqual({});
    await caller.tool('touch', params);
    expect(updates(caller)).toEqual([uri]);
    await caller.send('tools/call', { name: 'crash' }).ending;
    await until(async () => (await whoami(caller)).subscribed.includes(uri));
    await caller.tool('touch', params);
    expect(updates(caller)).toEqual([uri, uri]);
  });

  it('of an old client is heard from a modern server, before and after a crash', async () => {
    const bench = await upstreamBench({ eras: 'modern' });
    const caller = callerOf(bench, { capabilities: ROOTS });
    expect((await caller.send('resources/subscribe', params).ending).result).toEqual({});
    await until(async () => (await whoami(caller)).subscribed.includes(uri));
    await caller.tool('touch', params);
    await until(() => updates(caller).length === 1);
    await caller.send('tools/call', { name: 'crash' }).ending;
    await until(async () => (await whoami(caller)).subscribed.includes(uri));
    await caller.send('resources/unsubscribe', params).ending;
    await until(async () => !(await whoami(caller)).subscribed.includes(uri));
  });

  it('at a modern server is made again when the server ends it', async () => {
    const bench = await upstreamBench({ eras: 'modern' });
    const caller = callerOf(bench, { capabilities: ROOTS });
    await caller.send('resources/subscribe', params).ending;
    await until(async () => (await whoami(caller)).subscribed.includes(uri));
    await caller.tool('unlisten');
    expect((await whoami(caller)).subscribed).toEqual([]);
    await bench.clock.leap(2000);
    await until(async () => (await whoami(caller)).subscribed.includes(uri));
    await caller.tool('touch', params);
    await until(() => updates(caller).length === 1);
  });

  it.each([
    ['never again, by a server that has none', -32601, 1],
    ['no more than five times, by a server that always refuses', -32603, 5],
  ])('at a modern server is asked for %s', async (_, code, times) => {
    const env = { ERAS: new Secret('modern'), LISTEN_ERROR: new Secret(String(code)) };
    const bench = await upstreamBench({ server: { env, idleMs: 0 } });
    const caller = callerOf(bench);
    for (let count = 0; count < 12; count += 1) {
      await whoami(caller);
      await bench.clock.leap(60_000);
    }
    expect(await caller.tool('seen')).toMatchObject({ listens: times });
  });

  it('that the server refuses is not made again on the next instance', async () => {
    const env = { ERAS: new Secret('legacy'), NO_SUBSCRIBE: new Secret('1') };
    const bench = await upstreamBench({ server: { env } });
    const caller = callerOf(bench);
    expect((await caller.send('resources/subscribe', params).ending).error).toBeDefined();
    await caller.send('tools/call', { name: 'crash' }).ending;
    await whoami(caller);
    await bench.clock.leap(20_000);
    expect(await caller.tool('seen')).toMatchObject({ subscribes: 0 });
    // Nobody is subscribed: it may go idle.
    await bench.clock.leap(700_000);
    await until(() => bench.upstream.status().instances === 0);
  });

  it('lasts until the last session that shares the instance has ended it', async () => {
    const bench = await upstreamBench();
    const [one, two] = [callerOf(bench), callerOf(bench)];
    for (const caller of [one, two]) await caller.send('resources/subscribe', params).ending;
    await one.send('resources/unsubscribe', params).ending;
    expect((await whoami(two)).subscribed).toContain(uri);
    two.channel.close();
    await until(async () => !(await whoami(one)).subscribed.includes(uri));
  });
});

describe('a call', () => {
  it('that is given up while the server starts is never sent', async () => {
    const bench = await upstreamBench();
    const caller = callerOf(bench);
    caller.send('tools/call', { name: 'crash' }).call.cancel();
    expect(await whoami(caller)).toMatchObject({ pid: expect.any(Number) as number });
    expect(bench.upstream.status().error).toBeUndefined();
  });

  it('that comes as its instance is being ended goes to a new one', async () => {
    const bench = await upstreamBench();
    const caller = callerOf(bench);
    const { pid } = await whoami(caller);
    bench.upstream.retry();
    expect((await whoami(caller)).pid).not.toBe(pid);
  });

  it('that is given up later is cancelled at the server', async () => {
    const caller = await callerAt();
    await whoami(caller);
    caller.send('tools/call', { name: 'hang' }).call.cancel('enough');
    expect(await caller.tool('cancelled')).toHaveLength(1);
  });

  it('hears the log of its server', async () => {
    const caller = await callerAt();
    await caller.tool('log', { level: 'info', data: 'said' });
    expect(caller.heard).toMatchObject([{ params: { level: 'info', data: 'said' } }]);
  });
});

describe('a channel that is closed', () => {
  it('takes the instance along that nobody else can use, and leaves the shared ones', async () => {
    const bench = await upstreamBench();
    const own = callerOf(bench, { capabilities: ROOTS });
    const shared = callerOf(bench);
    await whoami(own);
    await whoami(shared);
    expect(bench.upstream.status().instances).toBe(3);
    own.channel.close();
    shared.channel.close();
    expect(bench.upstream.status().instances).toBe(2);
    expect((await own.channel.ended).message).toBe("server 'far' is gone");
  });

  it('takes an instance along that is only starting', async () => {
    const bench = await upstreamBench();
    const own = callerOf(bench, { capabilities: ROOTS });
    const ending = whoami(own).catch(() => undefined);
    own.channel.close();
    await ending;
    await until(() => bench.upstream.status().instances === 1);
  });

  it('starts nothing any more', async () => {
    const bench = await upstreamBench();
    const own = callerOf(bench, { capabilities: ROOTS });
    own.channel.close();
    expect((await own.send('tools/call', { name: 'whoami' }).ending).failed?.message).toBe(
      "server 'far' is gone",
    );
    expect(bench.upstream.status().instances).toBe(1);
  });

  it('hears nothing any more, and ends when its server does', async () => {
    const bench = await upstreamBench();
    const [one, two] = [callerOf(bench), callerOf(bench, { principal: ALICE })];
    const three = callerOf(bench, { principal: BOB });
    await Promise.all([whoami(one), whoami(two), whoami(three)]);
    two.channel.close();
    await one.tool('log', { level: 'info', data: 1 });
    expect([one.heard.length, two.heard.length, three.heard.length]).toEqual([1, 0, 0]);
    await bench.upstream.stop();
    await one.channel.ended;
    expect((await one.send('tools/call', { name: 'whoami' }).ending).failed?.message).toContain(
      'is gone',
    );
  });

  it('tells the server that roots have changed while it is open', async () => {
    const caller = await callerAt({ capabilities: ROOTS });
    await whoami(caller);
    caller.channel.notify('notifications/roots/list_changed', {});
    expect((await whoami(caller)).notified).toContain('notifications/roots/list_changed');
  });
});
