/** Who hears of somebody from ten neighbours gets one heartbeat of it, from one of them. */
import { afterEach, describe, expect, it } from 'vitest';
import type { PeerId } from '../../../src/core/index.ts';
import { createIdentity } from '../../../src/identity/index.ts';
import type { Identity } from '../../../src/identity/index.ts';
import { encodeHeartbeat } from '../../../src/membership/heartbeats/heartbeat-format.ts';
import {
  NOTICE_ENTRIES_MAX,
  decodeRosterMessage,
  decodeRosterNotice,
  encodeRosterNotice,
} from '../../../src/membership/roster/roster-messages.ts';
import type { RosterEntry } from '../../../src/membership/roster/roster-messages.ts';
import { createHub } from '../../blackboard/hub.ts';
import type { Hub } from '../../blackboard/hub.ts';
import { makeView, pass, settle } from '../views.ts';
import type { View } from '../views.ts';
import { ALICE, BOB, CAROL, DAVE, newsOf, presenceOf } from './members.ts';

/** Further neighbours. */
const OTHERS = [6, 7, 8, 9, 10].map((seed) => createIdentity(Buffer.alloc(32, seed)));
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** A neighbour whose frames a test writes and reads. */
interface ByHand {
  knows(...entries: RosterEntry[]): Promise<void>;
  /** Whom it was asked for, and of whom it was told. */
  readonly wanted: PeerId[];
  readonly told: PeerId[];
  readonly given: PeerId[];
  wants(peer: PeerId): Promise<void>;
  gives(of: Identity, incarnation: number): Promise<void>;
}

async function aliceAmong(...others: Identity[]): Promise<{
  hub: Hub;
  alice: View;
  neighbours: ByHand[];
}> {
  const hub = createHub();
  hub.passes = () => false;
  const alice = await makeView(hub, ALICE, 'alice');
  cleanups.push(() => alice.view.stop());
  const neighbours = others.map(({ peerId }): ByHand => {
    const network = hub.network(peerId);
    const [wanted, told, given]: PeerId[][] = [[], [], []];
    network.onFrame('met', (bytes) => {
      const notice = decodeRosterNotice(bytes);
      if (notice?.t === 'want') wanted?.push(...notice.peers);
      if (notice?.t === 'know') told?.push(...notice.entries.map(({ peer }) => peer));
    });
    network.onFrame('roster', (bytes) => {
      const message = decodeRosterMessage(bytes);
      if (message?.t === 'news') given?.push(...message.heartbeats.map(({ peer }) => peer));
    });
    const send = async (kind: string, bytes: Uint8Array): Promise<void> => {
      await network.sendFrame(ALICE.peerId, kind, bytes);
      await settle(alice);
    };
    hub.connect(ALICE.peerId, peerId);
    return {
      wanted: wanted ?? [],
      told: told ?? [],
      given: given ?? [],
      knows: (...entries) => send('met', encodeRosterNotice({ t: 'know', entries })),
      wants: (peer) => send('met', encodeRosterNotice({ t: 'want', peers: [peer] })),
      gives: (of, incarnation) => send('roster', newsOf(of.peerId, beatOf(of, incarnation))),
    };
  });
  await settle(alice);
  return { hub, alice, neighbours };
}

function beatOf(of: Identity, incarnation: number): Uint8Array {
  const presence = presenceOf('dave');
  return encodeHeartbeat({ incarnation, sequence: 1, status: 'up', records: '', presence }, of);
}

const dave = (incarnation: number): RosterEntry => ({ peer: DAVE.peerId, incarnation });

describe('who is told that somebody is known', () => {
  it('asks the first who says so, and nobody once that has come', async () => {
    const { alice, neighbours } = await aliceAmong(BOB, CAROL);
    const [bob, carol] = neighbours as [ByHand, ByHand];
    await bob.knows(dave(1));
    await carol.knows(dave(1));
    expect([bob.wanted, carol.wanted]).toEqual([[DAVE.peerId], []]);
    await bob.gives(DAVE, 1);
    expect(alice.view.peer(DAVE.peerId)?.state).toBe('alive');
    await pass(alice, 5);
    await carol.knows(dave(1));
    expect([bob.wanted, carol.wanted]).toEqual([[DAVE.peerId], []]);
  });

  it('asks the next one where the first does not answer, and who says a later one that is not there delays nobody', async () => {
    const { alice, neighbours } = await aliceAmong(BOB, CAROL);
    const [bob, carol] = neighbours as [ByHand, ByHand];
    await bob.knows(dave(1), dave(9_000_000));
    await carol.knows(dave(1));
    await pass(alice, 3);
    expect(carol.wanted).toEqual([DAVE.peerId]);
    await carol.gives(DAVE, 1);
    expect(alice.view.peer(DAVE.peerId)?.state).toBe('alive');
    // Asked for once each, and forgotten then.
    await pass(alice, 10);
    expect([bob.wanted.length, carol.wanted.length]).toEqual([2, 1]);
  });

  it('tells those who have not said that they know, and gives what they ask for', async () => {
    const { alice, neighbours } = await aliceAmong(BOB, CAROL);
    const [bob, carol] = neighbours as [ByHand, ByHand];
    await bob.gives(DAVE, 1);
    await pass(alice, 1);
    expect([bob.told, carol.told]).toEqual([[], [DAVE.peerId]]);
    expect(carol.given).toEqual([]);
    await carol.wants(DAVE.peerId);
    expect(carol.given).toEqual([DAVE.peerId]);
  });
});

it('tells four of its links of somebody new, whom the others hear of by those', async () => {
  const { alice, neighbours } = await aliceAmong(BOB, CAROL, ...OTHERS);
  const [bob, ...others] = neighbours as [ByHand, ...ByHand[]];
  await bob.gives(DAVE, 1);
  await pass(alice, 1);
  expect(bob.told).toEqual([]);
  expect(others.map(({ told }) => told.length).toSorted()).toEqual([0, 0, 1, 1, 1, 1]);
});

describe('neighbours that lie', () => {
  it('say that they know a newcomer and keep silent: the one who has it is asked after them', async () => {
    const { alice, neighbours } = await aliceAmong(BOB, CAROL, ...OTHERS);
    const liars = neighbours.slice(0, -1);
    const honest = neighbours.at(-1) as ByHand;
    for (const neighbour of neighbours) await neighbour.knows(dave(1));
    await pass(alice, 20);
    expect(liars.map(({ wanted }) => wanted)).toEqual(liars.map(() => [DAVE.peerId]));
    expect(honest.wanted).toEqual([DAVE.peerId]);
    await honest.gives(DAVE, 1);
    expect(alice.view.peer(DAVE.peerId)?.state).toBe('alive');
  });

  it('name thousands that are not there, and keep nobody from being asked for', async () => {
    const { hub, alice, neighbours } = await aliceAmong(BOB, CAROL);
    const [bob, carol] = neighbours as [ByHand, ByHand];
    const network = hub.network(BOB.peerId);
    for (let part = 0; part < 8; part += 1) {
      const entries = Array.from({ length: NOTICE_ENTRIES_MAX }, (_, at) =>
        dave(10_000_000 + part * NOTICE_ENTRIES_MAX + at),
      );
      const bytes = encodeRosterNotice({ t: 'know', entries });
      await network.sendFrame(ALICE.peerId, 'met', bytes);
    }
    await settle(alice);
    expect(bob.wanted).toHaveLength(1000);
    await carol.knows(dave(1));
    expect(carol.wanted).toEqual([DAVE.peerId]);
    await carol.gives(DAVE, 1);
    expect(alice.view.peer(DAVE.peerId)?.state).toBe('alive');
    // What came to nothing is forgotten, and makes room.
    await pass(alice, 3);
    await bob.knows(dave(99_000_000));
    expect(bob.wanted).toHaveLength(1001);
  });

  it('pass on a heartbeat that they have changed, or an old one in the place of a newer: nothing of it counts', async () => {
    const { hub, alice, neighbours } = await aliceAmong(BOB, CAROL);
    const [bob, carol] = neighbours as [ByHand, ByHand];
    await carol.gives(DAVE, 5);
    const network = hub.network(BOB.peerId);
    const forged = Buffer.from(beatOf(DAVE, 7));
    forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
    await network.sendFrame(ALICE.peerId, 'roster', newsOf(DAVE.peerId, forged));
    await settle(alice);
    expect(hub.reported.map(({ what }) => what)).toEqual(['malformed']);
    await bob.gives(DAVE, 4);
    expect(alice.view.peer(DAVE.peerId)?.startedAt).toBe(5);
  });
});

it('holds against its sender what is no notice, and one of too many', async () => {
  const { hub } = await aliceAmong(BOB);
  const network = hub.network(BOB.peerId);
  const many = Array.from({ length: NOTICE_ENTRIES_MAX + 1 }, () => dave(1));
  const texts = ['', 'a0', 'a16477616e7480', 'a16477616e748101', 'a1646b6e6f7780'];
  const all = [
    ...texts.map((hex) => Buffer.from(hex, 'hex')),
    encodeRosterNotice({ t: 'know', entries: many }),
  ];
  for (const bytes of all) {
    expect(decodeRosterNotice(bytes)).toBeUndefined();
    await network.sendFrame(ALICE.peerId, 'met', bytes);
  }
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  expect(hub.reported.filter(({ what }) => what === 'malformed')).toHaveLength(all.length);
});
