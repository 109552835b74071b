/** A mesh's fingerprint: four words that two people can compare over the telephone. */
import { createHash } from 'node:crypto';
import type { MeshId } from '../core/index.ts';

const FIRST = ['b', 'd', 'f', 'g', 'h', 'j', 'k', 'l', 'm', 'n', 'p', 'r', 's', 't', 'v', 'z'];
const SECOND = ['a', 'e', 'i', 'u'];
const LAST = ['a', 'o'];
const WORDS = 4;
/** 16 · 4 · 16 · 2 = 2048 words. */
const BITS_PER_WORD = 11n;

/** The first 44 bits of SHA-256 of the mesh's did, as four two-syllable words. */
export function fingerprintOf(mesh: MeshId): string {
  const digest = createHash('sha256').update(mesh).digest('hex');
  let bits = BigInt(`0x${digest}`) >> (256n - BigInt(WORDS) * BITS_PER_WORD);
  const words: string[] = [];
  for (let index = 0; index < WORDS; index += 1) {
    words.unshift(wordOf(Number(bits & (2n ** BITS_PER_WORD - 1n))));
    bits >>= BITS_PER_WORD;
  }
  return words.join(' ');
}

function wordOf(value: number): string {
  const letters = [
    FIRST[value >> 7],
    SECOND[(value >> 5) & 3],
    FIRST[(value >> 1) & 15],
    LAST[value & 1],
  ];
  return letters.join('');
}
