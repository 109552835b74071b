/** Coming back after a week without a ticket: others know where one was, and one knows where others were. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { attach } from '../../../src/cli/node/client.ts';
import { silentLogger, systemClock } from '../../../src/core/index.ts';
import type { StarlingNode } from '../../../src/index.ts';
import { rotateIdentity } from '../../../src/rotation/index.ts';
import { SEALED_TABLES } from '../../../src/secrets/index.ts';
import { UNLIMITED } from '../../../sim/limits.ts';
import { MemoryNetwork } from '../../../sim/memory-transport.ts';
import { startNode } from '../../fixtures/whole-nodes.ts';
import type { Cleanups } from '../../fixtures/whole-nodes.ts';

const WEEK_MS = 7 * 86_400_000;
const TRIES_MS = { timeout: 60_000 };

const cleanups: Cleanups = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** Nodes of one memory network, each with its folder, on a clock that can be put ahead. */
async function createWorld() {
  const root = await mkdtemp(join(tmpdir(), 'starling-rejoin-'));
  cleanups.push(() => rm(root, { recursive: true, force: true, maxRetries: 5 }));
  const memory = new MemoryNetwork();
  let aheadMs = 0;
  const clock = { ...systemClock, now: () => systemClock.now() + aheadMs };
  const folderOf = (name: string): string => join(root, name);
  return {
    pass: (ms: number) => void (aheadMs += ms),
    start: (name: string, ip: string, ticket?: string): Promise<StarlingNode> =>
      startNode(
        cleanups,
        {
          name,
          stateDir: folderOf(name),
          http: { enabled: false },
          limits: { ...UNLIMITED },
          ...(ticket === undefined ? {} : { join: ticket }),
        },
        { host: { memory, ip }, clock },
      ),
    rotate: (name: string) =>
      rotateIdentity(
        { clock, logger: silentLogger, sealed: SEALED_TABLES },
        { stateDir: folderOf(name) },
      ),
  };
}

const alive = (node: StarlingNode): readonly string[] =>
  node
    .peers()
    .filter(({ state }) => state === 'alive')
    .map(({ alias }) => alias)
    .toSorted();
const sees = async (node: StarlingNode, names: readonly string[]): Promise<void> => {
  await expect.poll(() => alive(node), TRIES_MS).toEqual(names);
};

it('is a member after a week in which all moved, one took another key, and who gave the tickets went; never one who was put out', async () => {
  const world = await createWorld();
  const alice = await world.start('alice', '10.79.0.1');
  const joins = async (name: string, ip: string): Promise<StarlingNode> =>
    world.start(name, ip, (await alice.createTicket()).ticket);
  const bob = await joins('bob', '10.79.0.2');
  const carol = await joins('carol', '10.79.0.3');
  const eve = await joins('eve', '10.79.0.4');
  await sees(carol, ['alice', 'bob', 'eve']);
  await sees(eve, ['alice', 'bob', 'carol']);
  await sees(bob, ['alice', 'carol', 'eve']);
  await Promise.all([carol.stop(), eve.stop()]);
  const operator = await attach(alice.status().stateDir);
  await operator.builtin('peer_remove', { peer: 'eve', reason: 'it was lost' });
  operator.close();
  // Of both at the same moment: either may have heard of another record since.
  await expect.poll(() => bob.status().records === alice.status().records, TRIES_MS).toBe(true);
  await Promise.all([alice.stop(), bob.stop()]);

  const before = bob.peerId;
  await world.rotate('bob');
  world.pass(WEEK_MS);
  // Alice, whom all tickets name, does not come back, and carol is elsewhere.
  const bobAgain = await world.start('bob', '10.79.0.2');
  const carolAgain = await world.start('carol', '10.79.0.33');
  await sees(carolAgain, ['bob']);
  await sees(bobAgain, ['carol']);
  expect(bobAgain.peerId).not.toBe(before);
  await expect
    .poll(() => carolAgain.peers().find(({ alias }) => alias === 'bob'), TRIES_MS)
    .toMatchObject({ peerId: bobAgain.peerId, formerly: [before] });
  await expect
    .poll(() => carolAgain.status().records === bobAgain.status().records, TRIES_MS)
    .toBe(true);

  let reason = '';
  const eveAgain = await world.start('eve', '10.79.0.4');
  eveAgain.events.on('evicted', (why) => (reason = why));
  await expect
    .poll(() => reason || JSON.stringify(eveAgain.status().warnings), TRIES_MS)
    .toContain('it was lost');
  await sees(eveAgain, []);
  await sees(bobAgain, ['carol']);
});

it('finds a member that moved by one that has met it since', async () => {
  const world = await createWorld();
  const alice = await world.start('alice', '10.79.1.1');
  const bob = await world.start('bob', '10.79.1.2', (await alice.createTicket()).ticket);
  const carol = await world.start('carol', '10.79.1.3', (await alice.createTicket()).ticket);
  await sees(carol, ['alice', 'bob']);
  await carol.stop();
  await bob.stop();
  world.pass(WEEK_MS);
  const bobAgain = await world.start('bob', '10.79.1.22');
  await sees(alice, ['bob']);
  // Alice is where she was, and bob is not.
  const carolAgain = await world.start('carol', '10.79.1.33');
  await sees(carolAgain, ['alice', 'bob']);
  await sees(bobAgain, ['alice', 'carol']);
});
