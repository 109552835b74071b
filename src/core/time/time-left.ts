/** What is left of times that are kept as dates. */
import type { Clock } from './clock.ts';

/** A clock that is set right by a little changes nothing; one that was set back ends the wait. */
const LONGER = 2;

/**
 * How long until `untilMs`, ms, of a wait that is `longestMs` at the most; 0 once it is over. Also 0 where more is left than any
 * such wait lasts: the clock was ahead when the date was made, and nobody is to wait for as long as it was.
 */
export function leftMs(clock: Pick<Clock, 'now'>, untilMs: number, longestMs: number): number {
  const left = untilMs - clock.now();
  return left > 0 && left <= LONGER * longestMs ? left : 0;
}

/**
 * How much of `lifeMs` from `fromMs` on is left at `nowMs`, of what a timer ends. All of it where nothing, or more, would be
 * left: the clock was set meanwhile, and the timer has not ended it.
 */
export function restMs(nowMs: number, fromMs: number, lifeMs: number): number {
  const left = fromMs + lifeMs - nowMs;
  return left > 0 && left <= lifeMs ? left : lifeMs;
}
