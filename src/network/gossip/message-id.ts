/**
 * By what gossipsub knows a message: the last twelve bytes of its author's key and its number. Lists of these are what is
 * offered and wanted each second. Nobody finds a second key with the same twelve bytes, by which a message could pass
 * for one that is known already.
 */
import type { Message } from '@chainsafe/libp2p-gossipsub';

const KEY_BYTES = 12;
const NUMBER_BYTES = 8;

/** `author` is a PeerId's bytes, which end with its key; `number` has eight bytes. */
export function messageId(author: Uint8Array, number: Uint8Array): Uint8Array {
  return Buffer.concat([author.subarray(-KEY_BYTES), number]);
}

/** The same of a message that gossipsub has read. @throws where nobody has signed it: none of ours is so */
export function messageIdOf(message: Message): Uint8Array {
  if (message.type !== 'signed') throw new Error('a message of gossip that nobody has signed');
  const number = Buffer.alloc(NUMBER_BYTES);
  number.writeBigUInt64BE(message.sequenceNumber);
  return messageId(message.from.toMultihash().bytes, number);
}
