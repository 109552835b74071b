/**
 * Whom not to ask for a while: a provider that has failed five times in a row is left alone for a minute, then asked once;
 * one that takes no more for now is left alone for as long as it says. What one caller alone has met with may be the fault of
 * what that one asks: then the provider is left alone for that caller, and is asked for all others.
 */
import { StarlingError, leftMs } from '../../core/index.ts';
import type { Clock, ErrorCode } from '../../core/index.ts';

/** Failures in a row after which a provider is left alone. */
const FAILURES_MAX = 5;
const OPEN_MS = 60_000;
/** Of the failures of one caller, so many count for all. */
const COUNTED_OF_ONE = 3;
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

/** Of these, those that no request can bring about. */
const NOBODYS_DOING: ReadonlySet<ErrorCode> = new Set([
  'STARLING_MODEL_KEY_REFUSED',
  'STARLING_PEER_UNREACHABLE',
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
  /** How long `who` leaves a model alone from now, ms; 0 for one that may be asked. */
  restMs(name: string, who: string): number;
  firstMs(name: string): number | undefined;
  inFlight(name: string): number;
  /** A call of `who` begins. Of a provider that was left alone, only one is let through until it is known how that went. */
  begin(name: string, who: string): Trial;
}

interface State {
  /** Failures in a row of each caller; under '' those that count whoever met with them. */
  readonly failures: Map<string, number>;
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
  /** What counts for all, by the provider. */
  readonly #states = new Map<string, State>();
  /** What counts for one caller, by that and the provider. */
  readonly #own = new Map<string, State>();
  readonly #measured = new Map<string, Measured>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  restMs(name: string, who: string): number {
    return Math.max(0, ...this.#known(targetOf(name), who).map((state) => this.#restOf(state)));
  }

  firstMs(name: string): number | undefined {
    return this.#measured.get(name)?.firstMs;
  }

  inFlight(name: string): number {
    return this.#measured.get(name)?.inFlight ?? 0;
  }

  begin(name: string, who: string): Trial {
    const target = targetOf(name);
    const measured = recalled(this.#measured, name, () => ({ firstMs: undefined, inFlight: 0 }));
    const probed = this.#known(target, who).filter((state) => failuresOf(state) >= FAILURES_MAX);
    for (const state of probed) state.isProbed = true;
    measured.inFlight += 1;
    const begunAt = this.#clock.now();
    let isOver = false;
    return {
      begun: () => {
        if (isOver) return;
        const firstMs = this.#clock.now() - begunAt;
        // A clock that jumped has measured nothing.
        const isMeasured = firstMs >= 0 && firstMs <= RATE_MAX_MS;
        const before = measured.firstMs ?? firstMs;
        if (isMeasured) measured.firstMs = before + NEWEST_SHARE * (firstMs - before);
        this.#forget(target, who);
      },
      over: (error) => {
        if (isOver) return;
        isOver = true;
        measured.inFlight -= 1;
        for (const state of probed) state.isProbed = false;
        if (error === undefined) this.#forget(target, who);
        else this.#failed(target, who, error);
      },
    };
  }

  #known(target: string, who: string): readonly State[] {
    return [this.#states.get(target), this.#own.get(ownKey(target, who))].filter(
      (state) => state !== undefined,
    );
  }

  #restOf({ isProbed, until }: State): number {
    const left = leftMs(this.#clock, until, RATE_MAX_MS);
    return left === 0 && isProbed ? RATE_MS : left;
  }

  #forget(target: string, who: string): void {
    this.#states.delete(target);
    this.#own.delete(ownKey(target, who));
  }

  #failed(target: string, who: string, error: unknown): void {
    if (!(error instanceof StarlingError)) return;
    const { code, data } = error;
    const now = this.#clock.now();
    const wait = data['retryAfterMs'];
    const waitMs = typeof wait === 'number' ? Math.min(RATE_MAX_MS, wait) : undefined;
    if (code !== 'STARLING_RATE_LIMITED' && !PROVIDERS_FAULT.has(code)) return;
    const all = recalled(this.#states, target, empty);
    if (code === 'STARLING_RATE_LIMITED') {
      all.until = Math.max(all.until, now + (waitMs ?? RATE_MS));
      return;
    }
    // What the provider says of its own time holds for all.
    all.until = Math.max(all.until, now + (waitMs ?? 0));
    count(all, NOBODYS_DOING.has(code) ? '' : who);
    const own = recalled(this.#own, ownKey(target, who), empty);
    count(own, '');
    for (const state of [all, own]) {
      if (failuresOf(state) >= FAILURES_MAX) state.until = Math.max(state.until, now + OPEN_MS);
    }
  }
}

function empty(): State {
  return { failures: new Map(), until: 0, isProbed: false };
}

/** Of more callers than that nothing further is told: theirs are enough. */
function count({ failures }: State, who: string): void {
  const before = failures.get(who) ?? 0;
  if (before > 0 || failures.size <= FAILURES_MAX) failures.set(who, before + 1);
}

/** Failures that count: of one caller so many at the most, and of what is nobody's doing each. */
function failuresOf({ failures }: State): number {
  return [...failures].reduce(
    (sum, [who, times]) => sum + (who === '' ? times : Math.min(times, COUNTED_OF_ONE)),
    0,
  );
}

function ownKey(target: string, who: string): string {
  return JSON.stringify([target, who]);
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
