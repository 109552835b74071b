/**
 * What only the holder of one key can open: NaCl's box (X25519, XSalsa20-Poly1305) from a key that is made for the one
 * box, to the Montgomery form of the holder's Ed25519 key (RFC 7748 §4.1; the secret half as RFC 8032 §5.1.5 makes it).
 * A box says nothing of who made it.
 */
import { createHash } from 'node:crypto';
import nacl from 'tweetnacl';
import { StarlingError } from '../core/index.ts';
import type { Did } from '../core/index.ts';
import { publicKeyFromDid } from './did.ts';
import type { Identity } from './types.ts';

/** The field's prime, RFC 7748 §4.1. */
const PRIME = 2n ** 255n - 19n;
const { nonceLength, publicKeyLength } = nacl.box;

/** Opens what was closed for one key. @throws STARLING_USAGE for what is damaged, or closed for another key */
export type BoxOpener = (box: Uint8Array) => Uint8Array;

/** Closes `content` so that only the key of `did` opens it. @throws STARLING_ID_MALFORMED */
export function closeBox(did: Did, content: Uint8Array): Uint8Array {
  const pair = nacl.box.keyPair();
  const nonce = nacl.randomBytes(nonceLength);
  const receiver = montgomeryOf(publicKeyFromDid(did));
  return Buffer.concat([pair.publicKey, nonce, nacl.box(content, nonce, receiver, pair.secretKey)]);
}

/** Opens boxes for the key of `identity`. */
export function boxOpenerOf(identity: Pick<Identity, 'seed'>): BoxOpener {
  return (box) => {
    const secret = createHash('sha512').update(identity.seed).digest().subarray(0, 32);
    const sender = box.subarray(0, publicKeyLength);
    const nonce = box.subarray(publicKeyLength, publicKeyLength + nonceLength);
    const content =
      nonce.length === nonceLength
        ? nacl.box.open(box.subarray(publicKeyLength + nonceLength), nonce, sender, secret)
        : null;
    if (content === null) {
      throw new StarlingError('STARLING_USAGE', "this was not sealed for this node's key", {
        hint: 'the key of the node may be another one than its sender knew: send it again',
      });
    }
    return content;
  };
}

/** u = (1 + y) / (1 - y). */
function montgomeryOf(publicKey: Uint8Array): Uint8Array {
  const y = BigInt(`0x${Buffer.from(publicKey).reverse().toString('hex')}`) & (2n ** 255n - 1n);
  const u = ((1n + y) * power((PRIME + 1n - y) % PRIME, PRIME - 2n)) % PRIME;
  return Buffer.from(u.toString(16).padStart(64, '0'), 'hex').reverse();
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  let factor = base % PRIME;
  for (let left = exponent; left > 0n; left >>= 1n) {
    if ((left & 1n) === 1n) result = (result * factor) % PRIME;
    factor = (factor * factor) % PRIME;
  }
  return result;
}
