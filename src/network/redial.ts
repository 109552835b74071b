/**
 * Keeps peers and addresses connected: dials, and when that fails dials again, for ever, with
 * exponential backoff and jitter. The schedule is pure; the loop owns the timers.
 */
import { backoffMs, createScope, messageOf } from '../core/index.ts';
import type { Clock, Logger, Random, Scope } from '../core/index.ts';
import {
  REDIAL_BASE_MS,
  REDIAL_CAP_MS,
  REDIAL_PARALLEL_MAX,
  REDIAL_TARGETS_MAX,
} from './constants.ts';

/** What happened to a dial. */
export type DialOutcome =
  | 'connected'
  | 'failed'
  /** The other side said no: that seldom changes within a minute. */
  | 'refused';

/** Where a target stands in its schedule. */
export interface RedialState {
  /** Failures in a row. */
  readonly failures: number;
  /** When to dial next, ms since the epoch. */
  readonly dueAt: number;
}

/** The state of a target that was never dialled: due at once. */
export function freshState(nowMs: number): RedialState {
  return { failures: 0, dueAt: nowMs };
}

/** A connection that lasted at least this long shows that the target is well. */
const STABLE_MS = 10_000;

/**
 * The state after a connection was lost that had lasted `heldMs`: one that held starts the backoff
 * anew, one that broke at once counts as a failure. Pure.
 */
export function lostState(
  state: RedialState,
  heldMs: number,
  nowMs: number,
  random: Random,
): RedialState {
  return nextState(heldMs >= STABLE_MS ? freshState(nowMs) : state, 'failed', nowMs, random);
}

/** The state after a dial. Pure. */
export function nextState(
  state: RedialState,
  outcome: DialOutcome,
  nowMs: number,
  random: Random,
): RedialState {
  const backoff = { baseMs: REDIAL_BASE_MS, capMs: REDIAL_CAP_MS };
  if (outcome === 'connected') return { ...state, dueAt: Math.max(state.dueAt, nowMs) };
  const failures = outcome === 'refused' ? Math.max(state.failures + 1, 8) : state.failures + 1;
  return { failures, dueAt: nowMs + backoffMs(failures - 1, backoff, random) };
}

/** What the loop needs. */
export interface RedialComponents {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** True when the target needs no dial now. Cheap: it is asked often. */
  readonly isSatisfied: (key: string) => boolean;
  /** Dials a target; must end by itself, and must not throw. */
  readonly dial: (key: string, signal: AbortSignal) => Promise<DialOutcome>;
}

/** The loop. Keys are what the caller dials by: PeerIds or multiaddrs. */
export interface Redialer {
  /** Keeps `key` connected from now on; at once when it is not. */
  keep(key: string): void;
  unkeep(key: string): void;
  isKept(key: string): boolean;
  /** Dials `key` once, unless it is connected or failed too short a time ago. */
  suggest(key: string): void;
  /** Says that the last connection to `key` is gone, which lasted `heldMs`. */
  lost(key: string, heldMs: number): void;
  stop(): void;
}

interface Target {
  kept: boolean;
  state: RedialState;
  dialling: boolean;
  cancel: () => void;
}

/** Makes the loop, running. */
export function createRedialer(components: RedialComponents): Redialer {
  const { clock, random, logger, isSatisfied, dial } = components;
  const scope: Scope = createScope(clock);
  const targets = new Map<string, Target>();
  const waiting = new Set<string>();
  let running = 0;

  const targetOf = (key: string): Target | undefined => {
    const known = targets.get(key);
    if (known !== undefined) return known;
    if (targets.size >= REDIAL_TARGETS_MAX && !forgetOneSuggestion(targets)) {
      logger.warn({ target: key }, 'too many peers are kept: this one is not redialled');
      return undefined;
    }
    const target: Target = {
      kept: false,
      state: freshState(clock.now()),
      dialling: false,
      cancel: () => undefined,
    };
    targets.set(key, target);
    return target;
  };

  const schedule = (key: string, target: Target): void => {
    target.cancel();
    if (!target.kept || target.dialling || scope.closed || isSatisfied(key)) return;
    target.cancel = scope.after(Math.max(0, target.state.dueAt - clock.now()), () =>
      start(key, target),
    );
  };

  const start = (key: string, target: Target): void => {
    if (scope.closed || target.dialling || isSatisfied(key)) return;
    if (running >= REDIAL_PARALLEL_MAX) {
      waiting.add(key);
      return;
    }
    running++;
    target.dialling = true;
    void dial(key, scope.signal)
      .catch((error: unknown): DialOutcome => {
        logger.error({ target: key, error: messageOf(error) }, 'a redial broke');
        return 'failed';
      })
      .then((outcome) => {
        running--;
        target.dialling = false;
        target.state = nextState(target.state, outcome, clock.now(), random);
        if (targets.get(key) === target) schedule(key, target);
        startWaiting();
      });
  };

  const startWaiting = (): void => {
    for (const key of waiting) {
      if (running >= REDIAL_PARALLEL_MAX) return;
      waiting.delete(key);
      const target = targets.get(key);
      if (target !== undefined) start(key, target);
    }
  };

  return {
    keep(key) {
      const target = targetOf(key);
      if (target === undefined || target.kept) return;
      target.kept = true;
      schedule(key, target);
    },
    unkeep(key) {
      const target = targets.get(key);
      if (target === undefined) return;
      target.cancel();
      waiting.delete(key);
      targets.delete(key);
    },
    isKept: (key) => targets.get(key)?.kept === true,
    suggest(key) {
      const target = targetOf(key);
      if (target === undefined || target.dialling || target.state.dueAt > clock.now()) return;
      start(key, target);
    },
    lost(key, heldMs) {
      const target = targets.get(key);
      if (target === undefined) return;
      target.state = lostState(target.state, heldMs, clock.now(), random);
      schedule(key, target);
    },
    stop() {
      scope.close();
      waiting.clear();
      targets.clear();
    },
  };
}

/** Makes room by forgetting the oldest target that is only a suggestion. */
function forgetOneSuggestion(targets: Map<string, Target>): boolean {
  for (const [key, target] of targets) {
    if (target.kept || target.dialling) continue;
    targets.delete(key);
    return true;
  }
  return false;
}
