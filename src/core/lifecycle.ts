/** Start, stop, and the ownership of everything that must end when a component stops. */
import { setMaxListeners } from 'node:events';
import type { Clock } from './clock.ts';

/** A component with a life. Starting twice and stopping before starting are no-ops. */
export interface Startable {
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** Owns timers, listeners and an AbortSignal; `close` ends them all. */
export interface Scope {
  /** Aborted when the scope closes. */
  readonly signal: AbortSignal;
  readonly closed: boolean;
  /** Registers what `close` must run; runs it at once when the scope is closed already. */
  add(cleanup: () => void): void;
  /** Runs `task` every `intervalMs` until closed; a run that is still going on is not doubled. */
  every(intervalMs: number, task: () => void | Promise<void>): void;
  /** Runs `task` once after `delayMs` unless closed first. Returns a cancel function. */
  after(delayMs: number, task: () => void): () => void;
  /** Ends everything, newest first, even when one of them throws. A second call is a no-op. */
  close(): void;
}

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
      abort.abort();
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
