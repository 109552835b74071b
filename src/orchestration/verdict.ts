/** What the answers of those who did one phase come to. Pure. */
import { isObject } from '../core/index.ts';
import type { Json, JsonObject } from '../core/index.ts';
import { choiceIn } from '../tasks/index.ts';
import { aggregate } from './aggregate.ts';
import type { Phase, PlanOrder, SeatRow, VoteView } from './types.ts';
import { count } from './vote.ts';

/** The phase is done, or why it is not. */
export type Verdict =
  | { readonly result: Json; readonly vote?: VoteView; readonly rejected?: string }
  | { readonly error: string; readonly vote?: VoteView };

/** What the last seat of each place comes to. */
export function verdictOf(order: PlanOrder, phase: Phase, seats: readonly SeatRow[]): Verdict {
  const last = lastOfPlaces(seats);
  const done = last.filter(({ outcome }) => outcome === 'done');
  const failed = last.length - done.length;
  if (done.length === 0 || failed / last.length > order.failureThreshold) {
    const why = last.flatMap(({ endpoint, error }) =>
      error === undefined ? [] : [`${endpoint}: ${error}`],
    );
    return { error: `${failed} of ${last.length} failed: ${why.join('; ')}`.slice(0, 2000) };
  }
  if (phase.role === 'validator') return checked(done);
  if (order.aggregation === 'majority_vote') return voted(order, last);
  const given = done.map(({ endpoint, result = null }) => ({ agent: endpoint, result }));
  return { result: aggregate(order.aggregation, given) };
}

/** Whoever has each place now. */
export function lastOfPlaces(seats: readonly SeatRow[]): readonly SeatRow[] {
  const places = new Map<number, SeatRow>();
  for (const seat of seats) {
    const known = places.get(seat.place);
    if (known === undefined || seat.nth >= known.nth) places.set(seat.place, seat);
  }
  return [...places.values()].toSorted((one, other) => one.place - other.place);
}

/** What a validator says: `{ valid: false, reason? }`, or a `verdict` that is a no. */
function checked(done: readonly SeatRow[]): Verdict {
  const refusals = done.flatMap(({ endpoint, result = null }) => {
    const said: JsonObject = isObject(result) && !Array.isArray(result) ? result : {};
    const isNo =
      said['valid'] === false || REJECTS.includes(JSON.stringify(said['verdict'] ?? null));
    return isNo
      ? [`${endpoint}: ${String(said['reason'] ?? 'it gives no reason').slice(0, 500)}`]
      : [];
  });
  const result = done.length === 1 ? (done[0]?.result ?? null) : aggregate('all', given(done));
  return refusals.length === 0 ? { result } : { result, rejected: refusals.join('; ') };
}

const REJECTS: readonly string[] = ['false', '"reject"', '"rejected"', '"invalid"', '"no"'];

function given(done: readonly SeatRow[]): readonly { agent: string; result: Json }[] {
  return done.map(({ endpoint, result = null }) => ({ agent: endpoint, result }));
}

function voted(order: PlanOrder, last: readonly SeatRow[]): Verdict {
  const ballots = last.map(({ ballot, did, endpoint, outcome, result = null, weight }) => {
    const signed = ballot !== undefined;
    const choice = outcome === 'done' && signed ? choiceIn(result) : undefined;
    const confidence = confidenceIn(result);
    return {
      agent: endpoint,
      node: did,
      weight,
      signed,
      ...(choice === undefined ? {} : { choice }),
      ...(confidence === undefined ? {} : { confidence }),
    };
  });
  const vote = count(ballots, order);
  const { choice, share, threshold, tie } = vote;
  const chosen = last.find(
    ({ ballot, outcome, result = null }) =>
      outcome === 'done' && ballot !== undefined && choiceIn(result) === choice,
  );
  if (choice !== undefined && chosen !== undefined) return { result: chosen.result ?? null, vote };
  const why = tie
    ? 'the choices that lead are alike'
    : `the choice that leads has ${share} of ${threshold}`;
  return { error: `no_consensus: ${why}`, vote };
}

function confidenceIn(result: Json): number | undefined {
  const said: JsonObject = isObject(result) && !Array.isArray(result) ? result : {};
  const { confidence } = said;
  return typeof confidence === 'number' && confidence >= 0 && confidence <= 1
    ? confidence
    : undefined;
}
