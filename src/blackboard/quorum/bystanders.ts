/**
 * Bystanders: replicas that were not needed for a change which a majority has on disk. They are told of it later, once for
 * many changes of a key, so that what was chosen is soon on all disks: each one that has it may be lost then.
 */
import { unawaited } from '../../core/index.ts';
import type { Logger, Scope } from '../../core/index.ts';
import type { Voter } from '../lanes/voters.ts';
import type { Electorate } from './electorate.ts';
import { createFollowUps } from './follow-ups.ts';
import type { Cell } from './format.ts';
import type { MissedChange } from './proposer.ts';

/** What telling bystanders works with. */
export interface BystandersComponents {
  readonly electorate: Pick<Electorate, 'ask' | 'setOf'>;
  readonly scope: Scope;
  readonly logger: Pick<Logger, 'debug' | 'error'>;
  /** Whether a replica is this node, or connected to it. */
  readonly isThere: (voter: Voter) => boolean;
}

/** Replicas that hear of changes later. */
export interface Bystanders {
  /** Tells them of a change soon, or of a later one of the same key in its place. Never throws. */
  tell(cell: Cell, missed: MissedChange): void;
}

/** A key that has not changed for so long rests. Lower: more messages; higher: more is on no more disks than it must be. */
const REST_MS = 100;
/** How often bystanders are told of a key that goes on changing. Lower: more messages; higher: more is on no more disks than it must be. */
const BUSY_MS = 1000;

/** Nobody is told any more once the scope closes. */
export function createBystanders(components: BystandersComponents): Bystanders {
  const { electorate, scope, logger, isThere } = components;
  /** An accept as any other, which was long under way. */
  const tell = async (cell: Cell, { set, question, bystanders }: MissedChange): Promise<void> => {
    if ((await electorate.setOf(cell.board)).number !== set.number) return;
    const { t, ballot, state, next } = question;
    // They have not taken the step before either: they need the whole state.
    const ask = { t, ballot, state, next } as const;
    const there = bystanders.filter((voter) => isThere(voter));
    await Promise.all(there.map((voter) => electorate.ask(voter, set, { cell, ask })));
  };
  const followUps = createFollowUps<MissedChange>({
    scope,
    logger,
    restMs: REST_MS,
    busyMs: BUSY_MS,
    turn: tell,
  });
  return {
    tell(cell, missed) {
      if (followUps.add(cell, missed)) return;
      unawaited(tell(cell, missed), logger, 'what was chosen was not told to bystanders');
    },
  };
}
