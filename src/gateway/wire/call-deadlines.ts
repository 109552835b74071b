/** How long the calls of a channel may wait for their answers: without progress, and in all. */
import { StarlingError } from '../../core/index.ts';
import type { Clock } from '../../core/index.ts';

/** A call that waits for its answer, as far as its time matters. */
export interface TimedCall {
  /** The method, and the thing that it is about. */
  readonly what: string;
  /** When it was sent, ms since the epoch. */
  readonly startedAt: number;
  /** How long it may take without progress, ms; Infinity for what is meant to stay. */
  readonly timeoutMs: number;
  /** How long it may take in all, also while the server asks something itself; default: as long as any. */
  readonly totalMs?: number | undefined;
  /** When it last showed progress, ms since the epoch. */
  readonly activeAt: number;
}

/** What deadlines are held with. */
export interface CallDeadlinesComponents {
  /** The calls that wait, by their ids. */
  waiting(): Iterable<readonly [number, TimedCall]>;
  /** Whether the other end waits for an answer of ours: then nothing is late for want of progress. */
  isAsking(): boolean;
  /** The time of the call is over. */
  late(id: number, error: StarlingError): void;
  /** What was odd about what came so far: a sentence each. */
  oddities(): readonly string[];
  readonly clock: Clock;
}

/** Whose calls they are. */
export interface CallDeadlinesInit {
  /** What is at the other end, for messages. */
  readonly title: string;
  /** What the other end is: whose limit it is that a call meets here, and where that is raised. */
  readonly kind: 'server' | 'peer';
  /** Longest time in all. */
  readonly callTotalMs: number;
}

/** Holds calls to their time; a timer runs only while one waits. */
export interface CallDeadlines {
  /** A call waits from now on that may take so long without progress. */
  began(timeoutMs: number): void;
  stop(): void;
}

/** How a call is given more time without progress, and more in all. */
const MORE_TIME = {
  server:
    'if it needs longer, raise `timeout` of the server where that runs: starling mcp add --force --timeout <duration> …',
  peer: 'see how the server does there (on that node: starling mcp list); if it needs longer, raise limits.callTimeoutMs of the node that asks, and `timeout` of the server there',
} as const;
const MORE_IN_ALL = {
  server: 'if it needs longer, raise limits.callTotalMs of the node that has the server',
  peer: 'if it needs longer, raise limits.callTotalMs of both nodes',
} as const;
/** How often deadlines are looked at, as a share of the timeout, and at the most. */
const SWEEP_SHARE = 4;
const SWEEP_MAX_MS = 1000;

/** Makes the deadlines of one channel. */
export function createCallDeadlines(
  components: CallDeadlinesComponents,
  init: CallDeadlinesInit,
): CallDeadlines {
  return new SweptDeadlines(components, init);
}

class SweptDeadlines implements CallDeadlines {
  readonly #components: CallDeadlinesComponents;
  readonly #init: CallDeadlinesInit;
  /** Since when calls wait that were sent by a clock which was ahead, ms since the epoch by the clock of now. */
  readonly #since = new WeakMap<TimedCall, number>();
  #cancel: (() => void) | undefined;

  constructor(components: CallDeadlinesComponents, init: CallDeadlinesInit) {
    this.#components = components;
    this.#init = init;
  }

  began(timeoutMs: number): void {
    if (timeoutMs === Number.POSITIVE_INFINITY || this.#cancel !== undefined) return;
    const waitMs = Math.min(SWEEP_MAX_MS, Math.ceil(timeoutMs / SWEEP_SHARE));
    this.#cancel = this.#components.clock.schedule(waitMs, () => {
      this.#cancel = undefined;
      this.#sweep();
    });
  }

  stop(): void {
    this.#cancel?.();
  }

  #sweep(): void {
    const components = this.#components;
    const now = components.clock.now();
    const isAsking = components.isAsking();
    let soonest = Number.POSITIVE_INFINITY;
    for (const [id, call] of components.waiting()) {
      if (call.timeoutMs === Number.POSITIVE_INFINITY) continue;
      const quietMs = isAsking ? 0 : this.#ageMs(call, call.activeAt, now);
      const totalMs = this.#ageMs(call, call.startedAt, now);
      if (quietMs >= call.timeoutMs || totalMs >= this.#totalOf(call)) {
        components.late(id, this.#lateError(call, quietMs >= call.timeoutMs));
      } else {
        soonest = Math.min(soonest, call.timeoutMs);
      }
    }
    this.began(soonest);
  }

  /** How long ago something of a call was: after the clock was set back, since that was seen. */
  #ageMs(call: TimedCall, at: number, now: number): number {
    if (at <= now) return now - at;
    const since = Math.min(this.#since.get(call) ?? now, now);
    this.#since.set(call, since);
    return now - since;
  }

  #totalOf({ totalMs = Infinity }: TimedCall): number {
    return Math.min(totalMs, this.#init.callTotalMs);
  }

  #lateError(call: TimedCall, isQuiet: boolean): StarlingError {
    const limit = isQuiet ? call.timeoutMs : this.#totalOf(call);
    const odd = this.#components
      .oddities()
      .map((text) => `; ${text}`)
      .join('');
    return new StarlingError(
      'STARLING_TIMEOUT',
      `${this.#init.title} did not answer ${call.what} within ${limit / 1000} s${odd}`,
      {
        hint: isQuiet ? MORE_TIME[this.#init.kind] : MORE_IN_ALL[this.#init.kind],
        data: { timeoutMs: limit },
      },
    );
  }
}
