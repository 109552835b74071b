/** Waiting that a signal ends, and why a signal has fired, as an error of the house. */
import { StarlingError } from '../core/index.ts';

/** Gives what `promise` gives, or rejects with the reason of `signal` when the signal fires first. */
export function raceAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) {
    // The outcome of the promise comes too late to matter, but must not end the process.
    promise.catch(() => undefined);
    return Promise.reject(abortReason(signal));
  }
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(abortReason(signal));
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/** Why `signal` has fired; STARLING_TIMEOUT when the reason has no code of ours. */
export function abortReason(signal: AbortSignal): Error {
  const reason: unknown = signal.reason;
  if (reason instanceof StarlingError) return reason;
  const timedOut = reason instanceof Error && reason.name === 'TimeoutError';
  return new StarlingError('STARLING_TIMEOUT', timedOut ? 'the time was over' : 'given up', {
    cause: reason,
  });
}
