/** Which tasks of a lane go to an agent along with another one. Pure. */
import { AWARDED_BYTES_MAX } from '../limits.ts';
import type { TaskRow } from '../types.ts';

/** A task that waits, with its row. */
export interface WaitingTask {
  readonly row: Pick<TaskRow, 'attempts' | 'order' | 'state'>;
}

/**
 * The first `room` of those that wait that nobody has failed with, and whose attempts cost nothing; together no longer
 * than one message to a peer may well be.
 */
export function matesIn<T extends WaitingTask>(waiting: readonly T[], room: number): readonly T[] {
  const mates: T[] = [];
  let bytes = 0;
  for (const one of waiting) {
    if (mates.length >= room) break;
    const { attempts, order, state } = one.row;
    if (order.fund !== undefined || attempts.length > 0 || state !== 'bidding') continue;
    bytes += order.inputBytes;
    if (bytes > AWARDED_BYTES_MAX) break;
    mates.push(one);
  }
  return mates;
}
