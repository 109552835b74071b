/** The id map of a link: whoever asked gets the answer, and nobody else. */
import { describe, expect, it } from 'vitest';
import type { Clock, StarlingError } from '../../src/core/index.ts';
import { silentLogger } from '../../src/core/index.ts';
import { parseFrame } from '../../src/gateway/frame.ts';
import { createLink, idAtEdge } from '../../src/gateway/link.ts';
import type { LinkCore } from '../../src/gateway/link.ts';
import type { LinkCall, RequestFrame } from '../../src/gateway/types.ts';

interface Sent {
  readonly id?: number;
  readonly method?: string;
  readonly params?: { name?: string; requestId?: number; _meta?: { progressToken?: number } };
}

/** A link whose other end is the test, on a clock that the test moves. */
function testLink(callsMax = 10): {
  link: LinkCore;
  sent: Sent[];
  pass: (ms: number) => void;
  receive: (message: object) => void;
} {
  const sent: Sent[] = [];
  let now = 0;
  let timers: { at: number; task: () => void }[] = [];
  const clock: Clock = {
    now: () => now,
    schedule(delayMs, task) {
      const timer = { at: now + delayMs, task };
      timers.push(timer);
      return () => {
        timers = timers.filter((other) => other !== timer);
      };
    },
  };
  const link = createLink(
    {
      send: (message) => void sent.push(JSON.parse(message.toString()) as Sent),
      notification: () => undefined,
      clock,
      logger: silentLogger,
    },
    { title: "server 'test'", callTimeoutMs: 1000, callTotalMs: 5000, callsMax },
  );
  return {
    link,
    sent,
    pass(ms) {
      const end = now + ms;
      while (now < end) {
        now += 50;
        const due = timers.filter((timer) => timer.at <= now);
        timers = timers.filter((timer) => timer.at > now);
        for (const timer of due) timer.task();
      }
    },
    receive: (message) => link.receive(Buffer.from(JSON.stringify({ jsonrpc: '2.0', ...message }))),
  };
}

interface Outcome {
  readonly events: string[];
  readonly call: LinkCall;
}

function relay(link: LinkCore, token?: string): Outcome {
  const events: string[] = [];
  const meta = token === undefined ? {} : { _meta: { progressToken: token } };
  const text = JSON.stringify({
    jsonrpc: '2.0',
    id: 0,
    method: 'tools/call',
    params: { name: 'x', ...meta },
  });
  const call = link.relay({
    request: parseFrame(Buffer.from(text)) as RequestFrame,
    principal: { kind: 'operator' },
    name: 'y',
    response: (frame) => events.push(`response ${JSON.stringify(frame.result ?? frame.error)}`),
    progress: (frame) => events.push(`progress ${JSON.stringify(frame.params['progress'])}`),
    failed: (error: StarlingError) => events.push(`failed ${error.code}`),
  });
  return { events, call };
}

describe('a link', () => {
  it('gives two callers with the same id each their own answer', () => {
    const { link, sent, receive } = testLink();
    const one = relay(link);
    const two = relay(link);
    expect(sent.map((message) => message.params?.name)).toEqual(['y', 'y']);
    expect(sent[0]?.id).not.toBe(sent[1]?.id);
    receive({ id: sent[1]?.id, result: { who: 'two' } });
    receive({ id: sent[0]?.id, result: { who: 'one' } });
    expect(one.events).toEqual(['response {"who":"one"}']);
    expect(two.events).toEqual(['response {"who":"two"}']);
  });

  it('ignores answers to nobody, and a second answer', () => {
    const { link, sent, receive } = testLink();
    const one = relay(link);
    receive({ id: 999, result: {} });
    receive({ id: String(sent[0]?.id), result: {} });
    receive({ id: sent[0]?.id, result: { n: 1 } });
    receive({ id: sent[0]?.id, result: { n: 2 } });
    link.receive(Buffer.from('not json'));
    expect(one.events).toEqual(['response {"n":1}']);
  });

  it('brings progress to the caller who asked for it, and to no other', () => {
    const { link, sent, receive } = testLink();
    const one = relay(link, 'same');
    const two = relay(link, 'same');
    const quiet = relay(link);
    const tokens = sent.map((message) => message.params?._meta?.progressToken);
    expect(tokens[0]).not.toBe(tokens[1]);
    receive({
      method: 'notifications/progress',
      params: { progressToken: tokens[1], progress: 5 },
    });
    receive({
      method: 'notifications/progress',
      params: { progressToken: sent[2]?.id, progress: 6 },
    });
    expect([one.events, two.events, quiet.events]).toEqual([[], ['progress 5'], []]);
  });

  it('ends a call that nobody answers, and tells the other end', () => {
    const { link, sent, pass } = testLink();
    const one = relay(link);
    pass(900);
    expect(one.events).toEqual([]);
    pass(400);
    expect(one.events).toEqual(['failed STARLING_TIMEOUT']);
    expect(sent.at(-1)).toMatchObject({
      method: 'notifications/cancelled',
      params: { requestId: sent[0]?.id },
    });
  });

  it('waits on while there is progress, but not for ever', () => {
    const { link, sent, pass, receive } = testLink();
    const one = relay(link, 't');
    const token = sent[0]?.params?._meta?.progressToken;
    for (let step = 0; step < 9; step += 1) {
      pass(500);
      receive({
        method: 'notifications/progress',
        params: { progressToken: token, progress: step },
      });
    }
    expect(one.events.at(-1)).toBe('progress 8');
    pass(900);
    expect(one.events.at(-1)).toBe('failed STARLING_TIMEOUT');
  });

  it('forgets a cancelled call', () => {
    const { link, sent, receive } = testLink();
    const one = relay(link);
    one.call.cancel('changed my mind');
    one.call.cancel();
    receive({ id: sent[0]?.id, result: {} });
    expect(one.events).toEqual([]);
    expect(sent.filter((message) => message.method === 'notifications/cancelled')).toHaveLength(1);
    expect(link.inFlight).toBe(0);
  });

  it('takes no more calls than it may', () => {
    const { link } = testLink(2);
    const calls = [relay(link), relay(link), relay(link)];
    expect(calls.map((call) => call.events)).toEqual([[], [], ['failed STARLING_LIMIT_EXCEEDED']]);
  });

  it('ends all its calls when it ends, and refuses later ones', async () => {
    const { link } = testLink();
    const { StarlingError: Failure } = await import('../../src/core/index.ts');
    const one = relay(link);
    link.end(new Failure('STARLING_PEER_UNREACHABLE', 'gone'));
    const two = relay(link);
    expect([one.events, two.events]).toEqual([
      ['failed STARLING_PEER_UNREACHABLE'],
      ['failed STARLING_PEER_UNREACHABLE'],
    ]);
    await expect(link.request('ping', {}, { timeoutMs: 10 })).rejects.toThrow('gone');
  });

  it('answers a ping of the other end, and says no to what it does not serve', () => {
    const { sent, receive } = testLink();
    receive({ id: 'p', method: 'ping' });
    receive({ id: 's', method: 'sampling/createMessage', params: {} });
    expect(sent).toMatchObject([
      { id: 'p', result: {} },
      { id: 's', error: { code: -32601 } },
    ]);
  });
});

describe('the id of a message of which only the ends are known', () => {
  it.each([
    ['{"jsonrpc":"2.0","id":7,"result":{"content":[{"id":9', 'xxx"}]}}', 7],
    ['{"result":{"content":[{"text":"', '"}]},"jsonrpc":"2.0","id":12}', 12],
    ['{"result":{"id":5,"text":"', 'xxx"}}', undefined],
    ['{"id":5,"result":"', 'xxx', undefined],
  ])('%s … %s', (head, tail, id) => {
    expect(idAtEdge(Buffer.from(head), Buffer.from(tail))).toBe(id);
  });
});
