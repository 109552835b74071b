/** How readers of inboxes, events and logs wait for something new. */
import type { Clock } from '../../core/index.ts';

/** Resolves when one of `wakers` is called, `waitMs` have passed, or `signal` is aborted; takes itself out of `wakers`. */
export function waitForNews(
  wakers: Set<() => void>,
  clock: Clock,
  { waitMs, signal }: { readonly waitMs: number; readonly signal: AbortSignal },
): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      wakers.delete(done);
      cancel();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const cancel = clock.schedule(waitMs, done);
    wakers.add(done);
    signal.addEventListener('abort', done, { once: true });
  });
}
