/** The live view of a mesh: several of them over a network in memory, on a clock that the tests move. */
import { EventEmitter } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { createHealth, silentLogger } from '../../src/core/index.ts';
import type { Health, PeerId } from '../../src/core/index.ts';
import type { Successions } from '../../src/grants/index.ts';
import { createIdentity, didFromPeerId } from '../../src/identity/index.ts';
import { createIncarnations } from '../../src/membership/heartbeats/incarnation.ts';
import { encodeHeartbeat, encodePulse } from '../../src/membership/heartbeats/heartbeat-format.ts';
import type { Heartbeat } from '../../src/membership/heartbeats/heartbeat-format.ts';
import { createMembership } from '../../src/membership/index.ts';
import type { Membership, PeerAspect, Presence } from '../../src/membership/index.ts';
import type { OwnMesh } from '../../src/mesh/index.ts';
import type { Network } from '../../src/network/index.ts';
import { calm, createHub } from '../blackboard/hub.ts';
import type { Hub } from '../blackboard/hub.ts';
import { createTestClock } from '../core/test-clock.ts';
import type { TestClock } from '../core/test-clock.ts';
import { memoryTable } from '../grants/memory-table.ts';

const INTERVAL_MS = 5000;
const [ALICE, BOB] = [2, 3].map((seed) => createIdentity(Buffer.alloc(32, seed)).peerId) as [
  PeerId,
  PeerId,
];

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

interface Change {
  readonly state: string;
  readonly before: string | undefined;
  readonly what: readonly PeerAspect[];
}

interface Node {
  readonly view: Membership;
  readonly network: Network;
  readonly changes: Change[];
  /** Digests of boards that were to be compared. */
  readonly compared: Presence['boards'][];
  /** Protocols of the streams that it opened. */
  readonly opened: string[];
  /** What it says of itself and its boards, and of its records. */
  says: Omit<Presence, 'boards'>;
  boards: Presence['boards'];
  records: string;
}

interface NodeInit {
  readonly clock?: TestClock;
  readonly reach?: () => Promise<number>;
  /** Where it is kept which run this is. */
  readonly runs?: ReturnType<typeof memoryTable>;
  readonly health?: Health;
}

const presence = (name: string): Omit<Presence, 'boards'> => ({
  name,
  version: '0.1.0',
  addresses: [`/ip4/127.0.0.1/tcp/${name.length}`],
  load: 0,
  catalog: 'tools',
});

function ownMeshOf(digest: () => string): OwnMesh {
  const records = {
    digest,
    all: () => new Map(),
    addAll: async () => 0,
    onSignsTooMuch: () => () => undefined,
    onAdded: () => () => undefined,
  };
  const successions = {
    events: new EventEmitter(),
    current: (did: string) => did,
    lineage: (did: string) => [did],
    of: () => undefined,
  };
  return {
    successions: successions as unknown as Successions,
    records: () => records,
    isMember: () => true,
    hasMember: () => true,
    reissue: async () => 0,
  } as unknown as OwnMesh;
}

function node(hub: Hub, self: PeerId, name: string, init: NodeInit = {}): Node {
  const { clock = createTestClock(), reach = () => Promise.reject(new Error('gone')) } = init;
  const { runs = memoryTable(), health = createHealth() } = init;
  const opened: string[] = [];
  const base = hub.network(self);
  const network: Network = {
    ...base,
    dial: async (target) => (await reach(), target as PeerId),
    ping: () => reach(),
    open: (peer, protocol, options) => {
      opened.push(protocol);
      return base.open(peer, protocol, options);
    },
  };
  const changes: Change[] = [];
  const compared: Presence['boards'][] = [];
  const made: Node = {
    network,
    changes,
    compared,
    opened,
    says: presence(name),
    boards: {},
    records: 'same',
    view: createMembership(
      {
        network,
        ownMesh: ownMeshOf(() => made.records),
        identity: { sign: () => new Uint8Array(64) },
        table: memoryTable(),
        runs,
        health,
        presence: () => made.says,
        boards: () => made.boards,
        clock,
        random: () => 0.5,
        logger: silentLogger,
      },
      { intervalMs: INTERVAL_MS, phiSuspect: 8, deadAfterMs: 3 * INTERVAL_MS },
    ),
  };
  made.view.events.on('change', (peer, before, what) => {
    changes.push({ state: peer.state, before: before?.state, what: [...what].toSorted() });
  });
  made.view.events.on('boards', (_, digests) => compared.push(digests));
  cleanups.push(() => made.view.stop());
  return made;
}

/** Says heartbeats to alice as bob does, without a node of its own. */
function speaker(hub: Hub): (more?: Partial<Heartbeat>) => Promise<void> {
  const topic = hub.network(BOB).topic('heartbeat');
  let sequence = 0;
  return async (more = {}) => {
    sequence += 1;
    const heartbeat: Heartbeat = {
      incarnation: 1,
      sequence,
      status: 'up',
      records: 'same',
      presence: { ...presence('bob'), boards: {} },
      ...more,
    };
    await topic.publish(encodeHeartbeat(heartbeat));
    await calm(4);
  };
}

/** Lets time pass in steps of a second, and what it sets off happen. */
async function pass(clock: TestClock, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 1000) {
    clock.advance(1000);
    await calm(4);
  }
}

async function aliceHears(init: NodeInit = {}): Promise<{
  readonly alice: Node;
  readonly hub: Hub;
  readonly say: ReturnType<typeof speaker>;
}> {
  const hub = createHub();
  const alice = node(hub, ALICE, 'alice', init);
  await alice.view.start();
  hub.connect(ALICE, BOB);
  const say = speaker(hub);
  await say();
  return { alice, hub, say };
}

describe('a heartbeat', () => {
  it('of somebody new is told once, as a new peer with everything that is known of it', async () => {
    const { alice } = await aliceHears();
    expect(alice.changes).toHaveLength(1);
    expect(alice.changes[0]).toMatchObject({ state: 'alive', before: undefined });
    expect(alice.changes[0]?.what).toContain('state');
    expect(alice.view.peers()).toMatchObject([{ alias: 'bob', peerId: BOB }]);
  });

  it('that came by gossip and is told again by its author tells what that one calls this node', async () => {
    const { alice, say } = await aliceHears();
    await say({ sequence: 5 });
    await say({ sequence: 5, called: 'al' });
    expect(alice.view.peers()).toMatchObject([{ alias: 'bob', callsUs: 'al' }]);
    await say({ sequence: 4, called: 'older' });
    expect(alice.view.peers()).toMatchObject([{ callsUs: 'al' }]);
  });

  it('is stood for by a pulse, which says that all is as it was, and nothing of a run that is not known', async () => {
    const clock = createTestClock();
    const { alice, hub, say } = await aliceHears({ clock });
    const pulse = async (incarnation: number, sequence: number): Promise<void> => {
      const bytes = encodePulse({ incarnation, sequence, time: 5 });
      await hub.network(BOB).topic('heartbeat').publish(bytes);
      await calm(4);
    };
    clock.advance(9000);
    await pulse(1, 5);
    expect(alice.view.peers()).toMatchObject([
      { state: 'alive', lastHeartbeatAt: clock.now(), presence: { name: 'bob' } },
    ]);
    const at = clock.now();
    clock.advance(1000);
    // Older ones, and those of another run.
    await pulse(1, 5);
    await pulse(2, 6);
    expect(alice.view.peers()).toMatchObject([{ lastHeartbeatAt: at, startedAt: 1 }]);
    await say({ sequence: 7, status: 'leaving' });
    await pulse(1, 8);
    expect(alice.view.peers()).toMatchObject([{ state: 'left' }]);
    expect(hub.reported).toEqual([]);
  });

  it('that changes nothing wakes nobody, a hundred times', async () => {
    const { alice, say } = await aliceHears();
    const before = alice.view.peer(BOB)?.presence;
    alice.changes.length = 0;
    alice.compared.length = 0;
    for (let beat = 0; beat < 100; beat += 1) await say();
    expect(alice.changes).toEqual([]);
    expect(alice.compared).toEqual([]);
    expect(alice.view.peer(BOB)?.presence).toBe(before);
  });

  it('is seen in the view all the same: when it came, and that a catalog of peers stays the same list', async () => {
    const clock = createTestClock();
    const { alice, say } = await aliceHears({ clock });
    clock.advance(1000);
    await say();
    expect(alice.view.peer(BOB)?.lastHeartbeatAt).toBe(clock.now());
    expect(alice.view.peers()).toBe(alice.view.peers());
  });

  it.each<[PeerAspect, Partial<Presence>]>([
    ['load', { load: 7 }],
    ['catalog', { catalog: 'other tools' }],
    ['boards', { boards: { plan: 'x' } }],
    ['name', { name: 'robert' }],
    ['version', { version: '0.2.0' }],
    ['audit', { audit: { seq: 1, hash: 'a', at: 1, sig: 'b' } }],
  ])('that changes only the %s says so, and nothing else', async (aspect, change) => {
    const { alice, say } = await aliceHears();
    alice.changes.length = 0;
    await say({ presence: { ...presence('bob'), boards: {}, ...change } });
    await say({ presence: { ...presence('bob'), boards: {}, ...change } });
    expect(alice.changes.map(({ what }) => what)).toEqual([[aspect]]);
  });

  it('that is older than the last, or a copy of it, is not taken', async () => {
    const { alice, say } = await aliceHears();
    const loaded = { presence: { ...presence('bob'), boards: {}, load: 9 } };
    await say({ incarnation: 1, sequence: 1, ...loaded });
    await say({ incarnation: 0, sequence: 99, ...loaded });
    expect(alice.view.peer(BOB)?.presence?.load).toBe(0);
  });
});

it('a goodbye is the last word, whatever the node would say while the others hear it', async () => {
  const hub = createHub();
  const clock = createTestClock();
  const alice = node(hub, ALICE, 'alice', { clock });
  const bob = node(hub, BOB, 'bob', { clock });
  await alice.view.start();
  await bob.view.start();
  hub.connect(ALICE, BOB);
  await pass(clock, 6000);
  expect(alice.view.byAlias('bob')?.state).toBe('alive');
  const stopped = bob.view.stop();
  // A server of bob ended, and a peer came: both are said by heartbeats.
  hub.connect(ALICE, BOB);
  await stopped;
  await calm(8);
  expect(alice.view.byAlias('bob')?.state).toBe('left');
});

describe('a node that comes back with its clock behind', () => {
  async function returns(runs: ReturnType<typeof memoryTable>): Promise<Node> {
    const hub = createHub();
    const clock = createTestClock();
    const alice = node(hub, ALICE, 'alice', { clock });
    await alice.view.start();
    const before = node(hub, BOB, 'bob', { clock, runs });
    await before.view.start();
    hub.connect(ALICE, BOB);
    await pass(clock, 6000);
    await before.view.stop();
    await calm(8);
    expect(alice.view.byAlias('bob')?.state).toBe('left');
    const behind = { ...clock, now: () => clock.now() - 180_000 };
    const again = node(hub, BOB, 'bob', {
      clock: behind,
      runs: runs.rows.has('kept') ? memoryTable() : runs,
    });
    await again.view.start();
    hub.connect(ALICE, BOB);
    await pass(clock, 12_000);
    return alice;
  }

  it('is alive again: its incarnation never goes back', async () => {
    const alice = await returns(memoryTable());
    expect(alice.view.byAlias('bob')?.state).toBe('alive');
  });

  it('is alive again even where its folder has forgotten which run it was: it is told', async () => {
    const runs = memoryTable();
    runs.rows.set('kept', Buffer.from('elsewhere'));
    const alice = await returns(runs);
    expect(alice.view.byAlias('bob')?.state).toBe('alive');
  });

  it('and a member that names an absurd incarnation does not use the numbers up', async () => {
    const clock = createTestClock();
    const runs = memoryTable();
    const incarnations = createIncarnations({ table: runs, clock });
    const first = await incarnations.begin();
    expect(await incarnations.pass(Number.MAX_SAFE_INTEGER)).toBeUndefined();
    expect(await incarnations.pass(first - 1)).toBeUndefined();
    expect(await incarnations.pass(first + 10)).toBe(first + 11);
    expect(await createIncarnations({ table: runs, clock }).begin()).toBeGreaterThan(first + 11);
  });
});

describe('the clock of a peer', () => {
  it('that is minutes off is told with its name, and no more once it is right', async () => {
    const health = createHealth();
    const { alice, say } = await aliceHears({ health });
    const clock = createTestClock();
    for (let beat = 0; beat < 3; beat += 1) await say({ time: clock.now() + 180_000 });
    expect(alice.view.peer(BOB)?.clockOffsetMs).toBe(180_000);
    expect(health.warnings()).toMatchObject([
      { code: 'clock-apart', text: 'clocks are apart: the clock of bob is 3m ahead of ours' },
    ]);
    await say({ time: clock.now() });
    expect(health.warnings()).toEqual([]);
  });

  it('is no matter where one heartbeat only came late', async () => {
    const health = createHealth();
    const { say } = await aliceHears({ health });
    const clock = createTestClock();
    await say({ time: clock.now() });
    await say({ time: clock.now() - 90_000 });
    expect(health.warnings()).toEqual([]);
  });
});

describe('digests that differ', () => {
  it('of boards are looked at again with each heartbeat until they are equal, and once then', async () => {
    const { alice, say } = await aliceHears();
    alice.compared.length = 0;
    alice.boards = { plan: 'ours' };
    const theirs = { presence: { ...presence('bob'), boards: { plan: 'theirs' } } };
    for (let beat = 0; beat < 3; beat += 1) await say(theirs);
    expect(alice.compared).toEqual([{ plan: 'theirs' }, { plan: 'theirs' }, { plan: 'theirs' }]);
    alice.boards = { plan: 'theirs' };
    for (let beat = 0; beat < 3; beat += 1) await say(theirs);
    expect(alice.compared).toHaveLength(3);
    alice.compared.length = 0;
    const equal = { presence: { ...presence('bob'), boards: { plan: 'new' } } };
    alice.boards = { plan: 'new' };
    for (let beat = 0; beat < 3; beat += 1) await say(equal);
    // A repair that waits for the old digest has to hear of the new one.
    expect(alice.compared).toEqual([{ plan: 'new' }]);
  });

  it('of records are repaired again after a repair that failed, though no heartbeat changes', async () => {
    const clock = createTestClock();
    const { alice, say } = await aliceHears({ clock });
    // Bob serves no records: each repair fails.
    for (let beat = 0; beat < 4; beat += 1) {
      await say({ records: 'other' });
      clock.advance(3000);
      await calm(4);
    }
    const repairs = alice.opened.filter((protocol) => protocol === '/starling/records/1');
    expect(repairs.length).toBeGreaterThanOrEqual(3);
    expect(alice.changes).toHaveLength(1);
  });
});

describe('a newcomer', () => {
  it('hears everybody at once, and need not wait for their next heartbeats', async () => {
    const hub = createHub();
    const alice = node(hub, ALICE, 'alice');
    const bob = node(hub, BOB, 'bob');
    hub.connect(ALICE, BOB);
    await alice.view.start();
    await calm();
    await bob.view.start();
    await calm();
    // No clock has moved since.
    expect(bob.view.peers().map(({ alias, state }) => [alias, state])).toEqual([
      ['alice', 'alive'],
    ]);
    expect(alice.view.peers().map(({ alias }) => alias)).toEqual(['bob']);
  });
});

describe('a member whose view starts over a link that has been open for long', () => {
  it('is answered by those whom it tells of its start, though what they said before went to nobody', async () => {
    const hub = createHub();
    const alice = node(hub, ALICE, 'alice');
    const bob = node(hub, BOB, 'bob');
    await alice.view.start();
    hub.losesFrame = () => true;
    hub.connect(ALICE, BOB);
    await calm();
    // The rosters, which are compared as well, are a way of their own.
    hub.losesFrame = (kind) => kind !== 'heartbeat';
    await bob.view.start();
    await calm();
    // No clock has moved since.
    expect(bob.view.peers().map(({ alias, state }) => [alias, state])).toEqual([
      ['alice', 'alive'],
    ]);
  });
});

describe('a peer that falls silent', () => {
  it('is suspect after about 2.6 intervals, and dead when no probe reaches it', async () => {
    const clock = createTestClock();
    const { alice } = await aliceHears({ clock });
    await pass(clock, 12_000);
    expect(alice.view.peer(BOB)?.state).toBe('alive');
    await pass(clock, 3000);
    expect(alice.changes.map(({ state }) => state)).toContain('suspect');
    await pass(clock, 8000);
    expect(alice.view.peer(BOB)?.state).toBe('dead');
  });

  it('but can be reached stays alive', async () => {
    const clock = createTestClock();
    const { alice } = await aliceHears({ clock, reach: () => Promise.resolve(1) });
    await pass(clock, 60_000);
    expect(alice.changes.map(({ state }) => state)).not.toContain('dead');
    expect(alice.view.peer(BOB)?.state).toBe('alive');
  });

  it('is not dead because this node slept while it was suspect', async () => {
    const clock = createTestClock();
    // The probe hangs until its deadline.
    const { alice, hub, say } = await aliceHears({
      clock,
      reach: () => new Promise(() => undefined),
    });
    hub.cut(ALICE, BOB);
    await calm(2);
    expect(alice.view.peer(BOB)?.state).toBe('suspect');
    clock.sleep(3_600_000);
    clock.advance(1000);
    await calm(2);
    expect(alice.view.peer(BOB)?.state).toBe('suspect');
    hub.connect(ALICE, BOB);
    await say();
    expect(alice.view.peer(BOB)?.state).toBe('alive');
    expect(alice.changes.map(({ state }) => state)).not.toContain('dead');
  });

  it('is not suspect because this node slept', async () => {
    const clock = createTestClock();
    const { alice } = await aliceHears({ clock });
    clock.sleep(3_600_000);
    await pass(clock, 5000);
    expect(alice.view.peer(BOB)?.state).toBe('alive');
  });
});

describe('a peer', () => {
  it('is found by alias, PeerId and did:key, and nobody is found by anything else', async () => {
    const { alice } = await aliceHears();
    for (const reference of ['bob', BOB, didFromPeerId(BOB)]) {
      expect(alice.view.find(reference)?.alias).toBe('bob');
      expect(alice.view.resolve(reference).peerId).toBe(BOB);
    }
    for (const reference of ['', 'carol', ALICE, 'did:key:zz', 'x'.repeat(10_000)]) {
      expect(alice.view.find(reference)).toBeUndefined();
    }
    expect(() => alice.view.resolve('carol')).toThrow(/no peer is called 'carol'/);
  });

  it('that leaves is told so at once, and its silence is no suspicion', async () => {
    const clock = createTestClock();
    const { alice, say } = await aliceHears({ clock });
    await say({ status: 'leaving' });
    expect(alice.changes.at(-1)).toEqual({ state: 'left', before: 'alive', what: ['state'] });
    clock.advance(120_000);
    await calm(4);
    expect(alice.view.peer(BOB)?.state).toBe('left');
  });
});

it('a node that stopped leaves no timer and no listener', async () => {
  const clock = createTestClock();
  const { alice } = await aliceHears({ clock });
  const stopping = alice.view.stop();
  clock.advance(250);
  await stopping;
  await calm(4);
  expect(clock.waiting()).toBe(0);
  expect(alice.network.events.eventNames()).toEqual([]);
});
