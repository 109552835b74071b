/**
 * The two ways in which an Ed25519 public key is written: did:key (W3C CCG did:key method) and
 * libp2p PeerId (libp2p peer-ids spec). Both hold the whole key, so each converts to the other.
 */
import { base58btc } from 'multiformats/bases/base58';
import { StarlingError } from '../core/index.ts';
import type { Did, PeerId } from '../core/index.ts';

/** Length of an Ed25519 public key, signature half or seed. */
export const KEY_BYTES = 32;

const DID_PREFIX = 'did:key:';
/** Multicodec `ed25519-pub` as an unsigned varint. */
const ED25519_CODEC = [0xed, 0x01] as const;
/** Identity multihash (0x00) of 36 bytes: protobuf { 1: KeyType Ed25519 (1), 2: 32 key bytes }. */
const PEER_ID_PREFIX = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20] as const;
/** What a message must not carry to a terminal or a log. */
const UNPRINTABLE = /[^\x20-\x7e]/g;
/** Conversions that are remembered, each way. */
const CONVERTED_MAX = 4096;
/** Longer than any identifier here, so that hostile input costs nothing. */
const TEXT_MAX = 128;

/** The did:key of a 32-byte public key. @throws STARLING_ID_MALFORMED for any other length */
export function didFromPublicKey(publicKey: Uint8Array): Did {
  return `${DID_PREFIX}${base58btc.encode(prefixed(ED25519_CODEC, publicKey))}` as Did;
}

/** The PeerId of a 32-byte public key. @throws STARLING_ID_MALFORMED for any other length */
export function peerIdFromPublicKey(publicKey: Uint8Array): PeerId {
  // Multibase writes base58btc with a leading `z`; PeerIds are written without it.
  return base58btc.encode(prefixed(PEER_ID_PREFIX, publicKey)).slice(1) as PeerId;
}

/** The 32 key bytes of a did:key. @throws STARLING_ID_MALFORMED */
export function publicKeyFromDid(did: string): Uint8Array {
  const key = did.startsWith(DID_PREFIX)
    ? decode(did.slice(DID_PREFIX.length), ED25519_CODEC)
    : undefined;
  if (key === undefined || didFromPublicKey(key) !== did) {
    throw malformed(did, 'a did:key of an Ed25519 key (did:key:z6Mk…)');
  }
  return key;
}

/** The 32 key bytes of a PeerId. @throws STARLING_ID_MALFORMED */
export function publicKeyFromPeerId(peerId: string): Uint8Array {
  const key = decode(`z${peerId}`, PEER_ID_PREFIX);
  if (key === undefined || peerIdFromPublicKey(key) !== peerId) {
    throw malformed(peerId, 'a PeerId of an Ed25519 key (12D3KooW…)');
  }
  return key;
}

/** Checks that `text` is a did:key in canonical form. @throws STARLING_ID_MALFORMED */
export const parseDid: (text: string) => Did = remembered((text: string) =>
  didFromPublicKey(publicKeyFromDid(text)),
);

/** Checks that `text` is a PeerId in canonical form. @throws STARLING_ID_MALFORMED */
export function parsePeerId(text: string): PeerId {
  return peerIdFromPublicKey(publicKeyFromPeerId(text));
}

/** The did:key of the same key. @throws STARLING_ID_MALFORMED */
export const didFromPeerId: (peerId: PeerId) => Did = remembered((peerId) =>
  didFromPublicKey(publicKeyFromPeerId(peerId)),
);

/** The PeerId of the same key. @throws STARLING_ID_MALFORMED */
export const peerIdFromDid: (did: Did) => PeerId = remembered((did) =>
  peerIdFromPublicKey(publicKeyFromDid(did)),
);

/** Each message of a peer asks for it, and base58 is division of long numbers: the last ones are remembered. */
function remembered<From extends string, To>(convert: (from: From) => To): (from: From) => To {
  const known = new Map<From, To>();
  return (from) => {
    const found = known.get(from);
    if (found !== undefined) return found;
    const made = convert(from);
    const [oldest] = known.size < CONVERTED_MAX ? [] : known.keys();
    if (oldest !== undefined) known.delete(oldest);
    known.set(from, made);
    return made;
  };
}

function prefixed(prefix: readonly number[], publicKey: Uint8Array): Uint8Array {
  if (publicKey.length !== KEY_BYTES) {
    throw new StarlingError(
      'STARLING_ID_MALFORMED',
      `a public key has ${KEY_BYTES} bytes, this one ${publicKey.length}`,
    );
  }
  return Uint8Array.of(...prefix, ...publicKey);
}

/** The key behind a fixed prefix in base58btc; undefined when the text is anything else. */
function decode(multibase: string, prefix: readonly number[]): Uint8Array | undefined {
  if (multibase.length > TEXT_MAX || !/^z[1-9A-HJ-NP-Za-km-z]+$/.test(multibase)) return undefined;
  const bytes = base58btc.decode(multibase);
  const fits =
    bytes.length === prefix.length + KEY_BYTES &&
    prefix.every((byte, index) => bytes[index] === byte);
  return fits ? bytes.slice(prefix.length) : undefined;
}

function malformed(text: string, expected: string): StarlingError {
  const start = text.slice(0, 80).replaceAll(UNPRINTABLE, '?');
  const shown = text.length > 80 ? `${start}…` : start;
  return new StarlingError('STARLING_ID_MALFORMED', `'${shown}' is not ${expected}`);
}
