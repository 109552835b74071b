/** What each message of gossip weighs besides its data: its topic, its id where it is offered, and no key. */
import type { GossipSub, Message } from '@chainsafe/libp2p-gossipsub';
import { peerIdFromString } from '@libp2p/peer-id';
import { expect, it } from 'vitest';
import type { PeerId } from '../../src/core/index.ts';
import { sendWithoutKeys } from '../../src/network/gossip/gossip-guard.ts';
import { messageId, messageIdOf } from '../../src/network/gossip/message-id.ts';
import { topicPrefix } from '../../src/network/index.ts';
import { createIdentity, parseDid } from '../../src/identity/index.ts';

const ALICE = createIdentity(Buffer.alloc(32, 2)).peerId;
const BOB = createIdentity(Buffer.alloc(32, 3)).peerId;

function messageOf(peer: PeerId, sequenceNumber: bigint): Message {
  const from = peerIdFromString(peer);
  if (from.publicKey === undefined) throw new Error('no key');
  const data = new Uint8Array();
  const signature = new Uint8Array(64);
  return { type: 'signed', from, data, sequenceNumber, topic: 't', signature, key: from.publicKey };
}

it('is known by twenty bytes, which are those of its author and number', () => {
  const number = Buffer.from('0000000000000102', 'hex');
  const id = messageIdOf(messageOf(ALICE, 0x102n));
  expect(id).toHaveLength(20);
  expect(id).toEqual(messageId(peerIdFromString(ALICE).toMultihash().bytes, number));
  const others = [messageOf(ALICE, 0x103n), messageOf(BOB, 0x102n)].map((one) =>
    Buffer.from(messageIdOf(one)).toString('hex'),
  );
  expect(new Set([...others, Buffer.from(id).toString('hex')]).size).toBe(3);
});

it('is on a topic that names its mesh by a hash of it', () => {
  const mesh = parseDid('did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK');
  expect(topicPrefix(mesh)).toMatch(/^\/starling\/[0-9a-f]{16}\/$/);
  const other = parseDid('did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp');
  expect(topicPrefix(other)).not.toBe(topicPrefix(mesh));
});

it('goes out without the key that the id of its author has in itself', () => {
  const sent: unknown[] = [];
  const service = {
    sendRpcInBatch: (to: unknown, { messages }: { messages: readonly object[] }) =>
      sent.push([to, ...messages]),
  };
  sendWithoutKeys(service as unknown as GossipSub);
  service.sendRpcInBatch('all', { messages: [{ data: 1, key: 2 }, { data: 3 }] });
  expect(sent).toEqual([['all', { data: 1 }, { data: 3 }]]);
});
