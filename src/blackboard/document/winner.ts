/** The newest write of a key on a replica, and the order of writes, which is the same on all. */
import type { Did, Json } from '../../core/index.ts';
import type { Write } from '../lanes/lane-format.ts';
import { holds, structsOf, writeIn } from '../lanes/lane.ts';
import type { Lane } from '../lanes/lane.ts';
import { compareStamps } from '../lanes/stamp.ts';

/** The newest write of a key that a replica knows. */
export interface Winner extends Write {
  readonly lane: Lane;
  /** Of its item in the lane. */
  readonly clock: number;
  readonly by: Did;
  /** Its part of the board's size. */
  readonly sizeBytes: number;
  /** Its end is over, and was told of. */
  hasEnded: boolean;
  /** Whether it is in the sum of the digest, or will be. */
  counting: 'done' | 'later' | 'never';
}

/** Bytes that a write takes besides key and value, about. */
const WRITE_BYTES = 24;

/** A write of `lane`, as it is kept when it wins. */
export function createWinner(
  lane: Lane,
  found: { readonly write: Write; readonly clock: number },
  sizeBytes: number,
): Winner {
  const { key, ms, n, value, until, index, isAdopted, seen } = found.write;
  const by = found.write.by ?? lane.did;
  const { clock } = found;
  return {
    key,
    ms,
    n,
    value,
    until,
    index,
    isAdopted,
    seen,
    by,
    lane,
    clock,
    sizeBytes,
    hasEnded: false,
    counting: 'never',
  };
}

/** The part of a board's size that a write makes whose bytes in its lane are `writeBytes`. */
export function sizeOf(key: string, writeBytes: number): number {
  return key.length + writeBytes + WRITE_BYTES;
}

/** The newest write of a key among `lanes`, where the sizes of writes are known by what they are. */
export function newestAmong(
  lanes: Iterable<Lane>,
  key: string,
  sizeBytes: number,
): Winner | undefined {
  let newest: Winner | undefined;
  for (const lane of lanes) {
    const found = writeIn(lane, key);
    if (found === undefined) continue;
    const winner = createWinner(lane, found, sizeBytes);
    if (newest === undefined || compareWrites(winner, newest) > 0) newest = winner;
  }
  return newest;
}

/** Whether a lane of anybody but `did` holds a write of the key. */
export function isHeldByOthers(lanes: Iterable<Lane>, key: string, did: Did): boolean {
  for (const lane of lanes) if (lane.did !== did && holds(lane, key)) return true;
  return false;
}

/** Whether two writes are the same one, whoever carries it. */
export function isSameWrite(a: Winner, b: Winner): boolean {
  const isAlike = a.ms === b.ms && a.n === b.n && a.by === b.by && a.until === b.until;
  return isAlike && (a.value === b.value || textOf(a.value) === textOf(b.value));
}

/**
 * Above zero when `a` wins over `b`, of one key: the later stamp, then the higher did. What follows is for writers
 * that give one stamp twice: the order is the same everywhere, whatever they do.
 */
export function compareWrites(a: Winner, b: Winner): number {
  return (
    compareStamps([a.ms, a.n], [b.ms, b.n]) ||
    compareTexts(a.by, b.by) ||
    compareTexts(textOf(a.value), textOf(b.value)) ||
    a.until - b.until ||
    // Of one write, that in a lane of whoever wrote it.
    Number(isOwn(a)) - Number(isOwn(b)) ||
    compareTexts(a.lane.name, b.lane.name) ||
    a.clock - b.clock
  );
}

/** Whether a write stands in a lane of whoever wrote it. */
export function isOwn({ by, lane }: Winner): boolean {
  return by === lane.did;
}

/** What of a lane is dead: replaced in it, or beaten by what another lane holds. */
export function deadIn(lane: Lane): number {
  return Math.max(0, structsOf(lane).length - 1 - lane.winning);
}

/** Whether a write is a deletion, or has ended by `now`, ms since the epoch. */
export function isGoneAt({ value, until }: Write, now: number): boolean {
  return value === undefined || (until > 0 && until <= now);
}

/** When a write was made, or ends where that is later, ms since the epoch. */
export function endOf({ ms, until }: Write): number {
  return Math.max(ms, until);
}

function textOf(value: Json | undefined): string {
  return JSON.stringify(value) ?? '';
}

function compareTexts(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
