/** Numbers that look like chance and are the same for the same seed. */
import { createHash } from 'node:crypto';

const NUMBER_BYTES = 4;

/** A seeded source of numbers in [0, 1): SHA-256 in counter mode. */
export function seededRandom(seed: number): () => number {
  let counter = 0;
  return () => {
    const digest = digestOf(seed, counter);
    counter += 1;
    return numberAt(digest, 0);
  };
}

/** As {@link seededRandom}, with other numbers and eight of them a digest: for who needs millions. */
export function seededNumbers(seed: number): () => number {
  let counter = 0;
  let digest = Buffer.alloc(0);
  let at = 0;
  return () => {
    if (at >= digest.length) {
      digest = digestOf(seed, counter);
      counter += 1;
      at = 0;
    }
    at += NUMBER_BYTES;
    return numberAt(digest, at - NUMBER_BYTES);
  };
}

function digestOf(seed: number, counter: number): Buffer<ArrayBuffer> {
  return Buffer.from(createHash('sha256').update(`${seed}:${counter}`).digest());
}

function numberAt(digest: Buffer, at: number): number {
  return digest.readUInt32BE(at) / 2 ** 32;
}
