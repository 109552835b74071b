/**
 * Work that a swarm does by a plan. A plan belongs to the node where it was wanted, is on the disk there before anybody is
 * told so, and goes on after a restart; the board of the swarm shows to all of its nodes how it goes.
 */
import type { Fund, Funds } from '../budget/index.ts';
import {
  StarlingError,
  backoffMs,
  createScope,
  messageOf,
  sleep,
  unawaited,
} from '../core/index.ts';
import type { Json, JsonObject, Scope, Startable } from '../core/index.ts';
import { senderKey, sendersIn, splitCapability, waitUntil } from '../agents/index.ts';
import { chainOf, goneOf, nameOf } from '../guard/index.ts';
import type { Principal, Zone } from '../guard/index.ts';
import type { Table } from '../store/index.ts';
import { Conductor } from './conductor.ts';
import type { ConductorComponents } from './conductor.ts';
import { firstCrews } from './first-crews.ts';
import { ENDED_BYTES_MAX, ENDED_MAX, PHASES_MAX } from './limits.ts';
import { planOrder } from './order.ts';
import type { OrchestrateInit } from './order.ts';
import type { PhaseInit } from './plan.ts';
import { createPlanPlaces } from './plan-places.ts';
import type { PlanPlaces } from './plan-places.ts';
import { createPlanRows } from './plan-rows.ts';
import type { PlanRows } from './plan-rows.ts';
import type { Swarm } from '../swarms/index.ts';
import type { PlanOrder, PlanState, PlanView } from './types.ts';
import { proposedPhases } from './proposed-plan.ts';
import type { ProposePhases } from '../thinking/index.ts';
import { planView } from './view.ts';

/** The rooms below. */
export interface OrchestrationsComponents extends ConductorComponents {
  /** Gives plans the budgets that they spend of; without it there are none. */
  readonly funds?: Pick<Funds, 'end' | 'of'>;
  readonly table: Table;
  /** Who is meant by a link of a sender (`chainOf`). */
  principalOf(key: string): Principal;
  /** How far a caller is trusted. */
  zoneOf(this: void, principal: Principal): Zone;
  /** Asks a model how members could do something; what it says is judged here. Without it no model proposes anything. */
  propose?(this: void, asked: ProposePhases): Promise<JsonObject>;
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
  /** A plan for each input, all or none; in the order of the inputs. @throws as {@link orchestrate} */
  orchestrateAll(
    principal: Principal,
    init: OrchestrateInit,
    inputs: readonly Json[],
  ): Promise<readonly PlanView[]>;
  /** Whether this is the id of a plan here. */
  has(taskId: string): boolean;
  /** @throws STARLING_TASK_UNKNOWN, also for one that `principal` may not see */
  view(principal: Principal, taskId: string, wait?: PlanWait): Promise<PlanView>;
  /** @throws STARLING_TASK_UNKNOWN; STARLING_TASK_ENDED where it has ended */
  cancel(principal: Principal, taskId: string): Promise<PlanView>;
  /** An agent of this node retires: its plans end, and whoever takes its name has none of them. On the disk when it resolves. */
  retired(agent: Extract<Principal, { kind: 'client' }>): Promise<void>;
  /** Those that `principal` may see, the newest first. */
  list(principal: Principal): Promise<readonly PlanView[]>;
}

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
  /** What it takes once it has ended. */
  bytes: number;
}

class NodeOrchestrations implements Orchestrations {
  readonly #components: OrchestrationsComponents;
  readonly #rows: PlanRows;
  readonly #plans = new Map<string, Live>();
  #places: PlanPlaces = createPlanPlaces();
  #life: Scope;

  constructor(components: OrchestrationsComponents) {
    this.#components = components;
    this.#rows = createPlanRows(components.table, components.logger);
    this.#life = createScope(components.clock);
    this.#life.close();
  }

  async start(): Promise<void> {
    this.#life = createScope(this.#components.clock);
    this.#places = createPlanPlaces();
    for (const state of await this.#rows.load()) {
      const isOver = state.status !== 'running';
      this.#take(state, isOver ? nothing : this.#places.keep(state.order.submitter));
    }
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
    const [view] = await this.#planned(principal, [init]);
    return view as PlanView;
  }

  orchestrateAll(
    principal: Principal,
    init: OrchestrateInit,
    inputs: readonly Json[],
  ): Promise<readonly PlanView[]> {
    const all = inputs.map((input) => ({ ...init, input }));
    return this.#planned(principal, all);
  }

  /** The places are taken before anything is waited for, so that as many at once have no more. */
  async #planned(
    principal: Principal,
    inits: readonly OrchestrateInit[],
  ): Promise<readonly PlanView[]> {
    if (this.#life.closed) throw new StarlingError('STARLING_STOPPED', 'the node is stopping');
    const isDry = inits.some((init) => init.isDry === true);
    const submitter = senderKey(principal);
    const give = isDry ? nothing : this.#places.take(submitter, inits.length);
    try {
      const states = await this.#statesOf(principal, inits, isDry);
      if (isDry) return await Promise.all(states.map((state) => this.#viewOf(state)));
      await this.#rows.put(states).catch((error: unknown) => {
        this.#components.funds?.end(states[0]?.order.fund);
        throw error;
      });
      if (this.#life.closed) throw new StarlingError('STARLING_STOPPED', 'the node is stopping');
      give();
      const lives = states.map((state) => this.#take(state, this.#places.keep(submitter)));
      for (const state of states) this.#show(state);
      this.#forget();
      return await Promise.all(lives.map(({ conductor }) => this.#viewOf(conductor.state)));
    } finally {
      give();
    }
  }

  async #statesOf(
    principal: Principal,
    inits: readonly OrchestrateInit[],
    isDry: boolean,
  ): Promise<readonly PlanState[]> {
    const { clock, random, swarms } = this.#components;
    const zone = this.#components.zoneOf(principal);
    const { swarm } = await swarms.open(principal, inits[0]?.swarmId ?? '');
    const hasValidators = swarm.seats.some(({ joined, role }) => joined && role === 'validator');
    const proposed = await this.#proposed(principal, inits[0], swarm);
    const orders = inits.map((given) => {
      const init = proposed === undefined ? given : { ...given, phases: proposed };
      const threshold = init.threshold ?? swarm.threshold;
      const components = { clock, random, swarmId: swarm.id, threshold, hasValidators, zone };
      return planOrder(principal, init, components);
    });
    const crews = await firstCrews(this.#components, orders, { principal, swarm, isDry });
    // A swarm that is full says so before it takes anything.
    if (!isDry) swarms.begin(swarm.id, undefined, orders.length)();
    const fund = isDry ? undefined : await this.#fundOf(principal, orders, inits[0], swarm);
    return orders.map((order, at) => {
      const funded = fund === undefined ? order : { ...order, fund };
      return { order: funded, status: 'running', version: 1, phases: crews[at] ?? [] };
    });
  }

  /**
   * What a model would have the members do, where one is asked; of what the submitter may give them. The model is the
   * submitter's, and so are its costs. @throws STARLING_USAGE, STARLING_MODEL_INVALID, and what the model's call fails with
   */
  async #proposed(
    principal: Principal,
    init: OrchestrateInit | undefined,
    swarm: Swarm,
  ): Promise<readonly PhaseInit[] | undefined> {
    const { model, phases, capabilities: required = [], description = '', signal } = init ?? {};
    if (model === undefined) return undefined;
    const { agents, propose, swarms } = this.#components;
    if (phases !== undefined || propose === undefined) {
      throw new StarlingError('STARLING_USAGE', 'say either the phases, or who proposes them', {
        hint: 'leave `phases` out, or `model`',
      });
    }
    const joined = swarm.seats.filter((seat) => seat.joined);
    const seats = new Set(joined.map((seat) => swarms.endpointOf(seat)));
    const { agents: all } = await agents.list(principal, {});
    const members = all.filter(({ endpoint }) => seats.has(endpoint));
    const names = members
      .flatMap((one) => one.capabilities)
      .map((one) => splitCapability(one).name);
    const capabilities = [...new Set([...names, ...required])];
    const wanted = { model, capabilities, required };
    const { signal: over } = this.#life;
    const value = await propose({
      ...wanted,
      principal,
      description,
      phasesMax: PHASES_MAX,
      signal: signal === undefined ? over : AbortSignal.any([signal, over]),
    });
    return proposedPhases(value, wanted);
  }

  /** What all that is planned at once may spend together, and what is the swarm's. @throws as funds do */
  async #fundOf(
    principal: Principal,
    [first]: readonly PlanOrder[],
    init: OrchestrateInit | undefined,
    swarm: Swarm,
  ): Promise<Fund | undefined> {
    const { funds } = this.#components;
    const own = await funds?.of(principal, init?.budget, `task:${first?.id ?? ''}`);
    const budgets = [...new Set([...(own?.budgets ?? []), ...(swarm.fund?.budgets ?? [])])];
    return budgets.length === 0 ? undefined : { ...own, budgets };
  }

  /** What was to be spent for these plans alone is closed when the last of them is over. */
  #endFund({ fund }: PlanOrder): void {
    if (fund?.own === undefined) return;
    const isNeeded = [...this.#plans.values()].some(
      ({ conductor }) => !conductor.isOver && conductor.state.order.fund?.own === fund.own,
    );
    if (!isNeeded) this.#components.funds?.end(fund);
  }

  has(taskId: string): boolean {
    return this.#plans.has(taskId);
  }

  async view(principal: Principal, taskId: string, wait?: PlanWait): Promise<PlanView> {
    const live = this.#seen(principal, taskId);
    const { conductor, wakers } = live;
    const isNew = (): boolean =>
      wait?.seen === undefined ? conductor.isOver : conductor.state.version !== wait.seen;
    const isOver = (): boolean => this.#life.closed || isNew();
    if (wait !== undefined) await waitUntil(wakers, isOver, this.#components.clock, wait);
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

  async retired(agent: Extract<Principal, { kind: 'client' }>): Promise<void> {
    const [link] = chainOf(agent);
    const [gone = ''] = chainOf(goneOf(agent));
    for (const { conductor } of this.#plans.values()) {
      const senders = sendersIn(conductor.state.order.submitter);
      if (senders[0] !== link) continue;
      await conductor.end('cancelled', 'retired', `${nameOf(agent)} has retired, which wanted it`);
      const { order } = conductor.state;
      const submitter = [gone, ...senders.slice(1)].join('\n');
      const state = { ...conductor.state, order: { ...order, submitter } };
      await this.#rows.put([state]);
      conductor.state = state;
    }
  }

  /** `over` gives its place back. */
  #take(state: PlanState, over: () => void): Live {
    const { clock } = this.#components;
    const { id, expiresAt, submittedAt, submitter } = state.order;
    const wakers = new Set<() => void>();
    const ended = (last: PlanState): void => {
      live.bytes = sizeOf(last);
      over();
    };
    const conductor = new Conductor(this.#components, {
      state,
      // Asked for each time: a key that was revoked has no more rights in the middle of its plan either.
      principal: () => this.#principalOf(submitter),
      keep: async (next) => {
        await this.#keep(next, wakers);
        if (next.status !== 'running') ended(next);
      },
      signal: this.#life.signal,
    });
    const live: Live = { conductor, wakers, cancelDeadline: nothing, bytes: 0 };
    this.#plans.set(id, live);
    if (conductor.isOver) {
      live.bytes = sizeOf(state);
      return live;
    }
    // A clock that was set back while the node was down gives no more time than there was.
    const leftMs = Math.max(0, Math.min(expiresAt - clock.now(), expiresAt - submittedAt));
    live.cancelDeadline = clock.schedule(leftMs, () => {
      const ended = conductor.end('expired', 'expired', 'it was not done in its time');
      unawaited(ended, this.#components.logger, 'a plan whose time is over has not ended', {
        plan: id,
      });
    });
    const running = conductor.run().finally(() => {
      if (!conductor.isOver) return;
      live.cancelDeadline();
      this.#endFund(state.order);
    });
    unawaited(running, this.#components.logger, 'a plan does not go on', { plan: id });
    return live;
  }

  /** Written until the disk takes it, then shown. */
  async #keep(state: PlanState, wakers: ReadonlySet<() => void>): Promise<void> {
    const { logger, random } = this.#components;
    for (let failures = 0; !this.#life.closed; failures += 1) {
      try {
        await this.#rows.put([state]);
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

  /** The oldest of those that have ended go. */
  #forget(): void {
    const ended = [...this.#plans].filter(([, { conductor }]) => conductor.isOver);
    let bytes = ended.reduce((sum, [, live]) => sum + live.bytes, 0);
    for (const [at, [id, live]] of ended.entries()) {
      if (ended.length - at <= ENDED_MAX && bytes <= ENDED_BYTES_MAX) return;
      bytes -= live.bytes;
      this.#plans.delete(id);
      this.#rows
        .drop(id)
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

function nothing(): void {
  // There is nothing to give back.
}

function sizeOf({ result }: PlanState): number {
  return Buffer.byteLength(JSON.stringify(result ?? null));
}

function isSubmitter(principal: Principal, { order }: PlanState): boolean {
  return (
    principal.kind === 'operator' ||
    sendersIn(senderKey(principal))[0] === sendersIn(order.submitter)[0]
  );
}
