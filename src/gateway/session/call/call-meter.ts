/** What counts calls as they end; the room above gives it, and nobody below knows who reads. */
import { StarlingError } from '../../../core/index.ts';

/** How a call ended: with a result, with an error, because somebody said no, or given up by its caller. */
export type CallOutcome = 'ok' | 'failed' | 'refused' | 'cancelled';

/** Hears of each call once, when the call is over. */
export interface CallMeter {
  /** A call of `method` is over, whose server is a peer's or not, `ms` milliseconds after it began. */
  ended(method: string, isPeers: boolean, outcome: CallOutcome, ms: number): void;
}

const REFUSALS: readonly string[] = ['STARLING_CALL_REFUSED', 'STARLING_RATE_LIMITED'];

/** How a call ended that failed by `error`. */
export function outcomeOf(error: unknown): CallOutcome {
  return error instanceof StarlingError && REFUSALS.includes(error.code) ? 'refused' : 'failed';
}
