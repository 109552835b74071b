/** Everybody knows everybody, without a link to each: heartbeats that carry their author's signature go on by hand. */
import { afterEach, expect, it } from 'vitest';
import type { PeerId } from '../../../src/core/index.ts';
import type { Identity } from '../../../src/identity/index.ts';
import {
  decodeHeartbeat,
  encodeHeartbeat,
} from '../../../src/membership/heartbeats/heartbeat-format.ts';
import { signedHeartbeat } from '../../../src/membership/heartbeats/heartbeat-signature.ts';
import {
  decodeRosterMessage,
  encodeRosterMessage,
  listsOf,
} from '../../../src/membership/roster/roster-messages.ts';
import { createHub } from '../../blackboard/hub.ts';
import type { Hub } from '../../blackboard/hub.ts';
import { makeView, pass, settle } from '../views.ts';
import type { View } from '../views.ts';
import { ALICE, BOB, CAROL, DAVE, newsOf, presenceOf } from './members.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function node(hub: Hub, identity: Identity, name: string): Promise<View> {
  const view = await makeView(hub, identity, name);
  cleanups.push(() => view.view.stop());
  return view;
}

const known = ({ view }: View): string[] =>
  view.peers().map(({ alias, state }) => `${alias} ${state}`);

it('is known by all at once who comes in by one of them, and knows all', async () => {
  const hub = createHub();
  const alice = await node(hub, ALICE, 'alice');
  const bob = await node(hub, BOB, 'bob');
  const carol = await node(hub, CAROL, 'carol');
  hub.connect(ALICE.peerId, BOB.peerId);
  hub.connect(BOB.peerId, CAROL.peerId);
  await settle(alice, bob, carol);
  expect(known(alice)).toEqual(['bob alive', 'carol alive']);
  expect(known(carol)).toEqual(['alice alive', 'bob alive']);
  // Dave comes in by carol, two steps from alice; gossip has no way yet.
  const dave = await node(hub, DAVE, 'dave');
  hub.passes = () => false;
  hub.connect(CAROL.peerId, DAVE.peerId);
  await settle(alice, bob, carol, dave);
  expect(known(alice)).toEqual(['bob alive', 'carol alive', 'dave alive']);
  expect(known(dave)).toEqual(['alice alive', 'bob alive', 'carol alive']);
  expect(alice.view.peer(DAVE.peerId)?.address).toBe('/ip4/192.0.2.1/tcp/4');
});

it('is told again by whomever its list lacks: what is told when a link opens may be lost with that link', async () => {
  const hub = createHub();
  const alice = await node(hub, ALICE, 'alice');
  const bob = await node(hub, BOB, 'bob');
  hub.passes = () => false;
  hub.losesFrame = (kind) => kind === 'heartbeat';
  hub.connect(ALICE.peerId, BOB.peerId);
  await settle(alice, bob);
  expect([...known(alice), ...known(bob)]).toEqual([]);
  hub.losesFrame = () => false;
  await pass(bob, 2);
  await pass(alice, 31);
  await settle(alice, bob);
  expect(known(alice)).toEqual(['bob alive']);
  expect(known(bob)).toEqual(['alice alive']);
});

it('takes nobody’s word for another: a heartbeat without its author’s signature is held against who passes it', async () => {
  const hub = createHub();
  const alice = await node(hub, ALICE, 'alice');
  hub.connect(ALICE.peerId, BOB.peerId);
  const beat = {
    incarnation: 1,
    sequence: 1,
    status: 'up' as const,
    records: '',
    presence: presenceOf('carol'),
  };
  const pass = async (bytes: Uint8Array): Promise<void> => {
    const message = newsOf(CAROL.peerId, bytes);
    await hub.network(BOB.peerId).sendFrame(ALICE.peerId, 'roster', message);
    await settle(alice);
  };
  await pass(encodeHeartbeat(beat, BOB));
  await pass(encodeHeartbeat(beat));
  expect(alice.view.peers()).toEqual([]);
  expect(hub.reported.map(({ peer, what }) => [peer, what])).toEqual([
    [BOB.peerId, 'malformed'],
    [BOB.peerId, 'malformed'],
  ]);
  await pass(encodeHeartbeat(beat, CAROL));
  expect(known(alice)).toEqual(['carol alive']);
});

it('passes on the last heartbeat that carries a signature, when later ones that say the same do not', async () => {
  const hub = createHub();
  const alice = await node(hub, ALICE, 'alice');
  hub.connect(ALICE.peerId, BOB.peerId);
  const topic = hub.network(BOB.peerId).topic('heartbeat');
  const presence = presenceOf('bob');
  const beat = { incarnation: 1, status: 'up' as const, records: 'same', presence };
  await topic.publish(encodeHeartbeat({ ...beat, sequence: 1 }, BOB));
  await topic.publish(encodeHeartbeat({ ...beat, sequence: 2 }));
  await settle(alice);
  const dave = await node(hub, DAVE, 'dave');
  hub.connect(ALICE.peerId, DAVE.peerId);
  await settle(alice, dave);
  expect(known(dave)).toEqual(['alice alive', 'bob alive']);
});

it('remembers who is told of before the record of the membership has come', async () => {
  const hub = createHub();
  const alice = await node(hub, ALICE, 'alice');
  alice.strangers.add(CAROL.peerId);
  const bob = await node(hub, BOB, 'bob');
  const carol = await node(hub, CAROL, 'carol');
  hub.connect(ALICE.peerId, BOB.peerId);
  hub.connect(BOB.peerId, CAROL.peerId);
  await settle(alice, bob, carol);
  expect(known(alice)).toEqual(['bob alive']);
  alice.strangers.delete(CAROL.peerId);
  alice.recordAdded();
  expect(known(alice)).toEqual(['bob alive', 'carol alive']);
});

it('signs what is for all, and not what is for one', () => {
  const beat = {
    incarnation: 5,
    sequence: 7,
    status: 'up' as const,
    records: 'r',
    called: 'bobby',
    seen: 3,
    presence: {
      name: 'alice',
      version: '1',
      addresses: ['/memory/a'],
      load: 1,
      catalog: 'c',
      boards: { b: 'd' },
    },
  };
  const signed = signedHeartbeat(encodeHeartbeat(beat, ALICE), ALICE.peerId);
  const { called: _, seen: __, ...forAll } = beat;
  expect(decodeHeartbeat(signed ?? new Uint8Array())).toEqual({ ...forAll, isSigned: true });
  expect(signedHeartbeat(signed ?? new Uint8Array(), ALICE.peerId)).toEqual(signed);
  expect(signedHeartbeat(encodeHeartbeat(beat, ALICE), BOB.peerId)).toBeUndefined();
  expect(signedHeartbeat(Buffer.from('a1', 'hex'), ALICE.peerId)).toBeUndefined();
});

it('says in parts that fit into a frame who of 2,000 is there, none left out and none twice', () => {
  const entries = Array.from({ length: 2000 }, (_, at) => ({
    peer: `12D3KooW${String(at).padStart(44, '0')}` as PeerId,
    incarnation: 1_700_000_000_000 + at,
  }));
  const lists = listsOf(entries);
  expect(lists.flatMap((list) => (list.t === 'list' ? list.entries : []))).toEqual(entries);
  for (const list of lists) expect(encodeRosterMessage(list).length).toBeLessThan(64 * 1024);
  const bounds = lists.map((list) => (list.t === 'list' ? [list.after, list.to] : []));
  expect(bounds.slice(1).map(([after]) => after)).toEqual(bounds.slice(0, -1).map(([, to]) => to));
  expect([bounds[0]?.[0], bounds.at(-1)?.[1]]).toEqual(['', '']);
});

it.each(['', 'a0', 'a1617463786c', 'a161746368617665'])(
  'refuses %s, which is no message',
  (hex) => {
    expect(decodeRosterMessage(Buffer.from(hex, 'hex'))).toBeUndefined();
  },
);
