/** What a vote or a check has found of the results of those who did a phase. Pure. */
import type { Did } from '../core/index.ts';
import { choiceIn } from '../tasks/index.ts';
import type { Phase, PhaseRow, SeatRow } from './types.ts';
import { lastOfPlaces } from './verdict.ts';
import type { Verdict } from './verdict.ts';

/** How the result of one agent was found to be. */
export interface FoundOfSeat {
  /** Its name at its node. */
  readonly agent: string;
  readonly did: Did;
  readonly task: string;
  readonly outcome: 'success' | 'failure';
  readonly by: 'check' | 'vote';
}

/**
 * Of a vote that was decided: who has chosen what was taken, and who has not. Of a check: all whose work was checked. What
 * was done by nobody else and checked by nobody is not found to be anything.
 */
export function foundIn(
  phase: Phase,
  verdict: Verdict,
  rowOf: (name: string) => PhaseRow,
): readonly FoundOfSeat[] {
  if (phase.role === 'validator') return checked(phase, verdict, rowOf);
  const choice = verdict.vote?.choice;
  if (choice === undefined) return [];
  return doneIn(rowOf(phase.name)).flatMap((seat) => {
    const own = seat.ballot === undefined ? undefined : choiceIn(seat.result ?? null);
    return own === undefined ? [] : foundOf(seat, own === choice, 'vote');
  });
}

function checked(
  { dependencies }: Phase,
  verdict: Verdict,
  rowOf: (name: string) => PhaseRow,
): readonly FoundOfSeat[] {
  // A check that was not done has found nothing.
  if (!('result' in verdict)) return [];
  const isGood = verdict.rejected === undefined;
  return dependencies.flatMap((name) =>
    doneIn(rowOf(name)).flatMap((seat) => foundOf(seat, isGood, 'check')),
  );
}

/** Those who have done the last round of a phase. */
function doneIn({ round, seats }: PhaseRow): readonly SeatRow[] {
  const last = seats.filter((seat) => seat.round === round);
  return lastOfPlaces(last).filter(({ outcome }) => outcome === 'done');
}

function foundOf(seat: SeatRow, isGood: boolean, by: FoundOfSeat['by']): readonly FoundOfSeat[] {
  const { did, endpoint, taskId } = seat;
  if (taskId === undefined) return [];
  const agent = endpoint.split('@')[0] ?? endpoint;
  return [{ agent, did, task: taskId, outcome: isGood ? 'success' : 'failure', by }];
}
