/** What one provider is sent in a minute: requests and tokens, each from a bucket that a minute fills. */
import { StarlingError } from '../../core/index.ts';
import type { Clock } from '../../core/index.ts';
import type { ModelProvider } from '../../config/index.ts';

const MINUTE_MS = 60_000;

/** Counts what a provider is sent. */
export interface Allowance {
  /**
   * Takes one request of so many tokens, as a guess; gives what settles it by what it really took.
   * @throws STARLING_RATE_LIMITED
   */
  take(tokens: number): (actualTokens: number) => void;
}

/** Makes the allowance of the provider `name`. */
export function createAllowance(
  clock: Clock,
  name: string,
  { requestsPerMinute, tokensPerMinute }: ModelProvider['limits'],
): Allowance {
  const requests = requestsPerMinute === undefined ? undefined : bucket(clock, requestsPerMinute);
  const tokens = tokensPerMinute === undefined ? undefined : bucket(clock, tokensPerMinute);
  const refuse = (waitMs: number, limit: string, most: number): never => {
    throw new StarlingError(
      'STARLING_RATE_LIMITED',
      `this node sends provider ${name} no more than ${most} ${limit.replaceAll('_', ' ')}`,
      {
        hint: `wait ${waitMs} ms, or raise models.providers.${name}.rate_limits.${limit}`,
        data: { provider: name, retryAfterMs: waitMs, limit },
      },
    );
  };
  return {
    take(guess) {
      const forRequest = requests?.waitMs(1) ?? 0;
      if (forRequest > 0) refuse(forRequest, 'requests_per_minute', requestsPerMinute ?? 0);
      // What is more than a whole minute's worth goes once the bucket is full, or it could never go.
      const wanted = Math.min(guess, tokensPerMinute ?? guess);
      const forTokens = tokens?.waitMs(wanted) ?? 0;
      if (forTokens > 0) refuse(forTokens, 'tokens_per_minute', tokensPerMinute ?? 0);
      requests?.take(1);
      tokens?.take(wanted);
      return (actual) => tokens?.take(actual - wanted);
    },
  };
}

interface MinuteBucket {
  /** Until there is room for `amount`; 0 when there is. */
  waitMs(amount: number): number;
  /** Takes `amount`, or gives back what is below 0. */
  take(amount: number): void;
}

function bucket(clock: Clock, size: number): MinuteBucket {
  let level = size;
  let at = clock.now();
  const refill = (): void => {
    const now = clock.now();
    level = Math.min(size, level + ((now - at) * size) / MINUTE_MS);
    at = now;
  };
  return {
    waitMs(amount) {
      refill();
      return level >= amount ? 0 : Math.ceil(((amount - level) * MINUTE_MS) / size);
    },
    take(amount) {
      refill();
      level = Math.min(size, level - amount);
    },
  };
}
