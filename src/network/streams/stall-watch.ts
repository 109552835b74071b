/**
 * Finds streams on which a peer lets us wait: of each that is watched is asked now and then how far it has come, and
 * one that has come no further for long, or takes too long as a whole, is told of. The timer runs only while something is
 * watched.
 */
import type { Clock } from '../../core/index.ts';

/** The limit, how one is seen to come further, and what happens to one that does not. */
export interface StallWatchInit<Watched> {
  readonly clock: Clock;
  /** How long one may stay where it is, ms; found out up to a quarter later. */
  readonly limitMs: number;
  /** How far it has come, a number that changes with each step; undefined while we do not wait for the peer. */
  readonly mark: (watched: Watched) => number | undefined;
  /** Whether there is nothing more to watch. */
  readonly isDone: (watched: Watched) => boolean;
  /** Whether one that comes on has taken too long all the same; absent: never. */
  readonly isOverdue?: (watched: Watched) => boolean;
  /** Hears once of one that has come no further, or is overdue. */
  readonly stalled: (watched: Watched, isOverdue: boolean) => void;
}

/** What is looked at now and then, whether it has come any further. */
export interface StallWatch<Watched> {
  /** Watches, until it is done or has stalled. Again changes nothing. */
  add(watched: Watched): void;
  remove(watched: Watched): void;
}

/** Looks in each `limitMs`. */
const LOOKS = 4;

interface Since {
  mark: number | undefined;
  atMs: number;
}

/** Makes a watch of nothing. */
export function createStallWatch<Watched>(init: StallWatchInit<Watched>): StallWatch<Watched> {
  const { clock, limitMs } = init;
  const watched = new Map<Watched, Since>();
  let cancelTimer: (() => void) | undefined;

  const look = (): void => {
    cancelTimer = undefined;
    const nowMs = clock.now();
    for (const [one, since] of Array.from(watched)) {
      if (init.isDone(one)) {
        watched.delete(one);
        continue;
      }
      const mark = init.mark(one);
      const isOverdue = init.isOverdue?.(one) === true;
      if (
        isOverdue ||
        (mark !== undefined && mark === since.mark && nowMs - since.atMs >= limitMs)
      ) {
        watched.delete(one);
        init.stalled(one, isOverdue);
      } else if (mark === undefined || mark !== since.mark) {
        watched.set(one, { mark, atMs: nowMs });
      }
    }
    lookLater();
  };
  const lookLater = (): void => {
    if (watched.size === 0 || cancelTimer !== undefined) return;
    cancelTimer = clock.schedule(limitMs / LOOKS, look);
  };
  return {
    add(one) {
      if (watched.has(one)) return;
      watched.set(one, { mark: init.mark(one), atMs: clock.now() });
      lookLater();
    },
    remove(one) {
      watched.delete(one);
      if (watched.size > 0) return;
      cancelTimer?.();
      cancelTimer = undefined;
    },
  };
}
