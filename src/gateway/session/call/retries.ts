/** Calls again what its caller says may be done twice, where its failure says that it may succeed later. */
import { StarlingError, backoffMs } from '../../../core/index.ts';
import type { Clock, Random } from '../../../core/index.ts';

/** By what is waited between tries. */
export interface RetryComponents {
  readonly clock: Pick<Clock, 'schedule'>;
  readonly random: Random;
}

/** How often, and until when. */
export interface RetryInit {
  /** Tries after the first; default none. */
  readonly retries?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Shorter tries again sooner, longer spares whoever is in trouble. */
const PAUSE = { baseMs: 100, capMs: 5000 };

/** Gives what `call` gives, at the first try that succeeds. @throws what the last try threw */
export async function withRetries<T>(
  { clock, random }: RetryComponents,
  { retries = 0, signal }: RetryInit,
  call: () => Promise<T>,
): Promise<T> {
  for (let failures = 0; ; failures += 1) {
    try {
      return await call();
    } catch (error) {
      const isPassing = error instanceof StarlingError && error.row.retryable;
      const isOver = (): boolean => failures >= retries || signal?.aborted === true;
      if (!isPassing || isOver()) throw error;
      await paused(clock, backoffMs(failures, PAUSE, random), signal);
      if (isOver()) throw error;
    }
  }
}

/** Resolves when the time is over, or `signal` is aborted. */
function paused(
  clock: RetryComponents['clock'],
  ms: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const cancel = clock.schedule(ms, done);
    signal?.addEventListener('abort', done, { once: true });
  });
}
