/**
 * Keeps peers and addresses connected: dials, and when a dial fails or a connection is lost, dials
 * again, without end, at the times of `redial-schedule.ts`. This file owns the timers.
 */
import { createScope, messageOf, unawaited } from '../../core/index.ts';
import type { Clock, Logger, Random, Scope } from '../../core/index.ts';
import { REDIAL_CAP_MS, REDIAL_PARALLEL_MAX, REDIAL_TARGETS_MAX } from '../constants.ts';
import { freshState, lostState, nextState } from './redial-schedule.ts';
import type { DialOutcome, RedialState } from './redial-schedule.ts';

/** What redialling needs. */
export interface RedialComponents {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Whether the target needs no dial now. Cheap: asked often. */
  readonly isSatisfied: (key: string) => boolean;
  /** Whether somebody is connecting of whom it is not known yet who that is. */
  readonly isAnybodyComing?: () => boolean;
  /** Dials a target; must end by itself, and must not throw. */
  readonly dial: (key: string, signal: AbortSignal) => Promise<DialOutcome>;
}

/** Redials. Keys are what is dialled: PeerIds or multiaddrs. */
export interface Redialer {
  /**
   * Keeps `key` connected from now on; dials when it is not, at once or `delayMs` later, also after a loss:
   * the other side is to dial first.
   */
  keep(key: string, delayMs?: number): void;
  unkeep(key: string): void;
  isKept(key: string): boolean;
  /** Dials `key` once, unless it is connected or failed too short a time ago. */
  suggest(key: string): void;
  /** Dials `key` when it is kept, is not connected, and is due: what satisfied it may be no more. */
  look(key: string): void;
  /** Says that the last connection to `key` is gone, which had lasted `lastedMs`. */
  lost(key: string, lastedMs: number): void;
  stop(): void;
}

/**
 * A dial that is the other side's is put off so often, each time by its delay. More = fewer double connections where
 * machines are slow; less = whoever is connected to by somebody else all the time dials sooner.
 */
const PUT_OFF_MAX = 3;
/** A timer that is so late, ms, says that this process is slow. */
const LATE_MS = 500;

/** Makes a redialer, running. */
export function createRedialer(components: RedialComponents): Redialer {
  return new BackoffRedialer(components);
}

interface Target {
  kept: boolean;
  /** How much later than the other side it is dialled. */
  delayMs: number;
  /** How often its dial was put off since it was lost, or kept. */
  putOff: number;
  state: RedialState;
  dialling: boolean;
  cancel: () => void;
}

class BackoffRedialer implements Redialer {
  readonly #components: RedialComponents;
  readonly #scope: Scope;
  readonly #targets = new Map<string, Target>();
  /** Keys that are due while as many dials as may be are under way, in order. */
  readonly #waiting = new Set<string>();
  #running = 0;

  constructor(components: RedialComponents) {
    this.#components = components;
    this.#scope = createScope(components.clock);
  }

  keep(key: string, delayMs = 0): void {
    const target = this.#targetOf(key);
    if (target === undefined || target.kept) return;
    target.kept = true;
    target.delayMs = delayMs;
    target.state = later(target.state, delayMs);
    this.#schedule(key, target);
  }

  unkeep(key: string): void {
    this.#targets.get(key)?.cancel();
    this.#waiting.delete(key);
    this.#targets.delete(key);
  }

  isKept(key: string): boolean {
    return this.#targets.get(key)?.kept === true;
  }

  suggest(key: string): void {
    const target = this.#targetOf(key);
    if (target === undefined || target.dialling) return;
    if (this.#waitMs(target) === 0) this.#start(key, target);
  }

  look(key: string): void {
    const target = this.#targets.get(key);
    if (target !== undefined) this.#schedule(key, target);
  }

  lost(key: string, lastedMs: number): void {
    const target = this.#targets.get(key);
    if (target === undefined) return;
    const { clock, random } = this.#components;
    target.putOff = 0;
    const state = lostState(target.state, lastedMs, clock.now(), random);
    target.state = later(state, target.delayMs);
    this.#schedule(key, target);
  }

  stop(): void {
    this.#scope.close();
    this.#waiting.clear();
    this.#targets.clear();
  }

  #targetOf(key: string): Target | undefined {
    const known = this.#targets.get(key);
    if (known !== undefined) return known;
    if (this.#targets.size >= REDIAL_TARGETS_MAX && !this.#forgetOneSuggestion()) {
      this.#components.logger.warn({ target: key }, 'too many peers are kept to redial this one');
      return undefined;
    }
    const state = freshState(this.#components.clock.now());
    const cancel = (): void => undefined;
    const target: Target = { kept: false, delayMs: 0, putOff: 0, state, dialling: false, cancel };
    this.#targets.set(key, target);
    return target;
  }

  /** Makes room: the oldest target goes that is not kept. */
  #forgetOneSuggestion(): boolean {
    for (const [key, target] of this.#targets) {
      if (target.kept || target.dialling) continue;
      this.#targets.delete(key);
      return true;
    }
    return false;
  }

  #schedule(key: string, target: Target): void {
    target.cancel();
    if (!target.kept || target.dialling || this.#isNotNeeded(key)) return;
    target.cancel = this.#scope.after(this.#waitMs(target), () => this.#due(key, target));
  }

  /** Until the target is due. No clock that was set back makes that longer than the longest wait that there is. */
  #waitMs({ delayMs, state }: Target): number {
    const leftMs = Math.max(0, state.dueAt - this.#components.clock.now());
    return leftMs > REDIAL_CAP_MS + delayMs ? 0 : leftMs;
  }

  #due(key: string, target: Target): void {
    if (!this.#isOthersTurn(target)) {
      this.#start(key, target);
      return;
    }
    target.putOff += 1;
    target.state = { ...target.state, dueAt: this.#components.clock.now() + target.delayMs };
    this.#schedule(key, target);
  }

  #start(key: string, target: Target): void {
    if (target.dialling || this.#isNotNeeded(key)) return;
    if (this.#running >= REDIAL_PARALLEL_MAX) {
      this.#waiting.add(key);
      return;
    }
    this.#running += 1;
    target.dialling = true;
    unawaited(this.#dial(key, target), this.#components.logger, 'a redial broke', { target: key });
  }

  async #dial(key: string, target: Target): Promise<void> {
    const { clock, random, logger, dial } = this.#components;
    let outcome: DialOutcome = 'failed';
    try {
      outcome = await dial(key, this.#scope.signal);
    } catch (error) {
      logger.error({ target: key, error: messageOf(error) }, 'a redial broke');
    }
    this.#running -= 1;
    target.dialling = false;
    target.state = nextState(target.state, outcome, clock.now(), random);
    if (this.#targets.get(key) === target) this.#schedule(key, target);
    this.#startWaiting();
  }

  #startWaiting(): void {
    for (const key of this.#waiting) {
      if (this.#running >= REDIAL_PARALLEL_MAX) return;
      this.#waiting.delete(key);
      const target = this.#targets.get(key);
      if (target !== undefined) this.#start(key, target);
    }
  }

  /**
   * Whether the other side, which is to dial first, may be at it: somebody is connecting, or this process is so slow that
   * the other's dial may not have been read.
   */
  #isOthersTurn({ delayMs, putOff, state }: Target): boolean {
    const { clock, isAnybodyComing } = this.#components;
    if (delayMs === 0 || putOff >= PUT_OFF_MAX) return false;
    return isAnybodyComing?.() === true || clock.now() - state.dueAt > LATE_MS;
  }

  #isNotNeeded(key: string): boolean {
    return this.#scope.closed || this.#components.isSatisfied(key);
  }
}

function later(state: RedialState, delayMs: number): RedialState {
  return { ...state, dueAt: state.dueAt + delayMs };
}
