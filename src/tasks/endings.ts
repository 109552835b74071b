/** How tasks end, and how many that have ended are kept: those that ended longest ago go first. */
import { messageOf, unawaited } from '../core/index.ts';
import type { Clock, Logger } from '../core/index.ts';
import { ENDED_MAX, END_AGAIN_MS, RESULTS_BYTES_MAX } from './limits.ts';
import type { TaskRows } from './rows.ts';
import type { TaskFunds } from './task-funds.ts';
import { wrongState } from './life/task-errors.ts';
import type { LiveTask } from './life/live-task.ts';
import { lifeMsOf } from './life/orders.ts';
import { hasEnded } from './life/machine.ts';
import type { Places } from './life/places.ts';
import type { TaskTable } from './life/task-table.ts';

/** What hears of an end. */
export interface EndingsComponents {
  readonly table: TaskTable;
  readonly rows: Pick<TaskRows, 'drop' | 'put'>;
  readonly places: Places;
  readonly funds: TaskFunds;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The task is to be given to nobody any more. */
  drop(this: void, task: LiveTask): void;
  /** Tells all of an end. Never rejects. */
  tell(this: void, task: LiveTask): Promise<void>;
  /** False: the node is stopping. */
  isOn(this: void): boolean;
}

/** See the file. */
export class Endings {
  readonly #components: EndingsComponents;
  /** Ids of those that have ended, in the order of their ends. */
  readonly #ended = new Set<string>();
  /** What their results take on the disk. */
  #resultBytes = 0;

  constructor(components: EndingsComponents) {
    this.#components = components;
  }

  /** Has the task end as expired when its time is over. Where the end can't be written, it is tried again. */
  keepDeadline(task: LiveTask, leastMs = 0): void {
    const { clock, isOn, logger, table } = this.#components;
    // A clock that was set back gives no more time than there was.
    const leftMs = Math.min(lifeMsOf(task.order), task.order.expiresAt - clock.now());
    task.cancelDeadline?.();
    task.cancelDeadline = clock.schedule(Math.max(leastMs, leftMs), () => {
      this.end(task, 'expired').catch((error: unknown) => {
        logger.warn({ error: messageOf(error) }, 'a task could not be ended');
        const isOpen = isOn() && task.isHere && !hasEnded(task.row);
        if (isOpen && table.get(task.order.id) === task) this.keepDeadline(task, END_AGAIN_MS);
      });
    });
  }

  /** On the disk first: a task that has ended for somebody does not begin again. @throws STARLING_TASK_ENDED */
  async end(task: LiveTask, type: 'cancelled' | 'expired'): Promise<void> {
    const { clock, rows } = this.#components;
    const at = clock.now();
    const planned = task.peek({ type, at });
    if (planned === undefined) throw wrongState(task, 'only what has not ended can be ended');
    await rows.put(planned);
    // What has happened meanwhile counts: a result that came first stays.
    if (!task.apply({ type, at })) {
      await rows.put(task.row);
      throw wrongState(task, 'only what has not ended can be ended');
    }
    this.#components.drop(task);
    this.ended(task);
    // Something else may have been written after the end was.
    if (task.row.version !== planned.version) await rows.put(task.row);
  }

  /** A task has ended here, and that is on the disk. */
  ended(task: LiveTask): void {
    const { funds, logger, places, tell } = this.#components;
    task.cancelDeadline?.();
    places.give(task.order);
    unawaited(tell(task), logger, 'the end of a task was not told', { task: task.order.id });
    funds.ended(task.row);
    this.keep(task);
  }

  /** Keeps a task that has ended, and forgets others where those are too many. */
  keep(task: LiveTask): void {
    this.#ended.add(task.order.id);
    this.#resultBytes += task.row.resultBytes ?? 0;
    for (const first of this.#ended) {
      if (this.#ended.size <= ENDED_MAX && this.#resultBytes <= RESULTS_BYTES_MAX) return;
      const oldest = this.#components.table.get(first);
      this.#ended.delete(first);
      this.#resultBytes -= oldest?.row.resultBytes ?? 0;
      this.#forget(first, oldest);
    }
  }

  /** It has not ended any more, or is another node's to forget; false where its end was not kept here. */
  letGo({ order, row }: LiveTask): boolean {
    if (!this.#ended.delete(order.id)) return false;
    this.#resultBytes -= row.resultBytes ?? 0;
    return true;
  }

  clear(): void {
    this.#ended.clear();
    this.#resultBytes = 0;
  }

  #forget(id: string, task: LiveTask | undefined): void {
    const { funds, logger, rows, table } = this.#components;
    if (task !== undefined) {
      table.forget(task);
      funds.forgotten(task.order);
    }
    rows.drop(id).catch((error: unknown) => {
      // It is there again after a start, and goes then.
      logger.warn({ error: messageOf(error) }, 'a task was not forgotten');
    });
  }
}
