/** A time that passes by a timer: a clock that is set meanwhile neither ends nor lengthens it. */
import type { Clock } from '../../core/index.ts';

/** See the file. */
export interface Countdown {
  readonly isOver: boolean;
  /** Aborted when the time is over. */
  readonly signal: AbortSignal;
  /** To be called when nobody waits any more. */
  stop(): void;
}

/** Begins one of `ms`. */
export function countdown(clock: Pick<Clock, 'schedule'>, ms: number): Countdown {
  const over = new AbortController();
  const stop = clock.schedule(ms, () => over.abort());
  return {
    get isOver() {
      return over.signal.aborted;
    },
    signal: over.signal,
    stop,
  };
}
