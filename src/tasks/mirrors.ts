/**
 * Durable tasks as this node sees them in the registers: those that another node owns are shown here, those that this node
 * takes over are gone on with, and what is under way for one that another node took ends.
 */
import type { Did } from '../core/index.ts';
import type { Endings } from './endings.ts';
import type { LiveTask } from './life/live-task.ts';
import { hasEnded } from './life/machine.ts';
import { messageKey } from './life/orders.ts';
import type { Places } from './life/places.ts';
import type { TaskTable } from './life/task-table.ts';
import type { TaskFunds } from './task-funds.ts';
import type { TaskRow } from './types.ts';

/** The tasks of the node, and what is done with those that it owns. */
export interface MirrorsComponents {
  readonly self: { readonly did: Did };
  readonly table: TaskTable;
  readonly places: Places;
  readonly funds: TaskFunds;
  /** Deadlines and ends. */
  readonly endings: Pick<Endings, 'keep' | 'keepDeadline' | 'letGo'>;
  /** From where it is to an agent. */
  begin(this: void, task: LiveTask): void;
  /** The task is to be given to nobody here. */
  drop(this: void, task: LiveTask): void;
}

/** See the file. */
export class Mirrors {
  readonly #components: MirrorsComponents;

  constructor(components: MirrorsComponents) {
    this.#components = components;
  }

  /** A task that another node owns; or that this one has owned, and has no more, or that has ended here. */
  shown(row: TaskRow, owner: Did): void {
    const { endings, self, table } = this.#components;
    const known = table.get(row.order.id);
    if (known?.isHere === true) this.#leave(known);
    const task = known ?? this.#mirror(row);
    task.owner = owner;
    this.#renew(task, row);
    if (owner !== self.did || !hasEnded(row)) return;
    task.isHere = true;
    endings.keep(task);
  }

  /** Goes on with a task that another node, or a former life of this one, has owned. */
  taken(row: TaskRow): void {
    const { begin, endings, places, self, table } = this.#components;
    const task = table.get(row.order.id) ?? this.#mirror(row);
    task.owner = self.did;
    task.isHere = true;
    this.#renew(task, row);
    if (hasEnded(task.row)) return endings.keep(task);
    places.take(task.order);
    endings.keepDeadline(task);
    begin(task);
  }

  /** Answers that were given here or at another node: the agent of the task is told what it did not know. */
  answered(id: string, answers: NonNullable<TaskRow['answers']>): void {
    const task = this.#components.table.get(id);
    if (task?.isHere !== true) return;
    const isNew = Object.entries(answers).filter(([key, answer]) =>
      task.apply({ type: 'answered', key, answer }),
    );
    if (isNew.length > 0) task.tellAnswer?.();
  }

  /** Its register was deleted. */
  gone(id: string): void {
    const { funds, table } = this.#components;
    const task = table.get(id);
    if (task === undefined) return;
    if (task.isHere) this.#leave(task);
    table.forget(task);
    funds.forgotten(task.order);
  }

  #mirror(row: TaskRow): LiveTask {
    const { funds, table } = this.#components;
    const order = { ...funds.read(row.order), seq: table.nextSeq() };
    const task = table.take({ ...row, order });
    funds.begins(task.row);
    task.isHere = false;
    const key = messageKey(order);
    if (key !== undefined) table.reserve(key, order.id);
    return task;
  }

  /** Takes what another node has written, as a change that can be seen here. */
  #renew(task: LiveTask, row: TaskRow): void {
    const version = Math.max(task.row.version + 1, row.version);
    const order = { ...this.#components.funds.read(row.order), seq: task.order.seq };
    task.become({ ...row, version, order });
  }

  /** It is with another node: what is under way here for it ends. */
  #leave(task: LiveTask): void {
    const { drop, endings, places } = this.#components;
    task.isHere = false;
    drop(task);
    task.cancelDeadline?.();
    if (hasEnded(task.row)) endings.letGo(task);
    else places.give(task.order);
  }
}
