/**
 * Work that a swarm does by a plan. A plan belongs to the node where it was wanted, is on the disk there before anybody is
 * told so, and goes on after a restart; the board of the swarm shows to all of its nodes how it goes.
 */
import { StarlingError, backoffMs, createScope, messageOf, sleep } from '../core/index.ts';
import type { Json, Scope, Startable } from '../core/index.ts';
import { labelOf, senderKey, sendersIn, waitForNews } from '../agents/index.ts';
import { nameOf } from '../guard/index.ts';
import type { Principal } from '../guard/index.ts';
import type { Table } from '../store/index.ts';
import { Conductor } from './conductor.ts';
import type { ConductorComponents } from './conductor.ts';
import { chooseCrew } from './crew.ts';
import type { CrewInit } from './crew.ts';
import { DEADLINE_MAX_MS, DEADLINE_MS, ENDED_MAX, PARALLEL_MAX, PLANS_MAX } from './limits.ts';
import { areApart, planFrom, planOf } from './plan.ts';
import type { PhaseInit } from './plan.ts';
import type {
  Aggregation,
  Phase,
  PhaseRow,
  PlanOrder,
  PlanState,
  PlanView,
  Resolution,
  SeatRow,
  Strategy,
} from './types.ts';
import { planView } from './view.ts';

/** The rooms below. */
export interface OrchestrationsComponents extends ConductorComponents {
  readonly table: Table;
  /** Who is meant by a link of a sender (`chainOf`). */
  principalOf(key: string): Principal;
}

/** What somebody wants a swarm to do. */
export interface OrchestrateInit {
  readonly swarmId: string;
  readonly description: string;
  readonly capabilities: readonly string[];
  /** In place of a plan that is made from the capabilities. */
  readonly phases?: readonly PhaseInit[] | undefined;
  readonly priority?: 'low' | 'medium' | 'normal' | 'high' | undefined;
  readonly strategy?: Strategy | undefined;
  readonly parallelism?: number | undefined;
  readonly aggregation?: Aggregation | undefined;
  readonly resolution?: Resolution | undefined;
  readonly retry?: 'none' | 'exponential_backoff' | undefined;
  /** Share of the agents of one phase that may fail; default all but one. */
  readonly failureThreshold?: number | undefined;
  readonly threshold?: number | undefined;
  readonly timeoutMs?: number | undefined;
  /** Only to be seen. */
  readonly isDry?: boolean | undefined;
}

/** How long a look waits for something new. */
export interface PlanWait {
  /** The version that is known; absent: for its end. */
  readonly seen?: number | undefined;
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

/** The plans of a node. */
export interface Orchestrations extends Startable {
  /** On the disk when it resolves. @throws STARLING_USAGE, STARLING_SWARM_UNKNOWN, STARLING_SWARM_REFUSED, STARLING_SWARM_BUSY */
  orchestrate(principal: Principal, init: OrchestrateInit): Promise<PlanView>;
  /** Whether this is the id of a plan here. */
  has(taskId: string): boolean;
  /** @throws STARLING_TASK_UNKNOWN, also for one that `principal` may not see */
  view(principal: Principal, taskId: string, wait?: PlanWait): Promise<PlanView>;
  /** @throws STARLING_TASK_UNKNOWN; STARLING_TASK_ENDED where it has ended */
  cancel(principal: Principal, taskId: string): Promise<PlanView>;
  /** Those that `principal` may see, the newest first. */
  list(principal: Principal): Promise<readonly PlanView[]>;
}

const ROW = 'plan/';
const DISK_RETRY = { baseMs: 500, capMs: 30_000 };
/** The most that a board shows of a plan, in bytes. */
const SHOWN_MAX = 128 * 1024;

/** Makes the orchestrations of a node. */
export function createOrchestrations(components: OrchestrationsComponents): Orchestrations {
  return new NodeOrchestrations(components);
}

/** A plan here. */
interface Live {
  readonly conductor: Conductor;
  readonly wakers: Set<() => void>;
  cancelDeadline: () => void;
}

class NodeOrchestrations implements Orchestrations {
  readonly #components: OrchestrationsComponents;
  readonly #plans = new Map<string, Live>();
  #life: Scope;

  constructor(components: OrchestrationsComponents) {
    this.#components = components;
    this.#life = createScope(components.clock);
    this.#life.close();
  }

  async start(): Promise<void> {
    const { logger, table } = this.#components;
    this.#life = createScope(this.#components.clock);
    const states: PlanState[] = [];
    for await (const [key, bytes] of table.entries(ROW)) {
      try {
        const state = JSON.parse(Buffer.from(bytes).toString('utf8')) as PlanState;
        if (typeof state.order.id !== 'string') throw new TypeError('it has no id');
        states.push(state);
      } catch (error) {
        logger.warn({ key, error: messageOf(error) }, 'a stored plan is damaged, left out');
      }
    }
    const inOrder = states.toSorted(
      (one, other) => one.order.submittedAt - other.order.submittedAt,
    );
    for (const state of inOrder) this.#take(state);
  }

  async stop(): Promise<void> {
    this.#life.close();
    for (const { cancelDeadline, wakers } of this.#plans.values()) {
      cancelDeadline();
      for (const wake of wakers) wake();
    }
    this.#plans.clear();
  }

  async orchestrate(principal: Principal, init: OrchestrateInit): Promise<PlanView> {
    const { swarms, table } = this.#components;
    this.#checkRoom();
    const { swarm } = await swarms.open(principal, init.swarmId);
    const hasValidators = swarm.seats.some(({ joined, role }) => joined && role === 'validator');
    const order = this.#orderOf(
      principal,
      { ...init, swarmId: swarm.id },
      {
        hasValidators,
        threshold: init.threshold ?? swarm.threshold,
      },
    );
    const phases = await this.#crews(principal, order);
    const state: PlanState = { order, status: 'running', version: 1, phases };
    if (init.isDry === true) return this.#viewOf(state);
    const lacking = order.phases.filter((_, at) => phases[at]?.seats.length === 0);
    if (lacking.length > 0) throw nobodyCan(swarm, lacking);
    // A swarm that is full says so before it takes anything.
    swarms.begin(swarm.id)();
    await table.put(ROW + order.id, Buffer.from(JSON.stringify(state)));
    const live = this.#take(state);
    this.#show(state);
    this.#forget();
    return this.#viewOf(live.conductor.state);
  }

  has(taskId: string): boolean {
    return this.#plans.has(taskId);
  }

  async view(principal: Principal, taskId: string, wait?: PlanWait): Promise<PlanView> {
    const live = this.#seen(principal, taskId);
    const { conductor, wakers } = live;
    const isNew = (): boolean =>
      wait?.seen === undefined ? conductor.isOver : conductor.state.version !== wait.seen;
    if (wait !== undefined) {
      const { clock } = this.#components;
      const until = clock.now() + wait.waitMs;
      while (!isNew() && !wait.signal.aborted && !this.#life.closed && clock.now() < until) {
        await waitForNews(wakers, clock, { ...wait, waitMs: until - clock.now() });
      }
    }
    return this.#viewOf(conductor.state);
  }

  async cancel(principal: Principal, taskId: string): Promise<PlanView> {
    const { conductor } = this.#seen(principal, taskId);
    if (conductor.isOver) {
      const { status } = conductor.state;
      throw new StarlingError('STARLING_TASK_ENDED', `task ${taskId} is ${status}`, {
        hint: `see what came of it: starling task info ${taskId}`,
        data: { taskId, reason: status },
      });
    }
    await conductor.end('cancelled', 'cancelled', `${nameOf(principal)} has cancelled it`);
    return this.#viewOf(conductor.state);
  }

  async list(principal: Principal): Promise<readonly PlanView[]> {
    const seen = [...this.#plans.values()].filter(({ conductor }) =>
      isSubmitter(principal, conductor.state),
    );
    return Promise.all(seen.toReversed().map(({ conductor }) => this.#viewOf(conductor.state)));
  }

  #orderOf(
    principal: Principal,
    init: OrchestrateInit,
    { hasValidators, threshold }: { readonly hasValidators: boolean; readonly threshold: number },
  ): PlanOrder {
    const { clock, random } = this.#components;
    const { aggregation = 'first', parallelism = 1, strategy = 'adaptive' } = init;
    if (parallelism > PARALLEL_MAX) throw tooWide(parallelism);
    const now = clock.now();
    const isShared = aggregation !== 'first' || init.aggregation === 'first';
    const copies = isShared ? parallelism : 1;
    const sequential = strategy === 'sequential';
    const phases: readonly Phase[] =
      init.phases === undefined
        ? planFrom({ capabilities: init.capabilities, sequential, copies, hasValidators })
        : planOf(init.phases, copies);
    return {
      id: labelOf('task', now, random),
      swarmId: init.swarmId,
      description: init.description,
      priority: init.priority === 'medium' ? 'normal' : (init.priority ?? 'normal'),
      strategy,
      aggregation,
      resolution: init.resolution ?? 'expert_priority',
      threshold,
      failureThreshold: init.failureThreshold ?? 1,
      retry: init.retry ?? 'none',
      parallelism,
      phases,
      submitter: senderKey(principal),
      from: nameOf(principal),
      submittedAt: now,
      expiresAt: now + Math.min(init.timeoutMs ?? DEADLINE_MS, DEADLINE_MAX_MS),
    };
  }

  /** Who is to do what, before anything is done: whoever checks is chosen first, or last where others come off better so. */
  async #crews(principal: Principal, order: PlanOrder): Promise<readonly PhaseRow[]> {
    const { swarms } = this.#components;
    const { swarm } = await swarms.open({ kind: 'operator' }, order.swarmId);
    const log = await swarms.log(order.swarmId);
    const lacking = (rows: readonly PhaseRow[]): number =>
      rows.filter(({ seats }) => seats.length === 0).length;
    const choose = (first: Phase['role']): Promise<readonly PhaseRow[]> =>
      this.#crewsInOrder(order, { principal, swarm, log, first });
    const rows = await choose('validator');
    if (lacking(rows) === 0) return rows;
    const others = await choose('worker');
    return lacking(others) < lacking(rows) ? others : rows;
  }

  async #crewsInOrder(
    { phases }: PlanOrder,
    {
      first,
      ...init
    }: Pick<CrewInit, 'log' | 'principal' | 'swarm'> & { readonly first: Phase['role'] },
  ): Promise<readonly PhaseRow[]> {
    const busy = new Map<string, number>();
    const rows = new Map<string, PhaseRow>();
    const inOrder = [
      ...phases.filter(({ role }) => role === first),
      ...phases.filter(({ role }) => role !== first),
    ];
    for (const phase of inOrder) {
      const without = new Set(
        [...rows.values()]
          .filter(({ name }) => areApart(phases, phase.name, name))
          .flatMap(({ seats }) => seats.map(({ member }) => member)),
      );
      const crew = await chooseCrew(this.#components, {
        ...init,
        phase,
        without,
        busy,
        count: phase.copies,
      });
      for (const { member } of crew) busy.set(member, (busy.get(member) ?? 0) + 1);
      const seats = crew.map((one, place): SeatRow => ({ ...one, round: 0, place, nth: 0 }));
      rows.set(phase.name, { name: phase.name, status: 'waiting', round: 0, seats });
    }
    return phases.flatMap(({ name }) => rows.get(name) ?? []);
  }

  #take(state: PlanState): Live {
    const { clock } = this.#components;
    const { id, expiresAt, submitter } = state.order;
    const wakers = new Set<() => void>();
    const conductor = new Conductor(this.#components, {
      state,
      principal: this.#principalOf(submitter),
      keep: (next) => this.#keep(next, wakers),
      signal: this.#life.signal,
    });
    const live: Live = { conductor, wakers, cancelDeadline: () => undefined };
    this.#plans.set(id, live);
    if (conductor.isOver) return live;
    const leftMs = Math.max(0, expiresAt - clock.now());
    live.cancelDeadline = clock.schedule(leftMs, () => {
      void conductor.end('expired', 'expired', 'it was not done in its time');
    });
    void conductor.run().finally(() => {
      if (conductor.isOver) live.cancelDeadline();
    });
    return live;
  }

  /** Written until the disk takes it, then shown. */
  async #keep(state: PlanState, wakers: ReadonlySet<() => void>): Promise<void> {
    const { logger, random, table } = this.#components;
    for (let failures = 0; !this.#life.closed; failures += 1) {
      try {
        await table.put(ROW + state.order.id, Buffer.from(JSON.stringify(state)));
        break;
      } catch (error) {
        logger.warn({ error: messageOf(error) }, 'a plan could not be written');
        await sleep(this.#life, backoffMs(failures, DISK_RETRY, random));
      }
    }
    for (const wake of wakers) wake();
    this.#show(state);
  }

  /** Tells the nodes of the swarm; a plan does not wait for that. */
  #show(state: PlanState): void {
    if (this.#life.closed) return;
    const { clock, logger, swarms } = this.#components;
    const { order, phases, status } = state;
    const busy: Record<string, string> = {};
    for (const { seats, status: where } of phases) {
      for (const { member, outcome, taskId } of where === 'running' ? seats : []) {
        if (outcome === undefined && taskId !== undefined) busy[member] = taskId;
      }
    }
    const shown = async (): Promise<void> => {
      const { result: _, ...view } = await this.#viewOf(state);
      const isLong = Buffer.byteLength(JSON.stringify(view)) > SHOWN_MAX;
      await swarms.show(order.swarmId, {
        taskId: order.id,
        status,
        busy,
        view: isLong ? null : (view as unknown as Json),
        at: clock.now(),
      });
    };
    shown().catch((error: unknown) =>
      logger.debug({ error: messageOf(error) }, 'a plan was not shown on its board'),
    );
  }

  async #viewOf(state: PlanState): Promise<PlanView> {
    const { clock, swarms } = this.#components;
    const { swarmId } = state.order;
    const found = await swarms.find(swarmId).catch((error: unknown) => {
      // Its board may be gone.
      if (error instanceof StarlingError) return undefined;
      throw error;
    });
    const log = found === undefined ? [] : await swarms.log(swarmId);
    return planView(state, {
      swarm: found,
      endpointOf: (seat) => swarms.endpointOf(seat),
      log,
      nowMs: clock.now(),
    });
  }

  #seen(principal: Principal, taskId: string): Live {
    const live = this.#plans.get(taskId);
    if (live !== undefined && isSubmitter(principal, live.conductor.state)) return live;
    const shown = taskId.slice(0, 128);
    throw new StarlingError('STARLING_TASK_UNKNOWN', `there is no task '${shown}'`, {
      hint: 'see which there are: starling task list',
      data: { taskId: shown, reason: 'unknown' },
    });
  }

  #checkRoom(): void {
    if (this.#life.closed) throw new StarlingError('STARLING_STOPPED', 'the node is stopping');
    const open = [...this.#plans.values()].filter(({ conductor }) => !conductor.isOver).length;
    if (open < PLANS_MAX) return;
    throw new StarlingError(
      'STARLING_LIMIT_EXCEEDED',
      `${open} plans are under way, and ${PLANS_MAX} may be`,
      {
        hint: 'ask again when some have ended: starling task list',
        data: { reason: 'full', limit: PLANS_MAX },
      },
    );
  }

  /** The oldest of those that have ended go. */
  #forget(): void {
    const ended = [...this.#plans].filter(([, { conductor }]) => conductor.isOver);
    for (const [id] of ended.slice(0, Math.max(0, ended.length - ENDED_MAX))) {
      this.#plans.delete(id);
      this.#components.table
        .delete(ROW + id)
        .catch((error: unknown) =>
          this.#components.logger.warn({ error: messageOf(error) }, 'an old plan was not deleted'),
        );
    }
  }

  #principalOf(submitter: string): Principal {
    const [first = '', ...others] = sendersIn(submitter);
    const principal = this.#components.principalOf(first);
    if (others.length === 0 || principal.kind !== 'client') return principal;
    return { ...principal, worksFor: others.map((key) => this.#components.principalOf(key)) };
  }
}

function isSubmitter(principal: Principal, { order }: PlanState): boolean {
  return (
    principal.kind === 'operator' ||
    sendersIn(senderKey(principal))[0] === sendersIn(order.submitter)[0]
  );
}

function nobodyCan(
  { id, name }: { readonly id: string; readonly name: string },
  lacking: readonly Phase[],
): StarlingError {
  const needs = lacking.map(({ capability, role }) =>
    role === 'validator' ? `${capability} (to check, by somebody who did not do it)` : capability,
  );
  return new StarlingError(
    'STARLING_SWARM_REFUSED',
    `nobody in the swarm ${name} who is online and may be given a task can do: ${needs.join(', ')}`,
    {
      hint: `see who is in it: starling swarm status ${name}`,
      data: { swarmId: id, reason: 'capability' },
    },
  );
}

function tooWide(parallelism: number): StarlingError {
  return new StarlingError(
    'STARLING_USAGE',
    `${parallelism} agents are to do a phase at once, and ${PARALLEL_MAX} may`,
    { hint: 'see: starling task run --help' },
  );
}
