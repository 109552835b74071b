/**
 * PeerIds at the border between libp2p and the house. Only Ed25519 keys are peers here: the text of
 * their id holds the whole key.
 */
import type { Connection } from '@libp2p/interface';
import { StarlingError } from '../core/index.ts';
import type { PeerId } from '../core/index.ts';

/** base58btc of an identity multihash of an Ed25519 key in protobuf always begins so. */
const ED25519_PEER_ID = /^12D3KooW[1-9A-HJ-NP-Za-km-z]{44}$/;

/** Whether a text is the id of an Ed25519 key, by its form. */
export function isPeerId(text: string): text is PeerId {
  return ED25519_PEER_ID.test(text);
}

/** The house's form of a libp2p PeerId. @throws STARLING_ID_MALFORMED for other kinds of key */
export function peerIdOf(peer: { toString(): string }): PeerId {
  const text = peer.toString();
  if (isPeerId(text)) return text;
  throw new StarlingError('STARLING_ID_MALFORMED', `${text} is no PeerId of an Ed25519 key`);
}

/** Who is at the other end. The host lets no other keys through, so this does not throw. */
export function peerOf(connection: Connection): PeerId {
  return peerIdOf(connection.remotePeer);
}
