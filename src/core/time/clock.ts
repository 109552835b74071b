/** Time as a component, so that tests and the simulator can own it. */

/** A source of time and of timers. */
export interface Clock {
  /** Whole milliseconds since the Unix epoch. */
  now(): number;
  /** Runs `task` once after `delayMs`; the returned function cancels it and may be called twice. */
  schedule(delayMs: number, task: () => void): () => void;
}

/** Longest delay of `setTimeout`, which runs a longer one at once (Node.js docs, Timers). */
const DELAY_MAX_MS = 2 ** 31 - 1;

/** The machine's own time. Its timers do not keep the process alive. */
export const systemClock: Clock = {
  now: () => Date.now(),
  schedule(delayMs, task) {
    let timer: NodeJS.Timeout | undefined;
    const arm = (leftMs: number): void => {
      const stepMs = Math.min(leftMs, DELAY_MAX_MS);
      timer = setTimeout(() => {
        if (leftMs > stepMs) arm(leftMs - stepMs);
        else task();
      }, stepMs);
      timer.unref();
    };
    arm(delayMs);
    return () => clearTimeout(timer);
  },
};

/** A source of randomness in [0, 1). */
export type Random = () => number;
