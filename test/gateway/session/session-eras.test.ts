/** A session in the stateless era, in search mode, and between a server and its client. */
import { describe, expect, it } from 'vitest';
import { StarlingError } from '../../../src/core/index.ts';
import { call, deskOf, openDesk, start } from '../support/session-bench.ts';
import type { Desk, Message } from '../support/session-bench.ts';

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
const idOf = (desk: Desk, index: number): unknown => desk.sent[index]?.['id'];
const schema = { type: 'object' };

describe('a client of the stateless era', () => {
  it('needs no initialize, and learns by server/discover what there is', () => {
    const [answer] = deskOf().ask(modern(1, 'server/discover'));
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
    const desk = deskOf();
    desk.tools = [{ name: 'a', inputSchema: schema }];
    for (const method of ['tools/list', 'prompts/list', 'resources/list']) {
      expect(desk.ask(modern(1, method))).toMatchObject([
        { result: { resultType: 'complete', cacheScope: 'private', ttlMs: 5000 } },
      ]);
    }
    expect(desk.ask(modern(2, 'resources/templates/list'))).toMatchObject([
      { result: { resourceTemplates: [] } },
    ]);
  });

  it('is told which versions there are when it names another', () => {
    const versions = [`2099-01-01`, '2025-11-25', ''];
    for (const version of versions) {
      const request = modern(1, 'tools/list', {}, { [`${META}protocolVersion`]: version });
      expect(errorOf(deskOf().ask(request))).toMatchObject({
        code: -32022,
        data: { supported: ['2026-07-28'], requested: version },
      });
    }
  });

  it('is refused when it does not say what it can do, or says it badly', () => {
    for (const capabilities of [undefined, null, 'x', []]) {
      const meta = { [`${META}clientCapabilities`]: capabilities };
      expect(errorOf(deskOf().ask(modern(1, 'tools/list', {}, meta)))).toMatchObject({
        code: -32602,
      });
    }
    const version = { [`${META}protocolVersion`]: 7 };
    expect(errorOf(deskOf().ask(modern(1, 'tools/list', {}, version)))).toMatchObject({
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
    expect(errorOf(deskOf().ask(modern(1, method, { uri: 'x:y' })))).toMatchObject({
      code: -32601,
    });
  });

  it('that only probes, without saying who it is, learns what is lacking', () => {
    expect(errorOf(deskOf().ask({ id: 1, method: 'server/discover' }))).toMatchObject({
      code: -32602,
    });
  });

  it('gets its calls through as they are', () => {
    const desk = deskOf();
    const heard = desk.ask(modern('c', 'tools/call', { name: 'tool', arguments: { a: 1 } }));
    expect(desk.sent).toMatchObject([
      {
        method: 'tools/call',
        params: { name: 'far_tool', _meta: { [`${META}clientCapabilities`]: {} } },
      },
    ]);
    desk.answer({ id: idOf(desk, 0), result: { resultType: 'complete', content: [] } });
    expect(heard).toMatchObject([{ id: 'c', result: { resultType: 'complete' } }]);
  });

  it('hears the log at the level that the request names, and not without one', () => {
    const desk = deskOf();
    const quiet = desk.ask(modern(1, 'tools/call', { name: 'tool' }));
    const log = (level: string) => ({ method: 'notifications/message', params: { level } });
    desk.answer(log('emergency'));
    expect(quiet).toEqual([]);
    const meta = { [`${META}logLevel`]: 'warning' };
    const loud = desk.ask(modern(2, 'tools/call', { name: 'tool' }, meta));
    for (const level of ['debug', 'warning', 'error']) desk.answer(log(level));
    expect(loud).toMatchObject([log('warning'), log('error')]);
    expect(desk.pushed).toEqual([]);
  });
});

describe('ids of several clients in one session', () => {
  it('are told apart by the key, and given up by it', () => {
    const desk = deskOf();
    const keys = [{}, {}];
    const heard: string[][] = [[], []];
    for (const [index, key] of keys.entries()) {
      const hear = (bytes: Buffer): void => void heard[index]?.push(bytes.toString());
      const request = modern(1, 'tools/call', { name: `t${index}` });
      const bytes = Buffer.from(JSON.stringify({ jsonrpc: '2.0', ...request }));
      desk.session.receive(
        { kind: 'request', bytes, id: 1, method: 'tools/call', params: request.params },
        { interim: hear, urgent: hear, final: hear, dropped: () => heard[index]?.push('dropped') },
        key,
      );
    }
    expect(desk.session.inFlight).toBe(2);
    desk.session.abandon(keys[0], 'gone');
    desk.session.abandon(keys[0], 'gone');
    expect(desk.sent.at(-1)).toMatchObject({
      method: 'notifications/cancelled',
      params: { requestId: idOf(desk, 0), reason: 'gone' },
    });
    desk.answer({ id: idOf(desk, 1), result: { mine: true } });
    expect(heard).toEqual([['dropped'], ['{"jsonrpc":"2.0","id":1,"result":{"mine":true}}']]);
  });
});

describe('a client that listens', () => {
  const listen = (notifications: object) => modern('L', 'subscriptions/listen', { notifications });

  it('is told what it will hear, and then of changes of those lists alone', async () => {
    const desk = deskOf();
    const heard = desk.ask(listen({ toolsListChanged: true, x: true, resourcesListChanged: 1 }));
    expect(heard).toMatchObject([
      {
        method: 'notifications/subscriptions/acknowledged',
        params: {
          notifications: { toolsListChanged: true },
          _meta: { [`${META}subscriptionId`]: 'L' },
        },
      },
    ]);
    desk.tools = [{ name: 'a', inputSchema: schema }];
    desk.views.emit('change');
    await desk.clock.advance(60);
    expect(heard.slice(1)).toMatchObject([
      {
        method: 'notifications/tools/list_changed',
        params: { _meta: { [`${META}subscriptionId`]: 'L' } },
      },
    ]);
    expect(desk.pushed).toEqual([]);
  });

  it('hears of the resources that it names until it goes', async () => {
    const desk = deskOf();
    const heard = desk.ask(listen({ resourceSubscriptions: ['x:y', 7] }));
    await desk.clock.advance(1);
    expect(desk.sent).toMatchObject([{ method: 'resources/subscribe', params: { uri: 'x:y' } }]);
    const update = (uri: string) => ({
      method: 'notifications/resources/updated',
      params: { uri, more: 1 },
    });
    desk.answer(update('x:y'));
    desk.answer(update('x:other'));
    expect(heard.slice(1)).toMatchObject([
      { params: { uri: 'x:y', more: 1, _meta: { [`${META}subscriptionId`]: 'L' } } },
    ]);
    desk.ask({ method: 'notifications/cancelled', params: { requestId: 'L' } });
    await desk.clock.advance(1);
    expect(desk.sent.at(-1)).toMatchObject({ method: 'resources/unsubscribe' });
    desk.answer(update('x:y'));
    expect(heard.filter((message) => 'method' in message)).toHaveLength(2);
  });

  it('hears no more of what its grant no longer covers', async () => {
    const desk = deskOf();
    const heard = desk.ask(listen({ resourceSubscriptions: ['x:y'] }));
    await desk.clock.advance(1);
    desk.allow = false;
    desk.session.recheck();
    desk.answer({ method: 'notifications/resources/updated', params: { uri: 'x:y' } });
    expect(heard).toHaveLength(1);
  });

  it('gets an answer when the session ends, and may not listen without end', () => {
    const desk = deskOf();
    const heard = desk.ask(listen({}));
    desk.session.end();
    expect(heard.at(-1)).toMatchObject({ id: 'L', result: { resultType: 'complete' } });
    const greedy = deskOf();
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
    const desk = openDesk();
    const heard = desk.ask(subscribe);
    desk.answer({ id: idOf(desk, 0), result: {} });
    expect(heard).toMatchObject([{ id: 's', result: {} }]);
    desk.answer(update);
    expect(desk.pushed).toMatchObject([update]);
    desk.ask({ id: 'u', method: 'resources/unsubscribe', params: { uri: 'x:y' } });
    desk.answer(update);
    expect(desk.pushed).toHaveLength(1);
  });

  it('brings nothing more once the grant for it is gone', () => {
    const desk = openDesk();
    desk.ask(subscribe);
    desk.answer({ id: idOf(desk, 0), result: {} });
    desk.allow = false;
    desk.session.recheck();
    desk.answer(update);
    expect(desk.pushed).toEqual([]);
  });
});

describe('a list of search mode', () => {
  async function searchDesk(): Promise<Desk> {
    const desk = openDesk();
    desk.toolsMode = 'search';
    desk.tools = [
      { name: 'read_file', description: 'Reads a file.', inputSchema: schema },
      { name: 'send_mail', description: 'Sends a mail.', inputSchema: schema },
    ];
    desk.views.emit('change');
    await desk.clock.advance(60);
    return desk;
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
    const desk = await searchDesk();
    const [answer] = desk.ask({ id: 1, method: 'tools/list' });
    const { tools, nextCursor } = (answer as Message)['result'] as {
      tools: Message[];
      nextCursor?: string;
    };
    expect(tools.map(({ name }) => name)).toEqual(['search_tools', 'describe_tools', 'call_tool']);
    expect(nextCursor).toBeUndefined();
  });

  it('finds and describes tools, in the words of the client’s era', async () => {
    const desk = await searchDesk();
    const found = await settled(desk.ask(tool('search_tools', { query: 'read a file' })));
    expect(JSON.stringify(found)).toContain('read_file');
    expect(found['result']).not.toHaveProperty('resultType');
    const described = await settled(
      desk.ask(modern(8, 'tools/call', { name: 'describe_tools', arguments: { names: ['x'] } })),
    );
    expect(described).toMatchObject({ id: 8, result: { resultType: 'complete' } });
    expect(desk.session.inFlight).toBe(0);
  });

  it('calls the tool that call_tool names, with its arguments and no others', async () => {
    const desk = await searchDesk();
    const heard = desk.ask({
      id: 9,
      method: 'tools/call',
      params: {
        name: 'call_tool',
        arguments: { name: 'read_file', arguments: { path: 'a' } },
        _meta: { progressToken: 'p' },
      },
    });
    expect(desk.sent).toMatchObject([
      { params: { name: 'far_read_file', arguments: { path: 'a' } } },
    ]);
    desk.answer({
      method: 'notifications/progress',
      params: { progressToken: idOf(desk, 0), progress: 1 },
    });
    desk.answer({ id: idOf(desk, 0), result: { content: [] } });
    expect(heard).toMatchObject([
      { params: { progressToken: 'p' } },
      { id: 9, result: { content: [] } },
    ]);
  });

  it('says what is wrong with a call of one of the three', async () => {
    const desk = await searchDesk();
    expect(errorOf(desk.ask(tool('call_tool', { tool: 'read_file' })))).toMatchObject({
      data: { code: 'STARLING_USAGE' },
    });
    const odd = await settled(desk.ask(tool('search_tools', { query: 7 })));
    expect(odd).toMatchObject({ id: 7, result: { isError: true } });
    expect(desk.sent).toEqual([]);
  });

  it('still lets a tool be called by its name', async () => {
    const desk = await searchDesk();
    desk.ask(call(1, 'read_file'));
    expect(desk.sent).toMatchObject([{ params: { name: 'far_read_file' } }]);
  });

  it('is not there for a client that wants them all', () => {
    const desk = openDesk();
    desk.tools = [{ name: 'call_tool', inputSchema: schema }];
    desk.ask(call(1, 'call_tool', { arguments: { name: 'x' } }));
    expect(desk.sent).toMatchObject([{ params: { name: 'far_call_tool' } }]);
  });
});

describe('a question of a server', () => {
  const question = { id: 'far', method: 'sampling/createMessage', params: { n: 1 } };

  it('goes to the client on the call that it belongs to, under an id of our own', () => {
    const desk = openDesk();
    const heard = desk.ask(call(1));
    desk.answer(question);
    const [asked] = heard;
    expect(asked).toMatchObject({ method: 'sampling/createMessage', params: { n: 1 } });
    expect(asked?.['id']).not.toBe('far');
    desk.ask({ id: asked?.['id'], result: { model: 'm' } });
    expect(desk.sent.at(-1)).toEqual({ jsonrpc: '2.0', id: 'far', result: { model: 'm' } });
    expect(desk.pushed).toEqual([]);
  });

  it('goes by itself when no call is under way', () => {
    const desk = openDesk();
    desk.ask(call(1));
    desk.answer({ id: idOf(desk, 0), result: {} });
    desk.answer(question);
    expect(desk.pushed).toMatchObject([{ method: 'sampling/createMessage' }]);
  });

  it('that the client refuses is refused to the server, in its words', () => {
    const desk = openDesk();
    const heard = desk.ask(call(1));
    desk.answer(question);
    const error = { code: -1, message: 'user said no', data: { x: 1 } };
    desk.ask({ id: heard[0]?.['id'], error });
    expect(desk.sent.at(-1)).toEqual({ jsonrpc: '2.0', id: 'far', error });
  });

  it('that nobody answers is answered after its time, and when the session ends', async () => {
    const desk = openDesk();
    desk.ask(call(1));
    desk.answer(question);
    await desk.clock.advance(61_000);
    expect(desk.sent).toContainEqual(
      expect.objectContaining({
        id: 'far',
        error: expect.objectContaining({
          data: expect.objectContaining({ code: 'STARLING_TIMEOUT' }) as unknown,
        }) as unknown,
      }),
    );
    desk.answer({ ...question, id: 'next' });
    desk.session.end();
    expect(desk.sent).toContainEqual(expect.objectContaining({ id: 'next' }));
  });

  it('that the server takes back is taken back from the client', () => {
    const desk = openDesk();
    const heard = desk.ask(call(1));
    desk.answer(question);
    desk.answer({
      method: 'notifications/cancelled',
      params: { requestId: 'far', reason: 'no need' },
    });
    expect(desk.pushed).toMatchObject([
      {
        method: 'notifications/cancelled',
        params: { requestId: heard[0]?.['id'], reason: 'no need' },
      },
    ]);
    desk.ask({ id: heard[0]?.['id'], result: {} });
    expect(desk.sent.filter(({ id }) => id === 'far')).toEqual([]);
  });

  it('hears the client’s progress on it, under the token that the server knows', () => {
    const desk = openDesk();
    const heard = desk.ask(call(1));
    desk.answer({ ...question, params: { _meta: { progressToken: 'theirs' } } });
    const { _meta } = (heard[0] as Message)['params'] as { _meta: { progressToken: unknown } };
    expect(_meta.progressToken).not.toBe('theirs');
    desk.ask({
      method: 'notifications/progress',
      params: { progressToken: _meta.progressToken, progress: 5 },
    });
    expect(desk.sent.at(-1)).toMatchObject({ params: { progressToken: 'theirs', progress: 5 } });
    desk.ask({ method: 'notifications/progress', params: { progressToken: 99, progress: 6 } });
    expect(desk.sent.at(-1)).toMatchObject({ params: { progress: 5 } });
  });

  it('is one of 256 that may wait', () => {
    const desk = openDesk();
    desk.ask(call(1));
    for (let id = 0; id < 257; id += 1) desk.answer({ ...question, id });
    expect(desk.sent.filter((message) => 'error' in message)).toMatchObject([
      { id: 256, error: { data: { code: 'STARLING_LIMIT_EXCEEDED' } } },
    ]);
  });

  it('is answered by nobody who was not asked', () => {
    const desk = openDesk();
    const heard = desk.ask(call(1));
    desk.answer(question);
    const { id } = heard[0] as { id: number };
    for (const wrong of [id + 1, `${id} `, 'far']) desk.ask({ id: wrong, result: {} });
    expect(desk.sent).toHaveLength(1);
    desk.ask({ id, result: { once: 1 } });
    desk.ask({ id, result: { twice: 2 } });
    expect(desk.sent.slice(1)).toEqual([{ jsonrpc: '2.0', id: 'far', result: { once: 1 } }]);
  });
});

describe('the log of servers', () => {
  it('is filtered by the level of the client, which is told to servers too', async () => {
    const desk = openDesk();
    desk.ask(call(1));
    desk.answer({ id: idOf(desk, 0), result: {} });
    expect(
      desk.ask({ id: 2, method: 'logging/setLevel', params: { level: 'error' } }),
    ).toMatchObject([{ id: 2, result: {} }]);
    expect(desk.sent.at(-1)).toMatchObject({
      method: 'logging/setLevel',
      params: { level: 'error' },
    });
    for (const level of ['info', 'error', 'alert']) {
      desk.answer({ method: 'notifications/message', params: { level } });
    }
    expect(desk.pushed.map(({ params }) => params)).toEqual([
      { level: 'error' },
      { level: 'alert' },
    ]);
  });

  it.each([undefined, 'loud', 7, {}])('has no level %j', (level) => {
    const desk = openDesk();
    const heard = desk.ask({ id: 2, method: 'logging/setLevel', params: { level } });
    expect(errorOf(heard)).toMatchObject({ code: -32602 });
  });
});

describe('a session whose requests are counted', () => {
  it('refuses what is too much, and goes on', () => {
    const desk = deskOf();
    desk.ask(start());
    const refusal = new StarlingError('STARLING_LIMIT_EXCEEDED', 'too fast');
    desk.admit = () => refusal;
    expect(errorOf(desk.ask({ id: 1, method: 'ping' }))).toMatchObject({
      data: { code: 'STARLING_LIMIT_EXCEEDED' },
    });
    desk.admit = () => undefined;
    expect(desk.ask({ id: 1, method: 'ping' })).toMatchObject([{ id: 1, result: {} }]);
  });
});
