/**
 * What questions about strong boards cost whoever is asked, in questions that are answered from memory. Replicas ask each other
 * thousands a second, so that what one peer may ask is not counted in questions: a small one may want hundreds of readings of the disk.
 */
import type { Ask } from './format.ts';

/** Has who asks pay for what its question costs beside {@link costOf}; false when it has had its share for now. */
export type Spend = (cost: number) => boolean;

/** One reading of the disk. */
export const READING_COST = 8;
/** Keys of a board that are listed for as much as one question costs. */
export const LISTED_FOR_ONE = 4;
/** What is promised, accepted or erased, which is written to the disk. */
const WRITING_COST = 2;
/** Whole requests, and changes of the replicas, for which others are asked. */
const REQUEST_COST = 4;
/** Keys that are compared in memory for as much as one question costs. */
const COMPARED_FOR_ONE = 16;

/** What a question costs whatever is known here. */
export function costOf(ask: Ask): number {
  switch (ask.t) {
    case 'same':
      return 1 + ask.of.length / COMPARED_FOR_ONE;
    case 'look':
    case 'keys':
    case 'disk':
      return 1;
    case 'do':
    case 'adopt':
    case 'change':
      return REQUEST_COST;
    default:
      return WRITING_COST;
  }
}
