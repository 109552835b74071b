/** The attempts that a worker's node has under way and remembers, the newest of each task: found and counted without a walk over all. */
import type { WorkAttempt } from './work-attempt.ts';

/** See the file. */
export class AttemptTable {
  readonly #all = new Map<string, WorkAttempt>();
  readonly #bySubmitter = new Map<string, number>();
  /** By agent, those that may be under way. */
  readonly #open = new Map<string, Set<WorkAttempt>>();

  get size(): number {
    return this.#all.size;
  }

  get(key: string): WorkAttempt | undefined {
    return this.#all.get(key);
  }

  /** The oldest first. */
  values(): IterableIterator<WorkAttempt> {
    return this.#all.values();
  }

  /** Takes the place of the one before of the same task, which is given back. */
  put(attempt: WorkAttempt): WorkAttempt | undefined {
    const before = this.#all.get(attempt.key);
    if (before !== undefined) this.remove(before);
    this.#all.set(attempt.key, attempt);
    this.#bySubmitter.set(attempt.submitter, this.countOf(attempt.submitter) + 1);
    const open = this.#open.get(attempt.agent) ?? new Set();
    this.#open.set(attempt.agent, open.add(attempt));
    return before;
  }

  /** A no-op for one that is not there any more. */
  remove(attempt: WorkAttempt): void {
    const { agent, key, submitter } = attempt;
    if (this.#all.get(key) !== attempt) return;
    this.#all.delete(key);
    const left = this.countOf(submitter) - 1;
    if (left > 0) this.#bySubmitter.set(submitter, left);
    else this.#bySubmitter.delete(submitter);
    const open = this.#open.get(agent);
    open?.delete(attempt);
    if (open?.size === 0) this.#open.delete(agent);
  }

  /** How many there are of one submitter. */
  countOf(submitter: string): number {
    return this.#bySubmitter.get(submitter) ?? 0;
  }

  /** How many an agent is at. */
  workingAt(agent: string): number {
    const open = this.#open.get(agent) ?? [];
    let count = 0;
    for (const one of open) {
      if (one.isWorking) count += 1;
      // What has ended never begins again.
      else if (one.isOver) this.#open.get(agent)?.delete(one);
    }
    return count;
  }

  clear(): void {
    this.#all.clear();
    this.#bySubmitter.clear();
    this.#open.clear();
  }
}
