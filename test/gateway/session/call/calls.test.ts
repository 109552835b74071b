/** What is under way in a session: it ends once, whatever fails, and leaves nothing behind. */
import { describe, expect, it } from 'vitest';
import { StarlingError } from '../../../../src/core/index.ts';
import type { ServerChannel } from '../../../../src/gateway/channel-types.ts';
import { call, openBench } from '../../support/session-bench.ts';
import type { SessionBench, Message } from '../../support/session-bench.ts';

const subscribe = (id: number, uri: string): object => ({
  id,
  method: 'resources/subscribe',
  params: { uri },
});
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const lastId = (bench: SessionBench): unknown => bench.sent.at(-1)?.['id'];

/** Subscribes, and lets the server answer. */
function subscribed(bench: SessionBench, id: number, answer: object = { result: {} }): Message[] {
  const heard = bench.ask(subscribe(id, `test://${id}`));
  bench.answer({ id: lastId(bench), ...answer });
  return heard;
}

it('hands the idempotency key of a call on to the server as it came', () => {
  const bench = openBench();
  const _meta = { 'starling/idempotency-key': 'task_1790000000000_k3x9q2c1d' };
  bench.ask(call(1, 'tool', { _meta }));
  expect(bench.sent.at(-1)).toMatchObject({ params: { _meta } });
});

describe('a session with as many subscriptions as it may have', () => {
  function fullBench(): SessionBench {
    const bench = openBench();
    for (let id = 0; id < 1000; id += 1) subscribed(bench, id);
    return bench;
  }

  it('is refused one more, and is not busy with it', () => {
    const bench = fullBench();
    for (let id = 2000; id < 2020; id += 1) {
      expect(bench.ask(subscribe(id, `test://${id}`))).toMatchObject([
        { id, error: { data: { code: 'STARLING_LIMIT_EXCEEDED' } } },
      ]);
    }
    expect(bench.session.inFlight).toBe(0);
    const heard = bench.ask(call(1));
    bench.answer({ id: lastId(bench), result: { ok: true } });
    expect(heard).toMatchObject([{ id: 1, result: { ok: true } }]);
  });
});

describe('a subscription that fails', () => {
  const refused = { error: { code: -32_002, message: 'no such resource' } };

  it('takes up no room, however many there are', () => {
    const bench = openBench();
    for (let id = 0; id < 1100; id += 1) {
      expect(subscribed(bench, id, refused)).toMatchObject([{ error: { code: -32_002 } }]);
    }
    expect(subscribed(bench, 1100)).toMatchObject([{ id: 1100, result: {} }]);
  });

  it('takes up no room when it is cancelled, or its channel does not open', async () => {
    const bench = openBench();
    for (let id = 0; id < 1100; id += 1) {
      bench.ask(subscribe(id, `test://${id}`));
      bench.ask({ method: 'notifications/cancelled', params: { requestId: id } });
    }
    bench.open = () => Promise.reject(new StarlingError('STARLING_UPSTREAM_UNAVAILABLE', 'gone'));
    bench.servers = ['elsewhere'];
    for (let id = 2000; id < 2010; id += 1) bench.ask(subscribe(id, `test://${id}`));
    await turn();
    bench.servers = ['x'];
    expect(subscribed(bench, 3000)).toMatchObject([{ id: 3000, result: {} }]);
    expect(bench.session.inFlight).toBe(0);
  });

  it('is not made again when the channel has ended; the one that was made is', async () => {
    const bench = openBench();
    const ends: ((error: StarlingError) => void)[] = [];
    bench.open = (channel): ServerChannel => ({
      ...channel,
      ended: new Promise((resolve) => ends.push(resolve)),
    });
    subscribed(bench, 1);
    subscribed(bench, 2, refused);
    const sentBefore = bench.sent.length;
    ends[0]?.(new StarlingError('STARLING_UPSTREAM_UNAVAILABLE', 'it died'));
    await turn();
    await bench.clock.advance(5000);
    const again = bench.sent.slice(sentBefore);
    expect(again).toMatchObject([{ method: 'resources/subscribe', params: { uri: 'test://1' } }]);
    bench.answer({ id: lastId(bench), result: {} });
    await turn();
    expect(bench.pushed).toMatchObject([
      { method: 'notifications/resources/updated', params: { uri: 'test://1' } },
    ]);
  });

  it('is made again for as long as nobody lists its resource, once somebody does', async () => {
    const bench = openBench();
    const ends: ((error: StarlingError) => void)[] = [];
    bench.open = (channel): ServerChannel => ({
      ...channel,
      ended: new Promise((resolve) => ends.push(resolve)),
    });
    subscribed(bench, 1);
    ends[0]?.(new StarlingError('STARLING_PEER_UNREACHABLE', 'it went'));
    await turn();
    bench.servers = [];
    const sentBefore = bench.sent.length;
    await bench.clock.advance(60_000);
    expect(bench.sent.slice(sentBefore)).toEqual([]);
    bench.servers = ['x'];
    bench.views.emit('change');
    await bench.clock.advance(5000);
    expect(bench.sent.slice(sentBefore)).toMatchObject([{ method: 'resources/subscribe' }]);
  });

  it('ends at the server that has it, and not at the first that may have its resource', () => {
    const bench = openBench();
    const asked: string[] = [];
    bench.open = (channel, server): ServerChannel => ({
      ...channel,
      relay(relayed) {
        asked.push(`${server} ${relayed.request.method}`);
        return channel.relay(relayed);
      },
    });
    bench.servers = ['y'];
    subscribed(bench, 1);
    bench.servers = ['x', 'y'];
    bench.views.emit('change');
    bench.ask({ id: 2, method: 'resources/unsubscribe', params: { uri: 'test://1' } });
    expect(asked).toEqual(['y resources/subscribe', 'y resources/unsubscribe']);
    bench.ask({ id: 3, method: 'resources/unsubscribe', params: { uri: 'test://never' } });
    expect(asked.at(-1)).toBe('x resources/unsubscribe');
  });

  it('goes to another server that has the URI meanwhile, and home again once it leads there', async () => {
    const bench = openBench();
    const ends = new Map<string, (error: StarlingError) => void>();
    const asked: string[] = [];
    bench.open = (channel, server): ServerChannel => ({
      ...channel,
      request: async (method, params, options) => {
        asked.push(`${server} ${method}`);
        return channel.request(method, params, options);
      },
      ended: new Promise((resolve) => ends.set(server, resolve)),
    });
    subscribed(bench, 1);
    bench.servers = ['y'];
    ends.get('x')?.(new StarlingError('STARLING_UPSTREAM_UNAVAILABLE', 'it died'));
    await turn();
    await bench.clock.advance(5000);
    bench.answer({ id: lastId(bench), result: {} });
    await turn();
    await bench.clock.advance(5000);
    expect(asked, 'nothing more while x is away').toEqual(['y resources/subscribe']);
    bench.servers = ['x', 'y'];
    bench.views.emit('change');
    await bench.clock.advance(5000);
    bench.answer({ id: lastId(bench), result: {} });
    await turn();
    await turn();
    expect(asked.slice(1)).toEqual(['x resources/subscribe', 'y resources/unsubscribe']);
    bench.answer({ id: lastId(bench), result: {} });
    const told = bench.pushed.filter(({ method }) => method === 'notifications/resources/updated');
    expect(told).toMatchObject([{ params: { uri: 'test://1' } }, { params: { uri: 'test://1' } }]);
    await bench.clock.advance(60_000);
    expect(asked.slice(3), 'it is at home').toEqual([]);
  });

  it('that the server refuses when it is made again is given up, and others are made', async () => {
    const bench = openBench();
    const ends: ((error: StarlingError) => void)[] = [];
    bench.open = (channel): ServerChannel => ({
      ...channel,
      ended: new Promise((resolve) => ends.push(resolve)),
    });
    subscribed(bench, 1);
    subscribed(bench, 2);
    ends[0]?.(new StarlingError('STARLING_UPSTREAM_UNAVAILABLE', 'it died'));
    await turn();
    await bench.clock.advance(5000);
    bench.answer({ id: lastId(bench), ...refused });
    await turn();
    bench.answer({ id: lastId(bench), result: {} });
    await turn();
    const told = bench.pushed.map(({ params }) => (params as { uri: string }).uri);
    expect(told).toEqual(['test://1', 'test://2']);
    const sentBefore = bench.sent.length;
    await bench.clock.advance(60_000);
    expect(bench.sent.slice(sentBefore)).toEqual([]);
  });
});

describe('a subscription that waits for a person', () => {
  it('hears of nothing before it may be made', async () => {
    const bench = openBench();
    subscribed(bench, 1);
    let clear: () => void = () => undefined;
    bench.clear = () =>
      new Promise((resolve) => {
        clear = () => resolve({ over: () => undefined });
      });
    const update = { method: 'notifications/resources/updated', params: { uri: 'test://2' } };
    const tell = (): void => bench.receiveFrom(JSON.stringify({ jsonrpc: '2.0', ...update }));
    const heard = bench.ask(subscribe(2, 'test://2'));
    tell();
    expect(bench.pushed).toEqual([]);
    clear();
    await turn();
    bench.answer({ id: lastId(bench), result: {} });
    expect(heard).toMatchObject([{ id: 2, result: {} }]);
    tell();
    expect(bench.pushed).toMatchObject([{ params: { uri: 'test://2' } }]);
  });
});

describe('a call that is cancelled while it is cleared', () => {
  it('is never sent, and has an end in the record', async () => {
    const bench = openBench();
    const told: unknown[] = [];
    let clear: () => void = () => undefined;
    bench.clear = () =>
      new Promise((resolve) => {
        clear = () => resolve({ over: (...outcome) => void told.push(outcome) });
      });
    const heard = bench.ask(call(1));
    bench.ask({ method: 'notifications/cancelled', params: { requestId: 1 } });
    expect(heard).toEqual([{ dropped: true }]);
    const sentBefore = bench.sent.length;
    clear();
    await turn();
    expect(told).toEqual([['cancelled']]);
    expect(bench.sent.length).toBe(sentBefore);
    expect(heard).toHaveLength(1);
  });
});

describe('a caller that shows other rights during its session', () => {
  const wide = { kind: 'client', name: 'ann', scopes: ['*'] } as const;
  const narrow = { kind: 'client', name: 'ann', scopes: ['tool:files/read'] } as const;

  it('is judged by those that came last, and sees by them', () => {
    const bench = openBench();
    for (const [id, principal] of [wide, narrow, wide].entries()) {
      bench.session.present(principal);
      bench.ask(call(id));
      bench.ask({ id: 1, method: 'tools/list' });
      expect(bench.viewedBy).toBe(principal);
    }
    expect(bench.clearedFor).toEqual([wide, narrow, wide]);
  });

  it('hears no more of a resource that these do not cover', () => {
    const bench = openBench();
    subscribed(bench, 1);
    bench.allow = false;
    bench.session.present(narrow);
    const update = { method: 'notifications/resources/updated', params: { uri: 'test://1' } };
    bench.receiveFrom(JSON.stringify({ jsonrpc: '2.0', ...update }));
    expect(bench.pushed).toEqual([]);
  });
});
