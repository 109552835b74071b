/**
 * Tasks of a node: work that somebody here has submitted, which an agent here or at a peer does, and which ends once. A
 * task belongs to the node where it was submitted; it is on the disk there before its submitter is told so.
 */
import type { Fund, Funds } from '../budget/index.ts';
import { StarlingError } from '../core/index.ts';
import type { Clock, Did, Logger, Random, Startable } from '../core/index.ts';
import { waitUntil } from '../agents/index.ts';
import type { Agents } from '../agents/index.ts';
import { worstTaint } from '../guard/index.ts';
import type { Principal, Zone } from '../guard/index.ts';
import type { Signer } from '../identity/index.ts';
import type { Table } from '../store/index.ts';
import type { Blackboard } from '../blackboard/index.ts';
import { createAwards } from './awards/awards.ts';
import type { Awards, AwardsComponents } from './awards/awards.ts';
import { createPeerZones } from './awards/peer-zones.ts';
import { countdown } from './life/countdown.ts';
import type { Countdown } from './life/countdown.ts';
import { createDurable } from './durable/durable.ts';
import type { Durable, DurableComponents } from './durable/durable.ts';
import { Mirrors } from './mirrors.ts';
import { notOwned, underWay, unknownTask, wrongState } from './life/task-errors.ts';
import { LIST_MAX } from './limits.ts';
import { Endings } from './endings.ts';
import type { LiveTask } from './life/live-task.ts';
import { WITH_AGENT, hasEnded } from './life/machine.ts';
import { lifeMsOf, messageKey, orderOf } from './life/orders.ts';
import type { OrderComponents } from './life/orders.ts';
import { retire } from './retired.ts';
import { createPlaces } from './life/places.ts';
import type { Places } from './life/places.ts';
import { TaskTable } from './life/task-table.ts';
import { createTaskRows, routedRows } from './rows.ts';
import type { TaskRows } from './rows.ts';
import { isSubmitter, maySee, principalOfOrder } from './life/submitters.ts';
import { TaskFunds, rowOf } from './task-funds.ts';
import type { Admitted, Fresh } from './task-funds.ts';
import { tellerOf } from './told-ends.ts';
import type {
  SubmitInit,
  TaskAnswer,
  TaskListInit,
  TaskListResult,
  TaskOrder,
  TaskResult,
  TaskRow,
  TaskState,
  TaskView,
  TaskWait,
} from './types.ts';
import { viewOf } from './life/view.ts';
import { createWork } from './worker/work.ts';
import type { Work, WorkComponents } from './worker/work-types.ts';

/** The rooms below, and the road to peers. */
export interface TasksComponents
  extends
    Omit<
      AwardsComponents,
      | 'agents'
      | 'funds'
      | 'membership'
      | 'work'
      | 'rows'
      | 'ended'
      | 'principalOf'
      | 'self'
      | 'zoneOf'
    >,
    Pick<WorkComponents, 'clear'> {
  readonly table: Table;
  /** Gives tasks the budgets that they spend of; without it there are none. */
  readonly funds?: Pick<Funds, 'counts' | 'end' | 'hold' | 'of'>;
  /** Signs the choices of agents here; without it nothing is signed. */
  readonly signer?: Signer;
  readonly self: { readonly name: string; readonly did: Did };
  readonly blackboard: Pick<Blackboard, 'board'>;
  readonly membership: AwardsComponents['membership'] & DurableComponents['membership'];
  readonly agents: Pick<
    Agents,
    | 'candidates'
    | 'edgeOf'
    | 'list'
    | 'mayTell'
    | 'message'
    | 'ownerOf'
    | 'owns'
    | 'requireTask'
    | 'requireTaskFor'
    | 'standing'
    | 'tell'
  >;
  /** Who is meant by a link of a sender (`chainOf`). */
  principalOf(this: void, key: string): Principal;
  /** How far a caller is trusted. */
  zoneOf(this: void, principal: Principal): Zone;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** The tasks of a node. */
export interface Tasks extends Startable {
  /** What agents of this node do for submitters. */
  readonly work: Work;
  /** On the disk when this resolves. @throws STARLING_USAGE, STARLING_CALL_REFUSED, STARLING_LIMIT_EXCEEDED, STARLING_STATE_UNUSABLE */
  submit(principal: Principal, init: SubmitInit): Promise<TaskView>;
  /** @throws STARLING_TASK_UNKNOWN, also for one that `principal` may not see */
  status(principal: Principal, id: string, wait?: TaskWait): Promise<TaskView>;
  /** Many at once, and their ids: none where one is refused. @throws as {@link submit} */
  submitAll(principal: Principal, inits: readonly SubmitInit[]): Promise<readonly string[]>;
  /** The view, with the result of a task that is done; waits for its end. @throws STARLING_TASK_UNKNOWN */
  result(principal: Principal, id: string, wait?: Omit<TaskWait, 'seen'>): Promise<TaskResult>;
  /** Where a task is once it has ended, or when the wait has. @throws STARLING_TASK_UNKNOWN */
  stateAfter(principal: Principal, id: string, wait: Omit<TaskWait, 'seen'>): Promise<TaskState>;
  /** The newest first. */
  list(principal: Principal, init: TaskListInit): TaskListResult;
  /** @throws STARLING_TASK_UNKNOWN; STARLING_TASK_ENDED where it has ended */
  cancel(principal: Principal, id: string): Promise<TaskView>;
  /** Has a task that was not done done after all. @throws STARLING_TASK_UNKNOWN; STARLING_TASK_ENDED for others */
  retry(principal: Principal, id: string): Promise<TaskView>;
  /**
   * Answers what the agent of a task has asked; on the disk when this resolves, and told to whoever has the task, then or
   * later. @throws STARLING_TASK_UNKNOWN; STARLING_TASK_ENDED where nothing, or something else, is asked
   */
  answer(principal: Principal, id: string, answer: TaskAnswer): Promise<TaskView>;
  /**
   * An agent that this node runs, or has run, retires: whoever takes its name has none of its tasks. On the disk when this
   * resolves. @throws STARLING_STATE_UNUSABLE, and as boards do for durable ones
   */
  retired(agent: Extract<Principal, { kind: 'client' }>): Promise<void>;
  /** Ids of the budgets of tasks of this node that agents of `principal` have under way. */
  budgetsOf(principal: Principal): readonly string[];
  /** Begins a time of `ms` by the clock of the node. */
  countdown(ms: number): Countdown;
  /** Calls `changed` at each change of a task, or of any where there is no `id`; gives back what ends that. */
  watch(id: string | undefined, changed: () => void): () => void;
}

/** Makes the tasks of a node. */
export function createTasks(components: TasksComponents): Tasks {
  return new NodeTasks(components);
}

class NodeTasks implements Tasks {
  readonly work: Work;
  readonly #components: TasksComponents;
  readonly #rows: TaskRows;
  readonly #durable: Durable;
  readonly #awards: Awards;
  readonly #mirrors: Mirrors;
  readonly #table: TaskTable;
  readonly #funds: TaskFunds;
  readonly #places: Places;
  readonly #endings: Endings;
  /** What each order is made with. */
  readonly #orders: OrderComponents;
  #isStarted = false;

  constructor(components: TasksComponents) {
    const { table, logger } = components;
    this.#components = components;
    this.work = createWork(components);
    this.#table = new TaskTable(components.clock);
    this.#funds = new TaskFunds(components.funds, this.work, (id) => this.#table.get(id)?.order);
    this.#places = createPlaces(components.self.did);
    this.#orders = {
      ...components,
      placeAt: (now) => this.#table.placeAt(now),
      nextSeq: () => this.#table.nextSeq(),
    };
    const principalOf = (order: TaskOrder): Principal => principalOfOrder(order, components);
    const shared = { table: this.#table, places: this.#places, funds: this.#funds };
    this.#durable = createDurable({
      ...components,
      shown: (row, owner) => this.#mirrors.shown(row, owner),
      checkRoom: (order) => this.#places.checkRoom(order),
      taken: (row) => this.#mirrors.taken(row),
      answered: (id, answers) => this.#mirrors.answered(id, answers),
      gone: (id) => this.#mirrors.gone(id),
    });
    this.#rows = routedRows(createTaskRows(table, logger), this.#durable);
    const drop = (task: LiveTask): void => this.#awards.drop(task);
    this.#endings = new Endings({
      ...components,
      ...shared,
      rows: this.#rows,
      drop,
      tell: tellerOf({ ...components, rows: this.#rows, principalOf }),
      isOn: () => this.#isStarted,
    });
    this.#awards = createAwards({
      ...components,
      work: this.work,
      rows: this.#rows,
      principalOf,
      zoneOf: createPeerZones(components.zoneOf),
      ended: (task) => this.#endings.ended(task),
    });
    this.#mirrors = new Mirrors({
      ...shared,
      self: components.self,
      endings: this.#endings,
      begin: (task) => this.#begin(task),
      drop,
    });
  }

  async start(): Promise<void> {
    for (const row of await this.#rows.load()) this.#restore(row);
    this.#isStarted = true;
    this.#awards.start();
    for (const task of this.#table.all()) {
      if (hasEnded(task.row)) continue;
      this.#endings.keepDeadline(task);
      this.#begin(task);
    }
    await this.#durable.start();
  }

  async stop(): Promise<void> {
    this.#isStarted = false;
    this.#durable.stop();
    this.#awards.stop();
    this.work.stop();
    this.#table.clear();
    this.#funds.clear();
    this.#endings.clear();
    this.#places.clear();
  }

  async submit(principal: Principal, init: SubmitInit): Promise<TaskView> {
    const [task] = await this.#takeAll(principal, [init]);
    return this.#view(task as LiveTask);
  }

  async submitAll(principal: Principal, inits: readonly SubmitInit[]): Promise<readonly string[]> {
    const taken = await this.#takeAll(principal, inits);
    return taken.map(({ order }) => order.id);
  }

  async #takeAll(principal: Principal, inits: readonly SubmitInit[]): Promise<readonly LiveTask[]> {
    this.#checkStarted();
    const admitted: Admitted[] = [];
    let fund: Fund | undefined;
    try {
      for (const init of inits) admitted.push(this.#admit(principal, init));
      fund = await this.#funds.of(principal, admitted);
    } catch (error) {
      for (const one of admitted) this.#refuse(one);
      throw error;
    }
    const fresh = admitted.flatMap((one) =>
      'known' in one ? [] : { ...one, row: rowOf(one, fund) },
    );
    try {
      await this.#rows.addAll(fresh.map(({ row, init }) => ({ row, input: init.input })));
    } catch (error) {
      for (const one of fresh) this.#refuse(one);
      throw error;
    }
    // Nobody gets one before all are kept.
    const made = new Map(fresh.map((one) => [one.order.id, this.#kept(one)]));
    return admitted.map((one) => {
      const task = 'known' in one ? one.known : made.get(one.order.id);
      return task as LiveTask;
    });
  }

  /** Takes its place, on its way to the disk; the same message again is the task that there is. */
  #admit(principal: Principal, init: SubmitInit): Admitted {
    const order = orderOf(principal, init, this.#orders);
    if (order.agentId !== undefined) {
      // Without the right the task would wait until somebody gave it.
      this.#components.agents.requireTaskFor(principal, order.agentId);
    }
    const key = messageKey(order);
    const known = key === undefined ? undefined : this.#table.byMessage(key);
    if (known !== undefined) return { known };
    this.#places.checkRoom(order);
    if (key !== undefined && !this.#table.reserve(key, order.id)) throw underWay(order);
    this.#places.take(order);
    return { order, key, init };
  }

  #refuse(one: Admitted): void {
    if ('known' in one) return;
    this.#places.give(one.order);
    if (one.key !== undefined) this.#table.release(one.key);
  }

  #kept({ init, order, row }: Fresh & { readonly row: TaskRow }): LiveTask {
    const task = this.#table.take(row);
    this.#funds.begins(row);
    if (order.durable !== undefined) task.owner = this.#components.self.did;
    task.session = init.session;
    this.#endings.keepDeadline(task);
    this.#begin(task);
    return task;
  }

  async status(principal: Principal, id: string, wait?: TaskWait): Promise<TaskView> {
    const task = this.#seen(principal, id);
    await this.#durable.refresh(id);
    if (wait !== undefined) {
      await this.#until(task, wait, () => task.row.version !== wait.seen);
    }
    return this.#view(task);
  }

  async result(
    principal: Principal,
    id: string,
    wait?: Omit<TaskWait, 'seen'>,
  ): Promise<TaskResult> {
    const task = this.#seen(principal, id);
    await this.#durable.refresh(id);
    if (wait !== undefined) await this.#until(task, wait, () => hasEnded(task.row));
    const view = this.#view(task);
    if (view.status !== 'done') return view;
    return { ...view, result: (await this.#rows.result(id)) ?? null };
  }

  async stateAfter(
    principal: Principal,
    id: string,
    wait: Omit<TaskWait, 'seen'>,
  ): Promise<TaskState> {
    const task = this.#seen(principal, id);
    await this.#durable.refresh(id);
    await this.#until(task, wait, () => hasEnded(task.row));
    return task.row.state;
  }

  list(principal: Principal, { states, limit = LIST_MAX }: TaskListInit): TaskListResult {
    const all = [...this.#table.all()].filter((task) =>
      maySee(principal, task.row, this.#components.self),
    );
    const counts: Partial<Record<TaskState, number>> = {};
    for (const { row } of all) counts[row.state] = (counts[row.state] ?? 0) + 1;
    const asked = all.filter(({ row }) => states === undefined || states.includes(row.state));
    const newest = asked.toSorted((one, other) => other.order.seq - one.order.seq);
    const tasks = newest.slice(0, limit).map((task) => this.#view(task));
    const taint = worstTaint(...tasks.map((one) => one.taint));
    return { tasks, counts, ...(taint === undefined ? {} : { taint }) };
  }

  async cancel(principal: Principal, id: string): Promise<TaskView> {
    const task = this.#owned(principal, id);
    if (!task.isHere) await this.#durable.take(id);
    await this.#endings.end(task, 'cancelled');
    return this.#view(task);
  }

  async retry(principal: Principal, id: string): Promise<TaskView> {
    const task = this.#owned(principal, id);
    if (!task.isHere) await this.#durable.take(id);
    const { clock } = this.#components;
    const retried = task.peek({ type: 'retried' });
    if (retried === undefined) throw wrongState(task, 'only what was not done is tried again');
    this.#places.checkRoom(task.order);
    // From here on it is none of those that have ended, of which the oldest are forgotten.
    if (!this.#endings.letGo(task)) {
      throw wrongState(task, 'its end is being written, ask again in a moment');
    }
    const now = clock.now();
    const times = { retriedAt: now, expiresAt: now + lifeMsOf(task.order) };
    const row = { ...retried, order: { ...task.order, ...times } };
    this.#places.take(task.order);
    try {
      await this.#rows.reopen(row);
    } catch (error) {
      this.#places.give(task.order);
      this.#endings.keep(task);
      throw error;
    }
    task.become(row);
    this.#funds.begins(row);
    this.#endings.keepDeadline(task);
    this.#awards.add(task);
    return this.#view(task);
  }

  async answer(principal: Principal, id: string, given: TaskAnswer): Promise<TaskView> {
    const task = this.#owned(principal, id);
    const { question } = task.row;
    const key = given.key ?? question?.key ?? '';
    if (question?.kind === 'approval') {
      throw wrongState(task, `it waits for ${question.message}`);
    }
    const event = { type: 'answered', key, answer: given.answer } as const;
    const row = task.peek(event);
    if (row === undefined) throw wrongState(task, 'it asks nothing that is not answered');
    if (!task.isHere) {
      const isTaken = await this.#durable.answer(id, key, given.answer);
      if (!isTaken) throw wrongState(task, 'it asks for that no more');
      return this.#view(task);
    }
    await this.#rows.put(row);
    if (!task.apply(event)) {
      // Another answer came first: the disk has that one.
      await this.#rows.put(task.row);
      throw wrongState(task, 'it asks for that no more');
    }
    if (task.row.version !== row.version) await this.#rows.put(task.row);
    task.tellAnswer?.();
    return this.#view(task);
  }

  retired(agent: Extract<Principal, { kind: 'client' }>): Promise<void> {
    return retire(
      {
        ...this.#components,
        table: this.#table,
        rows: this.#rows,
        take: (id) => this.#durable.take(id),
        cancel: (task) => this.#endings.end(task, 'cancelled'),
      },
      agent,
    );
  }

  budgetsOf(principal: Principal): readonly string[] {
    return this.#funds.budgetsOf(principal);
  }

  countdown(ms: number): Countdown {
    return countdown(this.#components.clock, ms);
  }

  watch(id: string | undefined, changed: () => void): () => void {
    if (id === undefined) return this.#table.watch(changed);
    const wakers = this.#table.get(id)?.wakers;
    wakers?.add(changed);
    return () => {
      wakers?.delete(changed);
    };
  }

  #restore(row: TaskRow): void {
    const key = messageKey(row.order);
    if (key !== undefined) this.#table.reserve(key, row.order.id);
    this.#table.placed(row.order);
    const task = this.#table.take(row);
    this.#funds.begins(row);
    if (hasEnded(row)) this.#endings.keep(task);
    else this.#places.take(row.order);
  }

  /** From where it is to an agent. */
  #begin(task: LiveTask): void {
    task.apply({ type: 'planned' });
    task.apply({ type: 'offered' });
    if (task.row.state === 'bidding') this.#awards.add(task);
    else if (WITH_AGENT.includes(task.row.state)) this.#awards.resume(task);
  }

  async #until(task: LiveTask, wait: Omit<TaskWait, 'seen'>, met: () => boolean): Promise<void> {
    const isOver = (): boolean => !this.#isStarted || met();
    await waitUntil(task.wakers, isOver, this.#components.clock, wait);
  }

  #checkStarted(): void {
    if (!this.#isStarted) throw new StarlingError('STARLING_STOPPED', 'the node is stopping');
  }

  #seen(principal: Principal, id: string): LiveTask {
    this.#checkStarted();
    const task = this.#table.get(id);
    if (task !== undefined && maySee(principal, task.row, this.#components.self)) return task;
    throw unknownTask(id);
  }

  #owned(principal: Principal, id: string): LiveTask {
    const task = this.#seen(principal, id);
    if (isSubmitter(principal, task.order, this.#components.self)) return task;
    throw notOwned(id);
  }

  #view(task: LiveTask): TaskView {
    const { membership, self } = this.#components;
    const copies = this.#durable.copies(task.order.id);
    if (copies === undefined || task.owner === undefined) return viewOf(task);
    const owner =
      task.owner === self.did ? self.name : (membership.find(task.owner)?.alias ?? task.owner);
    return viewOf(task, { copies, owner });
  }
}
