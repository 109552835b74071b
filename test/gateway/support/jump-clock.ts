/** A clock that runs as the system's does, and that a test can move on. */
import { systemClock } from '../../../src/core/index.ts';
import type { Clock } from '../../../src/core/index.ts';

export interface JumpClock extends Clock {
  /** Moves time on, running what is due in order of its time, and letting what follows from it happen. */
  advance(ms: number): Promise<void>;
}

/** A clock that stands, while its timers run: however slow the machine is, no allowance grows. */
export function standingClock(): Clock {
  const now = Date.now();
  return { ...systemClock, now: () => now };
}

interface Timer {
  readonly dueMs: number;
  readonly run: () => void;
}

export function createJumpClock(): JumpClock {
  let aheadMs = 0;
  const timers = new Set<Timer>();
  // Timers may be due between two milliseconds; the time itself is in whole ones, as the system's is.
  const now = (): number => Math.floor(Date.now() + aheadMs);
  return {
    now,
    schedule(delayMs, task) {
      const stop = (): void => {
        clearTimeout(handle);
        timers.delete(timer);
      };
      const run = (): void => {
        stop();
        task();
      };
      const handle = setTimeout(run, Math.min(delayMs, 2 ** 31 - 1));
      const timer: Timer = { dueMs: now() + delayMs, run };
      timers.add(timer);
      return stop;
    },
    async advance(ms) {
      const untilMs = now() + ms;
      for (;;) {
        const [next] = [...timers].sort((a, b) => a.dueMs - b.dueMs);
        if (next === undefined || next.dueMs > untilMs) break;
        aheadMs += Math.max(0, next.dueMs - now());
        next.run();
        await new Promise((resolve) => setImmediate(resolve));
      }
      aheadMs += Math.max(0, untilMs - now());
    },
  };
}
