/** After what a call goes to the next server that has its tool or resource, and after what not. */
import { describe, expect, it } from 'vitest';
import { StarlingError } from '../../../src/core/index.ts';
import type { ServerChannel } from '../../../src/gateway/channel-types.ts';
import { call, openDesk } from '../support/session-bench.ts';
import type { Desk, Message } from '../support/session-bench.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const errorOf = ([answer]: Message[]): unknown => answer?.['error'];
const idOf = (desk: Desk, index: number): unknown => desk.sent[index]?.['id'];
const lastId = (desk: Desk): unknown => desk.sent.at(-1)?.['id'];

describe('a call that several servers can answer', () => {
  const away = new StarlingError('STARLING_PEER_UNREACHABLE', 'gone');
  /** Trouble that the next server would not mend. */
  const staying = new StarlingError('STARLING_LIMIT_EXCEEDED', 'too much of it');

  it('goes to the next when one can not be reached, and is answered once', async () => {
    const desk = openDesk();
    desk.servers = ['a', 'b', 'c'];
    const opened: string[] = [];
    desk.open = (channel, server) => {
      opened.push(server);
      if (server === 'a') throw away;
      return server === 'b' ? Promise.reject(away) : channel;
    };
    const heard = desk.ask(call(1));
    await turn();
    expect(opened).toEqual(['a', 'b', 'c']);
    desk.answer({ id: idOf(desk, 0), result: { by: 'c' } });
    expect(heard).toMatchObject([{ id: 1, result: { by: 'c' } }]);
  });

  it('goes on when the server dies under it', async () => {
    const desk = openDesk();
    desk.servers = ['a', 'b'];
    const dying: ServerChannel['relay'] = (relayed) => {
      queueMicrotask(() => relayed.failed(away));
      return { cancel: () => undefined };
    };
    desk.open = (channel, server) => (server === 'a' ? { ...channel, relay: dying } : channel);
    const heard = desk.ask(call(1));
    await desk.clock.advance(1);
    expect(heard).toEqual([]);
    desk.answer({ id: idOf(desk, 0), result: {} });
    expect(heard).toHaveLength(1);
  });

  it('is recorded once for each, when the next refuses it', async () => {
    const desk = openDesk();
    desk.servers = ['a', 'b'];
    const ends: string[] = [];
    let cleared = 0;
    desk.clear = () => {
      cleared += 1;
      if (cleared === 2) throw new StarlingError('STARLING_CALL_REFUSED', 'not b');
      return { over: (outcome) => void ends.push(outcome) };
    };
    desk.open = () => Promise.reject(away);
    const heard = desk.ask(call(1));
    await turn();
    expect(errorOf(heard)).toMatchObject({ data: { code: 'STARLING_CALL_REFUSED' } });
    expect(ends).toEqual(['failed']);
  });

  const lasting: [string, Desk['open']][] = [
    ['a channel that is refused', () => Promise.reject(staying)],
    [
      'a channel that can not be made',
      () => {
        throw staying;
      },
    ],
    [
      'a server that fails under it',
      (channel) => ({
        ...channel,
        relay(relayed) {
          queueMicrotask(() => relayed.failed(staying));
          return { cancel: () => undefined };
        },
      }),
    ],
    [
      'a request that can not be written',
      (channel) => ({
        ...channel,
        relay() {
          throw staying;
        },
      }),
    ],
    ['a fault of our own', () => Promise.reject(new TypeError('a slip'))],
  ];

  it.each(lasting)('does not go on after %s', async (_, open) => {
    const desk = openDesk();
    desk.servers = ['a', 'b'];
    const opened: string[] = [];
    desk.open = (channel, server) => {
      opened.push(server);
      return open(channel, server);
    };
    const heard = desk.ask(call(1));
    await turn();
    expect(opened).toEqual(['a']);
    expect(heard).toMatchObject([{ id: 1, error: {} }]);
    expect(desk.session.inFlight).toBe(0);
  });

  it('fails with the last error when none is left, and at once for what may not be repeated', async () => {
    const desk = openDesk();
    desk.servers = ['a', 'b'];
    desk.open = () => Promise.reject(away);
    const heard = desk.ask(call(1));
    await turn();
    expect(errorOf(heard)).toMatchObject({ data: { code: 'STARLING_PEER_UNREACHABLE' } });
    desk.servers = ['a'];
    expect(desk.session.inFlight).toBe(0);
  });

  it('that is cancelled between two servers is sent to no other', async () => {
    const desk = openDesk();
    desk.servers = ['a', 'b'];
    let fail: (error: Error) => void = () => undefined;
    const opened: string[] = [];
    desk.open = (channel, server) => {
      opened.push(server);
      return server === 'a' ? new Promise((_, reject) => (fail = reject)) : channel;
    };
    const heard = desk.ask(call(1));
    desk.ask({ method: 'notifications/cancelled', params: { requestId: 1 } });
    fail(away);
    await desk.clock.advance(1);
    expect(opened).toEqual(['a']);
    expect(heard).toEqual([{ dropped: true }]);
  });

  it('of a resource does not go on from a server that is away: the next one may have another by that name', async () => {
    const desk = openDesk();
    desk.servers = ['a', 'b'];
    const opened: string[] = [];
    desk.open = (_, server) => {
      opened.push(server);
      return Promise.reject(away);
    };
    const heard = desk.ask({ id: 1, method: 'resources/read', params: { uri: 'x:y' } });
    await turn();
    expect(opened).toEqual(['a']);
    expect(errorOf(heard)).toMatchObject({ data: { code: 'STARLING_PEER_UNREACHABLE' } });
  });

  it('of a resource goes on only while nobody knows it', () => {
    const desk = openDesk();
    desk.servers = ['a', 'b', 'c'];
    const heard = desk.ask({ id: 1, method: 'resources/read', params: { uri: 'x:y' } });
    desk.answer({ id: idOf(desk, 0), error: { code: -32002, message: 'not found' } });
    desk.answer({ id: idOf(desk, 1), error: { code: -32603, message: 'broken' } });
    expect(errorOf(heard)).toMatchObject({ code: -32603, message: 'broken' });
    expect(desk.sent).toHaveLength(2);
  });
});

describe('a tool that several peers have', () => {
  const mergedDesk = (): Desk => {
    const desk = openDesk();
    desk.servers = ['a', 'b'];
    return desk;
  };
  const answered = (desk: Desk, error: object): Message[] => {
    const heard = desk.ask(call(1));
    desk.answer({ id: lastId(desk), error });
    return heard;
  };

  it.each([
    ['a refusal', { code: -32_001, message: 'no', data: { code: 'STARLING_CALL_REFUSED' } }],
    ['arguments that do not fit', { code: -32_602, message: 'bad arguments' }],
    ['a fault of the tool', { code: -32_603, message: 'it broke' }],
    ['trouble that stays', { code: -32_003, message: 'no', data: { retryable: false } }],
  ])('is not tried at the next one after %s', (_, error) => {
    const desk = mergedDesk();
    const heard = answered(desk, error);
    expect(heard).toMatchObject([{ id: 1, error: { code: error.code } }]);
    expect(desk.sent.filter(({ method }) => method === 'tools/call')).toHaveLength(1);
  });

  it.each([
    ['is away', { code: -32_003, message: 'away', data: { retryable: true } }],
    [
      'has no such tool any more',
      { code: -32_602, message: 'x', data: { code: 'STARLING_TOOL_UNKNOWN' } },
    ],
  ])('is tried at the next one where the server %s', (_, error) => {
    const desk = mergedDesk();
    const heard = answered(desk, error);
    expect(heard).toEqual([]);
    desk.answer({ id: lastId(desk), result: { ok: true } });
    expect(heard).toMatchObject([{ id: 1, result: { ok: true } }]);
  });
});
