/** What one provider is sent in a minute, or one caller may ask for: requests and tokens, each from a bucket that a minute fills. */
import { StarlingError, fullBucket, refilled } from '../../core/index.ts';
import type { BucketSize, Clock } from '../../core/index.ts';
import type { MinuteLimits } from '../../config/index.ts';

const MINUTE_MS = 60_000;
/** Nobody owes more than what so many minutes bring: what a provider or a peer says that it took may be anything. */
const DEBT_MINUTES = 10;

/** Whose minute it is, for refusals. */
export interface AllowanceWords {
  /** The subject, up to the number: `this node sends provider gpu`. */
  readonly who: string;
  /** Where the limits stand in the configuration. */
  readonly key: string;
  readonly provider?: string;
}

/** Counts what is sent in a minute. */
export interface Allowance {
  /**
   * Takes one request of so many tokens, as a guess; gives what settles it, once, by what it really took.
   * @throws STARLING_RATE_LIMITED
   */
  take(tokens: number): (actualTokens: number) => void;
}

/** Makes an allowance; what is not limited is not counted. */
export function createAllowance(
  clock: Clock,
  { who, key, provider }: AllowanceWords,
  { requestsPerMinute, tokensPerMinute }: MinuteLimits,
): Allowance {
  const requests = requestsPerMinute === undefined ? undefined : bucket(clock, requestsPerMinute);
  const tokens = tokensPerMinute === undefined ? undefined : bucket(clock, tokensPerMinute);
  const refuse = (waitMs: number, limit: string, most: number): never => {
    throw new StarlingError(
      'STARLING_RATE_LIMITED',
      `${who} no more than ${most} ${limit.replaceAll('_', ' ')}`,
      {
        hint: `wait ${waitMs} ms, or raise ${key}.${limit}`,
        data: { retryAfterMs: waitMs, limit, ...(provider === undefined ? {} : { provider }) },
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
      let isSettled = false;
      return (actual) => {
        if (!isSettled) tokens?.take(actual - wanted);
        isSettled = true;
      };
    },
  };
}

interface MinuteBucket {
  /** Until there is room for `amount`; 0 when there is. */
  waitMs(amount: number): number;
  /** Takes `amount`, or gives back what is below 0. */
  take(amount: number): void;
}

function bucket(clock: Clock, perMinute: number): MinuteBucket {
  const size: BucketSize = {
    burst: perMinute,
    everyMs: MINUTE_MS / perMinute,
    behindStepMs: MINUTE_MS,
  };
  let level = fullBucket(size, clock.now());
  const refill = (): number => {
    level = refilled(level, size, clock.now());
    return level.tokens;
  };
  return {
    waitMs(amount) {
      const tokens = refill();
      return tokens >= amount ? 0 : Math.ceil((amount - tokens) * size.everyMs);
    },
    take(amount) {
      const most = Math.min(perMinute, refill() - amount);
      level = { ...level, tokens: Math.max(-DEBT_MINUTES * perMinute, most) };
    },
  };
}
