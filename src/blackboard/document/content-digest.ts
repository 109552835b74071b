/**
 * The digest of a replica, kept along: a sum of hashes of the newest write of each key, and the clocks up to which
 * lanes were seen. A change costs nothing until somebody asks for the digest, so that a burst of overwrites
 * costs one hash a key.
 */
import { createHash, hash } from 'node:crypto';
import type { NamedPlace } from './lane-set.ts';
import type { Winner } from './winner.ts';

/** The digest of one replica. */
export interface ContentDigest {
  /** A write wins. */
  add(winner: Winner): void;
  /** A write does not win any more. */
  remove(winner: Winner): void;
  /** More was seen of some lane. */
  seenMore(): void;
  /** Text of fixed length; `places`: how far each lane was seen. */
  text(places: Iterable<NamedPlace>): string;
}

const WORDS = 4;
/** Higher: a burst of overwrites costs fewer hashes; lower: whoever asks for the digest waits less. */
const UNCOUNTED_MAX = 4096;
const DIGITS = 32;

/** Makes the digest of an empty replica. */
export function createContentDigest(): ContentDigest {
  /** The sum of hashes, in words of 32 bits that count by themselves: in whatever order, the sum is the same. */
  const sum = new Uint32Array(WORDS);
  /** What is to be counted, and maybe does not win any more by then. */
  let uncounted: Winner[] = [];
  let text: string | undefined;
  const count = (winner: Winner, sign: 1 | -1): void => {
    // As a text of one byte each: to make a buffer takes as long as the hash.
    const bytes = hash('sha256', wordsOf(winner), 'binary');
    for (let word = 0; word < WORDS; word += 1) {
      sum[word] = (sum[word] ?? 0) + sign * wordIn(bytes, word * 4);
    }
  };
  const countAll = (): void => {
    for (const winner of uncounted) {
      if (winner.counting !== 'later') continue;
      count(winner, 1);
      winner.counting = 'done';
    }
    uncounted = [];
  };
  return {
    add(winner) {
      winner.counting = 'later';
      uncounted.push(winner);
      text = undefined;
      if (uncounted.length < UNCOUNTED_MAX) return;
      // What was replaced meanwhile costs nothing.
      uncounted = uncounted.filter(({ counting }) => counting === 'later');
      if (uncounted.length > UNCOUNTED_MAX / 2) countAll();
    },
    remove(winner) {
      if (winner.counting === 'done') count(winner, -1);
      winner.counting = 'never';
      text = undefined;
    },
    seenMore() {
      text = undefined;
    },
    text(places) {
      countAll();
      text ??= textOf(sum, places);
      return text;
    },
  };
}

/** Four bytes from `at` on as a number, the lowest first. */
function wordIn(bytes: string, at: number): number {
  return (
    bytes.charCodeAt(at) +
    bytes.charCodeAt(at + 1) * 0x1_00 +
    bytes.charCodeAt(at + 2) * 0x1_00_00 +
    bytes.charCodeAt(at + 3) * 0x1_00_00_00
  );
}

/** Whoever carries a write: the same write has the same words. */
function wordsOf({ ms, n, by, key, value, until }: Winner): string {
  return `${ms} ${n} ${until} ${by} ${key.length} ${key} ${JSON.stringify(value)}`;
}

function textOf(sum: Uint32Array, places: Iterable<NamedPlace>): string {
  const seen: string[] = [];
  for (const { name, clock } of places) seen.push(`${name} ${clock}`);
  const made = createHash('sha256').update(sum).update(seen.toSorted().join('\n')).digest('hex');
  return made.slice(0, DIGITS);
}
