/** The tasks of a node while it runs: by their ids, and by the messages that they came as; and who watches all of them. */
import type { Clock } from '../../core/index.ts';
import { LiveTask } from './live-task.ts';
import { messageKey } from './orders.ts';
import type { TaskOrder, TaskRow } from '../types.ts';

/** How long changes of tasks are gathered for whoever watches all of them. */
const TELL_MS = 250;

/** See the file. */
export class TaskTable {
  readonly #clock: Clock;
  readonly #tasks = new Map<string, LiveTask>();
  /** Tasks by submitter and the id that their message gave, also those on their way to the disk. */
  readonly #byMessage = new Map<string, string>();
  /** Called at any change. */
  readonly #wakers = new Set<() => void>();
  #seq = 0;
  /** The latest time by which a task has its place. */
  #placed = 0;
  /** By how much the clock was set back behind that. */
  #behind = 0;
  #cancelTelling: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** In the order of their submission, or of when this node heard of them. */
  all(): IterableIterator<LiveTask> {
    return this.#tasks.values();
  }

  get(id: string): LiveTask | undefined {
    return this.#tasks.get(id);
  }

  /** The task that the message with this key has become. */
  byMessage(key: string): LiveTask | undefined {
    return this.#tasks.get(this.#byMessage.get(key) ?? '');
  }

  /** A message becomes the task `id`; false where it is becoming one already. */
  reserve(key: string, id: string): boolean {
    if (this.#byMessage.has(key)) return false;
    this.#byMessage.set(key, id);
    return true;
  }

  /** The message becomes no task. */
  release(key: string): void {
    this.#byMessage.delete(key);
  }

  /** The number of a new task; what was restored has lower ones. */
  nextSeq(): number {
    this.#seq += 1;
    return this.#seq;
  }

  /**
   * The time by which a new task has its place: that of the clock, and later where the clock was set back, so that those
   * from before do not wait until it has caught up.
   */
  placeAt(nowMs: number): number {
    this.#behind = Math.max(this.#behind, this.#placed - nowMs);
    this.#placed = nowMs + this.#behind;
    return this.#placed;
  }

  /** A task of this node from before a start keeps its place: what comes now comes later. */
  placed({ placedAt, submittedAt }: TaskOrder): void {
    this.#placed = Math.max(this.#placed, placedAt ?? submittedAt);
  }

  take(row: TaskRow): LiveTask {
    this.#seq = Math.max(this.#seq, row.order.seq);
    const task = new LiveTask(row, () => this.#changed());
    this.#tasks.set(row.order.id, task);
    this.#changed();
    return task;
  }

  forget({ order }: LiveTask): void {
    this.#tasks.delete(order.id);
    const key = messageKey(order);
    if (key !== undefined && this.#byMessage.get(key) === order.id) this.#byMessage.delete(key);
  }

  /** Calls `changed` after changes of any task; gives back what ends that. */
  watch(changed: () => void): () => void {
    this.#wakers.add(changed);
    return () => {
      this.#wakers.delete(changed);
    };
  }

  /** Whoever waits for a task is told, and all are forgotten. */
  clear(): void {
    this.#cancelTelling?.();
    this.#cancelTelling = undefined;
    for (const task of this.#tasks.values()) {
      task.cancelDeadline?.();
      task.wake();
    }
    this.#tasks.clear();
    this.#byMessage.clear();
  }

  /** Whoever watches all hears of many changes at once. */
  #changed(): void {
    if (this.#wakers.size === 0) return;
    this.#cancelTelling ??= this.#clock.schedule(TELL_MS, () => {
      this.#cancelTelling = undefined;
      for (const wake of this.#wakers) wake();
    });
  }
}
