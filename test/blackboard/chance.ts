/**
 * What of a world of boards is by chance or by the speed of the machine, made to follow from one number, so that a world
 * that fell can be seen again: the ids that lanes, grants and disks get, and after which piece of long work others have
 * the event loop. All else of such a world goes by its clock and by turns of the event loop alone.
 */
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';

/** Longer than a piece of work may hold the event loop, ms. */
const PAST_SLICE_MS = 9;
/** Of so many looks at the time one finds that a slice is over, about. */
const LOOKS = 10;

/** Pins all of it to `chance`; what is returned sets it free. */
export function pinChance(chance: number): () => void {
  let state = chance | 0;
  // Mulberry32 (Tommy Ettinger, public domain).
  const next = (below: number): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
  const { randomBytes, randomInt } = crypto;
  let nowMs = 0;
  const pinned = {
    randomInt: (below: number) => next(below),
    randomBytes: (count: number) => Buffer.from(Array.from({ length: count }, () => next(256))),
  };
  Object.assign(crypto, pinned);
  syncBuiltinESMExports();
  performance.now = () => {
    if (next(LOOKS) === 0) nowMs += PAST_SLICE_MS;
    return nowMs;
  };
  return () => {
    // That of its prototype is found again.
    Reflect.deleteProperty(performance, 'now');
    Object.assign(crypto, { randomBytes, randomInt });
    syncBuiltinESMExports();
  };
}
