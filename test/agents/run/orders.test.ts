/** By whose word an agent acts, and what it has read from: messages of now, and what it was reminded of. */
import { expect, it } from 'vitest';
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
): { orders: Orders; inHand: Map<AgentMessage, string> } {
  const inHand = new Map<AgentMessage, string>();
  const orders = new Orders(
    { callerOf: (link) => peer(link as Did), inHand: () => inHand },
    { name: 'coder', owner, tools: ['tool:files/*'], ownRights },
  );
  return { orders, inHand };
}

it('what it is reminded of counts with the messages of now, and not with the next one', () => {
  const { orders, inHand } = ordersOf('operator');
  const first = messageOf();
  inHand.set(first, ALICE);
  expect(orders.principal()).not.toHaveProperty('taint');
  orders.heard('external');
  orders.heard('trusted');
  expect(orders.principal()).toMatchObject({ taint: 'external' });
  inHand.delete(first);
  expect(orders.principal()).toMatchObject({ taint: 'external' });
  inHand.set(messageOf({ taint: 'trusted' }), ALICE);
  expect(orders.principal()).toMatchObject({ taint: 'trusted' });
});

it('an agent that a peer has spawned needs the rights of that peer, too, from its beginning on', () => {
  const { orders, inHand } = ordersOf(ALICE);
  expect(orders.principal()).toMatchObject({ worksFor: [{ did: ALICE }] });
  inHand.set(messageOf(), ALICE);
  const { worksFor } = orders.principal() as { worksFor: readonly Principal[] };
  expect(worksFor).toHaveLength(1);
  expect(ordersOf(ALICE, true).orders.principal()).not.toHaveProperty('worksFor');
  expect(ordersOf('client:cursor').orders.principal()).not.toHaveProperty('worksFor');
});
