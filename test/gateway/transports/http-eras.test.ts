/** The HTTP edge for both eras and for callers of limited rights: plain requests, real servers. */
import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Secret } from '../../../src/core/index.ts';
import { createTestClock } from '../../core/test-clock.ts';
import {
  INITIALIZE,
  STDIO_SERVER,
  defer,
  http,
  lineClient,
  openSession,
  startNode,
  startPair,
  until,
  useCleanup,
} from '../support/gateways.ts';
import type { Answer, TestNode } from '../support/gateways.ts';
import { standingClock } from '../support/jump-clock.ts';

useCleanup();

const META = 'io.modelcontextprotocol/';
const VERSION = '2026-07-28';
type Message = Record<string, unknown>;

const SESSION_SERVER = {
  ...STDIO_SERVER,
  args: [resolve(import.meta.dirname, '../support/session-server.mjs')],
  env: { ERAS: new Secret('both') },
};

interface Post {
  readonly id?: string | number;
  readonly params?: object;
  readonly meta?: object;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string | undefined>>;
}

/** Headers and body of a request of the stateless era, as its client should send it. */
function modern(method: string, init: Post = {}): { headers: Message; body: string } {
  const { id = 1, params = {}, meta = {} } = init;
  const { name, uri } = params as { name?: string; uri?: string };
  const called = name ?? uri;
  return {
    headers: {
      'mcp-protocol-version': VERSION,
      'mcp-method': method,
      ...(called === undefined ? {} : { 'mcp-name': called }),
      ...init.headers,
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id,
      method,
      params: {
        ...params,
        _meta: {
          [`${META}protocolVersion`]: VERSION,
          [`${META}clientCapabilities`]: {},
          ...meta,
        },
      },
    }),
  };
}

async function post(node: TestNode, method: string, init: Post = {}): Promise<Answer> {
  const { headers, body } = modern(method, init);
  const path = init.path === undefined ? {} : { path: init.path };
  return http(node, { headers: headers as Record<string, string>, body, ...path });
}

const said = ({ body }: Answer): Message => JSON.parse(body) as Message;
const codeOf = (answer: Answer): unknown => (said(answer)['error'] as Message)['code'];
const textIn = (answer: Answer): unknown => {
  const { content } = said(answer)['result'] as { content: { text: string }[] };
  return content[0]?.text;
};

interface Open {
  readonly sent: ClientRequest;
  /** Messages that came on the event stream so far. */
  readonly heard: Message[];
  readonly isOver: () => boolean;
}

/** Sends a request of which the answer may take its time. */
async function open(node: TestNode, method: string, init: Post = {}): Promise<Open> {
  const { headers, body } = modern(method, init);
  const url = new URL(node.gateway.endpoints().url ?? '');
  const heard: Message[] = [];
  let over = false;
  const sent = request({
    host: url.hostname,
    port: url.port,
    path: init.path ?? '/mcp',
    method: 'POST',
    agent: false,
    headers: {
      authorization: `Bearer ${await node.token()}`,
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
      ...(headers as Record<string, string>),
    },
  });
  sent.on('error', () => undefined);
  sent.on('close', () => void (over = true));
  sent.on('response', (response: IncomingMessage) => {
    let rest = '';
    response.setEncoding('utf8').on('data', (chunk: string) => {
      const events = (rest + chunk).split('\n\n');
      rest = events.pop() ?? '';
      for (const event of events) {
        const data = event.split('\n').find((line) => line.startsWith('data: '));
        if (data !== undefined) heard.push(JSON.parse(data.slice(6)) as Message);
      }
    });
    response.on('error', () => undefined);
  });
  defer(() => sent.destroy());
  sent.end(body);
  return { sent, heard, isOver: () => over };
}

const withFiles = (): Promise<TestNode> => startNode('alice', { servers: { files: STDIO_SERVER } });

describe('a stateless request', () => {
  it('is answered without any session', async () => {
    const node = await withFiles();
    expect(said(await post(node, 'server/discover'))).toMatchObject({
      result: { supportedVersions: [VERSION], resultType: 'complete' },
    });
    const listed = await post(node, 'tools/list');
    expect(listed.status).toBe(200);
    expect(listed.headers).not.toHaveProperty('mcp-session-id');
    expect(listed.body).toContain('"files__echo"');
    const params = { name: 'files__echo', arguments: { message: 'hi' } };
    const called = await post(node, 'tools/call', { params });
    expect(textIn(called)).toBe('hi');
    expect(said(called)['result']).toMatchObject({ resultType: 'complete' });
  });

  const params = { name: 'files__echo' };
  it.each<[string, string, Post, number, number]>([
    ['no Mcp-Method', 'tools/list', { headers: { 'mcp-method': undefined } }, 400, -32020],
    ['another Mcp-Method', 'tools/list', { headers: { 'mcp-method': 'ping' } }, 400, -32020],
    ['no Mcp-Name', 'tools/call', { params, headers: { 'mcp-name': undefined } }, 400, -32020],
    ['another Mcp-Name', 'tools/call', { params, headers: { 'mcp-name': 'x' } }, 400, -32020],
    [
      'an Mcp-Name that is no base64',
      'tools/call',
      { params, headers: { 'mcp-name': '=?base64?%%%?=' } },
      400,
      -32020,
    ],
    [
      'another version in the body',
      'tools/list',
      { meta: { [`${META}protocolVersion`]: '2099-01-01' } },
      400,
      -32020,
    ],
    [
      'no version in the header',
      'tools/list',
      { headers: { 'mcp-protocol-version': undefined } },
      400,
      -32020,
    ],
    [
      'an unknown version',
      'tools/list',
      {
        headers: { 'mcp-protocol-version': '2099-01-01' },
        meta: { [`${META}protocolVersion`]: '2099-01-01' },
      },
      400,
      -32022,
    ],
    [
      'no capabilities',
      'tools/list',
      { meta: { [`${META}clientCapabilities`]: undefined } },
      400,
      -32602,
    ],
    ['a method of the old era', 'initialize', {}, 404, -32601],
    ['an unknown method', 'x/y', {}, 404, -32601],
    ['an unknown tool', 'tools/call', { params: { name: 'nope__x' } }, 200, -32602],
  ])('with %s is refused', async (_, method, init, status, code) => {
    const answer = await post(await withFiles(), method, init);
    expect([answer.status, codeOf(answer)]).toEqual([status, code]);
    expect(said(answer)['id']).toBe(1);
  });

  it.each<[string, string, string | undefined, string | undefined, number]>([
    ['as its argument', 'ü', '=?base64?w7w=?=', '"ü"', 200],
    ['plain', 'eu', 'eu', '"eu"', 200],
    ['another value', 'eu', 'us', undefined, 400],
    ['no header', 'eu', undefined, undefined, 400],
    ['no base64', 'ü', '=?base64?%%?=', undefined, 400],
    ['base64 without its padding', 'ü', '=?base64?w7w?=', undefined, 400],
  ])('repeats an annotated argument in a header: %s', async (_, region, header, text, status) => {
    const node = await startNode('alice', { servers: { far: SESSION_SERVER } });
    await post(node, 'tools/list', { path: '/mcp/far' });
    const answer = await post(node, 'tools/call', {
      path: '/mcp/far',
      params: { name: 'region', arguments: { region } },
      headers: { 'mcp-param-region': header },
    });
    expect(answer.status).toBe(status);
    if (text === undefined) expect(codeOf(answer)).toBe(-32020);
    else expect(textIn(answer)).toBe(text);
  });

  it('may leave out an annotated argument, and then its header', async () => {
    const node = await startNode('alice', { servers: { far: SESSION_SERVER } });
    await post(node, 'tools/list', { path: '/mcp/far' });
    const call = { path: '/mcp/far', params: { name: 'region', arguments: {} } };
    expect(textIn(await post(node, 'tools/call', call))).toBe('"none"');
    const headers = { 'mcp-param-region': 'eu' };
    expect((await post(node, 'tools/call', { ...call, headers })).status).toBe(400);
  });

  it('may carry a name that is not plain in base64', async () => {
    const node = await startNode('alice', { servers: { far: SESSION_SERVER } });
    const uri = 'note://ü ☂';
    const encoded = `=?base64?${Buffer.from(uri).toString('base64')}?=`;
    const answer = await post(node, 'resources/read', {
      path: '/mcp/far',
      params: { uri },
      headers: { 'mcp-name': encoded },
    });
    expect(said(answer)).toMatchObject({ result: { contents: [{ uri, text: uri }] } });
  });

  it('that is a notification is taken, and one that is an answer is not', async () => {
    const node = await withFiles();
    const headers = { 'mcp-protocol-version': VERSION };
    const note = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/x' });
    expect((await http(node, { headers, body: note })).status).toBe(202);
    const answer = JSON.stringify({ jsonrpc: '2.0', id: 1, result: {} });
    expect((await http(node, { headers, body: answer })).status).toBe(400);
    expect((await http(node, { headers, body: '[]' })).status).toBe(400);
  });
});

describe('stateless requests of several clients', () => {
  it('each get their own answer, though their ids are the same', async () => {
    const node = await withFiles();
    const answers = await Promise.all(
      Array.from({ length: 40 }, async (_, index) => {
        const message = `message ${index}`;
        const params = { name: 'files__echo', arguments: { message } };
        return textIn(await post(node, 'tools/call', { id: 'same', params })) === message;
      }),
    );
    expect(answers).toEqual(Array(40).fill(true));
    expect(node.gateway.sessions().http).toBe(1);
    expect(node.gateway.load()).toBe(0);
  });

  it('are cancelled by going away, each alone', async () => {
    const node = await withFiles();
    const params = { name: 'files__hang' };
    await post(node, 'tools/call', { params: { name: 'files__echo' } });
    const [one, two] = [
      await open(node, 'tools/call', { id: 5, params }),
      await open(node, 'tools/call', { id: 5, params }),
    ];
    await until(() => node.gateway.load() === 2);
    one.sent.destroy();
    await until(() => node.gateway.load() === 1);
    await until(
      async () =>
        textIn(await post(node, 'tools/call', { params: { name: 'files__cancelled' } })) === '1',
    );
    expect(two.isOver()).toBe(false);
  });

  it('hear progress on their own stream', async () => {
    const node = await withFiles();
    const stepping = await open(node, 'tools/call', {
      params: { name: 'files__steps' },
      meta: { progressToken: 'mine' },
    });
    await until(() => stepping.heard.length === 4);
    expect(stepping.heard.slice(0, 3)).toMatchObject(
      [1, 2, 3].map((progress) => ({ params: { progress, progressToken: 'mine' } })),
    );
    expect(stepping.heard[3]).toMatchObject({ id: 1, result: { resultType: 'complete' } });
  });
});

describe('a client that listens', () => {
  it('hears of lists and resources until it goes', async () => {
    const node = await startNode('alice', { servers: { far: SESSION_SERVER }, pins: 'off' });
    const notifications = { toolsListChanged: true, resourceSubscriptions: ['note://one'] };
    const listening = await open(node, 'subscriptions/listen', {
      id: 'L',
      params: { notifications },
    });
    await until(() => listening.heard.length === 1);
    expect(listening.heard[0]).toMatchObject({ params: { notifications } });
    const tool = (name: string, args: object): Promise<Answer> =>
      post(node, 'tools/call', { params: { name: `far__${name}`, arguments: args } });
    await until(async () => {
      await tool('touch', { uri: 'note://one' });
      return listening.heard.length > 1;
    });
    expect(listening.heard[1]).toMatchObject({
      method: 'notifications/resources/updated',
      params: { uri: 'note://one', _meta: { [`${META}subscriptionId`]: 'L' } },
    });
    await tool('add_tool', { name: 'later' });
    await until(() =>
      listening.heard.some(({ method }) => method === 'notifications/tools/list_changed'),
    );
    expect((await post(node, 'tools/list')).body).toContain('far__later');
    listening.sent.destroy();
    await until(() => node.gateway.load() === 0);
  });

  it('is told that it is over when the node stops', async () => {
    const node = await withFiles();
    const listening = await open(node, 'subscriptions/listen', {
      id: 'L',
      params: { notifications: { toolsListChanged: true } },
    });
    await until(() => listening.heard.length === 1);
    await node.gateway.stop();
    await until(() => listening.isOver());
  });
});

async function keyOf(node: TestNode, name: string, ...scopes: string[]): Promise<string> {
  const { key } = await node.keys.create({ name, scopes });
  return `Bearer ${key.reveal()}`;
}

describe('a session', () => {
  const ping = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' });

  it('belongs to who opened it, at the path where it was opened', async () => {
    const node = await withFiles();
    const session = { 'mcp-session-id': await openSession(node) };
    const authorization = await keyOf(node, 'ide', '*');
    const ask = async (headers: object, path = '/mcp'): Promise<number> =>
      (await http(node, { headers: { ...session, ...headers }, body: ping, path })).status;
    expect(await ask({})).toBe(200);
    expect(await ask({ authorization })).toBe(404);
    expect(await ask({}, '/mcp/files')).toBe(404);
    const end = { method: 'DELETE', headers: { ...session, authorization } };
    expect((await http(node, end)).status).toBe(404);
    expect(await ask({})).toBe(200);
  });

  it('of a key ends when the key is revoked, and so do its calls and listeners', async () => {
    const node = await withFiles();
    const authorization = await keyOf(node, 'ide', '*');
    const headers = { authorization };
    const opened = await http(node, { headers, body: JSON.stringify(INITIALIZE) });
    const session = String(opened.headers['mcp-session-id']);
    const listening = await open(node, 'subscriptions/listen', {
      params: { notifications: { toolsListChanged: true } },
      headers,
    });
    const hanging = await open(node, 'tools/call', { params: { name: 'files__hang' }, headers });
    await until(() => listening.heard.length === 1 && node.gateway.load() === 2);
    expect(node.gateway.sessions().http).toBe(2);
    await node.keys.revoke('ide');
    await until(() => listening.isOver() && hanging.isOver());
    expect(node.gateway.sessions().http).toBe(0);
    const again = { ...headers, 'mcp-session-id': session };
    expect((await http(node, { headers: again, body: ping })).status).toBe(401);
  });

  it('of a key sees and calls what the key’s scopes cover', async () => {
    const node = await withFiles();
    const authorization = await keyOf(node, 'ide', 'tool:files/echo');
    const { body } = await post(node, 'tools/list', { headers: { authorization } });
    const { tools } = (JSON.parse(body) as { result: { tools: { name: string }[] } }).result;
    expect(tools.map(({ name }) => name)).toEqual(['files__echo']);
    const refused = await post(node, 'tools/call', {
      params: { name: 'files__big' },
      headers: { authorization },
    });
    expect(said(refused)).toMatchObject({
      error: { code: -32003, data: { code: 'STARLING_CALL_REFUSED' } },
    });
  });

  it('has the list that its client asks for', async () => {
    const node = await withFiles();
    const params = { ...INITIALIZE.params, _meta: { 'starling/tools': 'search' } };
    const body = JSON.stringify({ ...INITIALIZE, params });
    const opened = await http(node, { body });
    const headers = { 'mcp-session-id': String(opened.headers['mcp-session-id']) };
    const list = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' });
    const listed = await http(node, { headers, body: list });
    expect(listed.body).toContain('"search_tools"');
    expect(listed.body).not.toContain('files__echo');
  });
});

describe('a path', () => {
  const names = async (node: TestNode, path: string): Promise<unknown> => {
    const answer = await post(node, 'tools/list', { path });
    if (answer.status !== 200) return answer.status;
    const { tools } = said(answer)['result'] as { tools: { name: string }[] };
    return tools.map(({ name }) => name);
  };

  it('serves one server with its names untouched, of this node or of a peer', async () => {
    const { alice, bob } = await startPair();
    await alice.grant(bob, 'files/echo');
    await until(() => bob.directory.servers(alice.peerId).length > 0);
    expect(await names(alice, '/mcp/files')).toContain('read.file');
    expect(await names(bob, '/mcp/alice/files')).toEqual(['echo']);
    const params = { name: 'echo', arguments: { message: 'far' } };
    const answer = await post(bob, 'tools/call', { path: '/mcp/alice/files', params });
    expect(textIn(answer)).toBe('far');
    expect(said(await post(alice, 'server/discover', { path: '/mcp/files' }))).toMatchObject({
      result: { _meta: { [`${META}serverInfo`]: { name: 'fixture' } } },
    });
  });

  it('serves a named view, and nothing that is not there', async () => {
    const node = await startNode('alice', {
      servers: { files: STDIO_SERVER },
      views: { small: { allow: ['files/echo'] } },
    });
    expect(await names(node, '/mcp/view/small')).toEqual(['files__echo']);
    for (const path of ['/mcp/nope', '/mcp/view/nope', '/mcp/nobody/files', '/mcp/a/b/c', '/mc']) {
      expect(await names(node, path)).toBe(404);
    }
    for (const path of ['/mcp/__proto__', '/mcp/view/constructor', '/mcp/%', '/mcp/view/%2e%2e']) {
      expect(await names(node, path)).toBe(404);
    }
  });
});

describe('a caller that asks too much', () => {
  const limits = { requestsPerSecond: 2 };

  it('is told when to come again, in both eras, and is served then', async () => {
    const clock = createTestClock();
    const node = await startNode('alice', { limits, clock });
    const statuses: number[] = [];
    let last: Answer | undefined;
    for (let count = 0; count < 8; count += 1) {
      last = await post(node, 'tools/list');
      statuses.push(last.status);
    }
    expect(statuses.slice(0, 2)).toEqual([200, 200]);
    expect(last?.status).toBe(429);
    expect(Number(last?.headers['retry-after'])).toBeGreaterThan(0);
    expect(said(last as Answer)).toMatchObject({
      id: 1,
      error: { data: { code: 'STARLING_RATE_LIMITED', limit: 'limits.requestsPerSecond' } },
    });
    clock.advance(Number(last?.headers['retry-after']) * 1000);
    expect((await post(node, 'tools/list')).status).toBe(200);
  });

  it('does not get round it with sessions that it makes up', async () => {
    const node = await startNode('alice', { limits, clock: createTestClock() });
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' });
    const statuses: number[] = [];
    for (let count = 0; count < 20; count += 1) {
      const headers = { 'mcp-session-id': randomBytes(24).toString('base64url') };
      statuses.push((await http(node, { headers, body })).status);
    }
    expect(statuses).toContain(429);
    expect(statuses).not.toContain(200);
  });

  it('does not slow others down', async () => {
    const node = await startNode('alice', { limits, clock: createTestClock() });
    const authorization = await keyOf(node, 'ide', '*');
    for (let count = 0; count < 8; count += 1) await post(node, 'tools/list');
    expect((await post(node, 'tools/list')).status).toBe(429);
    const { status } = await post(node, 'tools/list', { headers: { authorization } });
    expect(status).toBe(200);
  });
});

describe('the number of sessions', () => {
  it('is counted by where they came from', async () => {
    const { alice, bob } = await startPair();
    await until(() => alice.gateway.sessions().peer === 1);
    await openSession(alice);
    await lineClient(alice);
    await until(() => alice.gateway.sessions().socket === 1);
    expect(alice.gateway.sessions()).toEqual({ http: 1, socket: 1, tcp: 0, peer: 1 });
    expect(bob.gateway.sessions().http).toBe(0);
  });

  it('is limited for each way in: one of them full leaves the others open', async () => {
    const node = await startNode('alice', { limits: { sessions: 1 } });
    const client = await lineClient(node, 'client:one');
    client.send(INITIALIZE);
    await client.next();
    const refused = await lineClient(node, '');
    refused.send(INITIALIZE);
    expect(await refused.next()).toMatchObject({
      error: { data: { code: 'STARLING_LIMIT_EXCEEDED', limit: 'limits.sessions' } },
    });
    expect(await openSession(node)).toMatch(/^[\w-]{32}$/);
  });

  it('is limited over HTTP in both eras together: idle ones make room, busy ones do not', async () => {
    const node = await startNode('alice', { limits: { sessions: 1 } });
    const idle = { 'mcp-session-id': await openSession(node) };
    const listening = await open(node, 'subscriptions/listen', {
      params: { notifications: { toolsListChanged: true } },
    });
    await until(() => listening.heard.length === 1);
    const ping = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' });
    expect((await http(node, { headers: idle, body: ping })).status).toBe(404);
    const refused = await http(node, { body: JSON.stringify(INITIALIZE) });
    expect([refused.status, refused.headers['retry-after']]).toEqual([503, '10']);
    expect(said(refused)).toMatchObject({ id: 0, error: { data: { limit: 'limits.sessions' } } });
    listening.sent.destroy();
    await until(() => node.gateway.load() === 0);
    expect(await openSession(node)).toMatch(/^[\w-]{32}$/);
  });
});

describe('peers', () => {
  it('are held to the rate of requests, too', async () => {
    // However long the calls take, no time goes by in which more of them would be allowed.
    const clock = standingClock();
    const { alice, bob } = await startPair({ limits: { requestsPerSecond: 20 }, clock });
    await alice.grant(bob, 'files/*');
    await until(() => bob.directory.servers(alice.peerId).length > 0);
    const client = await lineClient(bob);
    client.send(INITIALIZE);
    await client.next();
    for (let id = 1; id <= 100; id += 1) {
      const params = { name: 'alice__files__echo', arguments: { message: 'x' } };
      client.send({ jsonrpc: '2.0', id, method: 'tools/call', params });
    }
    const answers: Message[] = [];
    while (answers.length < 100) answers.push(await client.next());
    const refused = answers.filter((answer) => 'error' in answer);
    expect(refused.length).toBeGreaterThan(30);
    expect(refused[0]).toMatchObject({ error: { data: { limit: 'limits.requestsPerSecond' } } });
    expect(answers.length - refused.length).toBeGreaterThan(10);
  });
});
