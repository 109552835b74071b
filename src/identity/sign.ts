/**
 * Signing with tweetnacl, and strict verification (RFC 8032 §5.1.7 with the checks of
 * "Taming the many EdDSAs", Chalkias et al. 2020): one signature has one form, and a key is one key.
 */
import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import nacl from 'tweetnacl';
import { StarlingError } from '../core/index.ts';
import type { Did } from '../core/index.ts';
import { KEY_BYTES, didFromPublicKey, peerIdFromPublicKey, publicKeyFromDid } from './did.ts';
import type { Identity, Signer } from './types.ts';

const SIGNATURE_BYTES = 64;
/** What precedes a seed of Ed25519 in PKCS #8 (RFC 8410, section 7), as DER. */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');
const KEYS_CACHED_MAX = 4096;
/** Order of the base point, RFC 8032 §5.1. */
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
/** The field's prime, RFC 8032 §5.1. */
const PRIME = 2n ** 255n - 19n;

/**
 * y-coordinates of the points of small order: 0 (order 4), 1 (order 1), -1 (order 2), and the two
 * with d·y⁴ + 2y² - 1 = 0 (order 8).
 */
const SMALL_ORDER_Y: ReadonlySet<bigint> = new Set([
  0n,
  1n,
  PRIME - 1n,
  0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n,
  0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n,
]);

/** 32 fresh random bytes for a key. */
export function randomSeed(): Uint8Array {
  return nacl.randomBytes(KEY_BYTES);
}

/** Signs as the key of a 32-byte seed. */
export function signerFromSeed(seed: Uint8Array): Signer {
  return createIdentity(seed);
}

/**
 * An identity from a 32-byte seed; a fresh one, which tweetnacl makes, without. The public key of a seed is reckoned by the
 * system's library: the bytes are those of tweetnacl, which takes 4 to 8 ms for them, and a node opens several at each start.
 */
export function createIdentity(seed?: Uint8Array): Identity {
  if (seed === undefined) {
    const { publicKey, secretKey } = nacl.sign.keyPair();
    return identityOf(secretKey.slice(0, KEY_BYTES), publicKey, privateKeyOf(secretKey));
  }
  if (seed.length !== KEY_BYTES) throw new TypeError(`a seed has ${KEY_BYTES} bytes`);
  const privateKey = privateKeyOf(seed);
  const { x = '' } = createPublicKey(privateKey).export({ format: 'jwk' });
  return identityOf(seed, Uint8Array.from(Buffer.from(x, 'base64url')), privateKey);
}

/** `secret` begins with the seed. */
function privateKeyOf(secret: Uint8Array): KeyObject {
  const key = Buffer.concat([PKCS8, secret.subarray(0, KEY_BYTES)]);
  return createPrivateKey({ key, format: 'der', type: 'pkcs8' });
}

function identityOf(seed: Uint8Array, publicKey: Uint8Array, privateKey: KeyObject): Identity {
  const secretKey = Buffer.concat([seed, publicKey]);
  const identity = {
    did: didFromPublicKey(publicKey),
    peerId: peerIdFromPublicKey(publicKey),
    publicKey,
    seed: Uint8Array.from(seed),
    sign: (message: Uint8Array) => nacl.sign.detached(message, secretKey),
    signOften: (message: Uint8Array) => new Uint8Array(sign(null, message, privateKey)),
  };
  // Not enumerable, so that printing or logging an identity never shows its secret.
  return Object.defineProperty(identity, 'seed', { enumerable: false, writable: false });
}

/** Imported public keys, the one used least recently first. */
const keys = new Map<Did, KeyObject>();

/**
 * True when `signature` is the one canonical Ed25519 signature of `message` by `did`'s key. False,
 * never a throw, for anything malformed: S not below the order, a key or R that is not canonical or
 * of small order.
 */
export function verifySignature(did: Did, message: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== SIGNATURE_BYTES) return false;
  if (littleEndian(signature.subarray(KEY_BYTES)) >= ORDER) return false;
  if (!isSoundPoint(signature.subarray(0, KEY_BYTES))) return false;
  const key = keyOf(did);
  return key !== undefined && verify(null, message, key, signature);
}

function keyOf(did: Did): KeyObject | undefined {
  // Only sound keys are kept: whatever else somebody sends us as a did costs no memory.
  const key = keys.get(did) ?? importKey(did);
  if (key === undefined) return undefined;
  keys.delete(did);
  keys.set(did, key);
  if (keys.size > KEYS_CACHED_MAX) {
    const oldest = keys.keys().next();
    if (oldest.done !== true) keys.delete(oldest.value);
  }
  return key;
}

function importKey(did: Did): KeyObject | undefined {
  let publicKey: Uint8Array;
  try {
    publicKey = publicKeyFromDid(did);
  } catch (error) {
    // Whoever asks about a malformed key gets the answer that no signature is its own.
    if (error instanceof StarlingError) return undefined;
    throw error;
  }
  if (!isSoundPoint(publicKey)) return undefined;
  return createPublicKey({ key: jwkOf(publicKey), format: 'jwk' });
}

/** A public key as a JWK (RFC 8037 section 2), which node:crypto reads in a tenth of the time that DER takes it. */
function jwkOf(publicKey: Uint8Array): { kty: string; crv: string; x: string } {
  return { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(publicKey).toString('base64url') };
}

/** A point's encoding is canonical and the point is not of small order. */
function isSoundPoint(encoded: Uint8Array): boolean {
  const y = littleEndian(encoded) & (2n ** 255n - 1n);
  return y < PRIME && !SMALL_ORDER_Y.has(y);
}

function littleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
}
