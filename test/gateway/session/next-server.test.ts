/** After what a call goes to the next server that has its tool or resource, and after what not. */
import { describe, expect, it } from 'vitest';
import { StarlingError } from '../../../src/core/index.ts';
import type { ServerChannel } from '../../../src/gateway/channel-types.ts';
import { call, openBench } from '../support/session-bench.ts';
import type { SessionBench, Message } from '../support/session-bench.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const errorOf = ([answer]: Message[]): unknown => answer?.['error'];
const idOf = (bench: SessionBench, index: number): unknown => bench.sent[index]?.['id'];
const lastId = (bench: SessionBench): unknown => bench.sent.at(-1)?.['id'];

describe('a call that several servers can answer', () => {
  const away = new StarlingError('STARLING_PEER_UNREACHABLE', 'gone');
  /** Trouble that the next server would not mend. */
  const staying = new StarlingError('STARLING_LIMIT_EXCEEDED', 'too much of it');

  it('goes to the next when one can not be reached, and is answered once', async () => {
    const bench = openBench();
    bench.servers = ['a', 'b', 'c'];
    const opened: string[] = [];
    bench.open = (channel, server) => {
      opened.push(server);
      if (server === 'a') throw away;
      return server === 'b' ? Promise.reject(away) : channel;
    };
    const heard = bench.ask(call(1));
    await turn();
    expect(opened).toEqual(['a', 'b', 'c']);
    bench.answer({ id: idOf(bench, 0), result: { by: 'c' } });
    expect(heard).toMatchObject([{ id: 1, result: { by: 'c' } }]);
  });

  it('goes on when the server dies under it', async () => {
    const bench = openBench();
    bench.servers = ['a', 'b'];
    const dying: ServerChannel['relay'] = (relayed) => {
      queueMicrotask(() => relayed.failed(away));
      return { cancel: () => undefined };
    };
    bench.open = (channel, server) => (server === 'a' ? { ...channel, relay: dying } : channel);
    const heard = bench.ask(call(1));
    await bench.clock.advance(1);
    expect(heard).toEqual([]);
    bench.answer({ id: idOf(bench, 0), result: {} });
    expect(heard).toHaveLength(1);
  });

  it('is recorded once for each, when the next refuses it', async () => {
    const bench = openBench();
    bench.servers = ['a', 'b'];
    const ends: string[] = [];
    let cleared = 0;
    bench.clear = () => {
      cleared += 1;
      if (cleared === 2) throw new StarlingError('STARLING_CALL_REFUSED', 'not b');
      return { over: (outcome) => void ends.push(outcome) };
    };
    bench.open = () => Promise.reject(away);
    const heard = bench.ask(call(1));
    await turn();
    expect(errorOf(heard)).toMatchObject({ data: { code: 'STARLING_CALL_REFUSED' } });
    expect(ends).toEqual(['failed']);
  });

  const lasting: [string, SessionBench['open']][] = [
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
    const bench = openBench();
    bench.servers = ['a', 'b'];
    const opened: string[] = [];
    bench.open = (channel, server) => {
      opened.push(server);
      return open(channel, server);
    };
    const heard = bench.ask(call(1));
    await turn();
    expect(opened).toEqual(['a']);
    expect(heard).toMatchObject([{ id: 1, error: {} }]);
    expect(bench.session.inFlight).toBe(0);
  });

  it('fails with the last error when none is left, and at once for what may not be repeated', async () => {
    const bench = openBench();
    bench.servers = ['a', 'b'];
    bench.open = () => Promise.reject(away);
    const heard = bench.ask(call(1));
    await turn();
    expect(errorOf(heard)).toMatchObject({ data: { code: 'STARLING_PEER_UNREACHABLE' } });
    bench.servers = ['a'];
    expect(bench.session.inFlight).toBe(0);
  });

  it('that is cancelled between two servers is sent to no other', async () => {
    const bench = openBench();
    bench.servers = ['a', 'b'];
    let fail: (error: Error) => void = () => undefined;
    const opened: string[] = [];
    bench.open = (channel, server) => {
      opened.push(server);
      return server === 'a' ? new Promise((_, reject) => (fail = reject)) : channel;
    };
    const heard = bench.ask(call(1));
    bench.ask({ method: 'notifications/cancelled', params: { requestId: 1 } });
    fail(away);
    await bench.clock.advance(1);
    expect(opened).toEqual(['a']);
    expect(heard).toEqual([{ dropped: true }]);
  });

  it('of a resource does not go on from a server that is away: the next one may have another by that name', async () => {
    const bench = openBench();
    bench.servers = ['a', 'b'];
    const opened: string[] = [];
    bench.open = (_, server) => {
      opened.push(server);
      return Promise.reject(away);
    };
    const heard = bench.ask({ id: 1, method: 'resources/read', params: { uri: 'x:y' } });
    await turn();
    expect(opened).toEqual(['a']);
    expect(errorOf(heard)).toMatchObject({ data: { code: 'STARLING_PEER_UNREACHABLE' } });
  });

  it('of a resource goes on only while nobody knows it', () => {
    const bench = openBench();
    bench.servers = ['a', 'b', 'c'];
    const heard = bench.ask({ id: 1, method: 'resources/read', params: { uri: 'x:y' } });
    bench.answer({ id: idOf(bench, 0), error: { code: -32002, message: 'not found' } });
    bench.answer({ id: idOf(bench, 1), error: { code: -32603, message: 'broken' } });
    expect(errorOf(heard)).toMatchObject({ code: -32603, message: 'broken' });
    expect(bench.sent).toHaveLength(2);
  });
});

describe('a tool that several peers have', () => {
  const mergedBench = (): SessionBench => {
    const bench = openBench();
    bench.servers = ['a', 'b'];
    return bench;
  };
  const answered = (bench: SessionBench, error: object): Message[] => {
    const heard = bench.ask(call(1));
    bench.answer({ id: lastId(bench), error });
    return heard;
  };

  it.each([
    ['a refusal', { code: -32_001, message: 'no', data: { code: 'STARLING_CALL_REFUSED' } }],
    ['arguments that do not fit', { code: -32_602, message: 'bad arguments' }],
    ['a fault of the tool', { code: -32_603, message: 'it broke' }],
    ['trouble that stays', { code: -32_003, message: 'no', data: { retryable: false } }],
  ])('is not tried at the next one after %s', (_, error) => {
    const bench = mergedBench();
    const heard = answered(bench, error);
    expect(heard).toMatchObject([{ id: 1, error: { code: error.code } }]);
    expect(bench.sent.filter(({ method }) => method === 'tools/call')).toHaveLength(1);
  });

  it.each([
    ['is away', { code: -32_003, message: 'away', data: { retryable: true } }],
    [
      'has no such tool any more',
      { code: -32_602, message: 'x', data: { code: 'STARLING_TOOL_UNKNOWN' } },
    ],
  ])('is tried at the next one where the server %s', (_, error) => {
    const bench = mergedBench();
    const heard = answered(bench, error);
    expect(heard).toEqual([]);
    bench.answer({ id: lastId(bench), result: { ok: true } });
    expect(heard).toMatchObject([{ id: 1, result: { ok: true } }]);
  });
});
