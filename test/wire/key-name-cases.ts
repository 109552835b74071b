/** The names of one key: as bytes, as a PeerId, as a DID. */
import {
  didFromPublicKey,
  peerIdFromPublicKey,
  publicKeyFromDid,
  publicKeyFromPeerId,
} from '../../src/identity/did.ts';
import { founder, text, utf8 } from './world.ts';
import type { WireCase } from './world.ts';

/** The cases of the names of a key, in their order. */
export const KEY_NAME_CASES: readonly WireCase[] = [
  {
    file: 'key',
    title: 'the key: 32 bytes',
    kind: 'hex',
    write: () => founder.publicKey,
    read: (bytes) => [peerIdFromPublicKey(bytes), didFromPublicKey(bytes)],
    value: [founder.peerId, founder.did],
  },
  {
    file: 'key',
    title: 'as a PeerId',
    kind: 'text',
    write: () => text(founder.peerId),
    read: (bytes) => publicKeyFromPeerId(utf8(bytes)),
    value: founder.publicKey,
  },
  {
    file: 'key',
    title: 'as a DID',
    kind: 'text',
    write: () => text(founder.did),
    read: (bytes) => publicKeyFromDid(utf8(bytes)),
    value: founder.publicKey,
  },
];
