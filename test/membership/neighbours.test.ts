/** The choice of neighbours: the same at both ends, enough of them, and not everybody. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createScope } from '../../src/core/index.ts';
import type { PeerId } from '../../src/core/index.ts';
import { createNeighbourKeeper } from '../../src/membership/keep-neighbours.ts';
import { FULL_MESH_PEERS, createNeighbourChoice } from '../../src/membership/neighbours.ts';
import { createSeededScheduler } from '../../sim/seeded-scheduler.ts';
import { createTestClock } from '../core/test-clock.ts';

const peers = (count: number): PeerId[] =>
  Array.from(
    { length: count },
    (_, at) => createHash('sha256').update(`${at}`).digest('hex') as PeerId,
  );

const linksOf = (members: readonly PeerId[]): Map<PeerId, ReadonlySet<PeerId>> => {
  const choice = createNeighbourChoice();
  return new Map(members.map((member) => [member, choice.of(member, members)]));
};

describe('neighbours', () => {
  it('are all peers, up to eight of them', () => {
    for (const links of linksOf(peers(FULL_MESH_PEERS + 1)).values()) {
      expect(links.size).toBe(FULL_MESH_PEERS);
    }
  });

  it.each([10, 25, 50, 150])(
    'of %i nodes are 6 to 16 each, and both ends choose each other',
    (count) => {
      const links = linksOf(peers(count));
      for (const [peer, chosen] of links) {
        expect(chosen.size).toBeGreaterThanOrEqual(6);
        expect(chosen.size).toBeLessThanOrEqual(16);
        for (const other of chosen) expect(links.get(other)?.has(peer)).toBe(true);
      }
    },
  );

  it('reach all 150 nodes in four steps', () => {
    const members = peers(150);
    const links = linksOf(members);
    let reached = new Set(members.slice(0, 1));
    for (let step = 0; step < 4; step += 1) {
      reached = new Set([
        ...reached,
        ...[...reached].flatMap((peer) => [...(links.get(peer) ?? [])]),
      ]);
    }
    expect(reached.size).toBe(members.length);
  });

  it('of one who is no member yet are those that it will have', () => {
    const members = peers(40);
    const choice = createNeighbourChoice();
    const rings = choice.rings(members.slice(1));
    const [newcomer = '' as PeerId] = members;
    expect([...rings.of(newcomer)].toSorted()).toEqual(
      [...choice.of(newcomer, members)].toSorted(),
    );
  });

  it('are the same whether somebody came and went since, or all were there at once', () => {
    const { chance } = createSeededScheduler(3);
    const everybody = peers(120);
    const kept = createNeighbourChoice();
    const rings = kept.rings([]);
    let members: readonly PeerId[] = [];
    for (let round = 0; round < 60; round += 1) {
      const before = new Set(members);
      const share = chance.below(100);
      const few = round % 4 !== 0;
      members = everybody.filter((peer) =>
        few && chance.below(30) > 0 ? before.has(peer) : chance.below(100) < share,
      );
      const now = new Set(members);
      const isSame = now.size === before.size && members.every((peer) => before.has(peer));
      expect(rings.become(members)).toBe(!isSame);
      expect(rings.become(members)).toBe(false);
      const fresh = createNeighbourChoice();
      for (const peer of everybody.slice(0, 20)) {
        expect([...rings.of(peer)].toSorted()).toEqual([...fresh.of(peer, members)].toSorted());
      }
    }
  });

  it('change a little when one more node comes', () => {
    const members = peers(101);
    const before = linksOf(members.slice(1));
    let changed = 0;
    for (const [peer, chosen] of linksOf(members)) {
      const was = before.get(peer) ?? new Set();
      changed += [...chosen].filter((other) => !was.has(other)).length;
    }
    expect(changed).toBeLessThan(50);
  });
});

const pass = async (clock: ReturnType<typeof createTestClock>, seconds: number): Promise<void> => {
  for (let second = 0; second < seconds; second += 1) {
    clock.advance(1000);
    await new Promise((resolve) => setImmediate(resolve));
  }
};

describe('a node', () => {
  const rig = (count: number) => {
    const clock = createTestClock();
    const [self = '' as PeerId, ...others] = peers(count);
    const known = new Map<
      PeerId,
      { addresses: string[]; view: { peerId: PeerId; state: string } }
    >();
    const told = new Map<PeerId, string>();
    let connected: readonly PeerId[] = [];
    const keeper = createNeighbourKeeper({
      network: {
        self,
        connected: () => connected,
        keep: (peer) => void told.set(peer, 'kept'),
        know: (peer) => void told.set(peer, 'spare'),
        unkeep: (peer) => void told.set(peer, 'gone'),
      },
      peers: () => known.values() as never,
      clock,
      random: () => 0.5,
    });
    const meet = (peerId: PeerId, state = 'alive'): void => {
      const peer = { addresses: ['/memory/x'], view: { peerId, state } };
      known.set(peerId, peer);
      keeper.placed(peer as never);
    };
    const say = (state: string): PeerId[] =>
      [...told].filter(([, now]) => now === state).map(([peer]) => peer);
    const scope = createScope(clock);
    return {
      clock,
      keeper,
      others,
      known,
      meet,
      say,
      start: () => keeper.start(scope),
      connect: (to: readonly PeerId[]) => void (connected = to),
    };
  };

  it('keeps its neighbours connected, and knows where the others are', async () => {
    const { clock, others, meet, say, start } = rig(25);
    start();
    for (const peer of others) meet(peer);
    await pass(clock, 5);
    expect(say('kept').length).toBeGreaterThanOrEqual(6);
    expect(say('kept').length).toBeLessThanOrEqual(10);
    expect(say('kept').length + say('spare').length).toBe(24);
  });

  it('that many others join after it connects to few at once, and to the rest when they have been neighbours for a while', async () => {
    const { clock, connect, others, meet, say, start } = rig(50);
    start();
    connect(others.slice(0, 1));
    for (const peer of others.slice(0, 12)) meet(peer);
    await pass(clock, 5);
    const dialled = new Set(say('kept'));
    connect([...dialled]);
    for (const peer of others.slice(12)) {
      const before = new Set(say('kept'));
      meet(peer);
      clock.advance(700);
      const kept = say('kept');
      // One comes for one that is no neighbour any more, as long as three are left.
      if (kept.some((one) => !before.has(one))) expect(kept).toHaveLength(3);
      for (const one of kept) dialled.add(one);
      connect(kept);
    }
    expect(dialled.size).toBeLessThan(24);
    await pass(clock, 5);
    expect(say('kept').length).toBeGreaterThanOrEqual(8);
    expect(say('kept').length).toBeLessThanOrEqual(12);
  });

  it('that hears of a few at once connects to three of them, and to the others when it has been calm', async () => {
    const { clock, connect, others, meet, say, start } = rig(8);
    start();
    for (const peer of others) meet(peer);
    clock.advance(200);
    const first = say('kept');
    expect(first).toHaveLength(3);
    connect(first);
    await pass(clock, 5);
    expect(say('kept')).toHaveLength(others.length);
  });

  it('is linked at once to as many neighbours as must miss it, whoever else is linked', async () => {
    const { clock, connect, keeper, others, meet, say, start } = rig(25);
    start();
    for (const peer of others) meet(peer);
    const [self = '' as PeerId] = peers(25);
    const neighbours = keeper.of(self);
    clock.advance(200);
    const first = say('kept');
    expect(first).toHaveLength(3);
    // Three are linked, none of whom is a neighbour.
    connect(others.filter((peer) => !neighbours.has(peer)).slice(0, 3));
    keeper.changed();
    clock.advance(200);
    expect(say('kept').filter((peer) => first.includes(peer))).toHaveLength(3);
  });

  it('stays with those that it dials already, however many others become its neighbours meanwhile', async () => {
    const { clock, others, meet, say, start } = rig(40);
    start();
    const dialled = new Set<PeerId>();
    for (const peer of others) {
      meet(peer);
      clock.advance(200);
      for (const one of say('kept')) dialled.add(one);
    }
    // Each that is no neighbour any more is followed by one other.
    const left = [...dialled].filter((peer) => !say('kept').includes(peer));
    expect(say('kept')).toHaveLength(3);
    expect(left.length).toBeLessThan(12);
  });

  it('among which somebody always comes and goes connects to those that have been neighbours for half a minute', async () => {
    const { clock, connect, keeper, known, others, meet, say, start } = rig(30);
    start();
    connect(others.slice(0, 3));
    for (const peer of others.slice(1)) meet(peer);
    const [restless = '' as PeerId] = others;
    const few = 4;
    for (let second = 0; second < 40; second += 1) {
      const state = second % 2 === 0 ? 'alive' : 'left';
      known.set(restless, { addresses: [], view: { peerId: restless, state } });
      keeper.changed();
      await pass(clock, 1);
      if (second === 25) expect(say('kept').length).toBeLessThan(few);
    }
    expect(say('kept').length).toBeGreaterThanOrEqual(6);
  });

  it('keeps others in the place of neighbours that died, and goes on to look for these', async () => {
    const { clock, keeper, known, others, meet, say, start } = rig(25);
    start();
    for (const peer of others) meet(peer);
    await pass(clock, 5);
    const before = say('kept');
    const dead = before.slice(0, 3);
    for (const peer of dead)
      known.set(peer, { addresses: [], view: { peerId: peer, state: 'dead' } });
    keeper.changed();
    await pass(clock, 5);
    expect(say('kept')).toEqual(expect.arrayContaining([...dead]));
    expect(say('kept').length).toBeGreaterThan(before.length);
  });

  it('that has lost all its links looks for everybody whom it knows', async () => {
    const { clock, connect, others, meet, say, start } = rig(25);
    for (const peer of others) meet(peer, 'dead');
    start();
    clock.advance(1000);
    expect(say('gone').length).toBeGreaterThan(10);
    await pass(clock, 12);
    expect(say('kept')).toHaveLength(24);
    connect(others.slice(0, 1));
    await pass(clock, 12);
    expect(say('kept').length).toBeLessThan(16);
  });
});
