/** Two gateways joined by streams in memory: what a grant opens, and what its end closes. */
import { ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { createDisabledAudit } from '../../../src/audit/index.ts';
import type { Audit } from '../../../src/audit/index.ts';
import { issueGrant } from '../../../src/grants/index.ts';
import type { Grant } from '../../../src/grants/index.ts';
import { issueRevocation } from '../../../src/grants/format/issue.ts';
import type { GuardWanted } from '../../../src/guard/index.ts';
import { createIdentity, didFromPeerId } from '../../../src/identity/index.ts';
import type { PeerStream } from '../../../src/network/index.ts';
import { carol } from '../../grants/arrange.ts';
import {
  INITIALIZE,
  createWire,
  echoTool,
  httpClient,
  startNode,
  startPair,
  streamPair,
  textOf,
  toolNames,
  until,
  useCleanup,
} from '../support/gateways.ts';
import type { TestNode } from '../support/gateways.ts';
import { upTo } from '../../long/extent.ts';

useCleanup();

const MCP = '/starling/mcp/1';
const READ = { name: 'alice__files__echo', arguments: { message: 'over the mesh' } };

interface RawPeer {
  readonly stream: PeerStream;
  readonly heard: Record<string, unknown>[];
  readonly ended: () => boolean;
  send(message: unknown): void;
}

/** A peer that speaks for itself, without any gateway. */
function rawPeer(
  node: TestNode,
  other: TestNode,
  handlers: Map<string, (s: PeerStream) => void>,
): RawPeer {
  const [near, far] = streamPair(node.peerId, other.peerId);
  const heard: Record<string, unknown>[] = [];
  let rest = '';
  let ended = false;
  near.onData((chunk) => {
    const lines = (rest + Buffer.from(chunk).toString('utf8')).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) heard.push(JSON.parse(line) as Record<string, unknown>);
  });
  near.onEnd(() => {
    ended = true;
  });
  handlers.get(MCP)?.(far);
  return {
    stream: near,
    heard,
    ended: () => ended,
    send: (message) =>
      void near.write(
        Buffer.from(`${typeof message === 'string' ? message : JSON.stringify(message)}\n`),
      ),
  };
}

describe('a peer without a grant', () => {
  it('sees nothing, and is told who must run which command', async () => {
    const { bob } = await startPair();
    const client = await httpClient(bob);
    const names = await toolNames(client);
    expect(names.filter((name) => name.startsWith('alice__'))).toEqual([]);
    await expect(client.callTool(READ)).rejects.toMatchObject({
      code: -32003,
      message: expect.stringMatching(
        /run on alice: starling grant create bob --tool 'files\/echo'/,
      ) as string,
      data: { code: 'STARLING_CALL_REFUSED', retryable: false, node: 'alice', peer: bob.peerId },
    });
    const missing = { name: 'alice__files__nothing' };
    await expect(client.callTool(missing)).rejects.toMatchObject({
      data: { code: 'STARLING_CALL_REFUSED' },
    });
  });
});

describe('a peer with a grant', () => {
  it('sees the tools without asking again, and calls them', async () => {
    const { alice, bob } = await startPair();
    const client = await httpClient(bob);
    let told = 0;
    client.setNotificationHandler(ToolListChangedNotificationSchema, () => void (told += 1));
    await alice.grant(bob, 'files/*');
    await until(async () => (await toolNames(client)).includes(READ.name));
    await until(() => told > 0);
    expect(textOf(await client.callTool(READ))).toBe('over the mesh');
    const { tools } = await client.listTools();
    expect(tools.find(({ name }) => name === READ.name)?._meta).toEqual({
      'starling/peer': alice.peerId,
      'starling/server': 'files',
    });
    await until(() => bob.grants.received().length === 1);
  });

  it('has its guard asked once a call at each node, and its arguments parsed once', async () => {
    const audit: Audit = Object.assign(Object.create(createDisabledAudit()) as Audit, {
      isOn: true,
      append: async () => 1,
    });
    const asked = { alice: 0, bob: 0 };
    const count =
      (name: keyof typeof asked) =>
      (wanted: GuardWanted): void => {
        if (wanted.look !== true) asked[name] += 1;
      };
    const { alice, bob } = await startPair(
      { audit, asked: count('alice') },
      { asked: count('bob') },
    );
    await alice.grant(bob, 'files/*');
    const client = await httpClient(bob);
    await until(async () => (await toolNames(client)).includes(READ.name));
    Object.assign(asked, { alice: 0, bob: 0 });
    const parse = vi.spyOn(JSON, 'parse');
    try {
      for (let n = 0; n < 5; n += 1) await client.callTool(READ);
      const requests = parse.mock.calls.filter(
        ([text]) => text.includes(READ.arguments.message) && !text.includes('"result"'),
      );
      expect(requests).toHaveLength(2 * 5);
    } finally {
      parse.mockRestore();
    }
    expect(asked).toEqual({ alice: 5, bob: 5 });
  });

  it('is told the newest of many, and then of each once: all would be too long a message', async () => {
    const { alice, bob, wire } = await startPair();
    const issue = (): Promise<Grant> =>
      alice.grants.issue({
        aud: didFromPeerId(bob.peerId),
        capabilities: [{ resource: 'tool:files/echo', ability: 'tool/call' }],
        expiresAtMs: Date.now() + 3_600_000,
      });
    await Promise.all(Array.from({ length: upTo(512, 600) }, issue));
    const newest = await issue();
    const raw = rawPeer(alice, bob, wire.handlers.get(alice.peerId) ?? new Map());
    raw.send(INITIALIZE);
    await until(() => raw.heard.length > 0);
    const first = raw.heard[0] as { result: { _meta: Record<string, string[]> } };
    const told = first.result['_meta']['starling/grants'];
    expect(told).toHaveLength(512);
    expect(told?.at(-1)).toBe(newest.jws);
    const later = await issue();
    await until(() => raw.heard.length > 1);
    expect(raw.heard[1]).toMatchObject({ params: { grants: [later.jws] } });
    raw.stream.abort(new Error('done'));
  });

  it('hears progress and can cancel across the mesh', async () => {
    const { alice, bob } = await startPair();
    await alice.grant(bob, 'files/*');
    const client = await httpClient(bob);
    const heard: number[] = [];
    await client.callTool({ name: 'alice__files__steps' }, undefined, {
      onprogress: ({ progress }) => heard.push(progress),
    });
    expect(heard).toEqual([1, 2, 3]);
    const abort = new AbortController();
    const hanging = client.callTool({ name: 'alice__files__hang' }, undefined, {
      signal: abort.signal,
      onprogress: () => abort.abort('enough'),
    });
    await expect(hanging).rejects.toThrow(/enough/);
    await until(() => alice.gateway.load() === 0);
    const counted = { name: 'alice__files__cancelled' };
    await until(async () => textOf(await client.callTool(counted)) === '1');
  });

  it('never gets what the owner’s other peers offer', async () => {
    const wire = createWire();
    const carol = await startNode('carol', { wire, seed: 4, builtin: [echoTool()] });
    const alice = await startNode('alice', { wire, seed: 2 });
    const bob = await startNode('bob', { wire, seed: 3 });
    alice.membership.set('carol', carol.peerId);
    alice.membership.set('bob', bob.peerId);
    carol.membership.set('alice', alice.peerId);
    bob.membership.set('alice', alice.peerId);
    await carol.grant(alice, 'starling/status');
    await alice.grant(bob, 'carol/*');
    await alice.grant(bob, 'starling/status');
    const client = await httpClient(bob);
    await until(() => bob.directory.servers(alice.peerId).length === 1);
    // A peer's own server is not listed, and can be called by name.
    const own = { name: 'alice__starling__status', arguments: { x: 1 } };
    expect(textOf(await client.callTool(own))).toContain('"x":1');
    expect(await toolNames(client)).not.toContain('alice__starling__status');
    await until(() => alice.directory.servers(carol.peerId).length === 1);
    expect(await toolNames(client)).not.toContain('alice__carol__starling__status');
    const transit = { name: 'alice__carol__starling__status' };
    await expect(client.callTool(transit)).rejects.toThrow(/alice has no server 'carol'/);
  });

  it('uses one stream for each of its clients, and closes it with the client', async () => {
    const { alice, bob, wire } = await startPair();
    await alice.grant(bob, 'files/*');
    const opened = (): number => wire.streams.filter(({ from }) => from === bob.peerId).length;
    await until(() => alice.gateway.sessions().peer === 1);
    const before = opened();
    const client = await httpClient(bob);
    await Promise.all(Array.from({ length: 20 }, () => client.callTool(READ)));
    expect(opened()).toBe(before + 1);
    expect(alice.gateway.sessions().peer).toBe(2);
    const transport = client.transport as unknown as { terminateSession(): Promise<void> };
    await transport.terminateSession();
    await until(() => alice.gateway.sessions().peer === 1);
  });

  it('uses one stream for calls of its own program that follow one another', async () => {
    const { alice, bob, wire } = await startPair();
    await alice.grant(bob, 'files/*');
    const opened = (): number => wire.streams.filter(({ from }) => from === bob.peerId).length;
    await until(() => alice.gateway.sessions().peer === 1);
    const before = opened();
    for (let n = 0; n < 20; n += 1) await bob.gateway.callTool(READ.name, {}, {});
    expect(opened()).toBe(before + 1);
    expect(alice.gateway.sessions().peer).toBe(2);
    expect(bob.gateway.sessions().socket).toBe(1);
  });

  it('gets many large answers over one stream, none lost', async () => {
    const { alice, bob } = await startPair();
    await alice.grant(bob, 'files/*');
    const client = await httpClient(bob);
    const big = { name: 'alice__files__big', arguments: { bytes: 1_500_000 } };
    const answers = await Promise.all(
      Array.from({ length: upTo(8, 24) }, () => client.callTool(big)),
    );
    for (const answer of answers) expect(textOf(answer)).toHaveLength(1_500_000);
  });
});

describe('a grant that another peer passed on', () => {
  it('counts at once in sessions that are open already', async () => {
    const { alice, bob } = await startPair();
    const client = await httpClient(bob);
    await expect(client.callTool(READ)).rejects.toThrow(/may not/);
    const cap = [{ resource: 'tool:files/*', ability: 'tool/call' }];
    const [aliceDid, bobDid] = [didFromPeerId(alice.peerId), didFromPeerId(bob.peerId)];
    const toCarol = await alice.grants.issue({
      aud: carol.did,
      capabilities: cap,
      expiresAtMs: Date.now() + 3_600_000,
      maxDepth: 1,
    });
    const toBob = issueGrant(
      carol,
      { aud: bobDid, sub: aliceDid, cap, expiresAt: toCarol.claims.exp, parents: [toCarol] },
      Date.now(),
    );
    expect(await bob.grants.receive([toBob.jws, toCarol.jws])).toEqual([]);
    await until(async () => (await toolNames(client)).includes(READ.name));
    expect(textOf(await client.callTool(READ))).toBe('over the mesh');
    await alice.grants.revoke(toCarol.claims.jti);
    await expect(client.callTool(READ)).rejects.toThrow(/may not/);
  });
});

describe('a grant that ends', () => {
  it('is felt at once in an open session: tools go, calls are refused', async () => {
    const { alice, bob } = await startPair();
    const id = await alice.grant(bob, 'files/*');
    const client = await httpClient(bob);
    expect(textOf(await client.callTool(READ))).toBe('over the mesh');
    await alice.grants.revoke(id);
    await expect(client.callTool(READ)).rejects.toMatchObject({
      data: { code: 'STARLING_CALL_REFUSED', reason: expect.stringContaining('revoked') as string },
    });
    await until(async () => !(await toolNames(client)).includes(READ.name));
    await until(() => bob.grants.revocations().length === 1);
  });

  it('comes without what the peer says that strangers have revoked', async () => {
    const { alice, bob } = await startPair();
    const stranger = createIdentity(Buffer.alloc(32, 77));
    const cap = [{ resource: 'tool:files/*', ability: 'tool/call' }];
    const expiresAt = Math.floor(Date.now() / 1000) + 600;
    const init = { aud: stranger.did, sub: stranger.did, cap, expiresAt };
    const theirs = issueGrant(stranger, init, Date.now());
    await alice.grants.addRevocation(issueRevocation(stranger, theirs, Date.now()).jws);
    const id = await alice.grant(bob, 'files/*');
    const client = await httpClient(bob);
    expect(textOf(await client.callTool(READ))).toBe('over the mesh');
    await alice.grants.revoke(id);
    await until(() => bob.grants.revocations().length > 0);
    expect(bob.grants.revocations().map(({ claims }) => claims.jti)).toEqual([id]);
  });

  it('ends the call that is under way, with the refusal', async () => {
    const { alice, bob } = await startPair();
    const id = await alice.grant(bob, 'files/hang');
    const client = await httpClient(bob);
    const hanging = client.callTool({ name: 'alice__files__hang' });
    hanging.catch(() => undefined);
    await until(() => alice.gateway.load() === 1);
    await alice.grants.revoke(id);
    await expect(hanging).rejects.toMatchObject({ data: { code: 'STARLING_CALL_REFUSED' } });
    expect(alice.gateway.load()).toBe(0);
  });

  it('leaves calls alone that another grant still covers', async () => {
    const { alice, bob } = await startPair();
    const id = await alice.grant(bob, 'files/*');
    await alice.grant(bob, 'files/hang');
    const client = await httpClient(bob);
    const abort = new AbortController();
    const hanging = client.callTool({ name: 'alice__files__hang' }, undefined, {
      signal: abort.signal,
    });
    hanging.catch(() => undefined);
    await until(() => alice.gateway.load() === 1);
    await alice.grants.revoke(id);
    await until(() => alice.grants.revocations().length === 1);
    expect(alice.gateway.load()).toBe(1);
    abort.abort();
    await expect(hanging).rejects.toThrow();
  });
});

describe('a peer that goes away', () => {
  it('fails the calls under way with its name, and takes its tools along when it is dead', async () => {
    const { alice, bob, wire } = await startPair();
    await alice.grant(bob, 'files/*');
    const client = await httpClient(bob);
    await until(async () => (await toolNames(client)).includes(READ.name));
    const hanging = client.callTool({ name: 'alice__files__hang' });
    hanging.catch(() => undefined);
    await until(() => alice.gateway.load() === 1);
    const handlers = wire.handlers.get(alice.peerId);
    const handler = handlers?.get(MCP);
    handlers?.delete(MCP);
    for (const { stream } of wire.streams) stream.abort(new Error('cable cut'));
    await expect(hanging).rejects.toMatchObject({
      data: {
        code: 'STARLING_PEER_UNREACHABLE',
        reason: 'peer alice went away during the call',
        retryable: true,
      },
    });
    bob.membership.set('alice', alice.peerId, { state: 'dead' });
    await until(async () => !(await toolNames(client)).includes(READ.name));
    await expect(client.callTool(READ)).rejects.toThrow(
      /peer alice is unreachable; it was last heard/,
    );
    if (handler !== undefined) handlers?.set(MCP, handler);
    bob.membership.set('alice', alice.peerId);
    await until(async () => (await toolNames(client)).includes(READ.name));
    expect(textOf(await client.callTool(READ))).toBe('over the mesh');
  });

  it('is asked again after a broken stream, while it is alive', async () => {
    const { alice, bob, wire } = await startPair();
    await alice.grant(bob, 'files/*');
    await until(() => bob.directory.servers(alice.peerId).length > 0);
    const count = wire.streams.length;
    for (const { stream } of wire.streams) stream.abort(new Error('cable cut'));
    await until(() =>
      wire.streams.some(({ from }, index) => index >= count && from === bob.peerId),
    );
    await alice.grant(bob, 'starling/status');
    await until(() =>
      bob.directory.servers(alice.peerId).some(({ server }) => server === 'starling'),
    );
  });
});

describe('a hostile peer', () => {
  it('that opens too many sessions is told so, and served again when it has closed some', async () => {
    const { alice, bob, wire } = await startPair();
    const handlers = wire.handlers.get(alice.peerId) ?? new Map();
    await until(() => alice.gateway.sessions().peer === 1);
    const peers = Array.from({ length: 511 }, () => rawPeer(alice, bob, handlers));
    // Each is a session from its first message on.
    expect(alice.gateway.sessions().peer).toBe(1);
    for (const peer of peers) peer.send(INITIALIZE);
    await until(() => alice.gateway.sessions().peer === 512);
    const refused = rawPeer(alice, bob, handlers);
    refused.send(INITIALIZE);
    await until(() => refused.ended());
    expect(refused.heard).toMatchObject([
      { id: 0, error: { data: { code: 'STARLING_LIMIT_EXCEEDED' } } },
    ]);
    peers[0]?.stream.abort(new Error('enough'));
    await until(() => alice.gateway.sessions().peer === 511);
    const served = rawPeer(alice, bob, handlers);
    served.send(INITIALIZE);
    await until(() => served.heard.length === 1);
    expect(served.heard[0]).toHaveProperty('result');
  });

  it('that presents rubbish as grants gets nothing by it', async () => {
    const { alice, bob, wire } = await startPair();
    const raw = rawPeer(alice, bob, wire.handlers.get(alice.peerId) ?? new Map());
    const grants = ['x', 'a.b.c', 7, null, { a: 1 }, 'y'.repeat(100_000)];
    raw.send({
      ...INITIALIZE,
      params: { ...INITIALIZE.params, _meta: { 'starling/grants': grants } },
    });
    raw.send({ jsonrpc: '2.0', method: 'notifications/starling/grants', params: { grants } });
    raw.send({ jsonrpc: '2.0', id: 1, method: 'starling/catalog' });
    await until(() => raw.heard.length === 2);
    expect(raw.heard[1]).toMatchObject({ id: 1, result: { servers: [] } });
  });

  it('that sends anything at all neither breaks nor enters the node', async () => {
    const { alice, bob, wire } = await startPair();
    const handlers = wire.handlers.get(alice.peerId) ?? new Map();
    const line = fc.oneof(
      fc.string(),
      fc.json(),
      fc
        .jsonValue()
        .map((params) => JSON.stringify({ jsonrpc: '2.0', id: 3, method: 'tools/call', params })),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 10 }), async (lines) => {
        const raw = rawPeer(alice, bob, handlers);
        raw.send(INITIALIZE);
        for (const text of lines) raw.send(text.replaceAll('\n', ' '));
        raw.send({ jsonrpc: '2.0', id: 'last', method: 'ping' });
        await until(() => raw.heard.some(({ id }) => id === 'last'));
        const results = raw.heard.filter((message) => 'result' in message && message['id'] === 3);
        expect(results).toEqual([]);
        raw.stream.abort(new Error('done'));
      }),
      { seed: 6, numRuns: upTo(12, 120) },
    );
    await until(() => alice.gateway.sessions().peer === 1);
  });

  it('that never gives its list costs no more than one stream at a time', async () => {
    const wire = createWire();
    const bob = await startNode('bob', { wire, seed: 3 });
    const mallory = await startNode('mallory', { wire, seed: 9 });
    const ended: boolean[] = [];
    const answer = (id: number, method: string): object =>
      method === 'initialize'
        ? { id, result: { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: {} } }
        : { id, error: { code: -32603, message: 'no' } };
    const handler = (stream: PeerStream): void => {
      const index = ended.push(false) - 1;
      stream.onEnd(() => void (ended[index] = true));
      stream.onData((chunk) => {
        for (const text of Buffer.from(chunk).toString().split('\n').filter(Boolean)) {
          const { id, method } = JSON.parse(text) as { id?: number; method: string };
          if (id === undefined) continue;
          const message = { jsonrpc: '2.0', ...answer(id, method) };
          stream.write(Buffer.from(`${JSON.stringify(message)}\n`));
        }
      });
    };
    wire.handlers.set(mallory.peerId, new Map([[MCP, handler]]));
    bob.membership.set('mallory', mallory.peerId);
    await until(() => ended.length >= 2);
    expect(ended[0]).toBe(true);
  });

  it('that lists hostile tools does not hide or fake those of others', async () => {
    const wire = createWire();
    const bob = await startNode('bob', { wire, seed: 3 });
    const mallory = await startNode('mallory', { wire, seed: 9 });
    const inputSchema = { type: 'object' };
    const tools = [
      { name: 'ok', inputSchema, _meta: { 'starling/peer': bob.peerId } },
      { name: 'bad\nname', inputSchema },
      { name: 'no_schema', inputSchema: 'none' },
      'no tool',
    ];
    const servers = [
      { server: 'own', tools, resources: 'none', prompts: [{ arguments: 1 }], serverInfo: 7 },
      { server: 'starling', tools: [{ name: 'status', inputSchema }] },
      { server: 'own', tools: [{ name: 'twice', inputSchema }] },
      { server: 'bad/name', tools: [{ name: 'x', inputSchema }] },
      { server: '__proto__', tools: [{ name: 'x', inputSchema }] },
      { server: 7 },
      null,
    ];
    wire.handlers.set(
      mallory.peerId,
      new Map([
        [
          MCP,
          (stream: PeerStream) =>
            stream.onData((chunk) => {
              for (const text of Buffer.from(chunk).toString().split('\n').filter(Boolean)) {
                const { id, method } = JSON.parse(text) as { id: number; method: string };
                const result =
                  method === 'initialize'
                    ? { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: {} }
                    : { servers };
                if (id === undefined) continue;
                stream.write(Buffer.from(`${JSON.stringify({ jsonrpc: '2.0', id, result })}\n`));
              }
            }),
        ],
      ]),
    );
    bob.membership.set('mallory', mallory.peerId);
    const client = await httpClient(bob);
    await until(async () => (await toolNames(client)).includes('mallory__own__ok'));
    expect(await toolNames(client)).toEqual(['mallory__own__ok', 'starling__status']);
    const { tools: seen } = await client.listTools();
    expect(seen.find(({ name }) => name === 'mallory__own__ok')?._meta?.['starling/peer']).toBe(
      mallory.peerId,
    );
  });
});
