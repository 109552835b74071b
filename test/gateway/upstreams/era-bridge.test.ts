/** Between the eras: each client and server talks its own, and neither can tell. */
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../src/core/index.ts';
import { errorBytes, parseFrame } from '../../../src/gateway/wire/frame.ts';
import { legacyRequest } from '../../../src/gateway/upstreams/bridge/legacy-request.ts';
import { relayedWith } from '../../../src/gateway/upstreams/bridge/relayed-call.ts';
import type { RelayedCall } from '../../../src/gateway/channel-types.ts';
import type { RequestFrame } from '../../../src/gateway/frame-types.ts';
import { until, useCleanup } from '../support/gateways.ts';
import {
  ALICE,
  BOB,
  callerOf,
  jsonOf,
  upstreamBench,
  useCallers,
  whoami,
} from '../support/upstream-bench.ts';
import type { Caller, Ending } from '../support/upstream-bench.ts';

useCleanup();
const callerAt = useCallers();

const ASKABLE = { sampling: {}, elicitation: { form: {} }, roots: {} };
const sampling = { method: 'sampling/createMessage', params: { messages: [], maxTokens: 5 } };
const elicitation = { method: 'elicitation/create', params: { message: 'who?' } };
const roots = { method: 'roots/list', params: {} };
const ask = (requests: readonly object[], more: object = {}): JsonObject => ({
  name: 'ask',
  arguments: { requests, ...more } as unknown as JsonObject,
});

describe('an old client on a modern server', () => {
  it('is asked by real requests what the server wants to know, and gets one answer', async () => {
    const caller = await callerAt({ eras: 'modern', capabilities: ASKABLE });
    const { ending } = caller.send('tools/call', ask([sampling, elicitation, roots]));
    const answers = { 'sampling/createMessage': 'said', 'elicitation/create': 'me' };
    const seen: string[] = [];
    for (let count = 0; count < 3; count += 1) {
      const method = caller.asked[0]?.frame.method ?? '';
      const frame = await caller.answer({ text: answers[method as keyof typeof answers] ?? 'dir' });
      seen.push(frame.method);
      if (frame.method === sampling.method) expect(frame.params).toMatchObject({ maxTokens: 5 });
    }
    expect(seen.sort()).toEqual([elicitation.method, roots.method, sampling.method].sort());
    expect(jsonOf(await ending)).toHaveLength(3);
  });

  it('is asked as often as the server wants, and no more than sixteen times', async () => {
    const bench = await upstreamBench({ eras: 'modern' });
    const caller = callerOf(bench, { capabilities: ASKABLE });
    const three = caller.send('tools/call', ask([sampling], { rounds: 3 })).ending;
    for (const n of [1, 2, 3]) await caller.answer({ n });
    expect(jsonOf(await three)).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
    const endless = caller.send('tools/call', ask([sampling], { rounds: 99 })).ending;
    const rounds = { count: 0, isOver: false };
    void endless.then(() => void (rounds.isOver = true));
    while (!rounds.isOver) {
      await until(() => rounds.isOver || caller.asked.length > 0);
      if (caller.asked.length === 0) break;
      await caller.answer({});
      rounds.count += 1;
    }
    expect(rounds.count).toBe(15);
    expect((await endless).failed).toMatchObject({ code: 'STARLING_UPSTREAM_INVALID' });
  });

  it('is not asked what it does not serve: the call fails, an elicitation is cancelled', async () => {
    const caller = await callerAt({ eras: 'modern' });
    const { failed } = await caller.send('tools/call', ask([sampling])).ending;
    expect(failed?.message).toContain('does not serve sampling/createMessage');
    expect(jsonOf(await caller.send('tools/call', ask([elicitation])).ending)).toEqual([
      { action: 'cancel' },
    ]);
    expect(caller.asked).toEqual([]);
  });

  it('that refuses a question fails the call once, with its words', async () => {
    const caller = await callerAt({ eras: 'modern', capabilities: ASKABLE });
    const { ending } = caller.send('tools/call', ask([sampling, roots]));
    await until(() => caller.asked.length === 2);
    for (const { frame, answer } of caller.asked) {
      answer(errorBytes(frame.id, { code: -1, message: `no ${frame.method}` }));
    }
    expect((await ending).failed?.message).toContain('no sampling/createMessage');
  });

  it('that gives up while it is asked is not heard any more', async () => {
    const caller = await callerAt({ eras: 'modern', capabilities: ASKABLE });
    const { call, ending } = caller.send('tools/call', ask([sampling]));
    let over = false;
    void ending.then(() => void (over = true));
    await until(() => caller.asked.length === 1);
    call.cancel();
    await caller.answer({});
    expect((await whoami(caller)).era).toBe('modern');
    expect(over).toBe(false);
  });

  it('sees that it is the client, and nothing of the new era', async () => {
    const caller = await callerAt({ eras: 'modern', capabilities: ASKABLE });
    expect(await whoami(caller)).toMatchObject({
      era: 'modern',
      capabilities: ASKABLE,
      clientInfo: { name: 'test' },
    });
    const read = await caller.send('resources/read', { uri: 'note://one' }).ending;
    expect(read.result).toMatchObject({ contents: [{ uri: 'note://one' }] });
  });
});

const CANCELLED: JsonObject = { name: 'cancelled', arguments: {} };

interface InputRequired {
  readonly resultType: string;
  readonly inputRequests: Readonly<Record<string, { method: string; params: JsonObject }>>;
  readonly requestState: string;
}

const requiredBy = ({ result }: Ending): InputRequired => {
  expect(result?.['resultType']).toBe('input_required');
  return result as unknown as InputRequired;
};

/** Sends a call of a client that can be asked everything, or its retry. */
const call = (caller: Caller, params: JsonObject, capabilities: JsonObject = ASKABLE) =>
  caller.sendModern('tools/call', params, { capabilities });

const retry = (
  params: JsonObject,
  { requestState, inputRequests }: InputRequired,
  answer: (method: string) => JsonObject,
): JsonObject => ({
  ...params,
  requestState,
  inputResponses: Object.fromEntries(
    Object.entries(inputRequests).map(([key, { method }]) => [key, answer(method)]),
  ),
});

describe('a modern client on an old server', () => {
  it('is asked by input_required, and its retry answers the server’s own request', async () => {
    const caller = await callerAt();
    const params = ask([sampling]);
    const required = requiredBy(await call(caller, params).ending);
    expect(Object.values(required.inputRequests)).toEqual([sampling]);
    expect(required.requestState).toMatch(/^starling1\.[\w-]{43}$/);
    const again = retry(params, required, () => ({ model: 'm' }));
    const { result } = await call(caller, again).ending;
    expect(result?.['resultType']).toBe('complete');
    expect(jsonOf({ result: result ?? {} })).toEqual([{ model: 'm' }]);
  });

  it('is asked all that the server asks at once or one after the other', async () => {
    const caller = await callerAt();
    const params = ask([sampling, elicitation, roots]);
    let ending = await call(caller, params).ending;
    const methods: string[] = [];
    for (let round = 0; round < 5 && ending.result?.['resultType'] !== 'complete'; round += 1) {
      const required = requiredBy(ending);
      methods.push(...Object.values(required.inputRequests).map(({ method }) => method));
      ending = await call(
        caller,
        retry(params, required, (method) => ({ method })),
      ).ending;
    }
    expect(new Set(methods)).toEqual(new Set([sampling.method, elicitation.method, roots.method]));
    expect(jsonOf(ending)).toEqual(
      [sampling, elicitation, roots].map(({ method }) => ({ method })),
    );
  });

  it('that leaves an answer out is asked for it again', async () => {
    const caller = await callerAt();
    const params = ask([sampling]);
    const first = requiredBy(await call(caller, params).ending);
    const nothing = { ...params, requestState: first.requestState };
    const second = requiredBy(await call(caller, nothing).ending);
    expect(second.inputRequests).toEqual(first.inputRequests);
    expect(second.requestState).not.toBe(first.requestState);
    expect(
      jsonOf(
        await call(
          caller,
          retry(params, second, () => ({ a: 1 })),
        ).ending,
      ),
    ).toEqual([{ a: 1 }]);
  });

  it('is asked only what it declares', async () => {
    const caller = await callerAt();
    const { result } = await call(caller, ask([sampling, roots]), { roots: {} }).ending;
    const required = requiredBy({ result: result ?? {} });
    expect(Object.values(required.inputRequests)).toEqual([roots]);
    const none = await call(caller, ask([sampling]), {}).ending;
    expect(jsonOf(none)).toMatchObject([{ error: { code: -32601 } }]);
  });

  it('gets complete results, and errors in the words of its era', async () => {
    const caller = await callerAt();
    const plain = await caller.sendModern('prompts/get', { name: 'sum up' }).ending;
    expect(plain.result).toMatchObject({ resultType: 'complete', description: 'sum up' });
    const read = await caller.sendModern('resources/read', { uri: 'note://one' }).ending;
    expect(read.result).toMatchObject({ resultType: 'complete', ttlMs: 0, cacheScope: 'private' });
    const missing = await caller.sendModern('resources/read', { uri: 'note://missing' }).ending;
    expect(missing.error?.code).toBe(-32602);
  });

  it('hears the log where it asks for a level, of its own call and no other', async () => {
    const caller = await callerAt();
    const log = (level: string): JsonObject => ({ name: 'log', arguments: { level, data: level } });
    const one = caller.sendModern('tools/call', log('warning'), { logLevel: 'info' });
    const two = caller.sendModern('tools/call', log('debug'), { logLevel: 'info' });
    const three = caller.sendModern('tools/call', log('error'));
    await Promise.all([one.ending, two.ending, three.ending]);
    expect(one.with.map(({ params }) => params['data'])).toEqual(['warning']);
    expect([two.with, three.with]).toEqual([[], []]);
  });

  it('that is given up while its log level is set is never sent, and its instance serves on', async () => {
    const bench = await upstreamBench();
    const caller = callerOf(bench);
    const seen = async (): Promise<{ called: readonly string[] }> =>
      jsonOf(await call(caller, { name: 'seen', arguments: {} }).ending) as {
        called: readonly string[];
      };
    await seen();
    const given = caller.sendModern(
      'tools/call',
      { name: 'touch', arguments: { uri: 'note://one' } },
      { capabilities: ASKABLE, logLevel: 'debug' },
    );
    await new Promise((done) => setImmediate(done));
    given.call.cancel('changed my mind');
    await seen();
    expect((await seen()).called).not.toContain('touch');
    expect(bench.upstream.exclusive.size).toBe(0);
  });

  it('has an instance to itself while it can be asked, and gives it back', async () => {
    const bench = await upstreamBench();
    const caller = callerOf(bench);
    const who = { name: 'whoami', arguments: {} };
    const pidOf = async (): Promise<number> =>
      (jsonOf(await call(caller, who).ending) as { pid: number }).pid;
    const first = await pidOf();
    expect(await pidOf()).toBe(first);
    const params = ask([sampling]);
    const required = requiredBy(await call(caller, params).ending);
    const meanwhile = await pidOf();
    expect(meanwhile).not.toBe(first);
    await call(
      caller,
      retry(params, required, () => ({})),
    ).ending;
    expect(await pidOf()).toBe(first);
    expect(bench.upstream.exclusive.size).toBe(0);
  });

  it('shares the instance of old sessions when it can not be asked', async () => {
    const caller = await callerAt();
    const { pid } = await whoami(caller);
    expect(await caller.modernTool('whoami')).toMatchObject({ pid, era: 'legacy' });
  });
});

describe('a modern request', () => {
  const modern =
    '"io.modelcontextprotocol/protocolVersion" : "2026-07-28","io.modelcontextprotocol/logLevel":"info",' +
    '"io.modelcontextprotocol/clientInfo":{"name":"a}"},"io.modelcontextprotocol/clientCapabilities":{}';
  it.each([
    [
      '{ "big": 12345678901234567890 ,',
      ', "progressToken":7}',
      '{"big":12345678901234567890,"progressToken":7}',
    ],
    ['{', '}', '{}'],
    ['{"n":1.0,', '}', '{"n":1.0}'],
    ['{', ',"vendor":1,"vendor":2,"progressToken":7}', '{"vendor":2,"progressToken":7}'],
  ])('is for an old server %s…%s without its envelope', (before, after, left) => {
    const told = (meta: string): string =>
      `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","_meta":${meta},"arguments":{"x":1.0}}}`;
    const asked = legacyRequest(requestOf(told(before + modern + after)));
    expect(asked).toEqual({ ...requestOf(told(left)), spans: expect.anything() as unknown });
    expect(asked.bytes.toString()).toBe(told(left));
  });

  it('without `_meta` stays as it is', () => {
    const request = requestOf('{"jsonrpc":"2.0","id":1,"method":"prompts/list"}');
    expect(legacyRequest(request)).toBe(request);
  });
});

function requestOf(text: string): RequestFrame {
  return parseFrame(Buffer.from(text)) as RequestFrame;
}

describe('a call that is held for its client', () => {
  async function held(): Promise<{
    bench: Awaited<ReturnType<typeof upstreamBench>>;
    caller: Caller;
    params: JsonObject;
    again: JsonObject;
  }> {
    const bench = await upstreamBench({ server: { idleMs: 0 } });
    const caller = callerOf(bench);
    const params = ask([sampling]);
    const required = requiredBy(await call(caller, params).ending);
    return { bench, caller, params, again: retry(params, required, () => ({ ok: 1 })) };
  }
  const refusal = { failed: { code: 'STARLING_USAGE', data: { rpc: -32602 } } };

  it('is taken up by whom it belongs to, from another session of theirs, too', async () => {
    const { bench, again } = await held();
    expect(jsonOf(await call(callerOf(bench), again).ending)).toEqual([{ ok: 1 }]);
  });

  it('is taken up by nobody else, though they know its handle', async () => {
    const { bench, caller, again } = await held();
    const thief = callerOf(bench, { principal: BOB });
    expect(await call(thief, again).ending).toMatchObject(refusal);
    expect(jsonOf(await call(caller, again).ending)).toEqual([{ ok: 1 }]);
  });

  it('is taken up by the same call only, and once', async () => {
    const { caller, again } = await held();
    expect(await call(caller, { ...again, name: 'whoami' }).ending).toMatchObject(refusal);
    const first = call(caller, again).ending;
    expect(await call(caller, again).ending).toMatchObject(refusal);
    expect(jsonOf(await first)).toEqual([{ ok: 1 }]);
    expect(await call(caller, again).ending).toMatchObject(refusal);
  });

  it.each(['starling1.', 'starling1.made-up', 'starling1.__proto__'])(
    'is not taken up by what was made up: %s',
    async (requestState) => {
      const { caller, again } = await held();
      expect(await call(caller, { ...again, requestState }).ending).toMatchObject(refusal);
    },
  );

  it('is given up at the server when its client does not come back', async () => {
    const { bench, caller, again } = await held();
    expect(bench.upstream.suspended.size).toBe(1);
    await bench.clock.leap(601_000);
    expect([bench.upstream.suspended.size, bench.upstream.exclusive.size]).toEqual([0, 0]);
    expect(await call(caller, again).ending).toMatchObject(refusal);
    expect(jsonOf(await call(caller, CANCELLED).ending)).toHaveLength(1);
  });

  it('keeps the answer that comes while its client is away', async () => {
    const bench = await upstreamBench();
    const caller = callerOf(bench);
    const who = { name: 'whoami', arguments: {} };
    const { pid } = jsonOf(await call(caller, who).ending) as { pid: number };
    const params = ask([sampling], { impatient: true });
    const required = requiredBy(await call(caller, params).ending);
    process.kill(pid, 'SIGUSR2');
    // Another process is started for this: time enough for the answer of the first.
    await call(caller, who).ending;
    const { ending } = call(
      caller,
      retry(params, required, () => ({})),
    );
    expect(jsonOf(await ending)).toBe('never mind');
    expect(bench.upstream.exclusive.size).toBe(0);
  });

  it('is cancelled with the retry that took it up', async () => {
    const bench = await upstreamBench();
    const caller = callerOf(bench);
    const params = ask([sampling], { hang: true });
    const required = requiredBy(await call(caller, params).ending);
    call(
      caller,
      retry(params, required, () => ({})),
    ).call.cancel('enough');
    expect([bench.upstream.suspended.size, bench.upstream.exclusive.size]).toEqual([0, 0]);
    expect(jsonOf(await call(caller, CANCELLED).ending)).toHaveLength(1);
  });

  it('that is given up before its instance started leaves that to the next call', async () => {
    const bench = await upstreamBench();
    const caller = callerOf(bench);
    const params = ask([sampling]);
    call(caller, params).call.cancel('changed my mind');
    const second = call(caller, params);
    const third = call(caller, params);
    const endings = await Promise.all([second.ending, third.ending]);
    const answered = await Promise.all(
      endings.map(
        (ending, n) =>
          call(
            caller,
            retry(params, requiredBy(ending), () => ({ n })),
          ).ending,
      ),
    );
    expect(answered.map((ending) => jsonOf(ending))).toEqual([[{ n: 0 }], [{ n: 1 }]]);
    expect(bench.upstream.exclusive.size).toBe(0);
  });

  it('belongs to a client, not to everybody of its kind: each has instances of its own', async () => {
    const bench = await upstreamBench();
    const [alice, bob] = [
      callerOf(bench, { principal: ALICE }),
      callerOf(bench, { principal: BOB }),
    ];
    const params = ask([sampling]);
    const [first, second] = await Promise.all([
      call(alice, params).ending,
      call(bob, params).ending,
    ]);
    const answers = await Promise.all([
      call(
        bob,
        retry(params, requiredBy(second), () => ({ from: 'bob' })),
      ).ending,
      call(
        alice,
        retry(params, requiredBy(first), () => ({ from: 'alice' })),
      ).ending,
    ]);
    expect(answers.map((ending) => jsonOf(ending))).toEqual([
      [{ from: 'bob' }],
      [{ from: 'alice' }],
    ]);
  });
});

describe('a question that nobody may ask', () => {
  it('is refused to the server, whatever its method is called', async () => {
    const caller = await callerAt();
    const odd = ['toString', '__proto__', 'tools/call', ''].map((method) => ({
      method,
      params: {},
    }));
    const { result } = await call(caller, ask(odd)).ending;
    expect(jsonOf({ result: result ?? {} })).toMatchObject(
      odd.map(() => ({ error: { code: -32601 } })),
    );
    expect(caller.asked).toEqual([]);
  });
});

it('a call that is changed in part keeps all the rest, the session of its caller too', () => {
  const heard: string[] = [];
  const given: Required<RelayedCall> = {
    request: parseFrame(Buffer.from('{"jsonrpc":"2.0","id":1,"method":"ping"}')) as RequestFrame,
    principal: ALICE,
    session: 'its session',
    edits: { name: 'other' },
    timeoutMs: 1000,
    response: () => void heard.push('response'),
    progress: () => void heard.push('progress'),
    notification: () => void heard.push('notification'),
    failed: () => void heard.push('failed'),
  };
  const copy = relayedWith(given) as Required<RelayedCall>;
  expect(Object.keys(copy).sort()).toEqual(Object.keys(given).sort());
  expect(copy).toMatchObject({ principal: ALICE, session: 'its session', edits: given.edits });
  for (const key of ['response', 'progress', 'notification', 'failed'] as const) {
    (copy[key] as (frame: unknown) => void)(undefined);
  }
  expect(heard).toEqual(['response', 'progress', 'notification', 'failed']);
});
