/** A session in the stateless era, in search mode, and between a server and its client. */
import { describe, expect, it } from 'vitest';
import { StarlingError } from '../../../src/core/index.ts';
import { call, benchOf, openBench, start } from '../support/session-bench.ts';
import type { SessionBench, Message } from '../support/session-bench.ts';

const META = 'io.modelcontextprotocol/';

const modern = (id: string | number, method: string, params: object = {}, meta: object = {}) => ({
  id,
  method,
  params: {
    ...params,
    _meta: {
      [`${META}protocolVersion`]: '2026-07-28',
      [`${META}clientCapabilities`]: {},
      ...meta,
    },
  },
});
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const errorOf = ([answer]: Message[]): unknown => answer?.['error'];
const idOf = (bench: SessionBench, index: number): unknown => bench.sent[index]?.['id'];
const schema = { type: 'object' };

describe('a client of the stateless era', () => {
  it('needs no initialize, and learns by server/discover what there is', () => {
    const [answer] = benchOf().ask(modern(1, 'server/discover'));
    expect(answer).toMatchObject({
      id: 1,
      result: {
        resultType: 'complete',
        supportedVersions: ['2026-07-28'],
        capabilities: { tools: { listChanged: true } },
        instructions: 'do',
        cacheScope: 'private',
        ttlMs: expect.any(Number) as number,
        _meta: { [`${META}serverInfo`]: { name: 'starling' } },
      },
    });
  });

  it('gets lists that say how long they hold, and whose they are', () => {
    const bench = benchOf();
    bench.tools = [{ name: 'a', inputSchema: schema }];
    for (const method of ['tools/list', 'prompts/list', 'resources/list']) {
      expect(bench.ask(modern(1, method))).toMatchObject([
        { result: { resultType: 'complete', cacheScope: 'private', ttlMs: 5000 } },
      ]);
    }
    expect(bench.ask(modern(2, 'resources/templates/list'))).toMatchObject([
      { result: { resourceTemplates: [] } },
    ]);
  });

  it('is told which versions there are when it names another', () => {
    const versions = [`2099-01-01`, '2025-11-25', ''];
    for (const version of versions) {
      const request = modern(1, 'tools/list', {}, { [`${META}protocolVersion`]: version });
      expect(errorOf(benchOf().ask(request))).toMatchObject({
        code: -32022,
        data: { supported: ['2026-07-28'], requested: version },
      });
    }
  });

  it('is refused when it does not say what it can do, or says it badly', () => {
    for (const capabilities of [undefined, null, 'x', []]) {
      const meta = { [`${META}clientCapabilities`]: capabilities };
      expect(errorOf(benchOf().ask(modern(1, 'tools/list', {}, meta)))).toMatchObject({
        code: -32602,
      });
    }
    const version = { [`${META}protocolVersion`]: 7 };
    expect(errorOf(benchOf().ask(modern(1, 'tools/list', {}, version)))).toMatchObject({
      code: -32602,
    });
  });

  it.each([
    'initialize',
    'ping',
    'logging/setLevel',
    'resources/subscribe',
    'resources/unsubscribe',
    'x/y',
    'toString',
  ])('is told that there is no method %s', (method) => {
    expect(errorOf(benchOf().ask(modern(1, method, { uri: 'x:y' })))).toMatchObject({
      code: -32601,
    });
  });

  it('that only probes, without saying who it is, learns what is lacking', () => {
    expect(errorOf(benchOf().ask({ id: 1, method: 'server/discover' }))).toMatchObject({
      code: -32602,
    });
  });

  it('gets its calls through as they are', () => {
    const bench = benchOf();
    const heard = bench.ask(modern('c', 'tools/call', { name: 'tool', arguments: { a: 1 } }));
    expect(bench.sent).toMatchObject([
      {
        method: 'tools/call',
        params: { name: 'far_tool', _meta: { [`${META}clientCapabilities`]: {} } },
      },
    ]);
    bench.answer({ id: idOf(bench, 0), result: { resultType: 'complete', content: [] } });
    expect(heard).toMatchObject([{ id: 'c', result: { resultType: 'complete' } }]);
  });

  it('hears the log at the level that the request names, and not without one', () => {
    const bench = benchOf();
    const quiet = bench.ask(modern(1, 'tools/call', { name: 'tool' }));
    const log = (level: string) => ({ method: 'notifications/message', params: { level } });
    bench.answer(log('emergency'));
    expect(quiet).toEqual([]);
    const meta = { [`${META}logLevel`]: 'warning' };
    const loud = bench.ask(modern(2, 'tools/call', { name: 'tool' }, meta));
    for (const level of ['debug', 'warning', 'error']) bench.answer(log(level));
    expect(loud).toMatchObject([log('warning'), log('error')]);
    expect(bench.pushed).toEqual([]);
  });
});

describe('ids of several clients in one session', () => {
  it('are told apart by the key, and given up by it', () => {
    const bench = benchOf();
    const keys = [{}, {}];
    const heard: string[][] = [[], []];
    for (const [index, key] of keys.entries()) {
      const hear = (bytes: Buffer): void => void heard[index]?.push(bytes.toString());
      const request = modern(1, 'tools/call', { name: `t${index}` });
      const bytes = Buffer.from(JSON.stringify({ jsonrpc: '2.0', ...request }));
      bench.session.receive(
        { kind: 'request', bytes, id: 1, method: 'tools/call', params: request.params },
        { interim: hear, urgent: hear, final: hear, dropped: () => heard[index]?.push('dropped') },
        key,
      );
    }
    expect(bench.session.inFlight).toBe(2);
    bench.session.abandon(keys[0], 'gone');
    bench.session.abandon(keys[0], 'gone');
    expect(bench.sent.at(-1)).toMatchObject({
      method: 'notifications/cancelled',
      params: { requestId: idOf(bench, 0), reason: 'gone' },
    });
    bench.answer({ id: idOf(bench, 1), result: { mine: true } });
    expect(heard).toEqual([['dropped'], ['{"jsonrpc":"2.0","id":1,"result":{"mine":true}}']]);
  });
});

describe('a client that listens', () => {
  const listen = (notifications: object) => modern('L', 'subscriptions/listen', { notifications });

  it('is told what it will hear, and then of changes of those lists alone', async () => {
    const bench = benchOf();
    const heard = bench.ask(listen({ toolsListChanged: true, x: true, resourcesListChanged: 1 }));
    expect(heard).toMatchObject([
      {
        method: 'notifications/subscriptions/acknowledged',
        params: {
          notifications: { toolsListChanged: true },
          _meta: { [`${META}subscriptionId`]: 'L' },
        },
      },
    ]);
    bench.tools = [{ name: 'a', inputSchema: schema }];
    bench.views.emit('change');
    await bench.clock.advance(60);
    expect(heard.slice(1)).toMatchObject([
      {
        method: 'notifications/tools/list_changed',
        params: { _meta: { [`${META}subscriptionId`]: 'L' } },
      },
    ]);
    expect(bench.pushed).toEqual([]);
  });

  it('hears of the resources that it names until it goes', async () => {
    const bench = benchOf();
    const heard = bench.ask(listen({ resourceSubscriptions: ['x:y', 7] }));
    await bench.clock.advance(1);
    expect(bench.sent).toMatchObject([{ method: 'resources/subscribe', params: { uri: 'x:y' } }]);
    const update = (uri: string) => ({
      method: 'notifications/resources/updated',
      params: { uri, more: 1 },
    });
    bench.answer(update('x:y'));
    bench.answer(update('x:other'));
    expect(heard.slice(1)).toMatchObject([
      { params: { uri: 'x:y', more: 1, _meta: { [`${META}subscriptionId`]: 'L' } } },
    ]);
    bench.ask({ method: 'notifications/cancelled', params: { requestId: 'L' } });
    await bench.clock.advance(1);
    expect(bench.sent.at(-1)).toMatchObject({ method: 'resources/unsubscribe' });
    bench.answer(update('x:y'));
    expect(heard.filter((message) => 'method' in message)).toHaveLength(2);
  });

  it('hears no more of what its grant no longer covers', async () => {
    const bench = benchOf();
    const heard = bench.ask(listen({ resourceSubscriptions: ['x:y'] }));
    await bench.clock.advance(1);
    bench.allow = false;
    bench.session.recheck();
    bench.answer({ method: 'notifications/resources/updated', params: { uri: 'x:y' } });
    expect(heard).toHaveLength(1);
  });

  it('gets an answer when the session ends, and may not listen without end', () => {
    const bench = benchOf();
    const heard = bench.ask(listen({}));
    bench.session.end();
    expect(heard.at(-1)).toMatchObject({ id: 'L', result: { resultType: 'complete' } });
    const greedy = benchOf();
    const answers = Array.from({ length: 17 }, (_, id) => greedy.ask({ ...listen({}), id })).map(
      (messages) => messages.at(-1)?.['error'],
    );
    expect(answers.filter(Boolean)).not.toEqual([]);
  });
});

describe('a subscription of the old era', () => {
  const subscribe = { id: 's', method: 'resources/subscribe', params: { uri: 'x:y' } };
  const update = { method: 'notifications/resources/updated', params: { uri: 'x:y', n: 1 } };

  it('brings updates of that resource, and ends', () => {
    const bench = openBench();
    const heard = bench.ask(subscribe);
    bench.answer({ id: idOf(bench, 0), result: {} });
    expect(heard).toMatchObject([{ id: 's', result: {} }]);
    bench.answer(update);
    expect(bench.pushed).toMatchObject([update]);
    bench.ask({ id: 'u', method: 'resources/unsubscribe', params: { uri: 'x:y' } });
    bench.answer(update);
    expect(bench.pushed).toHaveLength(1);
  });

  it('brings nothing more once the grant for it is gone', () => {
    const bench = openBench();
    bench.ask(subscribe);
    bench.answer({ id: idOf(bench, 0), result: {} });
    bench.allow = false;
    bench.session.recheck();
    bench.answer(update);
    expect(bench.pushed).toEqual([]);
  });
});

describe('a list of search mode', () => {
  async function searchBench(): Promise<SessionBench> {
    const bench = openBench();
    bench.toolsMode = 'search';
    bench.tools = [
      { name: 'read_file', description: 'Reads a file.', inputSchema: schema },
      { name: 'send_mail', description: 'Sends a mail.', inputSchema: schema },
    ];
    bench.views.emit('change');
    await bench.clock.advance(60);
    return bench;
  }
  const tool = (name: string, args: object): object => ({
    id: 7,
    method: 'tools/call',
    params: { name, arguments: args },
  });
  async function settled(heard: Message[]): Promise<Message> {
    for (let tries = 0; tries < 50 && heard.length === 0; tries += 1) {
      await turn();
    }
    return heard[0] ?? {};
  }

  it('has three tools on one page, whatever there is', async () => {
    const bench = await searchBench();
    const [answer] = bench.ask({ id: 1, method: 'tools/list' });
    const { tools, nextCursor } = (answer as Message)['result'] as {
      tools: Message[];
      nextCursor?: string;
    };
    expect(tools.map(({ name }) => name)).toEqual(['search_tools', 'describe_tools', 'call_tool']);
    expect(nextCursor).toBeUndefined();
  });

  it('finds and describes tools, in the words of the client’s era', async () => {
    const bench = await searchBench();
    const found = await settled(bench.ask(tool('search_tools', { query: 'read a file' })));
    expect(JSON.stringify(found)).toContain('read_file');
    expect(found['result']).not.toHaveProperty('resultType');
    const described = await settled(
      bench.ask(modern(8, 'tools/call', { name: 'describe_tools', arguments: { names: ['x'] } })),
    );
    expect(described).toMatchObject({ id: 8, result: { resultType: 'complete' } });
    expect(bench.session.inFlight).toBe(0);
  });

  it('calls the tool that call_tool names, with its arguments and no others', async () => {
    const bench = await searchBench();
    const heard = bench.ask({
      id: 9,
      method: 'tools/call',
      params: {
        name: 'call_tool',
        arguments: { name: 'read_file', arguments: { path: 'a' } },
        _meta: { progressToken: 'p' },
      },
    });
    expect(bench.sent).toMatchObject([
      { params: { name: 'far_read_file', arguments: { path: 'a' } } },
    ]);
    bench.answer({
      method: 'notifications/progress',
      params: { progressToken: idOf(bench, 0), progress: 1 },
    });
    bench.answer({ id: idOf(bench, 0), result: { content: [] } });
    expect(heard).toMatchObject([
      { params: { progressToken: 'p' } },
      { id: 9, result: { content: [] } },
    ]);
  });

  it('says what is wrong with a call of one of the three', async () => {
    const bench = await searchBench();
    expect(errorOf(bench.ask(tool('call_tool', { tool: 'read_file' })))).toMatchObject({
      data: { code: 'STARLING_USAGE' },
    });
    const odd = await settled(bench.ask(tool('search_tools', { query: 7 })));
    expect(odd).toMatchObject({ id: 7, result: { isError: true } });
    expect(bench.sent).toEqual([]);
  });

  it('still lets a tool be called by its name', async () => {
    const bench = await searchBench();
    bench.ask(call(1, 'read_file'));
    expect(bench.sent).toMatchObject([{ params: { name: 'far_read_file' } }]);
  });

  it('is not there for a client that wants them all', () => {
    const bench = openBench();
    bench.tools = [{ name: 'call_tool', inputSchema: schema }];
    bench.ask(call(1, 'call_tool', { arguments: { name: 'x' } }));
    expect(bench.sent).toMatchObject([{ params: { name: 'far_call_tool' } }]);
  });
});

describe('a question of a server', () => {
  const question = { id: 'far', method: 'sampling/createMessage', params: { n: 1 } };

  it('goes to the client on the call that it belongs to, under an id of our own', () => {
    const bench = openBench();
    const heard = bench.ask(call(1));
    bench.answer(question);
    const [asked] = heard;
    expect(asked).toMatchObject({ method: 'sampling/createMessage', params: { n: 1 } });
    expect(asked?.['id']).not.toBe('far');
    bench.ask({ id: asked?.['id'], result: { model: 'm' } });
    expect(bench.sent.at(-1)).toEqual({ jsonrpc: '2.0', id: 'far', result: { model: 'm' } });
    expect(bench.pushed).toEqual([]);
  });

  it('goes by itself when no call is under way', () => {
    const bench = openBench();
    bench.ask(call(1));
    bench.answer({ id: idOf(bench, 0), result: {} });
    bench.answer(question);
    expect(bench.pushed).toMatchObject([{ method: 'sampling/createMessage' }]);
  });

  it('that the client refuses is refused to the server, in its words', () => {
    const bench = openBench();
    const heard = bench.ask(call(1));
    bench.answer(question);
    const error = { code: -1, message: 'user said no', data: { x: 1 } };
    bench.ask({ id: heard[0]?.['id'], error });
    expect(bench.sent.at(-1)).toEqual({ jsonrpc: '2.0', id: 'far', error });
  });

  it('that nobody answers is answered after its time, and when the session ends', async () => {
    const bench = openBench();
    bench.ask(call(1));
    bench.answer(question);
    await bench.clock.advance(61_000);
    expect(bench.sent).toContainEqual(
      expect.objectContaining({
        id: 'far',
        error: expect.objectContaining({
          data: expect.objectContaining({ code: 'STARLING_TIMEOUT' }) as unknown,
        }) as unknown,
      }),
    );
    bench.answer({ ...question, id: 'next' });
    bench.session.end();
    expect(bench.sent).toContainEqual(expect.objectContaining({ id: 'next' }));
  });

  it('that the server takes back is taken back from the client', () => {
    const bench = openBench();
    const heard = bench.ask(call(1));
    bench.answer(question);
    bench.answer({
      method: 'notifications/cancelled',
      params: { requestId: 'far', reason: 'no need' },
    });
    expect(bench.pushed).toMatchObject([
      {
        method: 'notifications/cancelled',
        params: { requestId: heard[0]?.['id'], reason: 'no need' },
      },
    ]);
    bench.ask({ id: heard[0]?.['id'], result: {} });
    expect(bench.sent.filter(({ id }) => id === 'far')).toEqual([]);
  });

  it('hears the client’s progress on it, under the token that the server knows', () => {
    const bench = openBench();
    const heard = bench.ask(call(1));
    bench.answer({ ...question, params: { _meta: { progressToken: 'theirs' } } });
    const { _meta } = (heard[0] as Message)['params'] as { _meta: { progressToken: unknown } };
    expect(_meta.progressToken).not.toBe('theirs');
    bench.ask({
      method: 'notifications/progress',
      params: { progressToken: _meta.progressToken, progress: 5 },
    });
    expect(bench.sent.at(-1)).toMatchObject({ params: { progressToken: 'theirs', progress: 5 } });
    bench.ask({ method: 'notifications/progress', params: { progressToken: 99, progress: 6 } });
    expect(bench.sent.at(-1)).toMatchObject({ params: { progress: 5 } });
  });

  it('is one of 256 that may wait', () => {
    const bench = openBench();
    bench.ask(call(1));
    for (let id = 0; id < 257; id += 1) bench.answer({ ...question, id });
    expect(bench.sent.filter((message) => 'error' in message)).toMatchObject([
      { id: 256, error: { data: { code: 'STARLING_LIMIT_EXCEEDED' } } },
    ]);
  });

  it('is answered by nobody who was not asked', () => {
    const bench = openBench();
    const heard = bench.ask(call(1));
    bench.answer(question);
    const { id } = heard[0] as { id: number };
    for (const wrong of [id + 1, `${id} `, 'far']) bench.ask({ id: wrong, result: {} });
    expect(bench.sent).toHaveLength(1);
    bench.ask({ id, result: { once: 1 } });
    bench.ask({ id, result: { twice: 2 } });
    expect(bench.sent.slice(1)).toEqual([{ jsonrpc: '2.0', id: 'far', result: { once: 1 } }]);
  });
});

describe('the log of servers', () => {
  it('is filtered by the level of the client, which is told to servers too', async () => {
    const bench = openBench();
    bench.ask(call(1));
    bench.answer({ id: idOf(bench, 0), result: {} });
    expect(
      bench.ask({ id: 2, method: 'logging/setLevel', params: { level: 'error' } }),
    ).toMatchObject([{ id: 2, result: {} }]);
    expect(bench.sent.at(-1)).toMatchObject({
      method: 'logging/setLevel',
      params: { level: 'error' },
    });
    for (const level of ['info', 'error', 'alert']) {
      bench.answer({ method: 'notifications/message', params: { level } });
    }
    expect(bench.pushed.map(({ params }) => params)).toEqual([
      { level: 'error' },
      { level: 'alert' },
    ]);
  });

  it.each([undefined, 'loud', 7, {}])('has no level %j', (level) => {
    const bench = openBench();
    const heard = bench.ask({ id: 2, method: 'logging/setLevel', params: { level } });
    expect(errorOf(heard)).toMatchObject({ code: -32602 });
  });
});

describe('a session whose requests are counted', () => {
  it('refuses what is too much, and goes on', () => {
    const bench = benchOf();
    bench.ask(start());
    const refusal = new StarlingError('STARLING_LIMIT_EXCEEDED', 'too fast');
    bench.admit = () => refusal;
    expect(errorOf(bench.ask({ id: 1, method: 'ping' }))).toMatchObject({
      data: { code: 'STARLING_LIMIT_EXCEEDED' },
    });
    bench.admit = () => undefined;
    expect(bench.ask({ id: 1, method: 'ping' })).toMatchObject([{ id: 1, result: {} }]);
  });
});
