/** The budgets of a node's tasks: what new ones may spend, what their agents do counts against, and when that is over. */
import type { Fund, Funds } from '../budget/index.ts';
import type { Principal } from '../guard/index.ts';
import type { LiveTask } from './life/live-task.ts';
import { hasEnded } from './life/machine.ts';
import { homeOf } from './life/submitters.ts';
import type { SubmitInit, TaskOrder, TaskRow } from './types.ts';
import type { Work } from './worker/work-types.ts';

/** A new task that has its place and is on its way to the disk. */
export interface Fresh {
  readonly order: TaskOrder;
  readonly key: string | undefined;
  readonly init: SubmitInit;
}

/** The same, or a task that there was before. */
export type Admitted = { readonly known: LiveTask } | Fresh;

/** The row of a new task, with what it may spend. */
export function rowOf(one: Fresh, fund: Fund | undefined): TaskRow {
  const order = fund === undefined ? one.order : { ...one.order, fund };
  return { order, state: 'submitted', token: 0, attempts: [], roundFrom: 0, version: 1 };
}

/** See the file. */
export class TaskFunds {
  readonly #funds: Pick<Funds, 'counts' | 'end' | 'of'> | undefined;
  readonly #work: Pick<Work, 'under'>;
  readonly #orderOf: (id: string) => TaskOrder | undefined;
  /** Ids of those under way that have budgets. */
  readonly #under = new Set<string>();

  /** Without `funds` tasks have no budgets. */
  constructor(
    funds: Pick<Funds, 'counts' | 'end' | 'of'> | undefined,
    work: Pick<Work, 'under'>,
    orderOf: (id: string) => TaskOrder | undefined,
  ) {
    this.#funds = funds;
    this.#work = work;
    this.#orderOf = orderOf;
  }

  /** What all tasks of one submission may spend together, of those that there were not before. @throws as funds do */
  async of(principal: Principal, admitted: readonly Admitted[]): Promise<Fund | undefined> {
    const first = admitted.find((one): one is Fresh => 'order' in one);
    if (first === undefined) return undefined;
    const { init, order } = first;
    return init.fund ?? this.#funds?.of(principal, init.budget, `task:${order.id}`);
  }

  /** An order as another node has written it, which names no budgets but its own. */
  read({ fund, ...order }: TaskOrder): TaskOrder {
    const by = homeOf(order.submitter);
    const budgets = (fund?.budgets ?? []).filter(
      (id) => by !== undefined && this.#funds?.counts(id, by) === true,
    );
    return budgets.length === 0 ? order : { ...order, fund: { ...fund, budgets } };
  }

  /** A task is under way, or has ended before. */
  begins(row: TaskRow): void {
    if (row.order.fund !== undefined && !hasEnded(row)) this.#under.add(row.order.id);
  }

  /** It has ended; what was not done may be tried again. */
  ended({ order, state }: TaskRow): void {
    this.#under.delete(order.id);
    if (state === 'done' || state === 'cancelled') this.#close(order);
  }

  /** Nobody can try it again. */
  forgotten(order: TaskOrder): void {
    this.#under.delete(order.id);
    this.#close(order);
  }

  /** Ids of the budgets of tasks that agents of `principal` have under way. */
  budgetsOf(principal: Principal): readonly string[] {
    if (this.#under.size === 0) return [];
    return this.#work.under(principal).flatMap((id) => this.#orderOf(id)?.fund?.budgets ?? []);
  }

  clear(): void {
    this.#under.clear();
  }

  /** What was to be spent for these tasks alone is closed when the last of them is over. */
  #close({ fund }: TaskOrder): void {
    if (fund?.own === undefined) return;
    const isNeeded = [...this.#under].some((id) => this.#orderOf(id)?.fund?.own === fund.own);
    if (!isNeeded) this.#funds?.end(fund);
  }
}
