/**
 * Tasks of a node: work that somebody here has submitted, which an agent here or at a peer does, and which ends once. A
 * task belongs to the node where it was submitted; it is on the disk there before its submitter is told so.
 */
import type { Fund, Funds } from '../budget/index.ts';
import { StarlingError, messageOf } from '../core/index.ts';
import type { Clock, Did, Logger, Random, Startable } from '../core/index.ts';
import { waitForNews } from '../agents/index.ts';
import type { Agents } from '../agents/index.ts';
import type { Principal } from '../guard/index.ts';
import type { Signer } from '../identity/index.ts';
import type { Table } from '../store/index.ts';
import type { Blackboard } from '../blackboard/index.ts';
import { createAwards } from './awards/awards.ts';
import type { Awards, AwardsComponents } from './awards/awards.ts';
import { createDurable } from './durable/durable.ts';
import type { Durable, DurableComponents } from './durable/durable.ts';
import { notOwned, underWay, unknownTask, wrongState } from './life/faults.ts';
import { ENDED_MAX, END_AGAIN_MS, LIST_MAX, RESULTS_BYTES_MAX } from './limits.ts';
import { LiveTask } from './life/live-task.ts';
import { WITH_AGENT, hasEnded } from './life/machine.ts';
import { messageKey, orderOf } from './life/orders.ts';
import { createPlaces } from './life/places.ts';
import type { Places } from './life/places.ts';
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
  TaskResult,
  TaskRow,
  TaskState,
  TaskView,
  TaskWait,
} from './types.ts';
import { viewOf } from './life/view.ts';
import { createWork } from './worker/work.ts';
import type { Work, WorkComponents } from './worker/work.ts';

/** The rooms below, and the road to peers. */
export interface TasksComponents
  extends
    Omit<
      AwardsComponents,
      'agents' | 'funds' | 'membership' | 'work' | 'rows' | 'ended' | 'principalOf' | 'self'
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
    | 'message'
    | 'ownerOf'
    | 'owns'
    | 'requireTask'
    | 'requireTaskFor'
    | 'subjectOf'
    | 'tell'
  >;
  /** Who is meant by a link of a sender (`chainOf`). */
  principalOf(this: void, key: string): Principal;
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
  /** Many at once: none where one is refused. @throws as {@link submit} */
  submitAll(principal: Principal, inits: readonly SubmitInit[]): Promise<readonly TaskView[]>;
  /** The view, with the result of a task that is done; waits for its end. @throws STARLING_TASK_UNKNOWN */
  result(principal: Principal, id: string, wait?: Omit<TaskWait, 'seen'>): Promise<TaskResult>;
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
  /** Ids of the budgets of tasks of this node that agents of `principal` have under way. */
  budgetsOf(principal: Principal): readonly string[];
  /** Milliseconds since the epoch, by the clock of the node. */
  now(): number;
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
  readonly #tell: (task: LiveTask) => Promise<void>;
  readonly #tasks = new Map<string, LiveTask>();
  /** Tasks by submitter and the id that their message gave, also those on their way to the disk. */
  readonly #byMessage = new Map<string, string>();
  readonly #funds: TaskFunds;
  /** Called at any change. */
  readonly #wakers = new Set<() => void>();
  /** Ids of those that have ended, in the order of their ends. */
  readonly #ended: string[] = [];
  /** What their results take on the disk. */
  #resultBytes = 0;
  readonly #places: Places;
  #seq = 0;
  #isStarted = false;
  #cancelTelling: (() => void) | undefined;

  constructor(components: TasksComponents) {
    const { table, logger } = components;
    this.#components = components;
    this.work = createWork(components);
    this.#funds = new TaskFunds(components.funds, this.work, (id) => this.#tasks.get(id)?.order);
    this.#places = createPlaces(components.self.did);
    this.#durable = createDurable({
      ...components,
      shown: (row, owner) => this.#shown(row, owner),
      checkRoom: (order) => this.#places.checkRoom(order),
      taken: (row) => this.#taken(row),
      answered: (id, answers) => this.#answered(id, answers),
      gone: (id) => this.#gone(id),
    });
    this.#rows = routedRows(createTaskRows(table, logger), this.#durable);
    this.#tell = tellerOf({
      ...components,
      rows: this.#rows,
      principalOf: (order) => principalOfOrder(order, components),
    });
    this.#awards = createAwards({
      ...components,
      work: this.work,
      rows: this.#rows,
      principalOf: (order) => principalOfOrder(order, components),
      ended: (task) => this.#hasEnded(task),
    });
  }

  async start(): Promise<void> {
    for (const row of await this.#rows.load()) this.#restore(row);
    this.#isStarted = true;
    this.#awards.start();
    for (const task of this.#tasks.values()) {
      if (hasEnded(task.row)) continue;
      this.#keepDeadline(task);
      this.#begin(task);
    }
    await this.#durable.start();
  }

  async stop(): Promise<void> {
    this.#isStarted = false;
    this.#durable.stop();
    this.#awards.stop();
    this.work.stop();
    for (const { cancelDeadline } of this.#tasks.values()) cancelDeadline?.();
    this.#cancelTelling?.();
    this.#cancelTelling = undefined;
    for (const { wakers } of this.#tasks.values()) for (const wake of wakers) wake();
    this.#tasks.clear();
    this.#funds.clear();
    this.#ended.splice(0);
    this.#resultBytes = 0;
    this.#byMessage.clear();
    this.#places.clear();
  }

  async submit(principal: Principal, init: SubmitInit): Promise<TaskView> {
    const [view] = await this.submitAll(principal, [init]);
    return view as TaskView;
  }

  async submitAll(
    principal: Principal,
    inits: readonly SubmitInit[],
  ): Promise<readonly TaskView[]> {
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
      return this.#view(task as LiveTask);
    });
  }

  /** Takes its place, on its way to the disk; the same message again is the task that there is. */
  #admit(principal: Principal, init: SubmitInit): Admitted {
    this.#seq += 1;
    const order = orderOf(principal, init, { ...this.#components, seq: this.#seq });
    if (order.agentId !== undefined) {
      // Without the right the task would wait until somebody gave it.
      this.#components.agents.requireTaskFor(principal, order.agentId);
    }
    const key = messageKey(order);
    const known = key === undefined ? undefined : this.#tasks.get(this.#byMessage.get(key) ?? '');
    if (known !== undefined) return { known };
    this.#places.checkRoom(order);
    if (key !== undefined) {
      if (this.#byMessage.has(key)) throw underWay(order);
      this.#byMessage.set(key, order.id);
    }
    this.#places.take(order);
    return { order, key, init };
  }

  #refuse(one: Admitted): void {
    if ('known' in one) return;
    this.#places.give(one.order);
    if (one.key !== undefined) this.#byMessage.delete(one.key);
  }

  #kept({ init, order, row }: Fresh & { readonly row: TaskRow }): LiveTask {
    const task = this.#take(row);
    if (order.durable !== undefined) task.owner = this.#components.self.did;
    task.session = init.session;
    this.#keepDeadline(task);
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

  list(principal: Principal, { states, limit = LIST_MAX }: TaskListInit): TaskListResult {
    const all = [...this.#tasks.values()].filter((task) =>
      maySee(principal, task.row, this.#components.self),
    );
    const counts: Partial<Record<TaskState, number>> = {};
    for (const { row } of all) counts[row.state] = (counts[row.state] ?? 0) + 1;
    const asked = all.filter(({ row }) => states === undefined || states.includes(row.state));
    const newest = asked.toSorted((one, other) => other.order.seq - one.order.seq);
    return { tasks: newest.slice(0, limit).map((task) => this.#view(task)), counts };
  }

  async cancel(principal: Principal, id: string): Promise<TaskView> {
    const task = this.#owned(principal, id);
    if (!task.isHere) await this.#durable.take(id);
    await this.#end(task, 'cancelled');
    return this.#view(task);
  }

  async retry(principal: Principal, id: string): Promise<TaskView> {
    const task = this.#owned(principal, id);
    if (!task.isHere) await this.#durable.take(id);
    const { clock } = this.#components;
    const retried = task.peek({ type: 'retried' });
    if (retried === undefined) throw wrongState(task, 'only what was not done is tried again');
    if (!this.#ended.includes(id)) {
      throw wrongState(task, 'its end is being written, ask again in a moment');
    }
    this.#places.checkRoom(task.order);
    const lifeMs = task.order.expiresAt - task.order.submittedAt;
    const row = { ...retried, order: { ...task.order, expiresAt: clock.now() + lifeMs } };
    // From here on it is none of those that have ended, of which the oldest are forgotten.
    this.#ended.splice(this.#ended.indexOf(id), 1);
    this.#places.take(task.order);
    try {
      await this.#rows.reopen(row);
    } catch (error) {
      this.#places.give(task.order);
      this.#ended.push(id);
      throw error;
    }
    task.become(row);
    this.#funds.begins(row);
    this.#keepDeadline(task);
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

  budgetsOf(principal: Principal): readonly string[] {
    return this.#funds.budgetsOf(principal);
  }

  now(): number {
    return this.#components.clock.now();
  }

  watch(id: string | undefined, changed: () => void): () => void {
    const wakers = id === undefined ? this.#wakers : this.#tasks.get(id)?.wakers;
    wakers?.add(changed);
    return () => void wakers?.delete(changed);
  }

  #restore(row: TaskRow): void {
    this.#seq = Math.max(this.#seq, row.order.seq);
    const key = messageKey(row.order);
    if (key !== undefined) this.#byMessage.set(key, row.order.id);
    const task = this.#take(row);
    if (hasEnded(task.row)) this.#keepEnded(task);
    else this.#places.take(row.order);
  }

  #take(row: TaskRow): LiveTask {
    const task = new LiveTask(row, () => this.#changed());
    this.#tasks.set(row.order.id, task);
    this.#funds.begins(row);
    this.#changed();
    return task;
  }

  /** A durable task that another node owns; or that this one has owned, and has no more, or that has ended here. */
  #shown(row: TaskRow, owner: Did): void {
    const { self } = this.#components;
    const known = this.#tasks.get(row.order.id);
    if (known?.isHere === true) this.#leave(known);
    const task = known ?? this.#mirror(row);
    task.owner = owner;
    this.#renew(task, row);
    if (owner !== self.did || !hasEnded(row)) return;
    task.isHere = true;
    this.#keepEnded(task);
  }

  /** Goes on with a durable task that another node, or a former life of this one, has owned. */
  #taken(row: TaskRow): void {
    const task = this.#tasks.get(row.order.id) ?? this.#mirror(row);
    task.owner = this.#components.self.did;
    task.isHere = true;
    this.#renew(task, row);
    if (hasEnded(task.row)) return this.#keepEnded(task);
    this.#places.take(task.order);
    this.#keepDeadline(task);
    this.#begin(task);
  }

  /** Answers of a durable task that were given here or at another node: its agent is told what it did not know. */
  #answered(id: string, answers: NonNullable<TaskRow['answers']>): void {
    const task = this.#tasks.get(id);
    if (task?.isHere !== true) return;
    const isNew = Object.entries(answers).filter(([key, answer]) =>
      task.apply({ type: 'answered', key, answer }),
    );
    if (isNew.length > 0) task.tellAnswer?.();
  }

  #gone(id: string): void {
    const task = this.#tasks.get(id);
    if (task === undefined) return;
    if (task.isHere) this.#leave(task);
    this.#forgetHere(task);
  }

  #mirror(row: TaskRow): LiveTask {
    this.#seq += 1;
    const task = this.#take({ ...row, order: { ...this.#funds.read(row.order), seq: this.#seq } });
    task.isHere = false;
    const key = messageKey(task.order);
    if (key !== undefined && !this.#byMessage.has(key)) this.#byMessage.set(key, task.order.id);
    return task;
  }

  /** Takes what another node has written, as a change that can be seen here. */
  #renew(task: LiveTask, row: TaskRow): void {
    const version = Math.max(task.row.version + 1, row.version);
    task.become({
      ...row,
      version,
      order: { ...this.#funds.read(row.order), seq: task.order.seq },
    });
  }

  /** It is with another node: what is under way here for it ends. */
  #leave(task: LiveTask): void {
    const { id } = task.order;
    task.isHere = false;
    this.#awards.drop(task);
    task.cancelDeadline?.();
    if (!hasEnded(task.row)) return this.#places.give(task.order);
    const at = this.#ended.indexOf(id);
    if (at === -1) return;
    this.#ended.splice(at, 1);
    this.#resultBytes -= task.row.resultBytes ?? 0;
  }

  /** Whoever watches all hears of many changes at once. */
  #changed(): void {
    if (this.#wakers.size === 0) return;
    this.#cancelTelling ??= this.#components.clock.schedule(TELL_MS, () => {
      this.#cancelTelling = undefined;
      for (const wake of this.#wakers) wake();
    });
  }

  /** From where it is to an agent. */
  #begin(task: LiveTask): void {
    task.apply({ type: 'planned' });
    task.apply({ type: 'offered' });
    if (task.row.state === 'bidding') this.#awards.add(task);
    else if (WITH_AGENT.includes(task.row.state)) this.#awards.resume(task);
  }

  /** Where the end can't be written, it is tried again. */
  #keepDeadline(task: LiveTask, leastMs = 0): void {
    const { clock, logger } = this.#components;
    const leftMs = Math.max(leastMs, task.order.expiresAt - clock.now());
    task.cancelDeadline?.();
    task.cancelDeadline = clock.schedule(leftMs, () => {
      this.#end(task, 'expired').catch((error: unknown) => {
        logger.warn({ error: messageOf(error) }, 'a task could not be ended');
        const isOpen = this.#isStarted && task.isHere && !hasEnded(task.row);
        if (isOpen && this.#tasks.get(task.order.id) === task)
          this.#keepDeadline(task, END_AGAIN_MS);
      });
    });
  }

  /** On the disk first: a task that has ended for somebody does not begin again. */
  async #end(task: LiveTask, type: 'cancelled' | 'expired'): Promise<void> {
    const at = this.#components.clock.now();
    const planned = task.peek({ type, at });
    if (planned === undefined) throw wrongState(task, `it is ${task.row.state}`);
    await this.#rows.put(planned);
    // What has happened meanwhile counts: a result that came first stays.
    if (!task.apply({ type, at })) {
      await this.#rows.put(task.row);
      throw wrongState(task, `it is ${task.row.state}`);
    }
    this.#awards.drop(task);
    this.#hasEnded(task);
    // Something else may have been written after the end was.
    if (task.row.version !== planned.version) await this.#rows.put(task.row);
  }

  #hasEnded(task: LiveTask): void {
    task.cancelDeadline?.();
    this.#places.give(task.order);
    void this.#tell(task);
    this.#funds.ended(task.row);
    this.#keepEnded(task);
  }

  #keepEnded(task: LiveTask): void {
    this.#ended.push(task.order.id);
    this.#resultBytes += task.row.resultBytes ?? 0;
    while (this.#ended.length > ENDED_MAX || this.#resultBytes > RESULTS_BYTES_MAX) {
      const [first] = this.#ended.splice(0, 1);
      if (first === undefined) return;
      this.#resultBytes -= this.#tasks.get(first)?.row.resultBytes ?? 0;
      this.#forget(first);
    }
  }

  #forget(id: string): void {
    const task = this.#tasks.get(id);
    if (task !== undefined) this.#forgetHere(task);
    this.#rows.drop(id).catch((error: unknown) => {
      // It is there again after a start, and goes then.
      this.#components.logger.warn({ error: messageOf(error) }, 'a task was not forgotten');
    });
  }

  #forgetHere({ order }: LiveTask): void {
    this.#tasks.delete(order.id);
    this.#funds.forgotten(order);
    const key = messageKey(order);
    if (key !== undefined && this.#byMessage.get(key) === order.id) this.#byMessage.delete(key);
  }

  async #until(task: LiveTask, wait: Omit<TaskWait, 'seen'>, met: () => boolean): Promise<void> {
    const { clock } = this.#components;
    const deadline = clock.now() + wait.waitMs;
    while (!met() && !wait.signal.aborted && this.#isStarted) {
      const waitMs = deadline - clock.now();
      if (waitMs <= 0) return;
      await waitForNews(task.wakers, clock, { waitMs, signal: wait.signal });
    }
  }

  #checkStarted(): void {
    if (!this.#isStarted) throw new StarlingError('STARLING_STOPPED', 'the node is stopping');
  }

  #seen(principal: Principal, id: string): LiveTask {
    this.#checkStarted();
    const task = this.#tasks.get(id);
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

/** How long changes of tasks are gathered for whoever watches all of them. */
const TELL_MS = 250;
