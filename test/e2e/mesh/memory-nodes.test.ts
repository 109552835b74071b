/** Whole nodes whose mesh is in memory: `createNode` takes its transports as a component. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import type { InviteResult } from '../../../src/builtin/index.ts';
import { attach } from '../../../src/cli/node/client.ts';
import type { NodeClient } from '../../../src/cli/node/client.ts';
import { systemClock } from '../../../src/core/index.ts';
import type { Clock, Did } from '../../../src/core/index.ts';
import type { StarlingNode } from '../../../src/index.ts';
import { UNLIMITED } from '../../../sim/limits.ts';
import { MemoryNetwork } from '../../../sim/memory-transport.ts';
import { startNode as startWholeNode } from '../../fixtures/whole-nodes.ts';
import type { Cleanups, NodeFlags } from '../../fixtures/whole-nodes.ts';
import { createJumpClock } from '../../gateway/support/jump-clock.ts';
import { watchAbortListeners } from './abort-listeners.ts';
import { upTo } from '../../long/extent.ts';

const SERVERS = resolve(import.meta.dirname, '../../fixtures/servers');
const PLAIN = resolve(SERVERS, 'plain.mjs');

const cleanups: Cleanups = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

const startNode = (
  memory: MemoryNetwork,
  ip: string,
  flags: NodeFlags & { readonly name: string },
  clock: Clock = systemClock,
): Promise<StarlingNode> =>
  startWholeNode(
    cleanups,
    { http: { enabled: false }, limits: { ...UNLIMITED }, ...flags },
    { host: { memory, ip }, clock },
  );

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Resolves when `node` sees `other` alive. */
function seesAlive(node: StarlingNode, other: StarlingNode): Promise<void> {
  return new Promise((done) => {
    const check = (): void => {
      if (node.peers().some((peer) => peer.peerId === other.peerId && peer.state === 'alive')) {
        node.events.off('peer', check);
        done();
      }
    };
    node.events.on('peer', check);
    check();
  });
}

/** A board of alice's own: bob has nothing of it, then what he is granted, then what he wrote by the time that ends. */
async function sharesOwnBoard(
  alice: StarlingNode,
  bob: StarlingNode,
  ofBob: NodeClient,
): Promise<void> {
  const ofAlice = await attach(alice.status().stateDir);
  cleanups.push(() => ofAlice.close());
  const own = { board: 'own' };
  await ofAlice.builtin('board_create', own);
  await ofAlice.builtin('board_set', { ...own, key: 'k', value: 'of alice' });
  expect(await ofBob.builtin('board_list')).toEqual({ boards: ['plan'] });
  await ofAlice.builtin('board_grant', { ...own, to: 'bob', ability: 'write', prefix: 'b/' });
  const mine = await bob.board('own');
  await expect.poll(() => mine.get('k')?.value, { timeout: 60_000 }).toBe('of alice');
  await expect(ofBob.builtin('board_set', { ...own, key: 'k', value: 1 })).rejects.toMatchObject({
    code: 'STARLING_BOARD_REFUSED',
  });
  await ofBob.builtin('board_set', { ...own, key: 'b/1', value: 'of bob' });
  const theirs = await alice.board('own');
  await expect.poll(() => theirs.get('b/1')?.value, { timeout: 60_000 }).toBe('of bob');
  expect(await ofAlice.builtin('board_revoke', { ...own, from: 'bob' })).toMatchObject({
    revoked: 1,
  });
  await expect
    .poll(() => mine.may(bob.status().did as Did, 'write'), { timeout: 60_000 })
    .toBe(false);
  expect(theirs.get('b/1')?.value).toBe('of bob');
  expect(await ofBob.builtin('board_list')).toMatchObject({ boards: ['own', 'plan'] });
}

it('lets two nodes join by ticket, hear heartbeats, share a board and call a tool, with no socket between them', async () => {
  const memory = new MemoryNetwork();
  const logs = await mkdtemp(join(tmpdir(), 'starling-memory-logs-'));
  cleanups.push(() => rm(logs, { recursive: true, force: true, maxRetries: 5 }));
  const log = join(logs, 'plain.log');
  const alice = await startNode(memory, '10.78.0.1', {
    name: 'alice',
    mcpServers: {
      tools: { command: process.execPath, args: [PLAIN, '--era', 'legacy', '--log', log] },
    },
  });
  const { ticket } = await alice.createTicket();
  const bob = await startNode(memory, '10.78.0.2', { name: 'bob', join: ticket });
  await Promise.all([seesAlive(alice, bob), seesAlive(bob, alice)]);
  expect(bob.status().addresses[0]).toBe(`/ip4/10.78.0.2/tcp/4040/p2p/${bob.peerId}`);
  expect(memory.open).toBeGreaterThan(0);

  await (await alice.board('plan')).set('step', 'one');
  const board = await bob.board('plan');
  await expect.poll(() => board.get('step')?.value, { timeout: 60_000 }).toBe('one');

  const client = await attach(bob.status().stateDir);
  cleanups.push(() => client.close());
  await sharesOwnBoard(alice, bob, client);

  await alice.grant({ peer: bob.peerId, tools: ['tools/*'] });
  await expect
    .poll(async () => (await client.tools()).map(({ name }) => name), { timeout: 60_000 })
    .toContain('alice__tools__note');
  const answer = await client.call('alice__tools__note', {});
  expect(JSON.stringify(answer)).toContain('noted');

  // Each node on the way tells what the call took there, the one with the server first.
  const told: unknown[] = [];
  await client.call(
    'alice__tools__note',
    {},
    {
      meta: { 'starling/trace': true },
      progress: ({ _meta: meta }) => void told.push(meta),
    },
  );
  const steps = { server: 'tools', sentMs: expect.any(Number) as number };
  expect(told).toMatchObject([
    { 'starling/trace': { node: 'alice', ...steps } },
    { 'starling/trace': { node: 'bob', peer: alice.peerId, peerName: 'alice', ...steps } },
  ]);

  bob.noteFault(new Error('nobody waited'));
  expect(bob.status().warnings).toContainEqual(
    expect.objectContaining({
      code: 'unforeseen-error',
      text: expect.stringContaining('nobody waited') as string,
    }),
  );

  const listeners = watchAbortListeners();
  cleanups.push(() => listeners.stop());
  for (let batch = 0; batch < upTo(5, 20); batch += 1) {
    const calls = Array.from({ length: 100 }, () => client.call('alice__tools__note', {}));
    await Promise.all(calls);
  }
  // What hundreds of calls have added must be gone: a signal that lives as long as a node gathers none.
  await expect.poll(() => listeners.most()).toBeLessThan(20);
});

it('says goodbye before its servers have ended, so that peers know of it though one hangs', async () => {
  const memory = new MemoryNetwork();
  const stubborn = { command: process.execPath, args: [resolve(SERVERS, 'stubborn.mjs')] };
  const alice = await startNode(memory, '10.78.0.5', { name: 'alice', mcpServers: { stubborn } });
  const operator = await attach(alice.status().stateDir);
  const { ticket } = await operator.builtin<InviteResult>('invite_create', { can_invite: false });
  operator.close();
  const bob = await startNode(memory, '10.78.0.6', { name: 'bob', join: ticket });
  await Promise.all([seesAlive(alice, bob), seesAlive(bob, alice)]);
  // Whoever was let in without the right to invite is not told to.
  expect([alice.status().mayInvite, bob.status().mayInvite]).toEqual([undefined, false]);
  await alice.grant({ peer: bob.peerId, tools: ['stubborn/*'] });
  const client = await attach(bob.status().stateDir);
  cleanups.push(() => client.close());
  await expect
    .poll(async () => (await client.tools()).map(({ name }) => name), { timeout: 60_000 })
    .toContain('alice__stubborn__wait');
  const underWay = client.call('alice__stubborn__wait', {}).catch((error: unknown) => error);
  // One after the other: what was asked first runs once this is answered.
  await client.call('alice__stubborn__ping', {});
  const pid = alice.status().upstreams.find(({ server }) => server === 'stubborn')?.pid ?? 0;
  const stillRuns = new Promise<boolean>((done) => {
    const hear = ({ state }: { readonly state: string }): void => {
      if (state !== 'left') return;
      bob.events.off('peer', hear);
      done(isRunning(pid));
    };
    bob.events.on('peer', hear);
  });
  const stopped = alice.stop();
  // Whoever ends the process meanwhile, because a server takes its time, leaves nobody in doubt.
  expect(await stillRuns).toBe(true);
  await stopped;
  // A call that was under way is told what became of it.
  expect(await underWay).toMatchObject({ code: 'STARLING_PEER_UNREACHABLE' });
});

it('asks an open mesh for its name over the same transports', async () => {
  const memory = new MemoryNetwork();
  const alice = await startNode(memory, '10.78.0.3', { name: 'alice', open: 'garden' });
  const bob = await startNode(memory, '10.78.0.4', {
    name: 'bob',
    bootstrap: [...alice.status().addresses],
  });
  await seesAlive(bob, alice);
  expect(bob.status().mesh).toMatchObject({ name: 'garden', open: true });
});

it('never tells of a peer on a slow machine, whose traffic stalls and then comes all at once', async () => {
  const memory = new MemoryNetwork();
  // Fifty times the usual rhythm: two seconds are to these nodes what a minute and a half is to others.
  const heartbeat = { intervalMs: 100 };
  const clock = createJumpClock();
  const tools = {
    command: process.execPath,
    args: [PLAIN, '--era', 'legacy', '--log', '/dev/null'],
  };
  const alice = await startNode(
    memory,
    '10.78.0.1',
    {
      name: 'alice',
      heartbeat,
      mcpServers: { tools },
    },
    clock,
  );
  const { ticket } = await alice.createTicket();
  const bob = await startNode(memory, '10.78.0.2', { name: 'bob', heartbeat, join: ticket }, clock);
  await Promise.all([seesAlive(alice, bob), seesAlive(bob, alice)]);
  await alice.grant({ peer: bob.peerId, tools: ['tools/*'] });
  const client = await attach(bob.status().stateDir);
  cleanups.push(() => client.close());
  await expect
    .poll(async () => (await client.tools()).map(({ name }) => name), { timeout: 60_000 })
    .toContain('alice__tools__note');
  const [near, far] = [await alice.board('plan'), await bob.board('plan')];
  const told: unknown[] = [];
  for (let round = 0; round < upTo(2, 3); round += 1) {
    memory.hold('10.78.0.2');
    const carried = memory.bytes;
    const busy = Array.from({ length: 100 }, async (_, at) => far.set(`${round} ${at}`, at));
    const calls = Array.from({ length: 50 }, () => client.call('alice__tools__note', {}));
    await Promise.all(busy);
    // As many heartbeats as others send in a minute.
    await clock.advance(12 * heartbeat.intervalMs);
    expect(memory.bytes).toBe(carried);
    memory.release('10.78.0.2');
    await Promise.all(calls);
    await expect.poll(() => near.get(`${round} 99`)?.value, { timeout: 60_000 }).toBe(99);
    for (const node of [alice, bob]) {
      told.push(...node.status().warnings.filter(({ code }) => code.startsWith('peer-conduct')));
    }
  }
  await Promise.all([seesAlive(alice, bob), seesAlive(bob, alice)]);
  expect(told).toEqual([]);
});
