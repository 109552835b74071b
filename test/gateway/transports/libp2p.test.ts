/** Peers as callers: by which name the policy knows the peer of a session. */
import { describe, expect, it } from 'vitest';
import type { Client } from '@modelcontextprotocol/sdk/client/index.js';
import {
  STDIO_SERVER,
  createWire,
  httpClient,
  startNode,
  textOf,
  until,
  useCleanup,
} from '../support/gateways.ts';
import type { TestNode } from '../support/gateways.ts';

useCleanup();

const POLICY = 'callers: { "peer:mallory": { read_only: true } }';
const READ_ONLY = expect.stringMatching(/read-only|only read/) as string;

/** Bob calls a server of alice, who knows him by no name yet. */
async function strangers(): Promise<{ alice: TestNode; bob: TestNode; client: Client }> {
  const wire = createWire();
  const servers = { files: STDIO_SERVER };
  const alice = await startNode('alice', { wire, seed: 2, servers, policy: POLICY });
  const bob = await startNode('bob', { wire, seed: 3 });
  await alice.grant(bob, 'files/*');
  bob.membership.set('alice', alice.peerId);
  await until(() => bob.directory.servers(alice.peerId).length > 0);
  return { alice, bob, client: await httpClient(bob) };
}

const echo = (client: Client): Promise<unknown> =>
  client.callTool({ name: 'alice__files__echo', arguments: { message: 'hi' } });

describe('a peer whose session opens before its first heartbeat', () => {
  it('is bound by the policy for its alias from the heartbeat on', async () => {
    const { alice, bob, client } = await strangers();
    expect(textOf(await echo(client))).toContain('hi');
    alice.membership.set('mallory', bob.peerId);
    await expect(echo(client)).rejects.toMatchObject({ message: READ_ONLY });
  });

  it('loses a call that is under way, when its alias is one that may not make it', async () => {
    const { alice, bob, client } = await strangers();
    const hanging = client.callTool({ name: 'alice__files__hang', arguments: {} });
    const ended = expect(hanging).rejects.toMatchObject({ message: READ_ONLY });
    await until(() => alice.gateway.load() > 0);
    alice.membership.set('mallory', bob.peerId);
    await ended;
  });
});

describe('a peer that is renamed during its session', () => {
  it('is bound by the policy for its new alias, and freed from that for the old one', async () => {
    const { alice, bob, client } = await strangers();
    alice.membership.set('bob', bob.peerId);
    expect(textOf(await echo(client))).toContain('hi');
    alice.membership.set('mallory', bob.peerId);
    await expect(echo(client)).rejects.toMatchObject({ message: READ_ONLY });
    alice.membership.set('bob', bob.peerId);
    expect(textOf(await echo(client))).toContain('hi');
  });
});
