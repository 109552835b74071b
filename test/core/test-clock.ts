/** A clock that stands still until a test moves it. */
import type { Clock } from '../../src/core/index.ts';

export interface TestClock extends Clock {
  /** Moves time on, running what is due in order of its time. */
  advance(ms: number): void;
  /** What a machine that sleeps finds when it wakes: time has gone on, and each timer waits as long as before. */
  sleep(ms: number): void;
  /** Timers that wait. */
  waiting(): number;
}

export function createTestClock(startMs = 1_700_000_000_000): TestClock {
  let nowMs = startMs;
  const timers = new Set<{ dueMs: number; readonly task: () => void }>();
  return {
    // A timer may be due between two milliseconds; the time itself is in whole ones, as that of the system.
    now: () => Math.floor(nowMs),
    schedule(delayMs, task) {
      const timer = { dueMs: nowMs + delayMs, task };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    advance(ms) {
      const endMs = nowMs + ms;
      for (;;) {
        const [next] = [...timers]
          .filter((timer) => timer.dueMs <= endMs)
          .sort((a, b) => a.dueMs - b.dueMs);
        if (next === undefined) break;
        timers.delete(next);
        nowMs = next.dueMs;
        next.task();
      }
      nowMs = endMs;
    },
    sleep(ms) {
      nowMs += ms;
      for (const timer of timers) timer.dueMs += ms;
    },
    waiting: () => timers.size,
  };
}
