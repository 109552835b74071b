/**
 * How often one owner may name another document: each name has every member hide what was shown, and fetch up to 1 MiB. An
 * honest node names five at once and one each five seconds; whoever names more is waited for, and the last name counts then.
 */
import { createBuckets } from '../../core/index.ts';
import type { Clock, PeerId } from '../../core/index.ts';

/** More = who changes its mind without end costs everybody more; it has to be more than a node names itself. */
const NAMED = { burst: 10, everyMs: 4000 } as const;

/** The pace of all owners. */
export interface NamePace {
  /** Notes that `owner` names `hash`, and gives 0; or how long until it may name another one, ms. The same name again is free. */
  take(owner: PeerId, hash: string): number;
  /** Who is no member any more is remembered no longer; its pace stays. */
  forget(owner: PeerId): void;
}

/** Nobody has named anything yet. */
export function createNamePace(clock: Clock): NamePace {
  const buckets = createBuckets(clock, NAMED);
  const last = new Map<PeerId, string>();
  return {
    take(owner, hash) {
      if (last.get(owner) === hash) return 0;
      if (!buckets.take(owner)) return buckets.waitMs(owner);
      last.set(owner, hash);
      return 0;
    },
    forget: (owner) => {
      last.delete(owner);
    },
  };
}
