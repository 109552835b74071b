/** Two are asked where the first takes long, and the first answer counts. */
import { settledWithin } from '../../core/index.ts';
import type { Clock } from '../../core/index.ts';

/** How long the first may take alone. */
export interface HedgeInit {
  readonly clock: Clock;
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

/** Asks somebody; undefined where another may be asked. */
export type Ask<T> = (signal: AbortSignal) => Promise<T | undefined>;

/**
 * What `first` gives, or `second` where `first` is still at work after `waitMs` and `second` is sooner; undefined where
 * neither gives anything. The slower one is given up. Throws what either throws, once no other is at work.
 */
export async function hedged<T>(
  { clock, waitMs, signal }: HedgeInit,
  first: Ask<T>,
  second: (signal: AbortSignal) => Promise<T | undefined> | undefined,
): Promise<T | undefined> {
  const over = new AbortController();
  const give = (): void => over.abort();
  signal.addEventListener('abort', give, { once: true });
  try {
    const running = first(over.signal);
    if (await settledWithin(waitMs, running, clock)) return await running;
    const other = second(over.signal);
    return other === undefined ? await running : await eitherOf(running, other);
  } finally {
    signal.removeEventListener('abort', give);
    over.abort();
  }
}

/** The first answer that is one; else undefined, or what the last of them threw. */
function eitherOf<T>(
  one: Promise<T | undefined>,
  other: Promise<T | undefined>,
): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    let left = 2;
    const settled = (settle: () => void): void => {
      left -= 1;
      if (left === 0) settle();
    };
    for (const running of [one, other]) {
      running.then(
        (answer) => {
          if (answer !== undefined) resolve(answer);
          else settled(() => resolve(undefined));
        },
        (error: unknown) => settled(() => reject(error)),
      );
    }
  });
}
