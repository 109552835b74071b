/** By whose word an agent acts, and what it has read from: messages of now, and what it was reminded of. */
import { expect, it } from 'vitest';
import { MessagesUnderWay } from '../../../src/agents/inbox/messages-under-way.ts';
import { Orders } from '../../../src/agents/run/orders.ts';
import type { AgentMessage } from '../../../src/agents/types.ts';
import type { Did, PeerId } from '../../../src/core/index.ts';
import type { Principal } from '../../../src/guard/index.ts';

const ALICE = 'did:key:z6MkAliceAliceAliceAliceAlice' as Did;
const peer = (did: Did): Principal => ({
  kind: 'peer',
  did,
  peerId: 'p' as PeerId,
  alias: 'alice',
});
const messageOf = (metadata = {}): AgentMessage => ({ metadata }) as unknown as AgentMessage;

function ordersOf(
  owner: string,
  ownRights = false,
): { orders: Orders; underWay: MessagesUnderWay } {
  const underWay = new MessagesUnderWay();
  const orders = new Orders(
    { callerOf: (link) => peer(link as Did), underWay: () => underWay },
    { name: 'coder', owner, tools: ['tool:files/*'], ownRights },
  );
  return { orders, underWay };
}

it('what it is reminded of counts with the messages of now, and not with the next one', () => {
  const { orders, underWay } = ordersOf('operator');
  const first = underWay.add(messageOf(), ALICE);
  expect(orders.principal()).not.toHaveProperty('taint');
  orders.heard('external');
  orders.heard('trusted');
  expect(orders.principal()).toMatchObject({ taint: 'external' });
  underWay.delete(first);
  expect(orders.principal()).toMatchObject({ taint: 'external' });
  underWay.add(messageOf({ taint: 'trusted' }), ALICE);
  expect(orders.principal()).toMatchObject({ taint: 'trusted' });
});

it('an agent that a peer has spawned needs the rights of that peer, too, from its beginning on', () => {
  const { orders, underWay } = ordersOf(ALICE);
  expect(orders.principal()).toMatchObject({ worksFor: [{ did: ALICE }] });
  underWay.add(messageOf(), ALICE);
  const { worksFor } = orders.principal() as { worksFor: readonly Principal[] };
  expect(worksFor).toHaveLength(1);
  expect(ordersOf(ALICE, true).orders.principal()).not.toHaveProperty('worksFor');
  expect(ordersOf('client:cursor').orders.principal()).not.toHaveProperty('worksFor');
});

it('by whose word it acts, and what it may be made of, is that of all in hand at each moment', () => {
  const { orders, underWay } = ordersOf('operator');
  const BOB = 'did:key:z6MkBobBobBobBobBobBob' as Did;
  const whose = (): readonly unknown[] =>
    orders.senders().map((one) => (one.kind === 'peer' ? one.did : one.kind));
  const first = underWay.add(messageOf(), ALICE);
  const second = underWay.add(messageOf(), ALICE);
  expect(whose()).toEqual([ALICE]);
  const led = underWay.add(messageOf({ hops: 3, taint: 'external' }), BOB);
  expect(whose()).toEqual([ALICE, BOB]);
  expect(orders.principal()).toMatchObject({ hops: 4, taint: 'external' });
  underWay.delete(first);
  expect(whose()).toEqual([ALICE, BOB]);
  underWay.delete(led);
  expect(whose()).toEqual([ALICE]);
  expect(orders.principal()).toMatchObject({ hops: 1 });
  expect(orders.principal()).not.toHaveProperty('taint');
  underWay.add(messageOf({ taint: 'external' }), ALICE);
  expect(orders.taint).toBe('external');
  // What it says after the last of them left, it says by the word of those.
  underWay.delete(second);
  expect(whose()).toEqual([ALICE]);
  expect(underWay.size).toBe(1);
});
