/** What is under way in a session: it ends once, whatever fails, and leaves nothing behind. */
import { describe, expect, it } from 'vitest';
import { StarlingError } from '../../../../src/core/index.ts';
import type { ServerChannel } from '../../../../src/gateway/channel-types.ts';
import { call, openDesk } from '../../support/session-bench.ts';
import type { Desk, Message } from '../../support/session-bench.ts';

const subscribe = (id: number, uri: string): object => ({
  id,
  method: 'resources/subscribe',
  params: { uri },
});
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const lastId = (desk: Desk): unknown => desk.sent.at(-1)?.['id'];

/** Subscribes, and lets the server answer. */
function subscribed(desk: Desk, id: number, answer: object = { result: {} }): Message[] {
  const heard = desk.ask(subscribe(id, `test://${id}`));
  desk.answer({ id: lastId(desk), ...answer });
  return heard;
}

it('hands the idempotency key of a call on to the server as it came', () => {
  const desk = openDesk();
  const _meta = { 'starling/idempotency-key': 'task_1790000000000_k3x9q2c1d' };
  desk.ask(call(1, 'tool', { _meta }));
  expect(desk.sent.at(-1)).toMatchObject({ params: { _meta } });
});

describe('a session with as many subscriptions as it may have', () => {
  function fullDesk(): Desk {
    const desk = openDesk();
    for (let id = 0; id < 1000; id += 1) subscribed(desk, id);
    return desk;
  }

  it('is refused one more, and is not busy with it', () => {
    const desk = fullDesk();
    for (let id = 2000; id < 2020; id += 1) {
      expect(desk.ask(subscribe(id, `test://${id}`))).toMatchObject([
        { id, error: { data: { code: 'STARLING_LIMIT_EXCEEDED' } } },
      ]);
    }
    expect(desk.session.inFlight).toBe(0);
    const heard = desk.ask(call(1));
    desk.answer({ id: lastId(desk), result: { ok: true } });
    expect(heard).toMatchObject([{ id: 1, result: { ok: true } }]);
  });
});

describe('a subscription that fails', () => {
  const refused = { error: { code: -32_002, message: 'no such resource' } };

  it('takes up no room, however many there are', () => {
    const desk = openDesk();
    for (let id = 0; id < 1100; id += 1) {
      expect(subscribed(desk, id, refused)).toMatchObject([{ error: { code: -32_002 } }]);
    }
    expect(subscribed(desk, 1100)).toMatchObject([{ id: 1100, result: {} }]);
  });

  it('takes up no room when it is cancelled, or its channel does not open', async () => {
    const desk = openDesk();
    for (let id = 0; id < 1100; id += 1) {
      desk.ask(subscribe(id, `test://${id}`));
      desk.ask({ method: 'notifications/cancelled', params: { requestId: id } });
    }
    desk.open = () => Promise.reject(new StarlingError('STARLING_UPSTREAM_UNAVAILABLE', 'gone'));
    desk.servers = ['elsewhere'];
    for (let id = 2000; id < 2010; id += 1) desk.ask(subscribe(id, `test://${id}`));
    await turn();
    desk.servers = ['x'];
    expect(subscribed(desk, 3000)).toMatchObject([{ id: 3000, result: {} }]);
    expect(desk.session.inFlight).toBe(0);
  });

  it('is not made again when the channel has ended; the one that was made is', async () => {
    const desk = openDesk();
    const ends: ((error: StarlingError) => void)[] = [];
    desk.open = (channel): ServerChannel => ({
      ...channel,
      ended: new Promise((resolve) => ends.push(resolve)),
    });
    subscribed(desk, 1);
    subscribed(desk, 2, refused);
    const sentBefore = desk.sent.length;
    ends[0]?.(new StarlingError('STARLING_UPSTREAM_UNAVAILABLE', 'it died'));
    await turn();
    await desk.clock.advance(5000);
    const again = desk.sent.slice(sentBefore);
    expect(again).toMatchObject([{ method: 'resources/subscribe', params: { uri: 'test://1' } }]);
    desk.answer({ id: lastId(desk), result: {} });
    await turn();
    expect(desk.pushed).toMatchObject([
      { method: 'notifications/resources/updated', params: { uri: 'test://1' } },
    ]);
  });

  it('is made again for as long as nobody lists its resource, once somebody does', async () => {
    const desk = openDesk();
    const ends: ((error: StarlingError) => void)[] = [];
    desk.open = (channel): ServerChannel => ({
      ...channel,
      ended: new Promise((resolve) => ends.push(resolve)),
    });
    subscribed(desk, 1);
    ends[0]?.(new StarlingError('STARLING_PEER_UNREACHABLE', 'it went'));
    await turn();
    desk.servers = [];
    const sentBefore = desk.sent.length;
    await desk.clock.advance(60_000);
    expect(desk.sent.slice(sentBefore)).toEqual([]);
    desk.servers = ['x'];
    desk.views.emit('change');
    await desk.clock.advance(5000);
    expect(desk.sent.slice(sentBefore)).toMatchObject([{ method: 'resources/subscribe' }]);
  });

  it('ends at the server that has it, and not at the first that may have its resource', () => {
    const desk = openDesk();
    const asked: string[] = [];
    desk.open = (channel, server): ServerChannel => ({
      ...channel,
      relay(relayed) {
        asked.push(`${server} ${relayed.request.method}`);
        return channel.relay(relayed);
      },
    });
    desk.servers = ['y'];
    subscribed(desk, 1);
    desk.servers = ['x', 'y'];
    desk.views.emit('change');
    desk.ask({ id: 2, method: 'resources/unsubscribe', params: { uri: 'test://1' } });
    expect(asked).toEqual(['y resources/subscribe', 'y resources/unsubscribe']);
    desk.ask({ id: 3, method: 'resources/unsubscribe', params: { uri: 'test://never' } });
    expect(asked.at(-1)).toBe('x resources/unsubscribe');
  });

  it('goes to another server that has the URI meanwhile, and home again once it leads there', async () => {
    const desk = openDesk();
    const ends = new Map<string, (error: StarlingError) => void>();
    const asked: string[] = [];
    desk.open = (channel, server): ServerChannel => ({
      ...channel,
      request: async (method, params, options) => {
        asked.push(`${server} ${method}`);
        return channel.request(method, params, options);
      },
      ended: new Promise((resolve) => ends.set(server, resolve)),
    });
    subscribed(desk, 1);
    desk.servers = ['y'];
    ends.get('x')?.(new StarlingError('STARLING_UPSTREAM_UNAVAILABLE', 'it died'));
    await turn();
    await desk.clock.advance(5000);
    desk.answer({ id: lastId(desk), result: {} });
    await turn();
    await desk.clock.advance(5000);
    expect(asked, 'nothing more while x is away').toEqual(['y resources/subscribe']);
    desk.servers = ['x', 'y'];
    desk.views.emit('change');
    await desk.clock.advance(5000);
    desk.answer({ id: lastId(desk), result: {} });
    await turn();
    await turn();
    expect(asked.slice(1)).toEqual(['x resources/subscribe', 'y resources/unsubscribe']);
    desk.answer({ id: lastId(desk), result: {} });
    const told = desk.pushed.filter(({ method }) => method === 'notifications/resources/updated');
    expect(told).toMatchObject([{ params: { uri: 'test://1' } }, { params: { uri: 'test://1' } }]);
    await desk.clock.advance(60_000);
    expect(asked.slice(3), 'it is at home').toEqual([]);
  });

  it('that the server refuses when it is made again is given up, and others are made', async () => {
    const desk = openDesk();
    const ends: ((error: StarlingError) => void)[] = [];
    desk.open = (channel): ServerChannel => ({
      ...channel,
      ended: new Promise((resolve) => ends.push(resolve)),
    });
    subscribed(desk, 1);
    subscribed(desk, 2);
    ends[0]?.(new StarlingError('STARLING_UPSTREAM_UNAVAILABLE', 'it died'));
    await turn();
    await desk.clock.advance(5000);
    desk.answer({ id: lastId(desk), ...refused });
    await turn();
    desk.answer({ id: lastId(desk), result: {} });
    await turn();
    const told = desk.pushed.map(({ params }) => (params as { uri: string }).uri);
    expect(told).toEqual(['test://1', 'test://2']);
    const sentBefore = desk.sent.length;
    await desk.clock.advance(60_000);
    expect(desk.sent.slice(sentBefore)).toEqual([]);
  });
});

describe('a subscription that waits for a person', () => {
  it('hears of nothing before it may be made', async () => {
    const desk = openDesk();
    subscribed(desk, 1);
    let clear: () => void = () => undefined;
    desk.clear = () =>
      new Promise((resolve) => {
        clear = () => resolve({ over: () => undefined });
      });
    const update = { method: 'notifications/resources/updated', params: { uri: 'test://2' } };
    const tell = (): void => desk.receiveFrom(JSON.stringify({ jsonrpc: '2.0', ...update }));
    const heard = desk.ask(subscribe(2, 'test://2'));
    tell();
    expect(desk.pushed).toEqual([]);
    clear();
    await turn();
    desk.answer({ id: lastId(desk), result: {} });
    expect(heard).toMatchObject([{ id: 2, result: {} }]);
    tell();
    expect(desk.pushed).toMatchObject([{ params: { uri: 'test://2' } }]);
  });
});

describe('a call that is cancelled while it is cleared', () => {
  it('is never sent, and has an end in the record', async () => {
    const desk = openDesk();
    const told: unknown[] = [];
    let clear: () => void = () => undefined;
    desk.clear = () =>
      new Promise((resolve) => {
        clear = () => resolve({ over: (...outcome) => void told.push(outcome) });
      });
    const heard = desk.ask(call(1));
    desk.ask({ method: 'notifications/cancelled', params: { requestId: 1 } });
    expect(heard).toEqual([{ dropped: true }]);
    const sentBefore = desk.sent.length;
    clear();
    await turn();
    expect(told).toEqual([['cancelled']]);
    expect(desk.sent.length).toBe(sentBefore);
    expect(heard).toHaveLength(1);
  });
});

describe('a caller that shows other rights during its session', () => {
  const wide = { kind: 'client', name: 'ann', scopes: ['*'] } as const;
  const narrow = { kind: 'client', name: 'ann', scopes: ['tool:files/read'] } as const;

  it('is judged by those that came last, and sees by them', () => {
    const desk = openDesk();
    for (const [id, principal] of [wide, narrow, wide].entries()) {
      desk.session.present(principal);
      desk.ask(call(id));
      desk.ask({ id: 1, method: 'tools/list' });
      expect(desk.viewedBy).toBe(principal);
    }
    expect(desk.clearedFor).toEqual([wide, narrow, wide]);
  });

  it('hears no more of a resource that these do not cover', () => {
    const desk = openDesk();
    subscribed(desk, 1);
    desk.allow = false;
    desk.session.present(narrow);
    const update = { method: 'notifications/resources/updated', params: { uri: 'test://1' } };
    desk.receiveFrom(JSON.stringify({ jsonrpc: '2.0', ...update }));
    expect(desk.pushed).toEqual([]);
  });
});
