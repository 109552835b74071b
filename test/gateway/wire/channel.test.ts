/** The id map of a channel: whoever asked gets the answer, and nobody else. */
import { describe, expect, it } from 'vitest';
import { StarlingError, silentLogger } from '../../../src/core/index.ts';
import type { Clock } from '../../../src/core/index.ts';
import { parseFrame, resultBytes } from '../../../src/gateway/wire/frame.ts';
import { createChannel } from '../../../src/gateway/wire/channel.ts';
import { ownIdAtEdge } from '../../../src/gateway/wire/edge-id.ts';
import type { ChannelCore } from '../../../src/gateway/wire/channel.ts';
import type { Answer, ChannelCall, RelayedCall } from '../../../src/gateway/channel-types.ts';
import type { RequestFrame } from '../../../src/gateway/frame-types.ts';
import { createTestClock } from '../../core/test-clock.ts';

interface Sent {
  readonly id?: number;
  readonly method?: string;
  readonly params?: { name?: string; requestId?: number; _meta?: { progressToken?: number } };
}

/** A channel whose other end is the test, on a clock that the test moves. */
function testChannel(
  callsMax = 10,
  init: { readonly isFull?: () => boolean; readonly kind?: 'server' | 'peer' } = {},
): {
  channel: ChannelCore;
  sent: Sent[];
  pass: (ms: number) => void;
  receive: (message: object, relatedId?: number) => void;
  /** Requests of the other end. */
  asked: { frame: RequestFrame; answer: Answer; related?: RelayedCall | undefined }[];
  /** What came and belongs to no call, with the id of the call that it is related to. */
  heard: string[];
} {
  const sent: Sent[] = [];
  const asked: ReturnType<typeof testChannel>['asked'] = [];
  const heard: string[] = [];
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
  const channel = createChannel(
    {
      send: (message) => {
        if (init.isFull?.() === true) throw new Error('too much waits already');
        sent.push(JSON.parse(message.toString()) as Sent);
      },
      listener: {
        notification: (frame, related) =>
          heard.push(`${frame.method} of ${String(related?.request.params['name'])}`),
        request: (frame, answer, related) => asked.push({ frame, answer, related }),
      },
      clock,
      logger: silentLogger,
    },
    {
      title: "server 'test'",
      kind: init.kind ?? 'server',
      callTimeoutMs: 1000,
      callTotalMs: 5000,
      callsMax,
    },
  );
  return {
    channel,
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
    receive: (message, relatedId) =>
      channel.receive(Buffer.from(JSON.stringify({ jsonrpc: '2.0', ...message })), relatedId),
    asked,
    heard,
  };
}

interface Outcome {
  readonly events: string[];
  readonly call: ChannelCall;
}

function relay(channel: ChannelCore, token?: string, method = 'tools/call'): Outcome {
  const events: string[] = [];
  const meta = token === undefined ? {} : { _meta: { progressToken: token } };
  const text = JSON.stringify({
    jsonrpc: '2.0',
    id: 0,
    method,
    params: { name: 'x', ...meta },
  });
  const call = channel.relay({
    request: parseFrame(Buffer.from(text)) as RequestFrame,
    principal: { kind: 'operator' },
    edits: { name: 'y' },
    response: (frame) => events.push(`response ${JSON.stringify(frame.result ?? frame.error)}`),
    progress: (frame) => events.push(`progress ${JSON.stringify(frame.params['progress'])}`),
    notification: (frame) => events.push(`notification ${frame.method}`),
    failed: (error: StarlingError) => events.push(`failed ${error.code}`),
  });
  return { events, call };
}

describe('a channel', () => {
  it('gives two callers with the same id each their own answer', () => {
    const { channel, sent, receive } = testChannel();
    const one = relay(channel);
    const two = relay(channel);
    expect(sent.map((message) => message.params?.name)).toEqual(['y', 'y']);
    expect(sent[0]?.id).not.toBe(sent[1]?.id);
    receive({ id: sent[1]?.id, result: { who: 'two' } });
    receive({ id: sent[0]?.id, result: { who: 'one' } });
    expect(one.events).toEqual(['response {"who":"one"}']);
    expect(two.events).toEqual(['response {"who":"two"}']);
  });

  it('ignores answers to nobody, and a second answer', () => {
    const { channel, sent, receive } = testChannel();
    const one = relay(channel);
    relay(channel);
    receive({ id: 999, result: {} });
    receive({ id: `${sent[0]?.id} `, result: {} });
    receive({ id: sent[0]?.id, result: { n: 1 } });
    receive({ id: sent[0]?.id, result: { n: 2 } });
    channel.receive(Buffer.from('not json'));
    expect(one.events).toEqual(['response {"n":1}']);
  });

  it('brings progress to the caller who asked for it, and to no other', () => {
    const { channel, sent, receive } = testChannel();
    const one = relay(channel, 'same');
    const two = relay(channel, 'same');
    const quiet = relay(channel);
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
    const { channel, sent, pass } = testChannel();
    const one = relay(channel);
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
    const { channel, sent, pass, receive } = testChannel();
    const one = relay(channel, 't');
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
    const { channel, sent, receive } = testChannel();
    const one = relay(channel);
    one.call.cancel('changed my mind');
    one.call.cancel();
    receive({ id: sent[0]?.id, result: {} });
    expect(one.events).toEqual([]);
    expect(sent.filter((message) => message.method === 'notifications/cancelled')).toHaveLength(1);
    expect(channel.inFlight).toBe(0);
  });

  it('takes no more calls than it may', () => {
    const { channel } = testChannel(2);
    const calls = [relay(channel), relay(channel), relay(channel)];
    expect(calls.map((call) => call.events)).toEqual([[], [], ['failed STARLING_LIMIT_EXCEEDED']]);
  });

  it('ends all its calls when it ends, and refuses later ones', async () => {
    const { channel } = testChannel();
    const one = relay(channel);
    channel.end(new StarlingError('STARLING_PEER_UNREACHABLE', 'gone'));
    const two = relay(channel);
    expect([one.events, two.events]).toEqual([
      ['failed STARLING_PEER_UNREACHABLE'],
      ['failed STARLING_PEER_UNREACHABLE'],
    ]);
    await expect(channel.request('ping', {}, { timeoutMs: 10 })).rejects.toThrow('gone');
  });

  it('says whether a notification was sent', () => {
    let isFull = false;
    const channel = createChannel(
      {
        send: () => {
          if (isFull) throw new Error('too much waits');
        },
        listener: { notification: () => undefined, request: () => undefined },
        clock: createTestClock(),
        logger: silentLogger,
      },
      { title: 'peer alice', kind: 'peer', callTimeoutMs: 1000, callTotalMs: 3000, callsMax: 1 },
    );
    expect(channel.notify('notifications/x', {})).toBe(true);
    isFull = true;
    expect(channel.notify('notifications/x', {})).toBe(false);
    isFull = false;
    channel.end(new StarlingError('STARLING_PEER_UNREACHABLE', 'gone'));
    expect(channel.notify('notifications/x', {})).toBe(false);
  });

  it.each([
    ['server', /`timeout` of the server where that runs/],
    ['peer', /limits\.callTimeoutMs of the node that asks, and `timeout` of the server there/],
  ] as const)('that is of a %s says whose limit a late call met', async (kind, hint) => {
    const { channel, pass } = testChannel(10, { kind });
    const late = channel.request('tools/call', {}, { timeoutMs: 1000 });
    pass(1100);
    await expect(late).rejects.toMatchObject({ hint: expect.stringMatching(hint) as unknown });
  });

  it('answers a ping of the other end, and hands on what it asks: one answer to each', () => {
    const { sent, receive, asked } = testChannel();
    receive({ id: 'p', method: 'ping' });
    receive({ id: 's', method: 'sampling/createMessage', params: {} });
    expect(sent).toMatchObject([{ id: 'p', result: {} }]);
    expect(asked.map(({ frame }) => frame.method)).toEqual(['sampling/createMessage']);
    asked[0]?.answer(resultBytes('s', { model: 'm' }));
    asked[0]?.answer(resultBytes('s', { model: 'again' }));
    expect(sent.slice(1)).toMatchObject([{ id: 's', result: { model: 'm' } }]);
  });
});

describe('a channel whose other end asks things', () => {
  const question = { id: 'q', method: 'elicitation/create', params: {} };

  it('waits for its calls while an answer is owed, and counts anew from then on', () => {
    const { channel, pass, receive, asked } = testChannel();
    const one = relay(channel);
    pass(900);
    receive(question);
    pass(3000);
    expect(one.events).toEqual([]);
    asked[0]?.answer(resultBytes('q', {}));
    pass(900);
    expect(one.events).toEqual([]);
    pass(400);
    expect(one.events).toEqual(['failed STARLING_TIMEOUT']);
  });

  it('waits no longer than a call may take in all', () => {
    const { channel, pass, receive } = testChannel();
    const one = relay(channel);
    receive(question);
    pass(6000);
    expect(one.events).toEqual(['failed STARLING_TIMEOUT']);
  });

  it('waits on while another question is open', () => {
    const { channel, pass, receive, asked } = testChannel();
    const one = relay(channel);
    receive(question);
    receive({ ...question, id: 'r' });
    asked[0]?.answer(resultBytes('q', {}));
    pass(3000);
    expect(one.events).toEqual([]);
  });

  it('says on behalf of which call something came, where the transport tells', () => {
    const { channel, sent, receive, asked, heard } = testChannel();
    relay(channel);
    const two = relay(channel);
    receive({ method: 'notifications/message' }, sent[1]?.id);
    receive({ method: 'notifications/message' });
    receive({ method: 'notifications/message' }, 999);
    receive(question, sent[1]?.id);
    expect(heard).toEqual([
      'notifications/message of x',
      'notifications/message of undefined',
      'notifications/message of undefined',
    ]);
    asked[0]?.related?.response(parseFrame(resultBytes(1, { via: 2 })) as never);
    expect(two.events).toEqual(['response {"via":2}']);
  });

  it('sends its answer once there is room again, and in the order of the answers', () => {
    let isFull = true;
    const { receive, asked, sent, pass } = testChannel(10, { isFull: () => isFull });
    receive({ id: 'a', method: 'roots/list', params: {} });
    receive({ id: 'b', method: 'roots/list', params: {} });
    for (const { frame, answer } of asked) answer(resultBytes(frame.id, {}));
    pass(500);
    expect(sent).toEqual([]);
    isFull = false;
    pass(200);
    expect(sent.map(({ id }) => id)).toEqual(['a', 'b']);
    pass(1000);
    expect(sent).toHaveLength(2);
  });

  it('does not answer once it has ended', () => {
    const { channel, sent, receive, asked } = testChannel();
    receive(question);
    channel.end(new StarlingError('STARLING_PEER_UNREACHABLE', 'gone'));
    asked[0]?.answer(resultBytes('q', {}));
    expect(sent).toEqual([]);
  });
});

describe('a subscription on a channel', () => {
  it('stays, however quiet it is, and ends when it is cancelled', () => {
    const { channel, sent, pass } = testChannel();
    const listening = relay(channel, undefined, 'subscriptions/listen');
    pass(20_000);
    expect(listening.events).toEqual([]);
    listening.call.cancel();
    expect(sent.at(-1)).toMatchObject({
      method: 'notifications/cancelled',
      params: { requestId: sent[0]?.id },
    });
  });

  it('gets what is tagged with its id, and no other does', () => {
    const { channel, sent, receive, heard } = testChannel();
    const listening = relay(channel, undefined, 'subscriptions/listen');
    const other = relay(channel);
    const tagged = (id: unknown): object => ({
      method: 'notifications/resources/updated',
      params: { uri: 'x:y', _meta: { 'io.modelcontextprotocol/subscriptionId': id } },
    });
    receive(tagged(sent[0]?.id));
    receive(tagged('made up'));
    expect(listening.events).toEqual(['notification notifications/resources/updated']);
    expect(other.events).toEqual([]);
    expect(heard).toEqual(['notifications/resources/updated of undefined']);
  });
});

describe('an odd answer', () => {
  const raw = (channel: ChannelCore, text: string, relatedId?: number): void =>
    channel.receive(Buffer.from(text), relatedId);
  /** The events of two calls, to the first of which `answer` answers. */
  const eventsOf = (
    answer: (id: number) => string,
    options: { readonly method?: string; readonly related?: boolean } = {},
  ): readonly (readonly string[])[] => {
    const { channel, sent } = testChannel();
    const [one, two] = [relay(channel, undefined, options.method), relay(channel)];
    const id = sent[0]?.id ?? 0;
    raw(channel, answer(id), options.related === true ? id : undefined);
    return [one.events, two.events];
  };

  it.each<[string, (id: number) => string]>([
    ['an id of the other type', (id) => `{"jsonrpc":"2.0","id":"${id}","result":{"a":1}}`],
    ['an id that is written otherwise', (id) => `{"jsonrpc":"2.0","id":${id}.0,"result":{"a":1}}`],
    ['an error that is null', (id) => `{"jsonrpc":"2.0","id":${id},"result":{"a":1},"error":null}`],
    ['no version', (id) => `{"id":${id},"result":{"a":1}}`],
    ['a byte order mark', (id) => `\ufeff{"jsonrpc":"2.0","id":${id},"result":{"a":1}}`],
    [
      'others in a batch',
      (id) =>
        `[{"jsonrpc":"2.0","id":999,"result":{}},{"jsonrpc":"2.0","id":${id},"result":{"a":1}}]`,
    ],
  ])('is taken with %s', (_, answer) => {
    expect(eventsOf(answer)).toEqual([['response {"a":1}'], []]);
  });

  it.each<[string, (id: number) => string]>([
    [
      'a result and an error',
      (id) => `{"jsonrpc":"2.0","id":${id},"result":{},"error":{"code":1,"message":""}}`,
    ],
    ['a result that is text', (id) => `{"jsonrpc":"2.0","id":${id},"result":"done"}`],
    ['a result that is null', (id) => `{"jsonrpc":"2.0","id":${id},"result":null}`],
    ['neither of both', (id) => `{"jsonrpc":"2.0","id":${id}}`],
    ['a second id in other letters', (id) => `{"jsonrpc":"2.0","id":${id},"ID":2,"result":{}}`],
    ['its end cut off', (id) => `{"jsonrpc":"2.0","id":${id},"result":{"content":[{"type":"te`],
  ])('ends its call at once with %s', (_, answer) => {
    expect(eventsOf(answer)).toEqual([['failed STARLING_UPSTREAM_INVALID'], []]);
  });

  it('ends the call on whose stream it came, where it names none', () => {
    for (const text of ['{"result":7}', '{"id":null,"result":null}']) {
      const events = eventsOf(() => text, { related: true });
      expect(events).toEqual([['failed STARLING_UPSTREAM_INVALID'], []]);
    }
    const taken = eventsOf(
      () => '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"no"}}',
      { related: true },
    );
    expect(taken).toEqual([['response {"code":-32700,"message":"no"}'], []]);
  });

  it('ends the call on whose stream it came, where its id was never one of ours', () => {
    for (const id of ['"zzz"', '99', '-1', '1.5', '"99"']) {
      const text = `{"jsonrpc":"2.0","id":${id},"result":{}}`;
      expect(eventsOf(() => text, { related: true })).toEqual([
        ['failed STARLING_UPSTREAM_INVALID'],
        [],
      ]);
      expect(eventsOf(() => text)).toEqual([[], []]);
    }
  });

  it('under an id that was never one of ours is named to who waits too long', async () => {
    const { channel, pass } = testChannel();
    const answer = channel.request('tools/list', {}, { timeoutMs: 1000 });
    relay(channel);
    raw(channel, '{"jsonrpc":"2.0","id":"zzz","result":{}}');
    const late = expect(answer).rejects.toThrow('; it answered under the id "zzz"');
    pass(1500);
    await late;
  });

  it('ends the only call that waits, also where it can not be read at all', () => {
    const rest = '"jsonrpc":"2.0","result":{},"id"';
    for (const text of [`{${rest}:"zzz"}`, `/* mine */ {${rest}:1,}`, `{${rest}:1} and more`]) {
      const { channel } = testChannel();
      const only = relay(channel);
      raw(channel, 'starting {"jsonrpc":"2.0"}');
      expect(only.events).toEqual([]);
      raw(channel, text);
      expect(only.events).toEqual(['failed STARLING_UPSTREAM_INVALID']);
    }
  });

  it('without an id is of the only call that waits, and of none where several do', () => {
    const text = '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"no"}}';
    expect(eventsOf(() => text)).toEqual([[], []]);
    const { channel } = testChannel();
    const only = relay(channel);
    raw(channel, text);
    expect(only.events).toEqual(['response {"code":-32700,"message":"no"}']);
  });

  it('that is null says as much as an empty one where nothing else is due', () => {
    const text = (id: number): string => `{"jsonrpc":"2.0","id":${id},"result":null}`;
    expect(eventsOf(text, { method: 'logging/setLevel' })).toEqual([['response {}'], []]);
  });

  it('says what was wrong, and of whom', async () => {
    const { channel, sent } = testChannel();
    const answer = channel.request('tools/list', {}, { timeoutMs: 1000 });
    raw(channel, `{"jsonrpc":"2.0","id":${sent[0]?.id},"result":[]}`);
    await expect(answer).rejects.toThrow(
      "server 'test' answered tools/list, and the answer can't be read: its result is a list, not an object",
    );
  });
});

describe('the id of a message of which only the ends are known', () => {
  it.each([
    ['{"jsonrpc":"2.0","id":7,"result":{"content":[{"id":9', 'xxx"}]}}', 7],
    ['{"result":{"content":[{"text":"', '"}]},"jsonrpc":"2.0","id":12}', 12],
    ['{"result":{"id":5,"text":"', 'xxx"}}', undefined],
    ['{"id":5,"result":"', 'xxx', 5],
    ['{"result":{"id":5},"x":"', '"}', undefined],
  ])('%s … %s', (head, tail, id) => {
    expect(ownIdAtEdge(Buffer.from(head), Buffer.from(tail))).toBe(id);
  });
});

describe('a call while the other end asks something', () => {
  it('is not late as long as that waits, and is again once it was taken back', () => {
    const { channel, receive, pass, asked } = testChannel();
    const call = relay(channel);
    receive({ id: 7, method: 'elicitation/create', params: {} });
    expect(asked).toHaveLength(1);
    pass(2000);
    expect(call.events).toEqual([]);
    receive({ method: 'notifications/cancelled', params: { requestId: 7 } });
    pass(900);
    expect(call.events).toEqual([]);
    pass(500);
    expect(call.events).toHaveLength(1);
    expect(call.events[0]).toContain('STARLING_TIMEOUT');
  });
});
