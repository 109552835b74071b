/** Who is served when: peers once their revocations are in, agents while they have a session. */
import { afterEach, describe, expect, it } from 'vitest';
import { StarlingError } from '../../../src/core/index.ts';
import type { Did } from '../../../src/core/index.ts';
import { challengeText } from '../../../src/gateway/door/challenge.ts';
import { createIdentity, didFromPeerId } from '../../../src/identity/index.ts';
import {
  INITIALIZE,
  createWire,
  http,
  startNode,
  startPair,
  streamPair,
  until,
  useCleanup,
} from '../support/gateways.ts';
import type { TestNode } from '../support/gateways.ts';

useCleanup();

const MCP = '/starling/mcp/1';
const agent = createIdentity(Buffer.alloc(32, 77));

/** Time for whatever can happen without anybody else. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** Lets a peer speak first on a stream of its own; gives what it hears. */
async function speak(
  node: TestNode,
  handlers: Map<string, (stream: never) => void>,
  peer: TestNode,
) {
  const [near, far] = streamPair(node.peerId, peer.peerId);
  const heard: Record<string, unknown>[] = [];
  let rest = '';
  near.onData((chunk) => {
    const lines = (rest + Buffer.from(chunk).toString('utf8')).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) heard.push(JSON.parse(line) as Record<string, unknown>);
  });
  handlers.get(MCP)?.(far as never);
  near.write(Buffer.from(`${JSON.stringify(INITIALIZE)}\n`));
  await turns();
  return heard;
}

describe('a peer whose revocations are not in', () => {
  let release: { resolve(): void; reject(error: Error): void };

  async function heldPair(): Promise<Awaited<ReturnType<typeof startPair>>> {
    const pair = await startPair();
    const inStep = new Promise<void>((resolve, reject) => {
      release = { resolve, reject };
    });
    Object.assign(pair.alice.membership, { inStep: () => inStep });
    return pair;
  }

  afterEach(() => release.resolve());

  it('is served nothing until they are', async () => {
    const { alice, bob, wire } = await heldPair();
    const heard = await speak(alice, wire.handlers.get(alice.peerId) as never, bob);
    expect(heard).toEqual([]);
    release.resolve();
    await until(() => heard.length > 0);
    expect(heard[0]).toMatchObject({ id: 0, result: { serverInfo: { name: 'starling' } } });
  });

  it('is told why when they never come', async () => {
    const { alice, bob, wire } = await heldPair();
    const heard = await speak(alice, wire.handlers.get(alice.peerId) as never, bob);
    release.reject(new StarlingError('STARLING_TIMEOUT', 'what it knows has not come'));
    await until(() => heard.length > 0);
    expect(heard[0]).toMatchObject({ id: 0, error: { data: { code: 'STARLING_TIMEOUT' } } });
  });

  it('is used for nothing until they are', async () => {
    const wire = createWire();
    const alice = await startNode('alice', { wire, seed: 2 });
    const bob = await startNode('bob', { wire, seed: 3 });
    await bob.grant(alice, 'starling/status');
    const inStep = new Promise<void>((resolve, reject) => {
      release = { resolve, reject };
    });
    Object.assign(alice.membership, { inStep: () => inStep });
    bob.membership.set('alice', alice.peerId);
    alice.membership.set('bob', bob.peerId);
    await until(() => wire.streams.some(({ from }) => from === alice.peerId));
    await turns();
    expect(alice.directory.servers(bob.peerId)).toEqual([]);
    release.resolve();
    await until(() => alice.directory.servers(bob.peerId).length > 0);
  });
});

describe('an agent', () => {
  async function tokenOf(node: TestNode): Promise<string> {
    const url = new URL(node.gateway.endpoints().url ?? '');
    const post = async (path: string, body: object): Promise<Record<string, string>> => {
      const headers = { authorization: undefined };
      const answer = await http(node, { path, headers, body: JSON.stringify(body) });
      return JSON.parse(answer.body) as Record<string, string>;
    };
    const { nonce = '' } = await post('/auth/challenge', { did: agent.did });
    const text = challengeText({
      node: didFromPeerId(node.peerId),
      audience: url.host,
      did: agent.did,
      nonce,
    });
    const signature = Buffer.from(agent.sign(text)).toString('base64url');
    const { token = '' } = await post('/auth/session', { did: agent.did, nonce, signature });
    return token;
  }

  it('is here while it has a session, and whoever waits for it hears that it came', async () => {
    const { alice } = await startPair();
    const came: Did[] = [];
    const stop = alice.gateway.onCaller((did) => came.push(did));
    expect(alice.gateway.serves(agent.did)).toBe(false);
    const headers = { authorization: `Bearer ${await tokenOf(alice)}` };
    expect(alice.gateway.serves(agent.did)).toBe(false);
    const opened = await http(alice, { headers, body: JSON.stringify(INITIALIZE) });
    const session = String(opened.headers['mcp-session-id']);
    expect(came).toEqual([agent.did]);
    expect(alice.gateway.serves(agent.did)).toBe(true);
    await http(alice, { method: 'DELETE', headers: { ...headers, 'mcp-session-id': session } });
    expect(alice.gateway.serves(agent.did)).toBe(false);
    stop();
    await http(alice, { headers, body: JSON.stringify(INITIALIZE) });
    expect(came).toEqual([agent.did]);
  });

  it('is not somebody who only names its did', async () => {
    const { alice } = await startPair();
    await http(alice, { body: JSON.stringify(INITIALIZE) });
    expect(alice.gateway.serves(agent.did)).toBe(false);
  });
});
