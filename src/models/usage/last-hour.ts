/** A sum over the last 60 minutes, in a fixed number of places that begin anew as time goes on: nothing wakes up for it. */
import type { Clock } from '../../core/index.ts';

const MINUTE_MS = 60_000;
const MINUTES = 60;

/** Adds up what was added in the last 60 minutes, by the minute. */
export interface LastHour {
  add(value: number): void;
  sum(): number;
}

/** Makes an empty sum. */
export function createLastHour(clock: Pick<Clock, 'now'>): LastHour {
  const values = new Float64Array(MINUTES);
  /** The minute that each place was last used for, counted from the epoch. */
  const used = new Float64Array(MINUTES);
  const minuteNow = (): number => Math.floor(clock.now() / MINUTE_MS);
  return {
    add(value) {
      const minute = minuteNow();
      const place = minute % MINUTES;
      if (used[place] !== minute) values[place] = 0;
      used[place] = minute;
      values[place] = (values[place] ?? 0) + value;
    },
    sum() {
      const oldest = minuteNow() - MINUTES;
      return values.reduce(
        (sum, value, place) => ((used[place] ?? 0) > oldest ? sum + value : sum),
        0,
      );
    },
  };
}
