/** Floods of gossip end at their first hop, and nobody uses up what another may send. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/core/index.ts';
import type { Clock, PeerId } from '../../../src/core/index.ts';
import { controlRpc, message, rpc } from '../../../sim/hostile/pubsub.ts';
import { GOSSIP_ALLOWANCES } from '../../../src/network/constants.ts';
import { createGossipAllowances } from '../../../src/network/gossip/gossip-allowances.ts';
import type { GossipAllowances } from '../../../src/network/gossip/gossip-allowances.ts';
import { topicPrefix } from '../../../src/network/index.ts';
import type { Misconduct } from '../../../src/network/index.ts';
import { createTestClock } from '../../core/test-clock.ts';
import type { TestClock } from '../../core/test-clock.ts';
import { MESH, makeIdentity, makeMembers, soon, stopAll, until } from '../support.ts';
import type { Member } from '../support.ts';

const SECOND = 1000;
const ALLOWANCE = { burst: 20, everyMs: 100 };
const [ALICE, BOB, MALLORY] = ['alice', 'bob', 'mallory'] as unknown as [PeerId, PeerId, PeerId];

describe('the allowance of an author', () => {
  let clock: TestClock;
  let allowances: GossipAllowances;
  let reported: [PeerId, Misconduct][];

  beforeEach(() => {
    clock = createTestClock();
    reported = [];
    const conduct = {
      report: (peer: PeerId, what: Misconduct) => void reported.push([peer, what]),
    };
    allowances = createGossipAllowances(
      { clock, conduct, topicAllowance: () => ALLOWANCE },
      GOSSIP_ALLOWANCES,
    );
  });

  const of = (author: PeerId, neighbour: PeerId, topic = 'board', sizeBytes = 100) => ({
    author,
    neighbour,
    topic,
    sizeBytes,
  });
  /** How many of `count` messages are heard. */
  function heard(count: number, message: ReturnType<typeof of>): number {
    let taken = 0;
    for (let at = 0; at < count; at += 1) {
      if (allowances.hasRoomFor(message) && allowances.take(message)) taken += 1;
    }
    return taken;
  }

  it('is a burst, and a steady rate after it', () => {
    expect(heard(1000, of(MALLORY, MALLORY))).toBe(ALLOWANCE.burst);
    clock.advance(SECOND);
    expect(heard(1000, of(MALLORY, MALLORY))).toBe(SECOND / ALLOWANCE.everyMs);
    expect(heard(1000, of(ALICE, MALLORY))).toBe(ALLOWANCE.burst);
  });

  it('is held against the author by its neighbours, and never against who passes it on', () => {
    heard(ALLOWANCE.burst + 5, of(ALICE, BOB));
    expect(reported).toEqual([]);
    heard(ALLOWANCE.burst + 5, of(MALLORY, MALLORY));
    expect(reported).toEqual(Array.from({ length: 5 }, () => [MALLORY, 'gossip']));
  });

  it('takes nothing for a message whose signature was not verified', () => {
    for (let count = 0; count < 10_000; count += 1) allowances.hasRoomFor(of(ALICE, MALLORY));
    expect(heard(1000, of(ALICE, ALICE))).toBe(ALLOWANCE.burst);
  });

  it('is not used up by who repeats old messages of the author', () => {
    expect(heard(1000, of(ALICE, MALLORY))).toBe(ALLOWANCE.burst);
    expect(heard(1000, of(ALICE, ALICE))).toBe(ALLOWANCE.burst);
  });

  it('is bounded however many neighbours the author floods at once', () => {
    let sum = 0;
    for (let at = 0; at < 50; at += 1) sum += heard(100, of(MALLORY, `peer ${at}` as PeerId));
    expect(sum).toBe(ALLOWANCE.burst * GOSSIP_ALLOWANCES.neighboursAtOnce);
  });

  it('has offers and wants apart, which are held against who sends them', () => {
    expect(allowances.control(MALLORY, GOSSIP_ALLOWANCES.neighbourControl.burst - 1)).toBe(0);
    expect(reported).toEqual([]);
    expect(allowances.control(MALLORY, 201)).toBeGreaterThan(SECOND / 2);
    expect(reported).toEqual([[MALLORY, 'gossip']]);
    expect(allowances.control(BOB, 100)).toBe(0);
  });

  it('is one for each topic, and one of bytes for all', () => {
    expect(heard(1000, of(MALLORY, MALLORY, 'board'))).toBe(ALLOWANCE.burst);
    expect(heard(1000, of(MALLORY, MALLORY, 'event'))).toBe(ALLOWANCE.burst);
    const big = of(ALICE, ALICE, 'board', GOSSIP_ALLOWANCES.authorBytes.burst);
    expect(heard(10, big)).toBe(1);
    expect(heard(10, of(ALICE, ALICE, 'event'))).toBe(0);
    clock.advance(10 * SECOND);
    expect(heard(10, of(ALICE, ALICE, 'event'))).toBe(10);
  });

  it('lets a neighbour wait, not lose anything, when it sends too much at once', () => {
    expect(allowances.handle(BOB, GOSSIP_ALLOWANCES.neighbourMessages.burst - 1)).toBe(0);
    expect(allowances.handle(BOB, 401)).toBeGreaterThan(0);
    expect(allowances.handle(ALICE, 1)).toBe(0);
    clock.advance(2 * SECOND);
    expect(allowances.handle(BOB, 1)).toBe(0);
    expect(allowances.read(BOB, 100 * 1024 * 1024)).toBeGreaterThan(10 * SECOND);
  });
});

describe('a flood', () => {
  afterEach(stopAll);

  /** A line: what mallory sends reaches carol only through alice. */
  async function line(clock: Clock = systemClock): Promise<[Member, Member, Member]> {
    const [alice, carol, mallory] = await makeMembers(['alice', 'carol', 'mallory'], {}, { clock });
    if (alice === undefined || carol === undefined || mallory === undefined)
      throw new Error('three');
    await carol.network.dial(alice.address(), soon());
    await mallory.network.dial(alice.address(), soon());
    return [alice, carol, mallory];
  }

  function hear(member: Member): Map<PeerId, number> {
    const counts = new Map<PeerId, number>();
    member.network
      .topic('board', ALLOWANCE)
      .subscribe((_, from) => void counts.set(from, (counts.get(from) ?? 0) + 1));
    return counts;
  }

  it('of a member ends at its neighbour: the others hear what is allowed, and only who sent it is told of', async () => {
    // Where no time passes nothing is allowed but the burst, however long a busy machine takes.
    const [alice, carol, mallory] = await line({ ...systemClock, now: () => 0 });
    const [atAlice, atCarol] = [hear(alice), hear(carol)];
    hear(mallory);
    const topic = mallory.network.topic('board', ALLOWANCE);
    await until(() => {
      // Many at once: a busy machine asks too seldom for one at a time to be a flood.
      for (let count = 0; count < ALLOWANCE.burst; count++)
        void topic.publish(new Uint8Array(100)).catch(() => undefined);
      return (alice.network.conduct(mallory.id)?.counts.gossip ?? 0) > 0;
    }, 'a word about mallory');
    await until(() => atCarol.size > 0, 'something at carol');
    expect(atAlice.get(mallory.id)).toBeLessThanOrEqual(ALLOWANCE.burst);
    expect(atCarol.get(mallory.id)).toBeLessThanOrEqual(atAlice.get(mallory.id) ?? 0);
    expect(carol.network.conduct(alice.id)).toBeUndefined();
    expect(alice.network.conduct(carol.id)).toBeUndefined();
    expect(carol.network.conduct(mallory.id)).toBeUndefined();
  });

  it('of offers, wants, grafts and prunes is held against its neighbour', async () => {
    const [alice, , mallory] = await line();
    hear(alice);
    const stream = await mallory.network.open(alice.id, '/meshsub/1.2.0', soon());
    stream.onEnd(() => undefined);
    const topics = ['board', 'event', 'heartbeat', 'made-up'].map(
      (name) => topicPrefix(MESH) + name,
    );
    const ids = Array.from({ length: 200 }, (_, at) => Buffer.from(`id ${at}`.padEnd(40)));
    for (let count = 0; count < 40; count += 1) stream.write(controlRpc({ topics, ids }));
    await until(() => alice.network.conduct(mallory.id) !== undefined, 'a word about mallory');
    expect(alice.network.conduct(mallory.id)?.counts).toHaveProperty('gossip');
  });

  it('in the name of another is ended with who sent it, and the other is heard as before', async () => {
    const [alice, carol, mallory] = await line();
    const atAlice = hear(alice);
    hear(carol);
    const author = (await makeIdentity('carol')).publicKey;
    const stream = await mallory.network.open(alice.id, '/meshsub/1.2.0', soon());
    for (let count = 0; count < 300; count += 1) {
      const data = new Uint8Array(100);
      const topic = `${topicPrefix(MESH)}board`;
      stream.write(rpc([message({ author, topic, data, seqno: BigInt(count) })]));
    }
    await until(() => alice.network.conduct(mallory.id)?.state === 'blocked', 'the end of it');
    expect(alice.network.conduct(mallory.id)?.counts.forgeries).toBeGreaterThan(100);
    expect(alice.network.isConnected(mallory.id)).toBe(false);
    expect(atAlice.size).toBe(0);
    await until(() => {
      void carol.network.topic('board', ALLOWANCE).publish(new Uint8Array(10));
      return (atAlice.get(carol.id) ?? 0) > 0;
    }, 'a message of carol');
    expect(alice.network.conduct(carol.id)).toBeUndefined();
    await expect(mallory.network.dial(alice.address(), soon())).rejects.toThrow();
    expect(alice.network.forgive(mallory.id)).toBe(true);
    await mallory.network.dial(alice.address(), soon());
  });
});
