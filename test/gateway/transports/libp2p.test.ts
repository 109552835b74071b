/** Peers as callers: by which name the policy knows the peer of a session, and how much it may send. */
import { describe, expect, it } from 'vitest';
import type { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { createIdentity } from '../../../src/identity/index.ts';
import { manualClock } from '../../grants/arrange.ts';
import { openPeer } from '../hostile/connections.ts';
import {
  INITIALIZE,
  STDIO_SERVER,
  createWire,
  defer,
  httpClient,
  startNode,
  textOf,
  until,
  useCleanup,
} from '../support/gateways.ts';
import type { TestNode, Wire } from '../support/gateways.ts';

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

  it('is refused by both its names once it calls itself otherwise', async () => {
    const { alice, bob, client } = await strangers();
    alice.membership.set('mallory', bob.peerId);
    await expect(echo(client)).rejects.toThrow(/mallory \(…/);
    alice.membership.set('mallory', bob.peerId, { newName: 'anna' });
    await expect(echo(client)).rejects.toThrow(/mallory \(now anna\) \(/);
  });
});
const MALLORY = createIdentity(Buffer.alloc(32, 9)).peerId;

interface Opened {
  readonly wire: Wire;
  readonly clock: ReturnType<typeof manualClock>;
  /** Sends messages in one piece. */
  readonly send: (...messages: readonly object[]) => void;
  /** Ids that were answered. */
  readonly answered: unknown[];
}

/** A stream of a peer to alice, whose session is open. */
async function stream(): Promise<Opened> {
  const wire = createWire();
  const clock = manualClock();
  const alice = await startNode('alice', { wire, seed: 2, clock });
  const connection = await openPeer(wire, alice.peerId, MALLORY);
  defer(() => connection.close());
  const answered: unknown[] = [];
  const send = (...messages: readonly object[]): void =>
    connection.send(messages.map((one) => Buffer.from(JSON.stringify({ jsonrpc: '2.0', ...one }))));
  void (async () => {
    while (!connection.isClosed) {
      await connection.heard();
      for (const text of connection.take()) {
        const { id } = JSON.parse(text) as { id?: unknown };
        if (id !== undefined) answered.push(id);
      }
    }
  })();
  send(INITIALIZE);
  await until(() => answered.length === 1);
  return { wire, clock, send, answered };
}

const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

describe('a peer that sends without end', () => {
  it('is not read for a while once its messages are over the allowance, and nothing of it is lost', async () => {
    const { clock, send, answered } = await stream();
    const notice = {
      method: 'notifications/progress',
      params: { progressToken: 'none', progress: 1 },
    };
    send(...Array.from({ length: 25_000 }, () => notice));
    send({ id: 'after', method: 'ping' });
    await turns(20);
    expect(answered).not.toContain('after');
    // Each piece that is read is over the allowance again, for as long as its messages count.
    await until(async () => {
      await clock.advance(1000);
      return answered.includes('after');
    });
  });

  it('has so many lists made at once, is refused more and not read for a while, and is told of', async () => {
    const { wire, clock, send, answered } = await stream();
    const list = (id: number): object => ({ id, method: 'starling/catalog' });
    send(...Array.from({ length: 600 }, (_, at) => list(at)));
    send({ id: 'after', method: 'ping' });
    await turns(20);
    const told = wire.reports.filter(({ peer, what }) => peer === MALLORY && what === 'lists');
    expect(told.length).toBeGreaterThan(0);
    expect(told.length).toBeLessThan(600);
    // All of them have an answer, and what comes later is read.
    await until(async () => {
      await clock.advance(1000);
      return answered.includes('after');
    });
    expect(answered.filter((id) => typeof id === 'number').length).toBeGreaterThanOrEqual(600);
  });

  it('has grants that are none looked at for so many times, and is told of from then on', async () => {
    const { wire, clock, send } = await stream();
    const junk = (): object => ({
      method: 'notifications/starling/grants',
      params: { grants: Array.from({ length: 256 }, (_, at) => `a.b.${at}`) },
    });
    for (let time = 0; time < 6; time += 1) send(junk());
    await turns(20);
    const told = (): number =>
      wire.reports
        .filter(({ peer, what }) => peer === MALLORY && what === 'records')
        .reduce((sum, { times }) => sum + times, 0);
    expect(told()).toBe(512);
    // Fewer at once, later, are looked at again.
    await clock.advance(60_000);
    send(junk());
    await turns(20);
    expect(told()).toBe(512);
  });
});
