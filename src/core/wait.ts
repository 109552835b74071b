/**
 * Waiting, always on an injected clock. Each wait here has its own end: no timer and no listener is left
 * behind, whichever comes first.
 */
import type { Clock } from './time/clock.ts';
import type { Scope } from './lifecycle.ts';

/** A signal that is aborted when time is over. */
export interface Deadline {
  /** Aborted with a `TimeoutError` when time is over, or with the parent's reason when the parent aborts. */
  readonly signal: AbortSignal;
  /** Gives the timer and the listener back. The signal is never aborted after that. May be called twice. */
  readonly clear: () => void;
}

/** A signal that hangs on others. */
export interface JoinedSignal {
  /** Aborted with the reason of the first of the others that aborts. */
  readonly signal: AbortSignal;
  /** Gives the listeners back. The signal is never aborted after that. May be called twice. */
  readonly clear: () => void;
}

/**
 * Waits `ms` milliseconds. Resolves with true when they are over, and at once with false when `scope`
 * closes before: `if (!(await sleep(scope, ms))) return;`.
 */
export function sleep(scope: Scope, ms: number): Promise<boolean> {
  if (scope.closed) return Promise.resolve(false);
  return new Promise((resolve) => {
    const closed = (): void => resolve(false);
    scope.signal.addEventListener('abort', closed, { once: true });
    scope.after(ms, () => {
      scope.signal.removeEventListener('abort', closed);
      resolve(true);
    });
  });
}

/** Waits `ms` milliseconds, whatever happens: for short looks again in a loop that has an end of its own. */
export function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.schedule(ms, resolve);
  });
}

/**
 * Gives what `promise` gives, if that comes within `ms` milliseconds. What `promise` does later is
 * not heard any more; for work that can be given up, take {@link withDeadline}.
 * @throws DOMException named `TimeoutError` when time is over
 */
export function within<T>(ms: number, promise: Promise<T>, clock: Clock): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.schedule(ms, () => reject(timeoutError(ms)));
    promise.then(resolve, reject).finally(cancel);
  });
}

/**
 * Waits until `promise` is settled, either way, but no longer than `ms` milliseconds: false when time is
 * over first. Never rejects: for the ends of things, which must go on whatever happens.
 */
export function settledWithin(
  ms: number,
  promise: Promise<unknown>,
  clock: Clock,
): Promise<boolean> {
  return new Promise((resolve) => {
    const cancel = clock.schedule(ms, () => resolve(false));
    const settled = (): void => {
      cancel();
      resolve(true);
    };
    promise.then(settled, settled);
  });
}

/**
 * What `AbortSignal.timeout(ms)` is, on `clock`, and aborted with `parent` too. Whoever makes a deadline
 * calls `clear` when the work is done; {@link withDeadline} does so by itself.
 */
export function deadline(clock: Clock, ms: number, parent?: AbortSignal): Deadline {
  const abort = new AbortController();
  if (parent?.aborted === true) {
    abort.abort(parent.reason);
    return { signal: abort.signal, clear: () => undefined };
  }
  const end = (reason: unknown): void => {
    clear();
    abort.abort(reason);
  };
  const given = (): void => end(parent?.reason);
  const cancel = clock.schedule(ms, () => end(timeoutError(ms)));
  const forget = parent === undefined ? undefined : onAbort(parent, given);
  const clear = (): void => {
    cancel();
    forget?.();
  };
  return { signal: abort.signal, clear };
}

/**
 * Runs `work` with a signal that is aborted after `ms` milliseconds, or with `parent`, and waits for
 * the work's own end: a work that heeds its signal rejects with the signal's reason, and leaves
 * nothing open. Rejects and resolves as `work` does.
 */
export async function withDeadline<T>(
  clock: Clock,
  ms: number,
  work: (signal: AbortSignal) => Promise<T>,
  parent?: AbortSignal,
): Promise<T> {
  const limit = deadline(clock, ms, parent);
  try {
    return await work(limit.signal);
  } finally {
    limit.clear();
  }
}

/**
 * What `AbortSignal.any` is, for a signal of one piece of work and another one that outlives it, as the life of a room does:
 * Node 20 keeps a note of each signal of `any` for as long as the others live. Whoever joins signals calls `clear` when
 * the work is done.
 */
export function joinSignals(...signals: readonly AbortSignal[]): JoinedSignal {
  const aborted = signals.find((signal) => signal.aborted);
  if (aborted !== undefined) return { signal: aborted, clear: () => undefined };
  const abort = new AbortController();
  const forgets = signals.map((signal) =>
    onAbort(signal, () => {
      clear();
      abort.abort(signal.reason);
    }),
  );
  const clear = (): void => {
    for (const forget of forgets) forget();
  };
  return { signal: abort.signal, clear };
}

/** Who waits for the abort of a signal: each signal has one listener, however many deadlines hang on it. */
const waiting = new WeakMap<AbortSignal, Set<() => void>>();

/** Calls `heard` when `signal` is aborted; gives back what ends that. The last to end takes the listener away. */
function onAbort(signal: AbortSignal, heard: () => void): () => void {
  const known = waiting.get(signal);
  const all = known ?? new Set();
  all.add(heard);
  if (known === undefined) {
    waiting.set(signal, all);
    signal.addEventListener('abort', tellAll, { once: true });
  }
  return () => {
    if (!all.delete(heard) || all.size > 0 || waiting.get(signal) !== all) return;
    waiting.delete(signal);
    signal.removeEventListener('abort', tellAll);
  };
}

function tellAll(this: AbortSignal): void {
  const all = waiting.get(this);
  waiting.delete(this);
  for (const heard of all ?? []) heard();
}

function timeoutError(ms: number): DOMException {
  return new DOMException(`it took longer than ${ms} ms`, 'TimeoutError');
}
