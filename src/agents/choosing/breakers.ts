/**
 * Circuit breakers: whoever has failed five times in a row is not asked for a minute, and then by one request first, which
 * decides whether others follow. Nygard, Release It!, "Circuit Breaker".
 */
import { leftMs } from '../../core/index.ts';
import type { Clock } from '../../core/index.ts';
import { BREAKER_FAILURES, BREAKER_MS } from '../limits.ts';

/** Breakers by what they are of: an agent, or a node. */
export interface Breakers {
  /** Whether it may be asked now. */
  allows(key: string): boolean;
  /** It is asked now: where its minute is over, by this one request alone. */
  begins(key: string): void;
  /** The request has ended, and says neither of both. */
  ends(key: string): void;
  /** How long it is not asked any more, ms; 0 where it is. */
  openMs(key: string): number;
  succeeded(key: string): void;
  failed(key: string): void;
}

/** More are forgotten, the oldest first. */
const KEPT_MAX = 1024;

interface Breaker {
  failures: number;
  /** Until when nobody asks. */
  openUntil: number;
  /** A request is under way that decides. */
  isProbed: boolean;
}

/** Makes breakers, all closed. */
export function createBreakers(clock: Clock): Breakers {
  const breakers = new Map<string, Breaker>();
  const openMs = (key: string): number =>
    leftMs(clock, breakers.get(key)?.openUntil ?? 0, BREAKER_MS);
  return {
    openMs,
    allows(key) {
      const breaker = breakers.get(key);
      if (breaker === undefined || breaker.failures < BREAKER_FAILURES) return true;
      return openMs(key) === 0 && !breaker.isProbed;
    },
    begins(key) {
      const breaker = breakers.get(key);
      if (breaker !== undefined) breaker.isProbed = true;
    },
    ends(key) {
      const breaker = breakers.get(key);
      if (breaker !== undefined) breaker.isProbed = false;
    },
    succeeded: (key) => {
      breakers.delete(key);
    },
    failed(key) {
      const { failures } = breakers.get(key) ?? { failures: 0 };
      breakers.delete(key);
      const [oldest] = breakers.size < KEPT_MAX ? [] : breakers.keys();
      if (oldest !== undefined) breakers.delete(oldest);
      const isOpen = failures + 1 >= BREAKER_FAILURES;
      const openUntil = isOpen ? clock.now() + BREAKER_MS : 0;
      breakers.set(key, { failures: failures + 1, openUntil, isProbed: false });
    },
  };
}
