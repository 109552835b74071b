/**
 * Whom not to ask for a while: a provider that has failed five times in a row is left alone for a minute, then asked once;
 * one that takes no more for now is left alone for as long as it says.
 */
import { StarlingError } from '../../core/index.ts';
import type { Clock, ErrorCode } from '../../core/index.ts';

/** Failures in a row after which a provider is left alone. */
const FAILURES_MAX = 5;
const OPEN_MS = 60_000;
/** Of a provider that takes no more and does not say for how long. */
const RATE_MS = 2000;
const RATE_MAX_MS = 3_600_000;
/** Models that are told apart; the one that was idle longest is forgotten. */
const MODELS_MAX = 2000;
/** Of what is measured, how much the last call counts. */
const NEWEST_SHARE = 0.3;

/** Failures that say something of the provider, and not of the request. */
const PROVIDERS_FAULT: ReadonlySet<ErrorCode> = new Set([
  'STARLING_MODEL_CUT',
  'STARLING_MODEL_FAILED',
  'STARLING_MODEL_INVALID',
  'STARLING_MODEL_KEY_REFUSED',
  'STARLING_MODEL_OVERLOADED',
  'STARLING_PEER_UNREACHABLE',
  'STARLING_TIMEOUT',
] satisfies ErrorCode[]);

/** One call to a model. */
export interface Trial {
  /** The first token is there. */
  begun(): void;
  /** The call is over, well or not; later calls of this are ignored. `error` is why not. */
  over(error?: unknown): void;
}

/** What is known of the models that a route may ask. */
export interface Breakers {
  /** How long a model is left alone from now, ms; 0 for one that may be asked. */
  restMs(name: string): number;
  firstMs(name: string): number | undefined;
  inFlight(name: string): number;
  /** A call begins. Of a provider that was left alone, only one is let through until it is known how that went. */
  begin(name: string): Trial;
}

interface State {
  failures: number;
  /** Until when it is left alone. */
  until: number;
  /** A call finds out whether it works again. */
  isProbed: boolean;
}

interface Measured {
  firstMs: number | undefined;
  inFlight: number;
}

/** Makes them; nothing is known at first. */
export function createBreakers(clock: Clock): Breakers {
  return new ModelBreakers(clock);
}

class ModelBreakers implements Breakers {
  readonly #clock: Clock;
  readonly #states = new Map<string, State>();
  readonly #measured = new Map<string, Measured>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  restMs(name: string): number {
    const state = this.#states.get(targetOf(name));
    if (state === undefined) return 0;
    const left = Math.max(0, state.until - this.#clock.now());
    if (left === 0 && state.isProbed) return RATE_MS;
    return left;
  }

  firstMs(name: string): number | undefined {
    return this.#measured.get(name)?.firstMs;
  }

  inFlight(name: string): number {
    return this.#measured.get(name)?.inFlight ?? 0;
  }

  begin(name: string): Trial {
    const target = targetOf(name);
    const measured = recalled(this.#measured, name, () => ({ firstMs: undefined, inFlight: 0 }));
    const state = this.#states.get(target);
    const isProbe = state !== undefined && state.failures >= FAILURES_MAX;
    if (isProbe) state.isProbed = true;
    measured.inFlight += 1;
    const begunAt = this.#clock.now();
    let isOver = false;
    return {
      begun: () => {
        if (isOver) return;
        const firstMs = this.#clock.now() - begunAt;
        const before = measured.firstMs ?? firstMs;
        measured.firstMs = before + NEWEST_SHARE * (firstMs - before);
        this.#states.delete(target);
      },
      over: (error) => {
        if (isOver) return;
        isOver = true;
        measured.inFlight -= 1;
        const now = this.#states.get(target);
        if (isProbe && now !== undefined) now.isProbed = false;
        if (error === undefined) this.#states.delete(target);
        else this.#failed(target, error);
      },
    };
  }

  #failed(target: string, error: unknown): void {
    if (!(error instanceof StarlingError)) return;
    const { code, data } = error;
    const now = this.#clock.now();
    const wait = data['retryAfterMs'];
    const waitMs = typeof wait === 'number' ? Math.min(RATE_MAX_MS, wait) : undefined;
    if (code === 'STARLING_RATE_LIMITED') {
      const state = this.#stateOf(target);
      state.until = Math.max(state.until, now + (waitMs ?? RATE_MS));
      return;
    }
    if (!PROVIDERS_FAULT.has(code)) return;
    const state = this.#stateOf(target);
    state.failures += 1;
    const restMs = state.failures >= FAILURES_MAX ? OPEN_MS : 0;
    state.until = Math.max(state.until, now + Math.max(restMs, waitMs ?? 0));
  }

  #stateOf(target: string): State {
    return recalled(this.#states, target, () => ({ failures: 0, until: 0, isProbed: false }));
  }
}

/** What is kept under `key`, or a new one; the one that was idle longest goes when there are too many. */
function recalled<Value>(kept: Map<string, Value>, key: string, make: () => Value): Value {
  const value = kept.get(key) ?? make();
  kept.delete(key);
  kept.set(key, value);
  if (kept.size > MODELS_MAX) {
    const oldest = kept.keys().next();
    if (oldest.done !== true) kept.delete(oldest.value);
  }
  return value;
}

/** The provider of a model, with its peer: what fails there fails for all of its models. */
function targetOf(name: string): string {
  const parts = name.split('/');
  return parts.slice(0, name.startsWith('@') ? 2 : 1).join('/');
}
