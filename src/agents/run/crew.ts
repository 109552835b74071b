/**
 * The processes of one agent: as many as its spawner said, or, within two bounds, as many as its queue needs. What the end
 * of one means for the others is the strategy of its kind.
 */
import { messageOf } from '../../core/index.ts';
import type { Clock, Logger, Random, StarlingError } from '../../core/index.ts';
import type { AgentKind } from '../../config/index.ts';
import type { AgentProcess } from '../../gateway/index.ts';
import { createReplica } from './replica.ts';
import type { Replica } from './replica.ts';

/** What the processes of an agent work with. */
export interface CrewComponents {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Starts the process of this number, from 1. */
  launch(
    number: number,
    spawned: (pid: number) => void,
    signal: AbortSignal,
  ): Promise<AgentProcess>;
  /** Hears that a process is in another state. */
  changed(): void;
  /** Hears why a process ended or did not start. */
  failed(error: StarlingError, number: number): void;
  /** Messages that the agent deals with, or that wait for it. */
  busy(): number;
}

/** How many there may be. */
export interface CrewInit {
  readonly title: string;
  readonly restarts: number;
  readonly strategy: AgentKind['strategy'];
  readonly least: number;
  readonly most: number;
  /** Messages that one process takes at a time. */
  readonly concurrency: number;
}

/** How long a process that the queue does not need is kept: a start costs more than some idle seconds. */
export const SPARE_MS = 60_000;

/** The processes of one agent. */
export class Crew {
  readonly #components: CrewComponents;
  readonly #init: CrewInit;
  /** By number, in the order of their starts. */
  readonly #members = new Map<number, Replica>();
  #least: number;
  #most: number;
  #cancelSpare: (() => void) | undefined;
  #isStopped = false;
  /** How many have ended by themselves. */
  fell = 0;

  constructor(components: CrewComponents, init: CrewInit) {
    this.#components = components;
    this.#init = init;
    this.#least = init.least;
    this.#most = init.most;
    this.#growTo(init.least);
  }

  /** Those of now, in the order of their starts. */
  get members(): readonly Replica[] {
    return [...this.#members.values()];
  }

  /** Starts them, waiting for none. */
  start(): void {
    for (const replica of this.#members.values()) replica.start();
  }

  /** From now on there are so many: more at once, fewer as by {@link Crew.look}. */
  resize(least: number, most: number): void {
    this.#least = least;
    this.#most = most;
    if (this.#isStopped) return;
    this.#growTo(least);
    this.start();
    this.look();
  }

  /** All that run begin anew, as if one of them had ended under `one_for_all`. */
  async renew(): Promise<void> {
    await Promise.all(this.members.map((replica) => replica.renew('with another')));
  }

  /** Follows the queue: more at once where it needs more, one less after each minute in which it needs fewer. */
  look(): void {
    if (this.#isStopped) return;
    const wanted = this.#wanted();
    if (wanted === this.#members.size && this.#cancelSpare === undefined) return;
    if (wanted < this.#members.size) {
      this.#cancelSpare ??= this.#components.clock.schedule(SPARE_MS, () => this.#endSpare());
      return;
    }
    this.#cancelSpare?.();
    this.#cancelSpare = undefined;
    // Where one does not come up, neither would others.
    if (wanted === this.#members.size || !this.members.every(({ isReady }) => isReady)) return;
    this.#growTo(wanted);
    this.start();
  }

  /** Ends them all. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelSpare?.();
    await Promise.all(this.members.map((replica) => replica.stop()));
  }

  #wanted(): number {
    if (this.#least === this.#most) return this.#most;
    const needed = Math.ceil(this.#components.busy() / this.#init.concurrency);
    return Math.min(this.#most, Math.max(this.#least, needed));
  }

  #growTo(count: number): void {
    for (let number = 1; this.#members.size < count; number += 1) {
      if (!this.#members.has(number)) this.#members.set(number, this.#make(number));
    }
  }

  #endSpare(): void {
    this.#cancelSpare = undefined;
    if (this.#isStopped) return;
    const [number, spare] =
      [...this.#members].toReversed().find(([, replica]) => replica.busy === 0) ?? [];
    if (spare !== undefined && number !== undefined && this.#wanted() < this.#members.size) {
      this.#members.delete(number);
      spare.stop().catch((error: unknown) => {
        const fields = { title: this.#init.title, error: messageOf(error) };
        this.#components.logger.warn(fields, 'a process that is not needed did not end');
      });
    }
    this.look();
  }

  #make(number: number): Replica {
    const components = this.#components;
    const { clock, random, logger } = components;
    const { title, restarts } = this.#init;
    return createReplica(
      {
        clock,
        random,
        logger,
        launch: ({ spawned, signal }) => components.launch(number, spawned, signal),
        changed: () => components.changed(),
        failed: (error) => components.failed(error, number),
        fell: () => this.#fell(number),
      },
      { title, restarts },
    );
  }

  /** OTP's strategies: which others begin anew when a process has ended by itself. */
  #fell(number: number): void {
    this.fell += 1;
    const { strategy, title } = this.#init;
    if (strategy === 'one_for_one') return;
    const order = [...this.#members.keys()];
    const from = strategy === 'one_for_all' ? 0 : order.indexOf(number);
    for (const other of order.slice(from)) {
      if (other === number) continue;
      this.#members
        .get(other)
        ?.renew('with another')
        .catch((error: unknown) => {
          const fields = { title, error: messageOf(error) };
          this.#components.logger.warn(fields, 'a process was not started anew with another');
        });
    }
  }
}
