/**
 * The calls of the last hour, by ten seconds: how many ended how, and how long they took. Plain arrays of a fixed size
 * that begin anew as time goes on, by the clock of the calls themselves, so that nothing has to wake up for it.
 */
import type { Clock } from '../core/index.ts';
import type { CallOutcome } from '../gateway/index.ts';
import { CALL_OUTCOMES, SECONDS } from './names.ts';

/** What one place of the history stands for. Less = finer curves, and more memory. */
export const STEP_MS = 10_000;
/** Places: an hour of them, and the one that fills now. */
const PLACES = 361;
/** Steps that are told as one point of a curve: a minute. */
const STEPS_A_POINT = 6;
const POINTS = 60;
const CLASSES = SECONDS.length + 1;
const WIDTH = CALL_OUTCOMES.length + CLASSES;

/** One point of the curves, or what is now. */
export interface CallPoint {
  /** When it ends, ms since the epoch. */
  readonly at: number;
  readonly calls: number;
  /** Of these: ended with an error, or refused. */
  readonly failed: number;
  readonly refused: number;
  /** How long half, and 99 of 100, took at the most, ms: the upper end of a class of times. Absent without a call. */
  readonly p50Ms?: number;
  readonly p99Ms?: number;
}

/** The last hour. */
export interface RecentCalls {
  /** The whole ten seconds that were over last. */
  readonly now: CallPoint & { readonly perSecond: number };
  /** The oldest first: 60 minutes, of which the last is not over. */
  readonly minutes: readonly CallPoint[];
}

/** Keeps the last hour. */
export interface CallHistory {
  ended(outcome: CallOutcome, ms: number): void;
  recent(): RecentCalls;
}

/** Makes an empty history. */
export function createCallHistory(clock: Pick<Clock, 'now'>): CallHistory {
  return new Ring(clock);
}

class Ring implements CallHistory {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #counts = new Uint32Array(PLACES * WIDTH);
  /** The number of the step that each place was last used for. */
  readonly #steps = new Float64Array(PLACES);

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  ended(outcome: CallOutcome, ms: number): void {
    const step = Math.floor(this.#clock.now() / STEP_MS);
    const place = step % PLACES;
    const begin = place * WIDTH;
    if (this.#steps[place] !== step) {
      this.#steps[place] = step;
      this.#counts.fill(0, begin, begin + WIDTH);
    }
    const seconds = ms / 1000;
    let at = 0;
    while (at < CLASSES - 1 && seconds > (SECONDS[at] ?? 0)) at += 1;
    this.#add(begin + CALL_OUTCOMES.indexOf(outcome));
    this.#add(begin + CALL_OUTCOMES.length + at);
  }

  recent(): RecentCalls {
    const step = Math.floor(this.#clock.now() / STEP_MS);
    const last = this.#point(step - 1, step - 1);
    // Whole minutes, so that a point does not change once it is over.
    const end = Math.floor(step / STEPS_A_POINT) * STEPS_A_POINT + STEPS_A_POINT - 1;
    const minutes = Array.from({ length: POINTS }, (_, index) => {
      const to = end - (POINTS - 1 - index) * STEPS_A_POINT;
      return this.#point(to - STEPS_A_POINT + 1, to);
    });
    return { now: { ...last, perSecond: (last.calls * 1000) / STEP_MS }, minutes };
  }

  #add(place: number): void {
    this.#counts[place] = (this.#counts[place] ?? 0) + 1;
  }

  /** What the steps from one to another hold together. */
  #point(from: number, to: number): CallPoint {
    const sums = Array.from({ length: WIDTH }, () => 0);
    for (let step = from; step <= to; step += 1) {
      const place = ((step % PLACES) + PLACES) % PLACES;
      if (this.#steps[place] !== step) continue;
      for (let at = 0; at < WIDTH; at += 1) {
        sums[at] = (sums[at] ?? 0) + (this.#counts[place * WIDTH + at] ?? 0);
      }
    }
    const of = (outcome: CallOutcome): number => sums[CALL_OUTCOMES.indexOf(outcome)] ?? 0;
    const classes = sums.slice(CALL_OUTCOMES.length);
    const calls = classes.reduce((sum, one) => sum + one, 0);
    const facts = { at: (to + 1) * STEP_MS, calls, failed: of('failed'), refused: of('refused') };
    if (calls === 0) return facts;
    return {
      ...facts,
      p50Ms: boundOf(classes, calls * 0.5),
      p99Ms: boundOf(classes, calls * 0.99),
    };
  }
}

/** The upper end of the class in which the call is that stands at `rank`, ms; of the last one its lower end. */
function boundOf(classes: readonly number[], rank: number): number {
  let seen = 0;
  const place = classes.findIndex((many) => {
    seen += many;
    return seen >= rank;
  });
  return (SECONDS[Math.min(place, SECONDS.length - 1)] ?? 0) * 1000;
}
