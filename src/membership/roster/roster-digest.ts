/**
 * The digest of who is there: the sum, modulo 2^128, of the first half of SHA-256 over "PeerId incarnation" of each. A
 * change costs one hash whatever the number of peers, and two who know the same have the same digest, in whatever
 * order they heard of it. Nobody gains by a collision: each member chooses one term, its own incarnation.
 */
import { createHash } from 'node:crypto';
import type { PeerId } from '../../core/index.ts';

const DIGITS = 32;
const MODULUS = 2n ** 128n;

/** The digest, kept as peers come and go. */
export interface RosterDigest {
  /** `peer` is there in this incarnation, or, without one, is not there. False when that was so before. */
  set(peer: PeerId, incarnation: number | undefined): boolean;
  /** 32 hexadecimal digits. */
  text(): string;
}

/** Makes the digest of nobody. */
export function createRosterDigest(): RosterDigest {
  const terms = new Map<PeerId, { readonly incarnation: number; readonly term: bigint }>();
  let sum = 0n;
  return {
    set(peer, incarnation) {
      const before = terms.get(peer);
      if (before?.incarnation === incarnation) return false;
      sum -= before?.term ?? 0n;
      if (incarnation === undefined) terms.delete(peer);
      else {
        const term = termOf(peer, incarnation);
        terms.set(peer, { incarnation, term });
        sum += term;
      }
      sum = ((sum % MODULUS) + MODULUS) % MODULUS;
      return true;
    },
    text: () => sum.toString(16).padStart(DIGITS, '0'),
  };
}

function termOf(peer: PeerId, incarnation: number): bigint {
  const hash = createHash('sha256').update(`${peer} ${incarnation}`).digest('hex');
  return BigInt(`0x${hash.slice(0, DIGITS)}`);
}
