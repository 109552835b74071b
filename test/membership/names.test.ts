/** What peers are called: names that are taken, words that two claim, and names that change. */
import { encode } from 'cborg';
import { afterEach, expect, it } from 'vitest';
import type { PeerId } from '../../src/core/index.ts';
import { createIdentity, shortId } from '../../src/identity/index.ts';
import type { Membership, PeerView } from '../../src/membership/index.ts';
import { calm, createHub } from '../blackboard/hub.ts';
import type { Hub } from '../blackboard/hub.ts';
import { createTestClock } from '../core/test-clock.ts';
import { memoryTable } from '../grants/memory-table.ts';
import { createView, meshOfAll } from './arrange.ts';

const DAY_MS = 86_400_000;
const [ALICE, BOB, CAROL] = [2, 3, 4].map(
  (seed) => createIdentity(Buffer.alloc(32, seed)).peerId,
) as [PeerId, PeerId, PeerId];

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

interface Node {
  readonly view: Membership;
  says: string;
}

async function node(
  hub: Hub,
  self: PeerId,
  name: string,
  { clock = createTestClock(), table = memoryTable(), runs = memoryTable() } = {},
): Promise<Node> {
  const made: Node = {
    says: name,
    view: createView({
      network: hub.network(self),
      clock,
      name: () => made.says,
      addresses: ['/ip4/127.0.0.1/tcp/1'],
      table,
      runs,
    }),
  };
  await made.view.start();
  cleanups.push(() => made.view.stop());
  return made;
}

/** Alice knows two that call themselves laptop: bob was first. */
async function twoLaptops(): Promise<{ alice: Node; bob: Node; carol: Node; taken: string }> {
  const hub = createHub();
  const alice = await node(hub, ALICE, 'alice');
  const bob = await node(hub, BOB, 'laptop');
  hub.connect(ALICE, BOB);
  await calm();
  const carol = await node(hub, CAROL, 'laptop');
  hub.connect(ALICE, CAROL);
  await calm();
  const taken = alice.view.peer(CAROL)?.alias ?? '';
  return { alice, bob, carol, taken };
}

const only = ({ view }: Node): PeerView | undefined => view.peers()[0];

it('a name that is taken is told on both sides', async () => {
  const { alice, bob, carol, taken } = await twoLaptops();
  expect(alice.view.peer(BOB)?.alias).toBe('laptop');
  expect(taken).toMatch(/^laptop-[a-z0-9]{4}$/);
  expect(alice.view.peer(CAROL)?.presence?.name).toBe('laptop');
  expect(only(carol)).toMatchObject({ alias: 'alice', callsUs: taken });
  expect(only(bob)?.callsUs).toBeUndefined();
});

it('a word that two claim means neither, and each is meant by its id', async () => {
  const { alice, taken } = await twoLaptops();
  expect(() => alice.view.resolve('laptop')).toThrow(
    expect.objectContaining({
      code: 'STARLING_PEER_AMBIGUOUS',
      message: `2 peers go by the name 'laptop': laptop (${shortId(BOB)}), ${taken} (${shortId(CAROL)})`,
    }),
  );
  for (const reference of [CAROL, shortId(CAROL), CAROL.slice(-8), taken]) {
    expect(alice.view.resolve(reference).peerId).toBe(CAROL);
  }
  expect(() => alice.view.resolve('nobody')).toThrow(
    expect.objectContaining({ code: 'STARLING_PEER_UNKNOWN' }),
  );
});

it('by the name of this node itself nobody is meant, and that is said', async () => {
  const { alice } = await twoLaptops();
  expect(() => alice.view.resolve('alice')).toThrow(
    expect.objectContaining({
      code: 'STARLING_PEER_UNKNOWN',
      message: 'alice is this node itself, and no peer',
      hint: expect.stringContaining('starling up --name <name>; peers are laptop') as string,
    }),
  );
});

it('a peer is told at once by what other name it goes from now on', async () => {
  const { alice, bob, carol, taken } = await twoLaptops();
  alice.view.rename(BOB, 'chief');
  alice.view.rename(CAROL, 'laptop');
  await calm();
  expect([only(bob)?.callsUs, only(carol)?.callsUs]).toEqual(['chief', undefined]);
  alice.view.rename(CAROL, taken);
  await calm();
  expect(only(carol)?.callsUs).toBe(taken);
});

it('a name by which the policy speaks of somebody who was put out is nobody else’s, until the operator says so', async () => {
  const hub = createHub();
  const [table, runs] = [memoryTable(), memoryTable()];
  const first = await node(hub, ALICE, 'alice', { table, runs });
  await node(hub, BOB, 'laptop');
  hub.connect(ALICE, BOB);
  await calm();
  expect(first.view.byAlias('laptop')?.peerId).toBe(BOB);
  await first.view.stop();
  const met = async (spokenOf: readonly string[]): Promise<Membership> => {
    const again = createHub();
    const view = createView({
      network: again.network(ALICE),
      clock: createTestClock(),
      name: () => 'alice',
      ownMesh: meshOfAll({ hasMember: (peer) => peer !== BOB }),
      isSpokenOf: (alias) => spokenOf.includes(alias),
      table,
      runs,
    });
    await view.start();
    cleanups.push(() => view.stop());
    await node(again, CAROL, 'laptop');
    again.connect(ALICE, CAROL);
    await calm();
    await view.stop();
    return view;
  };
  const view = await met(['laptop']);
  expect(view.peer(CAROL)?.alias).toMatch(/^laptop-[a-z0-9]{4}$/);
  view.rename(CAROL, 'laptop');
  expect(view.byAlias('laptop')?.peerId).toBe(CAROL);
});

it('a name that the operator gives settles who is meant', async () => {
  const { alice, taken } = await twoLaptops();
  const { view } = alice;
  for (const name of ['alice', taken, 'Not A Name', '']) {
    expect(() => view.rename(BOB, name)).toThrow(
      expect.objectContaining({ code: 'STARLING_USAGE' }),
    );
  }
  view.rename(BOB, 'old-laptop');
  view.rename(CAROL, 'laptop');
  expect(view.resolve('laptop').peerId).toBe(CAROL);
  expect(view.resolve('old-laptop').peerId).toBe(BOB);
  expect(view.byAlias(taken)).toBeUndefined();
  expect(view.nameOf(BOB)).toBe('old-laptop');
});

it('a peer that takes another name is shown with both for a week, over restarts, and keeps the one that is known', async () => {
  const hub = createHub();
  const clock = createTestClock();
  const kept = { clock, table: memoryTable(), runs: memoryTable() };
  const alice = await node(hub, ALICE, 'alice', kept);
  const bob = await node(hub, BOB, 'bob', { clock });
  hub.connect(ALICE, BOB);
  await calm();
  bob.says = 'robert';
  bob.view.announce();
  clock.advance(1000);
  await calm();
  expect(only(alice)).toMatchObject({ alias: 'bob', newName: 'robert' });
  expect(alice.view.resolve('robert').peerId).toBe(BOB);
  await alice.view.stop();
  const again = await node(hub, ALICE, 'alice', kept);
  await calm();
  expect(only(again)).toMatchObject({ alias: 'bob', newName: 'robert' });
  clock.sleep(8 * DAY_MS);
  bob.view.announce();
  clock.advance(1000);
  await calm();
  expect(only(again)).toMatchObject({ alias: 'bob', presence: { name: 'robert' } });
  expect(only(again)?.newName).toBeUndefined();
});

it('peers that were saved before names were kept are taken over as they are', async () => {
  const table = memoryTable();
  const row = { alias: 'bob', addresses: ['/ip4/10.0.0.1/tcp/1'], lastHeartbeatAt: 7 };
  await table.put(BOB, encode(row));
  const alice = await node(createHub(), ALICE, 'alice', { table });
  expect(only(alice)).toMatchObject({
    alias: 'bob',
    peerId: BOB,
    state: 'dead',
    lastHeartbeatAt: 7,
  });
});
