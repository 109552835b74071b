/** When a target is dialled again: exponential backoff with jitter. Pure. */
import { backoffMs } from '../../core/index.ts';
import type { Random } from '../../core/index.ts';
import { REDIAL_BASE_MS, REDIAL_CAP_MS } from '../constants.ts';

/** What happened to a dial. */
export type DialOutcome =
  | 'connected'
  | 'failed'
  /** The other side answered and refused: that seldom changes within a minute. */
  | 'refused';

/** Where a target stands in its schedule. */
export interface RedialState {
  /** Failures in a row. */
  readonly failures: number;
  /** When to dial next, milliseconds since the epoch. */
  readonly dueAt: number;
}

/** A connection that lasted at least this long shows that the target is well. */
const STABLE_MS = 10_000;
/** As many failures count for a refusal: with them the delay is at its cap. */
const REFUSED_FAILURES = 8;

/** The state of a target that was never dialled: due at once. */
export function freshState(nowMs: number): RedialState {
  return { failures: 0, dueAt: nowMs };
}

/** The state after a dial. */
export function nextState(
  state: RedialState,
  outcome: DialOutcome,
  nowMs: number,
  random: Random,
): RedialState {
  if (outcome === 'connected') return { ...state, dueAt: Math.max(state.dueAt, nowMs) };
  const failures =
    outcome === 'refused' ? Math.max(state.failures + 1, REFUSED_FAILURES) : state.failures + 1;
  const backoff = { baseMs: REDIAL_BASE_MS, capMs: REDIAL_CAP_MS };
  return { failures, dueAt: nowMs + backoffMs(failures - 1, backoff, random) };
}

/**
 * The state after a connection was lost that had lasted `lastedMs`: after a stable connection the
 * backoff starts anew, one that broke at once counts as a failure.
 */
export function lostState(
  state: RedialState,
  lastedMs: number,
  nowMs: number,
  random: Random,
): RedialState {
  return nextState(lastedMs >= STABLE_MS ? freshState(nowMs) : state, 'failed', nowMs, random);
}
