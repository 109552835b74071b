/**
 * Reading a key strongly in one round that changes nothing: where a majority of the replicas shows the same accepted
 * ballot, its state was chosen, and whatever is chosen later had not ended when the reading began (Skrzypczak,
 * Schintke and Schütt, "RMWPaxos: Fault-Tolerant In-Place Consensus Sequences", 2020). Pure, as `round.ts`.
 */
import { NO_STATE, compareBallots } from './acceptor.ts';
import type { AcceptorRow, Ballot, Shown, StrongState } from './acceptor.ts';
import { allOf, isMajority } from './groups.ts';
import type { Groups } from './groups.ts';

/** A reading under way. */
export interface Look {
  /** Hears what a replica shows. Gives the state, or that a round must find out, or nothing yet. */
  hear(replica: string, shown: Shown): StrongState | 'differ' | undefined;
}

/**
 * Begins to read at replicas: more than half of each group must show the same. `kept` is what a replica has shown in
 * this reading already, and the others are asked with its ballot; without it nobody has the same.
 */
export function beginLook(groups: Groups, kept?: AcceptorRow['accepted']): Look {
  const all = allOf(groups);
  const shown = new Map<string, AcceptorRow['accepted']>();
  return {
    hear(replica, { isSame: hasSame, accepted: told }) {
      if (shown.has(replica) || !all.includes(replica)) return undefined;
      if (hasSame === true && kept === undefined) return undefined;
      const accepted = hasSame === true ? kept : told;
      shown.set(replica, accepted);
      const same = [...shown].filter(([, one]) => isSame(one?.ballot, accepted?.ballot));
      if (isMajority(groups, new Set(same.map(([name]) => name)))) {
        return accepted?.state ?? NO_STATE;
      }
      return shown.size === all.length ? 'differ' : undefined;
    },
  };
}

/** What a replica shows to whoever has accepted a state under `known`: under the same ballot not the state as well. */
export function shownTo(shown: Shown, known: Ballot | undefined): Shown {
  if (known === undefined || shown.accepted === undefined) return shown;
  if (!isSame(shown.accepted.ballot, known)) return shown;
  const { accepted: _, ...rest } = shown;
  return { ...rest, isSame: true };
}

/** Whether what was accepted under two ballots is the same; undefined: nothing was accepted. */
export function isSame(a: Ballot | undefined, b: Ballot | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return compareBallots(a, b) === 0;
}
