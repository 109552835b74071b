/** What a change of a strong key costs all its replicas together, in counts, which say the same on a busy machine. */
import { atMost } from '../bars.ts';
import type { Bar } from '../bars.ts';

/** Of one change, on average. */
export interface StrongCounts {
  /** Questions and answers, with whatever else nodes tell each other meanwhile. */
  readonly messages: number;
  /** Rows on all disks. */
  readonly rows: number;
}

/**
 * As many replicas are asked as make a majority: of n that is n - 1 messages, and a row more than half of n. All would be twice
 * as many messages, and n rows. Between these is room for what goes on meanwhile, which is more where a change takes longer.
 */
export function barsOfCounts(replicas: number, { messages, rows }: StrongCounts): readonly Bar[] {
  return [
    atMost(`strong cas, messages, ${replicas} replicas`, 1.5 * (replicas - 1), messages),
    atMost(`strong cas, rows on disks, ${replicas} replicas`, replicas / 2 + 1, rows),
  ];
}
