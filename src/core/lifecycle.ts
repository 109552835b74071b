/** Start, stop, and the ownership of everything that must end when a component stops. */
import { setMaxListeners } from 'node:events';
import type { Clock } from './time/clock.ts';

/** A component with a life. Starting twice and stopping before starting are no-ops. */
export interface Startable {
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** Parts that build on each other: started from the ground up, stopped from the roof down. */
export interface PartStack {
  /**
   * Starts `part` on top of the others. It counts as started from the call on, so that `stop` stops it; what has come up
   * all the same, after a stop in the middle of its start, is stopped once more before this resolves.
   */
  start(part: Startable): Promise<void>;
  /** Stops all parts, the last started first; see {@link stopAll}. A second call is a no-op. */
  stop(): Promise<void>;
}

/** Makes an empty stack. `onError` hears the errors of {@link stopAll} that it does not throw. */
export function createPartStack(onError: (error: unknown) => void): PartStack {
  const parts: Startable[] = [];
  return {
    async start(part) {
      parts.push(part);
      await part.start();
      if (!parts.includes(part)) await part.stop();
    },
    stop: () => stopAll(parts.splice(0).toReversed(), onError),
  };
}

/**
 * Stops `parts` one after the other, in this order, and each of them whatever those before did: one
 * that can't be stopped must not leave the others running.
 * @throws the first error, once all parts have had their turn; `onError` hears the later ones
 */
export async function stopAll(
  parts: Iterable<Pick<Startable, 'stop'>>,
  onError: (error: unknown) => void,
): Promise<void> {
  const errors: unknown[] = [];
  for (const part of parts) {
    try {
      await part.stop();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length === 0) return;
  for (const error of errors.slice(1)) onError(error);
  throw errors[0];
}

/**
 * Runs `work` and then stops `part`, whatever came of the work. An error of the stop never hides one of
 * the work: then `onError` hears of it. @throws what `work` throws, else what the stop does
 */
export async function thenStop<T>(
  part: Pick<Startable, 'stop'>,
  work: () => Promise<T>,
  onError: (error: unknown) => void,
): Promise<T> {
  let result: T;
  try {
    result = await work();
  } catch (error) {
    await part.stop().catch(onError);
    throw error;
  }
  await part.stop();
  return result;
}

/** Owns timers, listeners and an AbortSignal; `close` ends them all. */
export interface Scope {
  /** Aborted when the scope closes. */
  readonly signal: AbortSignal;
  readonly closed: boolean;
  /** Registers a cleanup for `close`; a scope that is closed already runs the cleanup at once. */
  add(cleanup: () => void): void;
  /** Runs `task` every `intervalMs` until the scope closes. The next interval begins when a run has ended. */
  every(intervalMs: number, task: () => void | Promise<void>): void;
  /** Runs `task` once after `delayMs` unless closed first. Returns a cancel function. */
  after(delayMs: number, task: () => void): () => void;
  /** Runs all cleanups, newest first, even when one throws. A second call is a no-op. */
  close(): void;
}

/** What whatever ends with a scope is aborted with. Made once: to make one costs ten times what all else of an end does. */
const CLOSED = new DOMException('This operation was aborted', 'AbortError');

/**
 * Makes a scope on `clock`. `onError` hears what a repeated task or a cleanup throws; without it the
 * error is rethrown to the process, because a swallowed error is a defect.
 */
export function createScope(clock: Clock, onError?: (error: unknown) => void): Scope {
  const abort = new AbortController();
  // Each listener has an owner that takes it away; Node warns of leaks from the eleventh on.
  setMaxListeners(0, abort.signal);
  const cleanups = new Set<() => void>();
  const report = (error: unknown): void => {
    if (onError !== undefined) onError(error);
    else
      queueMicrotask(() => {
        throw error;
      });
  };

  const scope: Scope = {
    signal: abort.signal,
    get closed() {
      return abort.signal.aborted;
    },
    add(cleanup) {
      if (abort.signal.aborted) cleanup();
      else cleanups.add(cleanup);
    },
    every(intervalMs, task) {
      const tick = (): void => {
        Promise.resolve()
          .then(task)
          .catch(report)
          .finally(() => {
            if (!abort.signal.aborted) scope.after(intervalMs, tick);
          });
      };
      scope.after(intervalMs, tick);
    },
    after(delayMs, task) {
      if (abort.signal.aborted) return () => undefined;
      const cancelTimer = clock.schedule(delayMs, () => {
        cleanups.delete(cancel);
        task();
      });
      const cancel = (): void => {
        cleanups.delete(cancel);
        cancelTimer();
      };
      cleanups.add(cancel);
      return cancel;
    },
    close() {
      if (abort.signal.aborted) return;
      abort.abort(CLOSED);
      for (const cleanup of [...cleanups].toReversed()) {
        try {
          cleanup();
        } catch (error) {
          report(error);
        }
      }
      cleanups.clear();
    },
  };
  return scope;
}
