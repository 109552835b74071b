/** A task of this node while the node runs: its row, and who waits for changes of it. */
import type { Did } from '../../core/index.ts';
import { nextRow } from './machine.ts';
import type { TaskEvent } from './machine.ts';
import type { TaskOrder, TaskRow } from '../types.ts';

/** See the file. */
export class LiveTask {
  #row: TaskRow;
  /** Ends what is under way for it: an attempt, a pause. */
  stopWork: (() => void) | undefined;
  cancelDeadline: (() => void) | undefined;
  /** Tells whoever has it what it has asked, once that is answered. */
  tellAnswer: (() => void) | undefined;
  /** The session that has given it, while the node runs. */
  session: string | undefined;
  /** Of a durable one: the node that gives it to agents. */
  owner: Did | undefined;
  /** False: another node does. */
  isHere = true;
  #waitsFor: string | undefined;
  /** Made for the first who wants to hear: of most tasks nobody does, and a node has thousands. */
  #wakers: Set<() => void> | undefined;
  readonly #changed: (task: LiveTask) => void;

  constructor(row: TaskRow, changed: (task: LiveTask) => void) {
    this.#row = row;
    this.#changed = changed;
  }

  get row(): TaskRow {
    return this.#row;
  }

  get order(): TaskOrder {
    return this.#row.order;
  }

  /** Called at each change. */
  get wakers(): Set<() => void> {
    this.#wakers ??= new Set();
    return this.#wakers;
  }

  /** Why nobody has it. */
  get waitsFor(): string | undefined {
    return this.#waitsFor;
  }

  /** Whoever watches the task hears of another reason. */
  set waitsFor(why: string | undefined) {
    if (why === this.#waitsFor) return;
    this.#waitsFor = why;
    if (why !== undefined) this.become({ ...this.#row, version: this.#row.version + 1 });
  }

  /** What the row would be; undefined where the event does not fit. */
  peek(event: TaskEvent): TaskRow | undefined {
    return nextRow(this.#row, event);
  }

  /** False where the event does not fit, and changes nothing. */
  apply(event: TaskEvent): boolean {
    const next = this.peek(event);
    if (next === undefined) return false;
    this.become(next);
    return true;
  }

  /** Takes a row that is on the disk. */
  become(row: TaskRow): void {
    this.#row = row;
    this.wake();
    this.#changed(this);
  }

  /** Tells whoever waits for a change. */
  wake(): void {
    for (const wake of this.#wakers ?? []) wake();
  }
}
