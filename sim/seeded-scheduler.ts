/**
 * A virtual clock whose tasks run in an order of a seed: what is due at the same moment comes in any order, and
 * nothing waits for real time. The same seed runs the same, so that what fails once fails again.
 */
import type { Clock } from '../src/index.ts';
import { createChance } from './scenario/random.ts';
import type { Chance } from './scenario/random.ts';

/** A clock for parts that take one, and the chance of the same seed. */
export interface SeededScheduler extends Clock {
  readonly chance: Chance;
  /** Runs all that is due in the next `ms`. */
  run(ms: number): void;
  /** What was done so far: a line for each task that {@link note} was called in. */
  readonly trace: readonly string[];
  /** Adds to the trace, with the time. */
  note(text: string): void;
}

interface Task {
  readonly dueMs: number;
  readonly order: number;
  readonly work: () => void;
}

/** Makes a scheduler that stands at `startMs`. */
export function createSeededScheduler(seed: number, startMs = 1_700_000_000_000): SeededScheduler {
  const chance = createChance(seed);
  const tasks = new Set<Task>();
  const trace: string[] = [];
  let nowMs = startMs;
  const next = (endMs: number): Task | undefined => {
    let first: Task | undefined;
    for (const task of tasks) {
      if (task.dueMs > endMs) continue;
      if (first === undefined || task.dueMs < first.dueMs) first = task;
      else if (task.dueMs === first.dueMs && task.order < first.order) first = task;
    }
    return first;
  };
  return {
    chance,
    trace,
    now: () => nowMs,
    schedule(delayMs, work) {
      const task = { dueMs: nowMs + Math.max(0, delayMs), order: chance.bits(), work };
      tasks.add(task);
      return () => void tasks.delete(task);
    },
    run(ms) {
      const endMs = nowMs + ms;
      for (let task = next(endMs); task !== undefined; task = next(endMs)) {
        tasks.delete(task);
        nowMs = task.dueMs;
        task.work();
      }
      nowMs = endMs;
    },
    note: (text) => void trace.push(`${nowMs - startMs} ${text}`),
  };
}
