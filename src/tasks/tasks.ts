/**
 * Tasks of a node: work that somebody here has submitted, which an agent here or at a peer does, and which ends once. A
 * task belongs to the node where it was submitted; it is on the disk there before its submitter is told so.
 */
import { StarlingError, messageOf } from '../core/index.ts';
import type { Clock, Did, Json, JsonObject, Logger, Random, Startable } from '../core/index.ts';
import { labelOf, parseAddress, senderKey, sendersIn, waitForNews } from '../agents/index.ts';
import type { Agents } from '../agents/index.ts';
import { nameOf } from '../guard/index.ts';
import type { Principal } from '../guard/index.ts';
import type { Table } from '../store/index.ts';
import { createAwards } from './awards.ts';
import type { Awards, AwardsComponents } from './awards.ts';
import {
  ATTEMPT_MAX_MS,
  DEADLINE_MAX_MS,
  DEADLINE_MS,
  ENDED_MAX,
  INPUTS_BYTES_MAX,
  INPUT_BYTES_MAX,
  LIST_MAX,
  TASKS_MAX,
} from './limits.ts';
import { LiveTask } from './live-task.ts';
import { WITH_AGENT, hasEnded } from './machine.ts';
import { createTaskRows } from './rows.ts';
import type { TaskRows } from './rows.ts';
import type {
  RetryPolicy,
  TaskListResult,
  TaskOrder,
  TaskPriority,
  TaskResult,
  TaskRow,
  TaskState,
  TaskView,
} from './types.ts';
import { viewOf } from './view.ts';
import { createWork } from './work.ts';
import type { Work } from './work.ts';

/** The rooms below, and the road to peers. */
export interface TasksComponents extends Omit<
  AwardsComponents,
  'agents' | 'work' | 'rows' | 'ended' | 'principalOf' | 'self'
> {
  readonly table: Table;
  readonly self: { readonly name: string; readonly did: Did };
  readonly agents: Pick<
    Agents,
    'candidates' | 'list' | 'message' | 'owns' | 'require' | 'subjectOf' | 'tell'
  >;
  /** Who is meant by a link of a sender (`chainOf`). */
  principalOf(key: string): Principal;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** A task as somebody wants to have it done. */
export interface SubmitInit {
  /** What an agent must be able to do; or a queue, `tasks.<name>`. */
  readonly capability?: string | undefined;
  /** Only this agent. */
  readonly agentId?: string | undefined;
  readonly input: Json;
  readonly priority?: TaskPriority | undefined;
  /** Default `lost`. */
  readonly retryPolicy?: RetryPolicy | undefined;
  readonly tags?: readonly string[] | undefined;
  readonly prefer?: string | undefined;
  /** Until when it must have ended, ms from now; default a day. */
  readonly timeoutMs?: number | undefined;
  /** How long one attempt may take, ms; default, and at the most, five minutes. */
  readonly attemptMs?: number | undefined;
  /** What the guide's TaskMessage says of itself. Its `id` makes the same message twice one task. */
  readonly said?: JsonObject | undefined;
}

/** Which tasks somebody wants to see. */
export interface TaskListInit {
  readonly states?: readonly TaskState[] | undefined;
  readonly limit?: number | undefined;
}

/** How long a look waits for something new. */
export interface TaskWait {
  /** The version that is known. */
  readonly seen: number;
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

/** The tasks of a node. */
export interface Tasks extends Startable {
  /** What agents of this node do for submitters. */
  readonly work: Work;
  /** On the disk when this resolves. @throws STARLING_USAGE, STARLING_LIMIT_EXCEEDED, STARLING_STATE_UNUSABLE */
  submit(principal: Principal, init: SubmitInit): Promise<TaskView>;
  /** @throws STARLING_TASK_UNKNOWN, also for one that `principal` may not see */
  status(principal: Principal, id: string, wait?: TaskWait): Promise<TaskView>;
  /** The view, with the result of a task that is done; waits for its end. @throws STARLING_TASK_UNKNOWN */
  result(principal: Principal, id: string, wait?: Omit<TaskWait, 'seen'>): Promise<TaskResult>;
  /** The newest first. */
  list(principal: Principal, init: TaskListInit): TaskListResult;
  /** @throws STARLING_TASK_UNKNOWN; STARLING_TASK_ENDED where it has ended */
  cancel(principal: Principal, id: string): Promise<TaskView>;
  /** Has a task that was not done done after all. @throws STARLING_TASK_UNKNOWN; STARLING_TASK_ENDED for others */
  retry(principal: Principal, id: string): Promise<TaskView>;
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
  readonly #awards: Awards;
  readonly #tasks = new Map<string, LiveTask>();
  /** Tasks by submitter and the id that their message gave, also those on their way to the disk. */
  readonly #byMessage = new Map<string, string>();
  /** Called at any change. */
  readonly #wakers = new Set<() => void>();
  /** Ids of those that have ended, in the order of their ends. */
  readonly #ended: string[] = [];
  #open = 0;
  #openBytes = 0;
  #seq = 0;
  #isStarted = false;
  #cancelTelling: (() => void) | undefined;

  constructor(components: TasksComponents) {
    const { agents, clock, self, table, logger } = components;
    this.#components = components;
    this.work = createWork({ agents, clock, self });
    this.#rows = createTaskRows(table, logger);
    this.#awards = createAwards({
      ...components,
      work: this.work,
      rows: this.#rows,
      principalOf: (submitter) => this.#principalOf(submitter),
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
  }

  async stop(): Promise<void> {
    this.#isStarted = false;
    this.#awards.stop();
    this.work.stop();
    for (const { cancelDeadline } of this.#tasks.values()) cancelDeadline?.();
    this.#cancelTelling?.();
    this.#cancelTelling = undefined;
    for (const { wakers } of this.#tasks.values()) for (const wake of wakers) wake();
    this.#tasks.clear();
    this.#ended.splice(0);
    this.#byMessage.clear();
    this.#open = 0;
    this.#openBytes = 0;
  }

  async submit(principal: Principal, init: SubmitInit): Promise<TaskView> {
    this.#checkStarted();
    const order = this.#orderOf(principal, init);
    const key = messageKey(order);
    const known = key === undefined ? undefined : this.#tasks.get(this.#byMessage.get(key) ?? '');
    if (known !== undefined) return this.#view(known);
    this.#checkRoom(order);
    if (key !== undefined) {
      if (this.#byMessage.has(key)) throw underWay(order);
      this.#byMessage.set(key, order.id);
    }
    // What is on its way to the disk takes its room now.
    this.#count(order, 1);
    const row: TaskRow = {
      order,
      state: 'submitted',
      token: 0,
      attempts: [],
      roundFrom: 0,
      version: 1,
    };
    try {
      await this.#rows.add(row, init.input);
    } catch (error) {
      this.#count(order, -1);
      if (key !== undefined) this.#byMessage.delete(key);
      throw error;
    }
    const task = this.#take(row);
    this.#keepDeadline(task);
    this.#begin(task);
    return this.#view(task);
  }

  async status(principal: Principal, id: string, wait?: TaskWait): Promise<TaskView> {
    const task = this.#seen(principal, id);
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
    if (wait !== undefined) await this.#until(task, wait, () => hasEnded(task.row));
    const view = this.#view(task);
    if (view.status !== 'done') return view;
    return { ...view, result: (await this.#rows.result(id)) ?? null };
  }

  list(principal: Principal, { states, limit = LIST_MAX }: TaskListInit): TaskListResult {
    const all = [...this.#tasks.values()].filter((task) => this.#maySee(principal, task.row));
    const counts: Partial<Record<TaskState, number>> = {};
    for (const { row } of all) counts[row.state] = (counts[row.state] ?? 0) + 1;
    const asked = all.filter(({ row }) => states === undefined || states.includes(row.state));
    const newest = asked.toSorted((one, other) => other.order.seq - one.order.seq);
    return { tasks: newest.slice(0, limit).map((task) => this.#view(task)), counts };
  }

  async cancel(principal: Principal, id: string): Promise<TaskView> {
    const task = this.#owned(principal, id);
    await this.#end(task, 'cancelled');
    return this.#view(task);
  }

  async retry(principal: Principal, id: string): Promise<TaskView> {
    const task = this.#owned(principal, id);
    const { clock } = this.#components;
    const retried = task.peek({ type: 'retried' });
    if (retried === undefined) throw wrongState(task, 'only what was not done is tried again');
    this.#checkRoom(task.order);
    const lifeMs = task.order.expiresAt - task.order.submittedAt;
    const row = { ...retried, order: { ...task.order, expiresAt: clock.now() + lifeMs } };
    await this.#rows.put(row);
    if (!hasEnded(task.row)) return this.#view(task);
    this.#ended.splice(this.#ended.indexOf(id), 1);
    this.#count(task.order, 1);
    task.become(row);
    this.#keepDeadline(task);
    this.#awards.add(task);
    return this.#view(task);
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
    this.#take(row);
    if (hasEnded(row)) this.#ended.push(row.order.id);
    else this.#count(row.order, 1);
  }

  #take(row: TaskRow): LiveTask {
    const task = new LiveTask(row, () => this.#changed());
    this.#tasks.set(row.order.id, task);
    this.#changed();
    return task;
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

  #keepDeadline(task: LiveTask): void {
    const { clock } = this.#components;
    const leftMs = Math.max(0, task.order.expiresAt - clock.now());
    task.cancelDeadline?.();
    task.cancelDeadline = clock.schedule(leftMs, () => {
      this.#end(task, 'expired').catch((error: unknown) =>
        this.#components.logger.warn({ error: messageOf(error) }, 'a task could not be ended'),
      );
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
    this.#count(task.order, -1);
    this.#ended.push(task.order.id);
    if (task.order.capability?.startsWith('tasks.') === true) void this.#tell(task);
    for (const id of this.#ended.splice(0, Math.max(0, this.#ended.length - ENDED_MAX))) {
      this.#forget(id);
    }
  }

  #forget(id: string): void {
    const task = this.#tasks.get(id);
    this.#tasks.delete(id);
    const key = task === undefined ? undefined : messageKey(task.order);
    if (key !== undefined) this.#byMessage.delete(key);
    this.#rows.drop(id).catch((error: unknown) => {
      // It is there again after a start, and goes then.
      this.#components.logger.warn({ error: messageOf(error) }, 'a task was not forgotten');
    });
  }

  /** The guide's `task.result`: what a queue is for is told to all. */
  async #tell(task: LiveTask): Promise<void> {
    const { agents, logger } = this.#components;
    const { id, said, submitter } = task.order;
    const { error, processedBy = null, state } = task.row;
    try {
      const result = state === 'done' ? ((await this.#rows.result(id)) ?? null) : null;
      const isSmall = JSON.stringify(result).length < TOLD_MAX;
      const message: JsonObject = {
        taskId: said?.['id'] ?? id,
        task: id,
        status: state,
        processedBy,
        ...(isSmall ? { result } : {}),
        ...(error === undefined ? {} : { error: { ...error } }),
      };
      const principal = this.#principalOf(submitter);
      await agents.tell(principal, { subject: 'task.result', message, from: undefined });
    } catch (trouble) {
      logger.debug({ task: id, error: messageOf(trouble) }, 'the end of a task was not told');
    }
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

  #orderOf(principal: Principal, init: SubmitInit): TaskOrder {
    const { clock, random } = this.#components;
    const { capability, agentId, input, tags, prefer, said } = init;
    if ((capability === undefined) === (agentId === undefined)) {
      throw usage('say either what an agent must be able to do, or which agent it is for');
    }
    if (agentId !== undefined) parseAddress(agentId);
    // What is given back as it came is kept as well.
    const inputBytes = Buffer.byteLength(JSON.stringify([input, said ?? null]));
    if (inputBytes > INPUT_BYTES_MAX) throw tooLong(inputBytes);
    const now = clock.now();
    const priority = init.priority === 'medium' ? 'normal' : (init.priority ?? 'normal');
    this.#seq += 1;
    return {
      id: labelOf('task', now, random),
      seq: this.#seq,
      ...(capability === undefined ? {} : { capability }),
      ...(agentId === undefined ? {} : { agentId }),
      priority,
      retry: init.retryPolicy ?? 'lost',
      ...(tags === undefined ? {} : { tags }),
      ...(prefer === undefined ? {} : { prefer }),
      attemptMs: Math.min(init.attemptMs ?? ATTEMPT_MAX_MS, ATTEMPT_MAX_MS),
      submitter: senderKey(principal),
      from: nameOf(principal),
      submittedAt: now,
      expiresAt: now + Math.min(init.timeoutMs ?? DEADLINE_MS, DEADLINE_MAX_MS),
      inputBytes,
      ...(said === undefined ? {} : { said }),
    };
  }

  #checkStarted(): void {
    if (!this.#isStarted) throw new StarlingError('STARLING_STOPPED', 'the node is stopping');
  }

  #checkRoom({ inputBytes }: TaskOrder): void {
    if (this.#open < TASKS_MAX && this.#openBytes + inputBytes <= INPUTS_BYTES_MAX) return;
    throw new StarlingError(
      'STARLING_LIMIT_EXCEEDED',
      `as many tasks wait as this node keeps: ${TASKS_MAX} tasks, ${INPUTS_BYTES_MAX} bytes of input`,
      {
        hint: 'submit again when some have ended: starling task list; or cancel some: starling task cancel <id>',
        data: { reason: 'full', limit: TASKS_MAX },
      },
    );
  }

  #count({ inputBytes }: TaskOrder, by: 1 | -1): void {
    this.#open += by;
    this.#openBytes += by * inputBytes;
  }

  #seen(principal: Principal, id: string): LiveTask {
    this.#checkStarted();
    const task = this.#tasks.get(id);
    if (task !== undefined && this.#maySee(principal, task.row)) return task;
    throw unknownTask(id);
  }

  #owned(principal: Principal, id: string): LiveTask {
    const task = this.#seen(principal, id);
    if (isSubmitter(principal, task.row)) return task;
    throw new StarlingError('STARLING_CALL_REFUSED', `the task ${id} is not the caller's`, {
      hint: 'whoever submitted it, and the operator, may do that',
    });
  }

  /** Its submitter, who has it or had it, and the operator. */
  #maySee(principal: Principal, row: TaskRow): boolean {
    if (isSubmitter(principal, row)) return true;
    const { agents, self } = this.#components;
    return row.attempts.some(({ agent, did }) =>
      did === self.did
        ? agents.owns(principal, agent.split('@')[0] ?? '')
        : principal.kind === 'peer' && principal.did === did,
    );
  }

  #view(task: LiveTask): TaskView {
    return viewOf(task);
  }

  #principalOf(submitter: string): Principal {
    const [first = '', ...others] = sendersIn(submitter);
    const principal = this.#components.principalOf(first);
    if (others.length === 0 || principal.kind !== 'client') return principal;
    return { ...principal, worksFor: others.map((key) => this.#components.principalOf(key)) };
  }
}

/** How long changes of tasks are gathered for whoever watches all of them. */
const TELL_MS = 250;
/** Characters of a result that is told to all. */
const TOLD_MAX = 12_000;

function isSubmitter(principal: Principal, { order }: TaskRow): boolean {
  return (
    principal.kind === 'operator' ||
    sendersIn(senderKey(principal))[0] === sendersIn(order.submitter)[0]
  );
}

/** The same message of the same submitter is the same task. */
function messageKey({ said, submitter }: TaskOrder): string | undefined {
  const id = said?.['id'];
  return typeof id === 'string' ? `${submitter}\n\n${id}` : undefined;
}

function unknownTask(id: string): StarlingError {
  return new StarlingError('STARLING_TASK_UNKNOWN', `there is no task '${id.slice(0, 128)}'`, {
    hint: 'see which there are: starling task list',
    data: { taskId: id.slice(0, 128), reason: 'unknown' },
  });
}

function wrongState({ order, row }: LiveTask, why: string): StarlingError {
  return new StarlingError('STARLING_TASK_ENDED', `task ${order.id} is ${row.state}: ${why}`, {
    hint: `see what came of it: starling task info ${order.id}`,
    data: { taskId: order.id, reason: row.state },
  });
}

function underWay({ said }: TaskOrder): StarlingError {
  const id = String(said?.['id']).slice(0, 128);
  return new StarlingError('STARLING_LIMIT_EXCEEDED', `the task '${id}' is being submitted`, {
    hint: 'ask again in a moment',
    data: { reason: 'busy' },
  });
}

function usage(why: string): StarlingError {
  return new StarlingError('STARLING_USAGE', why, { hint: 'see: starling task run --help' });
}

function tooLong(size: number): StarlingError {
  return new StarlingError(
    'STARLING_LIMIT_EXCEEDED',
    `the input of the task has ${size} bytes, and may have ${INPUT_BYTES_MAX}`,
    {
      hint: 'put what is long onto a board or into a resource, and give the task where it is',
      data: { reason: 'size', limit: INPUT_BYTES_MAX },
    },
  );
}
