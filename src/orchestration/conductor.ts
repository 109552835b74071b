/**
 * Has one plan done: gives the phases that wait for nothing to their crews as tasks, judges what came of each, and plans
 * anew what failed. Each step is on the disk before the next one is begun, and each task has an id that tells it, so that
 * a node that was started again goes on where it was.
 */
import { StarlingError, backoffMs, joinSignals, messageOf, pause } from '../core/index.ts';
import type { Json, Logger, Random } from '../core/index.ts';
import { senderKey } from '../agents/index.ts';
import type { Principal } from '../guard/index.ts';
import { memberId } from '../swarms/index.ts';
import type { Swarms } from '../swarms/index.ts';
import { chooseCrew } from './crew.ts';
import type { Chosen, CrewComponents } from './crew.ts';
import { foundIn } from './phase-findings.ts';
import type { FoundOfSeat } from './phase-findings.ts';
import { lastOfPlaces, verdictOf } from './verdict.ts';
import type { Verdict } from './verdict.ts';
import { REPLANS_MAX, SEAT_MS, TRIES_MAX } from './limits.ts';
import { memberTask } from './member-task.ts';
import type { MemberTaskComponents } from './member-task.ts';
import { areApart } from './plan.ts';
import { withoutResults } from './plan-rows.ts';
import type { Phase, PhaseRow, PlanState, SeatRow } from './types.ts';

/** What conducting takes. */
export interface ConductorComponents extends CrewComponents, MemberTaskComponents {
  readonly swarms: Swarms;
  /** Hears what a vote or a check has found of somebody's result. */
  readonly found?: (found: FoundOfSeat & { readonly sender: string }) => Promise<void>;
  readonly random: Random;
  readonly logger: Logger;
}

/** One plan under way. */
export interface ConductorInit {
  readonly state: PlanState;
  /** By whose right it is done, as that is now. */
  principal(): Principal;
  /** On the disk when it resolves. */
  keep(state: PlanState): Promise<void>;
  /** Aborted when the node stops: nothing is ended by that. */
  readonly signal: AbortSignal;
}

const RETRY = { baseMs: 100, capMs: 30_000 };

/** Has one plan done. */
export class Conductor {
  state: PlanState;
  readonly #components: ConductorComponents;
  readonly #init: ConductorInit;
  /** Aborted when the plan has ended. */
  readonly #over = new AbortController();
  /** Changes go to the disk one after the other. */
  #written: Promise<void> = Promise.resolve();

  constructor(components: ConductorComponents, init: ConductorInit) {
    this.#components = components;
    this.#init = init;
    this.state = init.state;
  }

  get isOver(): boolean {
    return this.state.status !== 'running';
  }

  /** Until the plan has ended, or the node stops. Never rejects. */
  async run(): Promise<void> {
    const running = new Map<string, Promise<void>>();
    try {
      while (!this.isOver && !this.#init.signal.aborted) {
        for (const phase of this.#ready(running)) {
          const { name } = phase;
          running.set(
            name,
            this.#phase(phase).finally(() => {
              running.delete(name);
            }),
          );
        }
        if (running.size === 0) break;
        await Promise.race(running.values());
      }
      if (!this.isOver && !this.#init.signal.aborted) await this.#finish();
    } catch (error) {
      if (!this.isOver && !this.#init.signal.aborted)
        await this.end('failed', 'internal', messageOf(error));
    }
  }

  /** Ends it; whoever has a part of it is told. Resolves once that is on the disk. */
  async end(
    status: 'cancelled' | 'expired' | 'failed',
    reason: string,
    message: string,
  ): Promise<void> {
    if (this.isOver) return;
    const { clock, logger, tasks } = this.#components;
    const { phases } = this.state;
    await this.#put({
      status,
      error: { reason, message },
      // What each gave is of no use once the plan has ended.
      phases: phases.map(withoutResults),
      endedAt: clock.now(),
    });
    this.#over.abort();
    const open = phases.flatMap(({ seats }) =>
      seats.flatMap(({ outcome, taskId }) =>
        outcome === undefined && taskId !== undefined ? taskId : [],
      ),
    );
    for (const id of open) {
      await tasks
        .cancel(this.#init.principal(), id)
        .catch((error: unknown) =>
          logger.debug({ id, error: messageOf(error) }, 'a task of a plan had ended'),
        );
    }
  }

  /** Phases whose dependencies are done and that nobody does yet. */
  #ready(running: ReadonlyMap<string, unknown>): readonly Phase[] {
    const { order, phases } = this.state;
    const isDone = (name: string): boolean => this.#row(name).status === 'done';
    const open = order.phases.filter(
      ({ name, dependencies }) =>
        ['waiting', 'running'].includes(this.#row(name).status) &&
        !running.has(name) &&
        dependencies.every(isDone),
    );
    if (phases.some(({ status }) => status === 'failed')) return [];
    const places = order.strategy === 'sequential' ? 1 : Math.max(1, order.parallelism);
    return open.slice(0, Math.max(0, places - running.size));
  }

  #row(name: string): PhaseRow {
    const row = this.state.phases.find((one) => one.name === name);
    if (row === undefined) throw new Error(`a plan without its phase ${name}`);
    return row;
  }

  async #finish(): Promise<void> {
    const { order, phases } = this.state;
    const failed = phases.find(({ status }) => status === 'failed');
    if (failed !== undefined) {
      const { error = 'it failed', name } = failed;
      const reason = error.startsWith('no_consensus') ? 'no_consensus' : 'phase';
      return this.end('failed', reason, `the phase ${name} was not done: ${error}`);
    }
    const last = order.phases.filter(
      ({ name, role }) =>
        role === 'worker' &&
        !order.phases.some((other) => other.role === 'worker' && other.dependencies.includes(name)),
    );
    const results = last.map(({ name }) => [name, this.#row(name).result ?? null] as const);
    const result: Json =
      results.length === 1 ? (results[0]?.[1] ?? null) : Object.fromEntries(results);
    return this.#put({
      status: 'done',
      result,
      phases: phases.map(withoutResults),
      endedAt: this.#components.clock.now(),
    });
  }

  async #phase(phase: Phase): Promise<void> {
    const { clock } = this.#components;
    const { name } = phase;
    for (let { round } = this.#row(name); !this.#isStopped; round += 1) {
      const isPlanned = this.#row(name).seats.some((seat) => seat.round === round);
      const crew = isPlanned ? [] : await this.#crew(phase, round);
      if (!isPlanned && crew.length === 0) {
        const before = this.#row(name).error;
        const nobody = `no other member of the swarm can do ${phase.capability} now`;
        const error = before === undefined ? nobody : `${before}; ${nobody}`;
        return this.#putPhase(name, { status: 'failed', error, endedAt: clock.now() });
      }
      const seats = crew.map((one, place): SeatRow => ({ ...one, round, place, nth: 0 }));
      await this.#putPhase(name, {
        status: 'running',
        round,
        seats: [...this.#row(name).seats, ...seats],
        startedAt: this.#row(name).startedAt ?? clock.now(),
      });
      const verdict = await this.#round(phase, round);
      if (verdict === undefined) return;
      await this.#found(phase, verdict);
      if ('result' in verdict && verdict.rejected === undefined) {
        const { result, vote } = verdict;
        const { error: _, ...row } = this.#row(name);
        await this.#putRow({
          ...row,
          status: 'done',
          result,
          ...(vote === undefined ? {} : { vote }),
          endedAt: clock.now(),
        });
        return;
      }
      if ('rejected' in verdict && verdict.rejected !== undefined) {
        if (await this.#again(phase, verdict.rejected)) return;
      }
      const error = 'error' in verdict ? verdict.error : `rejected: ${verdict.rejected ?? ''}`;
      const { vote } = verdict;
      const isLast = round >= REPLANS_MAX || 'rejected' in verdict;
      const shown = { error, ...(vote === undefined ? {} : { vote }) };
      await this.#putPhase(
        name,
        isLast ? { ...shown, status: 'failed', endedAt: clock.now() } : shown,
      );
      if (isLast) return;
    }
  }

  /** Each agent whose work was found right or wrong may learn of it. */
  async #found(phase: Phase, verdict: Verdict): Promise<void> {
    const { found, logger } = this.#components;
    if (found === undefined) return;
    const sender = senderKey(this.#init.principal());
    for (const one of foundIn(phase, verdict, (name) => this.#row(name))) {
      await found({ ...one, sender }).catch((error: unknown) =>
        logger.warn({ error: messageOf(error) }, 'an agent was not told how its task went'),
      );
    }
  }

  get #isStopped(): boolean {
    return this.#over.signal.aborted || this.#init.signal.aborted;
  }

  /** What was found wanting is done anew; false where that was done often enough, or the strategy has no such thing. */
  async #again(phase: Phase, why: string): Promise<boolean> {
    const { order } = this.state;
    const { name, dependencies } = phase;
    const { round } = this.#row(name);
    if (order.strategy !== 'adaptive' || round >= REPLANS_MAX) return false;
    const names = new Set([name, ...dependencies]);
    await this.#put({
      phases: this.state.phases.map((row) => {
        if (!names.has(row.name)) return row;
        const { result: _, vote: __, endedAt: ___, ...rest } = row;
        return { ...rest, status: 'waiting', round: row.round + 1, error: `rejected: ${why}` };
      }),
    });
    return true;
  }

  /** Undefined where the plan ends meanwhile. */
  async #round(phase: Phase, round: number): Promise<Verdict | undefined> {
    const { order } = this.state;
    const over = new AbortController();
    const { signal: stop, clear } = joinSignals(over.signal, this.#over.signal, this.#init.signal);
    const isFirst = order.aggregation === 'first' && phase.role === 'worker';
    const seatsOf = (): readonly SeatRow[] =>
      this.#row(phase.name).seats.filter((seat) => seat.round === round);
    const places = lastOfPlaces(seatsOf());
    let failed = 0;
    await Promise.all(
      places.map(async (seat) => {
        const isDone = await this.#place(phase, seat, stop);
        if (isDone === undefined) return;
        failed += isDone ? 0 : 1;
        const isHopeless = failed / places.length > order.failureThreshold;
        if ((isDone && isFirst) || isHopeless) over.abort();
      }),
    );
    clear();
    if (this.#isStopped) return undefined;
    const given = isFirst ? seatsOf().filter(({ outcome }) => outcome === 'done') : [];
    return verdictOf(order, phase, given.length > 0 ? given : seatsOf());
  }

  /** Gives one place to one agent after the other; undefined where nobody wants to know any more. */
  async #place(phase: Phase, from: SeatRow, stop: AbortSignal): Promise<boolean | undefined> {
    const { clock, random } = this.#components;
    let seat = from;
    for (;;) {
      if (seat.outcome === undefined) seat = await this.#seat(phase, seat, stop);
      if (stop.aborted && seat.outcome !== 'done') return undefined;
      if (seat.outcome === 'done') return true;
      if (seat.nth + 1 >= TRIES_MAX) return false;
      const isPatient = this.state.order.retry === 'exponential_backoff';
      const [other] = await this.#crew(phase, seat.round, 1);
      const next = other ?? (isPatient ? seat : undefined);
      if (next === undefined) return false;
      if (isPatient) await pause(clock, backoffMs(seat.nth, RETRY, random));
      if (stop.aborted) return undefined;
      const { did, endpoint, member, weight, why } = next;
      const { nth, place, round } = seat;
      seat = { did, endpoint, member, weight, why, round, place, nth: nth + 1 };
      await this.#putPhase(phase.name, { seats: [...this.#row(phase.name).seats, seat] });
    }
  }

  /** Has one agent do it. */
  async #seat(phase: Phase, seat: SeatRow, stop: AbortSignal): Promise<SeatRow> {
    const { clock, logger, swarms } = this.#components;
    const { order } = this.state;
    const startedAt = clock.now();
    let ended: SeatRow;
    try {
      if (seat.taskId === undefined) await this.#requireMember(seat);
      const end = swarms.begin(order.swarmId, seat.endpoint);
      try {
        ended = await this.#ask(phase, seat, stop);
      } finally {
        end();
      }
    } catch (error) {
      ended = { ...seat, outcome: 'failed', error: messageOf(error).slice(0, 2000) };
    }
    if (this.#init.signal.aborted || (stop.aborted && ended.outcome !== 'done')) return ended;
    await this.#replace(phase.name, ended);
    const { capability } = phase;
    const { taskId } = ended;
    if (taskId === undefined) return ended;
    // A clock that was set makes nothing last longer than it may.
    const ms = Math.max(0, Math.min(clock.now() - startedAt, SEAT_MS));
    const ok = ended.outcome === 'done';
    const line = { taskId, agent: seat.member, capability, ok, ms, at: clock.now() };
    await swarms
      .record(order.swarmId, line)
      .catch((error: unknown) =>
        logger.warn({ error: messageOf(error) }, 'how a task of a swarm went was not told'),
      );
    return ended;
  }

  /** Places are given away when the plan is made: who has left the swarm meanwhile gets nothing. @throws STARLING_SWARM_REFUSED */
  async #requireMember({ endpoint, member }: SeatRow): Promise<void> {
    const { swarmId } = this.state.order;
    const { swarm } = await this.#components.swarms.open({ kind: 'operator' }, swarmId);
    if (swarm.seats.some((seat) => seat.joined && memberId(seat) === member)) return;
    throw new StarlingError('STARLING_SWARM_REFUSED', `${endpoint} has left the swarm`, {
      hint: `see who is in it: starling swarm status ${swarm.name}`,
      data: { swarmId, reason: 'left' },
    });
  }

  #ask(phase: Phase, seat: SeatRow, stop: AbortSignal): Promise<SeatRow> {
    const { signal: stopping } = this.#init;
    return memberTask(this.#components, {
      principal: this.#init.principal(),
      phase,
      seat,
      state: () => this.state,
      given: (given) => this.#replace(phase.name, given),
      hasOther: async () => (await this.#crew(phase, seat.round, 1)).length > 0,
      stop,
      stopping,
    });
  }

  /** Who could do the phase: none who failed at it, and of a check none who worked on what is checked. */
  async #crew(phase: Phase, round: number, count?: number): Promise<readonly Chosen[]> {
    const { swarms } = this.#components;
    const { order, phases } = this.state;
    const principal = this.#init.principal();
    const { swarm } = await swarms.open({ kind: 'operator' }, order.swarmId);
    const own = this.#row(phase.name).seats;
    const without = new Set(
      own
        .filter((seat) => seat.outcome === 'failed' || seat.round === round)
        .map(({ member }) => member),
    );
    for (const { name, seats } of phases) {
      if (!areApart(order.phases, phase.name, name)) continue;
      for (const { member } of seats) without.add(member);
    }
    const busy = new Map<string, number>();
    for (const { member } of phases.flatMap(({ seats }) => seats)) {
      busy.set(member, (busy.get(member) ?? 0) + 1);
    }
    const log = await swarms.log(order.swarmId);
    const places = count ?? phase.copies;
    return chooseCrew(this.#components, {
      principal,
      swarm,
      phase,
      without,
      busy,
      log,
      count: places,
    });
  }

  #replace(name: string, seat: SeatRow): Promise<void> {
    const isSame = (one: SeatRow): boolean =>
      one.round === seat.round && one.place === seat.place && one.nth === seat.nth;
    return this.#putPhase(name, {
      seats: this.#row(name).seats.map((one) => (isSame(one) ? seat : one)),
    });
  }

  #putPhase(name: string, change: Partial<PhaseRow>): Promise<void> {
    return this.#putRow({ ...this.#row(name), ...change });
  }

  #putRow(row: PhaseRow): Promise<void> {
    return this.#put({
      phases: this.state.phases.map((one) => (one.name === row.name ? row : one)),
    });
  }

  /** What is so counts once it is on the disk; changes come one after the other. */
  #put(change: Partial<PlanState>): Promise<void> {
    if (this.isOver) return Promise.resolve();
    this.state = { ...this.state, ...change, version: this.state.version + 1 };
    const { state } = this;
    this.#written = this.#written.then(() => this.#init.keep(state));
    return this.#written;
  }
}
