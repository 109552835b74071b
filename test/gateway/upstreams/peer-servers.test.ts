/** A peer's server as a client here meets it: everything crosses that is granted, and no more. */
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { McpServer } from '../../../src/config/index.ts';
import { Secret } from '../../../src/core/index.ts';
import { createIdentity } from '../../../src/identity/index.ts';
import type { PeerStream } from '../../../src/network/index.ts';
import {
  INITIALIZE,
  STDIO_SERVER,
  createWire,
  lineClient,
  startNode,
  startPair,
  until,
  useCleanup,
} from '../support/gateways.ts';
import type { LineClient, TestNode, TestNodeInit } from '../support/gateways.ts';
import { networkOf } from '../support/memory-streams.ts';

useCleanup();

type Message = Record<string, unknown>;

const far = (eras: string, more: Partial<typeof STDIO_SERVER> = {}): McpServer => ({
  ...STDIO_SERVER,
  args: [resolve(import.meta.dirname, '../support/session-server.mjs')],
  env: { ERAS: new Secret(eras) },
  ...more,
});

interface Crossing {
  readonly alice: TestNode;
  readonly bob: TestNode;
  readonly wire: Awaited<ReturnType<typeof startPair>>['wire'];
}

async function crossing(eras: string, init: TestNodeInit = {}): Promise<Crossing> {
  const pair = await startPair({ ...init, servers: { far: far(eras) } });
  for (const [resource, ability] of [
    ['tool:far/*', 'tool/call'],
    ['prompt:far/*', 'prompt/get'],
    ['resource:far/**', 'resource/read'],
    ['resource:far/**', 'resource/subscribe'],
  ] as const) {
    await pair.alice.grantOf(pair.bob, resource, ability);
  }
  await until(() => (pair.bob.directory.servers(pair.alice.peerId)[0]?.prompts.length ?? 0) > 0);
  return pair;
}

/** A client of `node` that answers what it is asked, and keeps what it hears. */
interface Talker {
  ask(method: string, params?: object): Promise<Message>;
  /** The JSON in a tool's result. */
  tool(name: string, args?: object): Promise<unknown>;
  readonly heard: Message[];
  readonly line: LineClient;
}

async function talker(node: TestNode, capabilities: object = {}): Promise<Talker> {
  const line = await lineClient(node);
  const heard: Message[] = [];
  let lastId = 0;
  const ask: Talker['ask'] = async (method, params = {}) => {
    lastId += 1;
    line.send({ jsonrpc: '2.0', id: lastId, method, params });
    for (;;) {
      const message = await line.next();
      if (message['id'] === lastId && !('method' in message)) return message;
      heard.push(message);
      if ('id' in message) {
        const result = { answered: message['method'] };
        line.send({ jsonrpc: '2.0', id: message['id'], result });
      }
    }
  };
  await ask('initialize', { ...INITIALIZE.params, capabilities });
  return {
    ask,
    heard,
    line,
    async tool(name, args = {}) {
      const { result, error } = await ask('tools/call', { name, arguments: args });
      if (result === undefined) throw new Error(JSON.stringify(error));
      const { content } = result as { content: { text: string }[] };
      return JSON.parse(content[0]?.text ?? 'null') as unknown;
    },
  };
}

describe.each(['legacy', 'modern'])('a %s server of a peer', (eras) => {
  it('has its prompts, resources and completions here', async () => {
    const { alice, bob } = await crossing(eras);
    const client = await talker(bob);
    const resources = await client.ask('resources/list');
    expect(resources['result']).toMatchObject({
      resources: [
        { uri: 'note://one', _meta: { 'starling/peer': alice.peerId, 'starling/server': 'far' } },
      ],
    });
    for (const uri of ['note://one', 'note://seven']) {
      const read = await client.ask('resources/read', { uri });
      expect(read['result']).toMatchObject({ contents: [{ uri, text: uri }] });
    }
    const prompts = (await client.ask('prompts/list'))['result'] as {
      prompts: { name: string }[];
    };
    const [{ name } = { name: '' }] = prompts.prompts;
    expect(name).toMatch(/^alice__far__sum_up_[0-9a-f]{6}$/);
    expect((await client.ask('prompts/get', { name }))['result']).toMatchObject({
      description: 'sum up',
    });
    const ref = { type: 'ref/prompt', name };
    const completed = await client.ask('completion/complete', { ref, argument: { name: 'a' } });
    expect(completed['result']).toMatchObject({
      completion: { values: ['{"type":"ref/prompt","name":"sum up"}'] },
    });
    const missing = await client.ask('resources/read', { uri: 'note://missing' });
    expect(missing['error']).toBeDefined();
  });

  it('asks the very client whose call made it ask', async () => {
    const { bob } = await crossing(eras);
    const [one, two] = [await talker(bob, { sampling: {} }), await talker(bob, { sampling: {} })];
    const requests = [{ method: 'sampling/createMessage', params: { messages: [] } }];
    await two.tool('alice__far__whoami');
    expect(await one.tool('alice__far__ask', { requests })).toEqual([
      { answered: 'sampling/createMessage' },
    ]);
    expect(one.heard.map(({ method }) => method)).toEqual(['sampling/createMessage']);
    expect(two.heard).toEqual([]);
  });

  it('never learns of the roots of a client here', async () => {
    const { bob } = await crossing(eras);
    const client = await talker(bob, { sampling: {}, roots: { listChanged: true } });
    expect(await client.tool('alice__far__whoami')).toMatchObject({
      capabilities: { sampling: {} },
    });
    const { capabilities } = (await client.tool('alice__far__whoami')) as {
      capabilities: object;
    };
    expect(capabilities).not.toHaveProperty('roots');
  });

  it('tells of changes of a resource, until the grant for it ends', async () => {
    const { alice, bob } = await crossing(eras);
    const client = await talker(bob, { sampling: {} });
    const uri = 'note://one';
    expect((await client.ask('resources/subscribe', { uri }))['result']).toBeDefined();
    const touched = (): number =>
      client.heard.filter(({ method }) => method === 'notifications/resources/updated').length;
    await until(async () => {
      await client.tool('alice__far__touch', { uri });
      return touched() > 0;
    });
    const subscribing = alice.grants
      .issued()
      .find(({ claims }) => claims.cap[0]?.ability === 'resource/subscribe');
    await alice.grants.revoke(subscribing?.claims.jti ?? '');
    await client.tool('alice__far__whoami');
    const before = touched();
    await client.tool('alice__far__touch', { uri });
    await client.tool('alice__far__whoami');
    expect(touched()).toBe(before);
  });
});

describe('streams to a peer', () => {
  it('are one for each session and server, and say which server at their beginning', async () => {
    const { alice, bob, wire } = await crossing('legacy');
    await alice.grant(bob, 'files/*');
    await until(() => bob.directory.servers(alice.peerId).length === 2);
    const handlers = wire.handlers.get(alice.peerId);
    const handler = handlers?.get('/starling/mcp/1');
    const servers: unknown[] = [];
    handlers?.set('/starling/mcp/1', (stream: PeerStream) => {
      const onData = stream.onData.bind(stream);
      stream.onData = (reader) =>
        onData((chunk) => {
          const text = Buffer.from(chunk).toString().split('\n')[0] ?? '';
          if (text.includes('"initialize"')) {
            const { params } = JSON.parse(text) as { params: { _meta: Message } };
            servers.push(params._meta['starling/server']);
          }
          reader(chunk);
        });
      handler?.(stream);
    });
    const client = await talker(bob);
    for (const name of ['alice__far__whoami', 'alice__far__cancelled']) await client.tool(name);
    await client.ask('tools/call', { name: 'alice__files__echo' });
    await client.ask('tools/call', { name: 'alice__files__echo' });
    expect(servers).toEqual(['far', 'files']);
    const other = await talker(bob);
    await other.tool('alice__far__whoami');
    expect(servers).toEqual(['far', 'files', 'far']);
    client.line.end();
    await client.line.closed;
    await until(() => alice.gateway.sessions().peer === 2);
  });

  it('give each session of an askable client a process of its own at the owner, and end it', async () => {
    const { alice, bob } = await crossing('legacy');
    const instances = (): number =>
      alice.gateway.upstreams().find(({ server }) => server === 'far')?.instances ?? 0;
    const before = instances();
    const [one, two] = [await talker(bob, { sampling: {} }), await talker(bob, { sampling: {} })];
    await one.tool('alice__far__whoami');
    await two.tool('alice__far__whoami');
    expect(instances()).toBe(before + 2);
    for (const { line } of [one, two]) line.end();
    await until(() => instances() === before);
  });
});

describe('the catalog of a peer', () => {
  it('is waited for by a call of a name that peers share: the peer’s own tool can be called before', async () => {
    const wire = createWire();
    const servers = { files: STDIO_SERVER };
    const alice = await startNode('alice', { wire, seed: 2, servers });
    const network = networkOf(createIdentity(Buffer.alloc(32, 3)).peerId, wire);
    let opened = 0;
    let letGo = (): void => undefined;
    const isLetGo = new Promise<void>((resolved) => (letGo = resolved));
    const open: typeof network.open = async (...place) => {
      opened += 1;
      // The first one is for the catalog.
      if (opened === 1) await isLetGo;
      return network.open(...place);
    };
    const list = { merge: ['files/echo'] };
    const bob = await startNode('bob', { seed: 3, list, network: { ...network, open } });
    alice.membership.set('bob', bob.peerId);
    await alice.grant(bob, 'files/*');
    bob.membership.set('alice', alice.peerId);
    await until(() => opened === 1);
    const call = (name: string): Promise<unknown> =>
      bob.gateway.callTool(name, { message: 'over the mesh' }, {});
    const said = { content: [{ text: 'over the mesh' }] };
    expect(await call('alice__files__echo')).toMatchObject(said);
    const merged = call('files__echo');
    expect(bob.directory.servers(alice.peerId)).toEqual([]);
    letGo();
    expect(await merged).toMatchObject(said);
  });

  it('is what is granted of it: other servers are not even named', async () => {
    const { alice, bob } = await crossing('legacy');
    const [server, ...others] = bob.directory.servers(alice.peerId);
    expect(others).toEqual([]);
    expect(server).toMatchObject({
      server: 'far',
      serverInfo: { name: 'session fixture' },
      capabilities: { logging: {} },
    });
    await alice.grant(bob, 'files/echo');
    await until(() => bob.directory.servers(alice.peerId).length === 2);
    const files = bob.directory.servers(alice.peerId).find((one) => one.server === 'files');
    expect(files?.tools.map(({ name }) => name)).toEqual(['echo']);
  });
});
