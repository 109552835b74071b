/** The clock of one machine, which a test stops while that of all others goes on: a laptop that sleeps. */
import type { Clock } from '../../src/core/index.ts';

/** A clock that can be stopped. */
export interface MachineClock extends Clock {
  readonly isAsleep: boolean;
  /** Nothing that waits is called any more. */
  sleep(): void;
  /**
   * Time has gone on meanwhile. With `late` timers wait for as long as they had left when it fell asleep, as after a suspend;
   * else those that are over are called as soon as time passes, as after SIGSTOP.
   */
  wake(how: { readonly late: boolean }): void;
}

interface Timer {
  dueMs: number;
  readonly task: () => void;
  cancel: () => void;
}

/** Makes the clock of a machine, by that of all. */
export function createMachineClock(clock: Clock): MachineClock {
  const timers = new Set<Timer>();
  let asleepSince: number | undefined;
  const arm = (timer: Timer): void => {
    timer.cancel = clock.schedule(Math.max(0, timer.dueMs - clock.now()), () => {
      if (asleepSince !== undefined) return;
      timers.delete(timer);
      timer.task();
    });
  };
  return {
    now: () => clock.now(),
    schedule(delayMs, task) {
      const timer: Timer = { dueMs: clock.now() + delayMs, task, cancel: () => undefined };
      timers.add(timer);
      arm(timer);
      return () => {
        timers.delete(timer);
        timer.cancel();
      };
    },
    get isAsleep() {
      return asleepSince !== undefined;
    },
    sleep() {
      asleepSince ??= clock.now();
    },
    wake({ late }) {
      const sleptMs = clock.now() - (asleepSince ?? clock.now());
      asleepSince = undefined;
      for (const timer of [...timers].toSorted((one, other) => one.dueMs - other.dueMs)) {
        timer.cancel();
        if (late) timer.dueMs += sleptMs;
        arm(timer);
      }
    },
  };
}
