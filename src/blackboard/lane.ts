/** One lane of a board in memory: what of one writer's writes nothing has replaced, by their numbers. */
import type { Did, Json } from '../core/index.ts';
import { compareStamps } from './stamp.ts';
import { markOf } from './update.ts';
import type { LaneEntry } from './update.ts';

/** The newest write of a key that a replica knows. */
export interface Winner extends LaneEntry {
  readonly lane: Lane;
  readonly by: Did;
  /** Its part of the board's size. */
  readonly sizeBytes: number;
  /** Its end is over, and was told of. */
  hasEnded: boolean;
  /** It is in the sum of the digest. */
  isCounted: boolean;
}

/** One lane. */
export interface Lane {
  readonly did: Did;
  readonly epoch: number;
  readonly name: string;
  readonly mark: number;
  /** Up to this number everything was seen, or something that replaced it. */
  to: number;
  /** Writes that are not replaced, by number. */
  readonly live: Map<number, Winner>;
  /** False once a number came after a higher one. */
  isSorted: boolean;
  /** The highest number in `live`, ever. */
  highest: number;
}

/** An empty lane. */
export function createLane(did: Did, epoch: number): Lane {
  const name = laneName(did, epoch);
  const mark = markOf(did, epoch);
  return { did, epoch, name, mark, to: 0, live: new Map(), isSorted: true, highest: 0 };
}

/** What tells a lane from all others. */
export function laneName(did: Did, epoch: number): string {
  return `${did} ${epoch}`;
}

/** Puts a write into its lane. */
export function putInto(lane: Lane, winner: Winner): void {
  if (winner.number < lane.highest) lane.isSorted = false;
  else lane.highest = winner.number;
  lane.live.set(winner.number, winner);
}

/** The writes of a lane after `number` that are not replaced, in their order. */
export function* writesAfter(lane: Lane, number: number): Iterable<Winner> {
  if (lane.isSorted) {
    for (const winner of lane.live.values()) if (winner.number > number) yield winner;
    return;
  }
  const later = [...lane.live.values()].filter((winner) => winner.number > number);
  yield* later.sort((a, b) => a.number - b.number);
}

/**
 * Whether `a` wins over `b`, of one key: the later stamp, then the higher did. What follows is for writers
 * that give one stamp twice: the order is the same everywhere, whatever they do.
 */
export function winsOver(a: Winner, b: Winner): boolean {
  const order =
    compareStamps([a.ms, a.n], [b.ms, b.n]) ||
    compareTexts(a.by, b.by) ||
    compareTexts(a.lane.name, b.lane.name) ||
    a.number - b.number ||
    compareTexts(textOf(a.value), textOf(b.value)) ||
    a.until - b.until;
  return order > 0;
}

function textOf(value: Json | undefined): string {
  return JSON.stringify(value) ?? '';
}

function compareTexts(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
