/**
 * How fast others may sign records that this node keeps: an allowance of each signer and kind. Each record costs everybody a
 * signature, a write to the disk and a place in the set. What is over the allowance is not lost: whoever has it offers
 * it again with the next sync. What ends a membership that is known here is taken however fast it comes.
 */
import { StarlingError, createBuckets } from '../../core/index.ts';
import type { BucketSize, Clock, Did } from '../../core/index.ts';
import type { RecordKind } from './record-quotas.ts';

/**
 * A newcomer takes all that an honest member has signed in a year at once; in the long run one signer costs a
 * hundredth of a core and a MiB of disk a minute.
 */
const RECORDS: BucketSize = { burst: 5000, everyMs: 50 };

/** Beyond so many of a signer it is looked at them with long rests, so that calls go on beside them. */
const BRISK: BucketSize = { burst: 200, everyMs: 50 };

/** What was signed so lately is no history that a newcomer takes. */
const LATELY_MS = 10 * 60_000;
/** How often such a record counts: 250 of these at once are told of, and 1,200 of a history. */
const LATELY_TIMES = 20;

/** The allowances of all signers. */
export interface RecordPace {
  /** Before a record is looked at. @throws STARLING_LIMIT_EXCEEDED while the signer is over its allowance */
  require(kind: RecordKind, signer: Did): void;
  /**
   * A record of that signer was verified, which says when it was signed (ms since the epoch); gives whether there were so
   * many lately that the next ones are in no hurry.
   */
  took(kind: RecordKind, signer: Did, signedAtMs: number): boolean;
}

/**
 * Makes the allowances, all full; `over` hears of each sound record by which a signer is over its own, or is
 * in no hurry any more, and how often it counts.
 */
export function createRecordPace(
  clock: Clock,
  over: (signer: Did, times: number) => void,
  size: BucketSize = RECORDS,
): RecordPace {
  const buckets = createBuckets(clock, size);
  const brisk = createBuckets(clock, BRISK);
  return {
    require(kind, signer) {
      if (buckets.waitMs(`${kind} ${signer}`) === 0) return;
      throw new StarlingError(
        'STARLING_LIMIT_EXCEEDED',
        `${signer} signs more records (${kind}) than are taken at once; this one is taken later`,
      );
    },
    took(kind, signer, signedAtMs) {
      const key = `${kind} ${signer}`;
      const isOver = buckets.charge(key, 1) > 0;
      const isHasty = brisk.charge(key, 1) > 0;
      const isOfLate = Math.abs(clock.now() - signedAtMs) < LATELY_MS;
      if (isOver || isHasty) over(signer, isOfLate ? LATELY_TIMES : 1);
      return isHasty;
    },
  };
}
