/** How readers of inboxes, events and logs wait for something new. */
import type { Clock } from '../../core/index.ts';

/** How long a wait lasts at the most. */
interface Wait {
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

/** Resolves when one of `wakers` is called, `waitMs` have passed, or `signal` is aborted; takes itself out of `wakers`. */
export function waitForNews(wakers: Set<() => void>, clock: Clock, wait: Wait): Promise<void> {
  return waitForAny([wakers], clock, wait);
}

/** {@link waitForNews} of several at once: resolves with the first of them. */
export function waitForAny(
  all: readonly Set<() => void>[],
  clock: Clock,
  { waitMs, signal }: Wait,
): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      for (const wakers of all) wakers.delete(done);
      cancel();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const cancel = clock.schedule(waitMs, done);
    for (const wakers of all) wakers.add(done);
    signal.addEventListener('abort', done, { once: true });
  });
}

/**
 * Resolves once `met`, which is asked at each call of one of `wakers`, when `waitMs` have passed, or when `signal` is aborted.
 * The time is that of one timer: a clock that is set meanwhile neither ends nor lengthens it.
 */
export function waitUntil(
  wakers: Set<() => void>,
  met: () => boolean,
  clock: Clock,
  { waitMs, signal }: Wait,
): Promise<void> {
  if (met() || waitMs <= 0 || signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      wakers.delete(look);
      cancel();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const look = (): void => {
      if (met()) done();
    };
    const cancel = clock.schedule(waitMs, done);
    wakers.add(look);
    signal.addEventListener('abort', done, { once: true });
  });
}
