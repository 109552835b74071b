/** Who is suspect and dead, and when: by the ticks of a link, and by what the neighbours of a peer say. */
import { decode, encode } from 'cborg';
import { afterEach, describe, expect, it } from 'vitest';
import type { PeerId } from '../../src/core/index.ts';
import { createIdentity } from '../../src/identity/index.ts';
import type { Identity } from '../../src/identity/index.ts';
import {
  accusersNeeded,
  createAccusations,
  suspicionTimeoutMs,
} from '../../src/membership/detection/accusations.ts';
import type { Accusation } from '../../src/membership/detection/accusations.ts';
import { encodeHeartbeat } from '../../src/membership/heartbeats/heartbeat-format.ts';
import { createLocalHealth } from '../../src/membership/detection/local-health.ts';
import { encodeRosterMessage } from '../../src/membership/roster/roster-messages.ts';
import { calm, createHub } from '../blackboard/hub.ts';
import type { Hub } from '../blackboard/hub.ts';
import { makeView, pass } from './views.ts';
import type { View } from './views.ts';

const [ALICE, BOB, ...WITNESSES] = [2, 3, 4, 5, 6, 7, 8, 9].map((seed) =>
  createIdentity(Buffer.alloc(32, seed)),
) as [Identity, Identity, ...Identity[]];
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function aliceOf(hub: Hub): Promise<View> {
  const alice = await makeView(hub, ALICE, 'alice');
  cleanups.push(() => alice.view.stop());
  return alice;
}

/** Says heartbeats by gossip as whoever `identity` is. */
function speaker(
  hub: Hub,
  identity: Identity,
): (suspects?: readonly Accusation[]) => Promise<void> {
  const topic = hub.network(identity.peerId).topic('heartbeat');
  const name = identity.peerId.slice(-6).toLowerCase();
  let sequence = 0;
  return async (suspects = []) => {
    sequence += 1;
    const presence = { name, version: '1', addresses: [], load: 0, catalog: '', boards: {} };
    const beat = { incarnation: 1, sequence, status: 'up' as const, records: 'same', presence };
    await topic.publish(encodeHeartbeat({ ...beat, suspects }, identity));
    await calm(3);
  };
}

/** Passes heartbeats of bob to alice, as one who has a link to both; `now` is bob's clock, which he may not tell. */
function passer(hub: Hub, now?: () => number): () => Promise<void> {
  const [by = BOB] = WITNESSES;
  let sequence = 1;
  return async () => {
    sequence += 1;
    const presence = { name: 'bob', version: '1', addresses: [], load: 0, catalog: '', boards: {} };
    const time = now === undefined ? {} : { time: now() };
    const about = { incarnation: 1, sequence, ...time };
    const beat = { ...about, status: 'up' as const, records: 'same', presence };
    const heartbeats = [{ peer: BOB.peerId, bytes: encodeHeartbeat(beat, BOB) }];
    const news = encodeRosterMessage({ t: 'news', heartbeats });
    await hub.network(by.peerId).sendFrame(ALICE.peerId, 'roster', news);
    await calm(3);
  };
}

/** Says of everybody that it has just reached them. */
function vouch(hub: Hub, peer: PeerId): void {
  const network = hub.network(peer);
  network.onFrame('probe', (bytes, from) => {
    const { id } = decode(bytes) as { readonly id: number };
    void network.sendFrame(from, 'probed', encode({ id, connected: true }));
  });
}

describe('the link to a peer', () => {
  it('that falls silent makes it suspect within three seconds and dead within ten, and not before', async () => {
    const hub = createHub();
    const alice = await aliceOf(hub);
    hub.connect(ALICE.peerId, BOB.peerId);
    const say = speaker(hub, BOB);
    await say();
    const state = (): string | undefined => alice.view.peer(BOB.peerId)?.state;
    for (let second = 0; second < 20; second += 1) {
      if (second % 5 === 0) await say();
      alice.network.events.emit('peer:sign', BOB.peerId);
      await pass(alice, 1);
      expect(state()).toBe('alive');
    }
    await pass(alice, 1);
    expect(state()).toBe('alive');
    await pass(alice, 1);
    expect(state()).not.toBe('alive');
    await pass(alice, 7);
    expect(state()).toBe('dead');
  });

  it('that both ends close says nothing of either', async () => {
    const hub = createHub();
    const alice = await aliceOf(hub);
    hub.connect(ALICE.peerId, BOB.peerId);
    await speaker(hub, BOB)();
    hub.part(ALICE.peerId, BOB.peerId);
    await pass(alice, 2);
    expect(alice.view.peer(BOB.peerId)?.state).toBe('alive');
    hub.connect(ALICE.peerId, BOB.peerId);
    hub.cut(ALICE.peerId, BOB.peerId);
    expect(alice.view.peer(BOB.peerId)?.state).toBe('suspect');
  });
});

describe('a peer without a link', () => {
  interface Heard {
    readonly hub: Hub;
    readonly state: () => string | undefined;
    readonly alice: View;
    readonly bob: () => Promise<void>;
    readonly others: readonly ReturnType<typeof speaker>[];
  }

  /** Alice has heard bob and six others, each of whom is his neighbour, and has links to all. */
  async function linked(): Promise<Heard> {
    const hub = createHub();
    const alice = await aliceOf(hub);
    for (const { peerId } of [BOB, ...WITNESSES]) hub.connect(ALICE.peerId, peerId);
    const [bob, ...others] = [BOB, ...WITNESSES].map((identity) => speaker(hub, identity));
    if (bob === undefined) throw new Error('no bob');
    for (const say of [bob, ...others]) await say();
    const state = (): string | undefined => alice.view.peer(BOB.peerId)?.state;
    return { hub, state, alice, others, bob: passer(hub) };
  }

  /** The same without the link to bob, which nobody needed. */
  async function heard(): Promise<Heard> {
    const all = await linked();
    all.hub.part(ALICE.peerId, BOB.peerId);
    return all;
  }
  const accusation: Accusation = { peer: BOB.peerId, incarnation: 1, sequence: 1 };

  it('is suspect when more than a third of its neighbours say so, and dead soon after', async () => {
    const { state, alice, others } = await heard();
    for (const say of others.slice(0, 2)) await say([accusation]);
    await pass(alice, 1);
    expect(state()).toBe('alive');
    await others[2]?.([accusation]);
    expect(state()).toBe('suspect');
    await pass(alice, 3);
    expect(state()).toBe('dead');
  });

  it('that this node suspects itself is dead as soon as more than a third of its neighbours say so as well', async () => {
    for (const [accusers, state] of [
      [2, 'suspect'],
      [3, 'dead'],
    ] as const) {
      const { hub, alice, others, state: stateOf } = await linked();
      // Its own probes, which others vouch for, say nothing for longer.
      for (const { peerId } of WITNESSES) vouch(hub, peerId);
      hub.cut(ALICE.peerId, BOB.peerId);
      for (const say of others.slice(0, accusers)) await say([accusation]);
      await pass(alice, 2);
      expect(stateOf()).toBe(state);
    }
  });

  it('is suspect sooner when its neighbours say so as well, and not while its link is not silent', async () => {
    for (const [ticks, state] of [
      [true, 'alive'],
      [false, 'suspect'],
    ] as const) {
      const { alice, others, state: stateOf } = await linked();
      for (let tick = 0; tick < 6; tick += 1) {
        alice.network.events.emit('peer:sign', BOB.peerId);
        await pass(alice, 1);
      }
      await pass(alice, 1);
      expect(stateOf()).toBe('alive');
      if (ticks) alice.network.events.emit('peer:sign', BOB.peerId);
      for (const say of others.slice(0, 3)) await say([accusation]);
      expect(stateOf()).toBe(state);
    }
  });

  it('stays dead when its last words come late, by somebody to whom its accusers had listened too', async () => {
    const { state, alice, others, bob } = await heard();
    const later = { ...accusation, sequence: 2 };
    for (const say of others.slice(0, 3)) await say([later]);
    await pass(alice, 3);
    expect(state()).toBe('dead');
    await bob();
    expect(state()).toBe('dead');
    await bob();
    expect(state()).toBe('alive');
  });

  it('that others bring news of is probed all the same, and suspect again when nothing reaches it', async () => {
    const { hub, alice, bob, state } = await linked();
    hub.cut(ALICE.peerId, BOB.peerId);
    expect(state()).toBe('suspect');
    await bob();
    expect(state()).toBe('alive');
    await pass(alice, 2.5);
    expect(state()).toBe('suspect');
    await bob();
    await bob();
    expect(state()).toBe('alive');
    // Others hear from it again and again: it lives, whoever reaches it.
    await pass(alice, 4);
    expect(state()).toBe('alive');
  });

  it('is alive whatever a third of its neighbours says again and again', async () => {
    const { state, alice, others, bob } = await heard();
    for (let second = 0; second < 30; second += 1) {
      for (const say of others.slice(0, 2)) await say([accusation]);
      if (second % 5 === 0) for (const say of [bob, ...others.slice(2)]) await say();
      await pass(alice, 1);
      expect(state()).toBe('alive');
    }
  });

  /** Alice has no link to bob, and one to his only other neighbour, which says what `accused` gives each second. */
  async function besideALiar(
    bobSays: (alice: View) => () => number,
    accused: (sequence: number) => number,
  ): Promise<readonly (string | undefined)[]> {
    const hub = createHub();
    const alice = await aliceOf(hub);
    const [liar = BOB] = WITNESSES;
    hub.connect(ALICE.peerId, liar.peerId);
    const bob = passer(hub, bobSays(alice));
    const lie = speaker(hub, liar);
    await lie();
    const states: (string | undefined)[] = [];
    let sequence = 1;
    for (let second = 0; second < 60; second += 1) {
      if (second % 5 === 0) {
        await bob();
        sequence += 1;
      }
      if (second > 6) await lie([{ ...accusation, sequence: accused(sequence) }]);
      await pass(alice, 1);
      states.push(alice.view.peer(BOB.peerId)?.state);
    }
    return states;
  }

  it('is not kept suspect by its only other neighbour, which says to have heard what it has not said', async () => {
    for (const ahead of [1_000_000, 3]) {
      const states = await besideALiar(
        ({ clock }) =>
          () =>
            clock.now(),
        (sequence) => sequence + ahead,
      );
      expect(states.slice(0, 7)).toEqual(states.slice(0, 7).map(() => 'alive'));
      expect(states[8]).not.toBe('alive');
      expect(states.slice(15)).toEqual(states.slice(15).map(() => 'alive'));
    }
  });

  it('that has been accused wrongly three times in a minute is not accused by the same one for the rest of it', async () => {
    const states = await besideALiar(
      ({ clock }) =>
        () =>
          clock.now(),
      (sequence) => sequence,
    );
    expect(states[8]).not.toBe('alive');
    expect(states.slice(26)).toEqual(states.slice(26).map(() => 'alive'));
  });

  it('whose clock goes wrong by hours is believed as one whose clock is right', async () => {
    const states = await besideALiar(
      ({ clock }) =>
        () =>
          clock.now() - 7_200_000,
      (sequence) => sequence + 1000,
    );
    expect(states.slice(15)).toEqual(states.slice(15).map(() => 'alive'));
  });

  it('that one neighbour misses is looked for by the others, three times until it is heard again', async () => {
    const { hub, state, alice, others, bob } = await heard();
    // Two who lie say that they reach it: this node asks again.
    for (const { peerId } of WITNESSES) vouch(hub, peerId);
    let dials = 0;
    alice.network.dial = (peer) => {
      dials += Number(peer === BOB.peerId);
      return Promise.reject(new Error('gone'));
    };
    await others[0]?.([accusation]);
    expect(dials).toBe(0);
    await pass(alice, 7);
    expect([dials, state()]).toEqual([3, 'alive']);
    await bob();
    await others[0]?.([{ ...accusation, sequence: 9 }]);
    await pass(alice, 4);
    expect([dials, state()]).toEqual([6, 'alive']);
  });

  it('that is gone stays gone when its words come late, however many', async () => {
    const { alice, others, hub } = await heard();
    const began = alice.clock.now();
    const bob = passer(hub, () => began);
    await bob();
    const ahead = { ...accusation, sequence: 9 };
    for (const say of others.slice(0, 3)) await say([ahead]);
    for (let second = 0; second < 6; second += 1) {
      await pass(alice, 1);
      await bob();
    }
    expect(alice.view.peer(BOB.peerId)?.state).toBe('dead');
  });

  it('is alive as soon as it says anything itself, and when its neighbours accuse it no more', async () => {
    const { state, others, bob } = await heard();
    for (const say of others.slice(0, 3)) await say([accusation]);
    expect(state()).toBe('suspect');
    await bob();
    expect(state()).toBe('alive');
    // What was refuted counts no more.
    for (const say of others.slice(0, 5)) await say([accusation]);
    expect(state()).toBe('alive');
    const later = { ...accusation, sequence: 2 };
    for (const say of others.slice(0, 5)) await say([later]);
    expect(state()).toBe('suspect');
    for (const say of others.slice(0, 5)) await say();
    expect(state()).toBe('alive');
  });
});

it('whoever is suspect elsewhere says at once that it lives', async () => {
  const hub = createHub();
  const alice = await aliceOf(hub);
  const [witness = BOB] = WITNESSES;
  hub.connect(ALICE.peerId, witness.peerId);
  let heardBeats = 0;
  hub
    .network(witness.peerId)
    .topic('heartbeat')
    .subscribe(() => void (heardBeats += 1));
  await calm(3);
  const before = heardBeats;
  await speaker(hub, witness)([{ peer: ALICE.peerId, incarnation: 1, sequence: 1 }]);
  await pass(alice, 1);
  expect(heardBeats).toBe(before + 1);
});

describe('accusations', () => {
  it('need more than a third of the neighbours, and two where there are two', () => {
    expect([0, 1, 2, 3, 6, 9, 16].map(accusersNeeded)).toEqual([1, 1, 2, 2, 3, 4, 6]);
  });

  it('of those who are no neighbours count nothing, and go with whoever made them', () => {
    const accusations = createAccusations();
    const bob = BOB.peerId;
    const [a, b, c] = WITNESSES.map(({ peerId }) => peerId) as [PeerId, PeerId, PeerId];
    const neighbours = new Set([a, b, c]);
    const accusation = { peer: bob, incarnation: 1, sequence: 1 };
    for (const author of [ALICE.peerId, a]) accusations.heard(author, [accusation], 5);
    expect(accusations.of(bob, neighbours, 5)).toMatchObject({ accusers: 1, sinceMs: undefined });
    accusations.heard(b, [accusation], 6);
    expect(accusations.of(bob, neighbours, 6)).toEqual({ accusers: 2, sinceMs: 6, accusedMs: 5 });
    expect(accusations.of(bob, neighbours, 9).sinceMs).toBe(6);
    accusations.forget(b);
    expect(accusations.of(bob, neighbours, 9)).toMatchObject({ accusers: 1, sinceMs: undefined });
  });

  it('end sooner with more accusers, later in a larger mesh, and later where this node is slow', () => {
    expect(suspicionTimeoutMs(1, 10, 0)).toBe(4000);
    expect(suspicionTimeoutMs(3, 10, 0)).toBeCloseTo(1600);
    expect(suspicionTimeoutMs(16, 10, 0)).toBeCloseTo(1600);
    expect(suspicionTimeoutMs(3, 100, 0)).toBeCloseTo(3200);
    expect(suspicionTimeoutMs(1, 10, 2)).toBe(12_000);
    // What three others have seen is no slowness of this node's own.
    expect(suspicionTimeoutMs(3, 10, 2)).toBeCloseTo(1600 * (1 + 2 / 3));
  });
});

it('a node that is late itself is the less sure of others, up to nine times, and recovers', () => {
  const health = createLocalHealth();
  for (let look = 0; look < 20; look += 1) health.looked(800);
  expect(health.score).toBe(8);
  for (let look = 0; look < 16; look += 1) health.looked(20);
  expect(health.score).toBe(4);
  health.wasWrong();
  expect(health.score).toBe(5);
  // Whoever has lost most of its peers is not well, and no worse than it knew.
  health.lostMost();
  expect(health.score).toBe(5);
});

it('a node that has slept is the less sure the longer it slept, and so is one that loses most of its peers at once', () => {
  const scoreAfter = (lateMs: number): number => {
    const health = createLocalHealth();
    health.looked(lateMs);
    return health.score;
  };
  expect([400, 600, 2500, 9000, 60_000, 3_600_000].map(scoreAfter)).toEqual([0, 1, 2, 3, 4, 7]);
  const health = createLocalHealth();
  health.lostMost();
  expect(health.score).toBe(1);
});
