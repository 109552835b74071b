/**
 * What happened to tasks, as those have seen it who gave, did and read them, and whether it may have happened: each task
 * that was acknowledged has one result that counts, or one stated failure, for all who look and for ever. Pure.
 */
import type { Json } from '../src/index.ts';

/** One thing that somebody has seen. */
export type Seen =
  /** A submitter was told that the task is kept. */
  | { readonly t: 'acked'; readonly id: string }
  /** A worker was given it. */
  | { readonly t: 'began'; readonly id: string; readonly token: number }
  /** A worker has answered; each run of a task has another answer. */
  | { readonly t: 'answered'; readonly id: string; readonly token: number; readonly result: Json }
  /** A node has said how it has ended. */
  | {
      readonly t: 'ended';
      readonly id: string;
      readonly status: string;
      readonly result: Json;
    };

/** What the histories show. */
export interface Verdict {
  readonly acked: number;
  readonly done: number;
  /** Ended otherwise, and said so. */
  readonly failed: number;
  /** Runs of tasks that had been begun before: allowed, and the price of a worker or an owner that was lost. */
  readonly again: number;
  /** Acknowledged, and nobody says how it has ended. */
  readonly lost: readonly string[];
  /** Two ends. */
  readonly twice: readonly string[];
  /** A result counts that no worker has answered with, or that is of no attempt. */
  readonly unearned: readonly string[];
}

interface Task {
  isAcked: boolean;
  readonly ends: Set<string>;
  readonly answers: Set<string>;
  runs: number;
  isDone: boolean;
}

/** Reads the histories of all. */
export function judgeHistory(seen: Iterable<Seen>): Verdict {
  const tasks = new Map<string, Task>();
  const taskOf = (id: string): Task => {
    const known = tasks.get(id);
    if (known !== undefined) return known;
    const made: Task = {
      isAcked: false,
      ends: new Set(),
      answers: new Set(),
      runs: 0,
      isDone: false,
    };
    tasks.set(id, made);
    return made;
  };
  for (const one of seen) {
    const task = taskOf(one.id);
    if (one.t === 'acked') task.isAcked = true;
    if (one.t === 'began') task.runs += 1;
    if (one.t === 'answered') task.answers.add(JSON.stringify(one.result));
    if (one.t !== 'ended') continue;
    task.ends.add(JSON.stringify([one.status, one.result]));
    task.isDone ||= one.status === 'done';
  }
  const acked = [...tasks].filter(([, { isAcked }]) => isAcked);
  const named = (is: (task: Task) => boolean, among = [...tasks]): readonly string[] =>
    among.filter(([, task]) => is(task)).map(([id]) => id);
  return {
    acked: acked.length,
    done: named(({ isDone }) => isDone, acked).length,
    failed: named(({ isDone, ends }) => !isDone && ends.size > 0, acked).length,
    again: [...tasks.values()].reduce((sum, { runs }) => sum + Math.max(0, runs - 1), 0),
    lost: named(({ ends }) => ends.size === 0, acked),
    twice: named(({ ends }) => ends.size > 1),
    unearned: named(({ ends, answers }) => [...ends].some((end) => !isEarned(end, answers))),
  };
}

function isEarned(end: string, answers: ReadonlySet<string>): boolean {
  const [status, result] = JSON.parse(end) as [string, Json];
  return status !== 'done' || answers.has(JSON.stringify(result));
}
