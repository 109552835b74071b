/**
 * When a server that failed may be started again. The first failure of a server that has worked costs
 * no pause; every further one in a row doubles the pause (full jitter, see `backoffMs`).
 */
import type { Retry } from '../../../config/index.ts';
import { backoffMs } from '../../../core/index.ts';
import type { Clock, Random } from '../../../core/index.ts';

/**
 * How a server is started again where the configuration says nothing: without end. Shorter pauses bring
 * a mended server back sooner, longer ones spare the machine a crash loop.
 */
const RETRY: Retry = { attempts: 0, delayMs: 1000, delayMaxMs: 60_000 };
/** An instance that lived this long was not at fault for its end. */
const STEADY_MS = 10_000;

/** The pauses between the starts of one server. */
export interface RestartBackoff {
  /** Failures in a row. */
  readonly failures: number;
  /** True when the server has failed so often that it is not started again by itself. */
  readonly hasGivenUp: boolean;
  /** True when the server has ended and is started again only when somebody asks for that. */
  readonly isHeld: boolean;
  /** How long a start has to wait, ms; 0 when one may be tried now. */
  waitMs(): number;
  /**
   * Notes that an instance failed to start, or ended by itself, and gives the pause before the next start.
   * `isProven`: the server has worked before.
   */
  failed(isProven: boolean): number;
  /** Notes the end of an instance that ran: what lived long or answered calls clears earlier failures. */
  ended(instance: { readonly startedAt: number; readonly answered: number }): void;
  /** The server works: the pause under way is over, though not the count of failures. */
  ready(): void;
  /** Forgets all failures: what made the server fail may be mended. */
  reset(): void;
}

/** Makes the backoff of one server; `whenAsked`: after it has failed nobody starts it but who asks for that. */
export function createRestartBackoff(
  components: { readonly clock: Clock; readonly random: Random },
  retry: Retry = RETRY,
  whenAsked = false,
): RestartBackoff {
  const { clock, random } = components;
  const bounds = { baseMs: retry.delayMs, capMs: retry.delayMaxMs };
  let failures = 0;
  let nextStartAt = 0;
  return {
    get failures() {
      return failures;
    },
    get hasGivenUp() {
      return this.isHeld || (retry.attempts > 0 && failures > retry.attempts);
    },
    get isHeld() {
      return whenAsked && failures > 0;
    },
    waitMs: () => Math.max(0, nextStartAt - clock.now()),
    failed(isProven) {
      failures += 1;
      const isFree = failures === 1 && isProven;
      const waitMs = isFree ? 0 : backoffMs(failures - 1, bounds, random);
      nextStartAt = clock.now() + waitMs;
      return waitMs;
    },
    ended({ startedAt, answered }) {
      // After an instance that did its work, a pause would only make the next caller wait.
      if (answered > 0 || clock.now() - startedAt > STEADY_MS) failures = 0;
    },
    ready() {
      nextStartAt = 0;
    },
    reset() {
      failures = 0;
      nextStartAt = 0;
    },
  };
}
