/** How many proposals there may be, and by what names. Pure. */
import { StarlingError } from '../core/index.ts';
import { PER_DAY_MAX, WAITING_MAX, WAITING_PER_AGENT_MAX } from './limits.ts';
import type { Proposal, ProposalState } from './types.ts';

/** True where a person may still agree to it, or has. */
export function isOpen(state: ProposalState): boolean {
  return state === 'pending' || state === 'approved';
}

/** What is known beside a proposal that comes. */
export interface Seen {
  /** The same, of the same agent, where a person has it before them or has answered. */
  readonly same: Proposal | undefined;
  /** What waits by its name, of the same agent. */
  readonly before: Proposal | undefined;
  /** What has its name and stays. */
  readonly holder: Proposal | undefined;
  readonly waiting: number;
  readonly ownWaiting: number;
  /** Those that its agent has made within a day. */
  readonly made: number;
}

/** One look at all: an agent may ask ten thousand times. */
export function look(
  known: ReadonlyMap<string, Proposal>,
  of: {
    readonly agent: string;
    readonly digest: string;
    readonly name: string;
    /** From when to when those are counted that its agent has made. */
    readonly since: number;
    readonly now: number;
  },
): Seen {
  let [same, before, holder]: (Proposal | undefined)[] = [];
  let [waiting, ownWaiting, made] = [0, 0, 0];
  for (const one of known.values()) {
    const { state } = one;
    const isOwn = one.agent === of.agent;
    const isPending = state === 'pending';
    if (isPending) waiting += 1;
    if (isOwn && isPending) ownWaiting += 1;
    // What a clock that was ahead has dated counts for no day.
    if (isOwn && one.madeAt > of.since && one.madeAt <= of.now) made += 1;
    if (isOwn && one.digest === of.digest && (isOpen(state) || state === 'denied')) same = one;
    if (one.name !== of.name) continue;
    if (isOwn && isPending) before = one;
    else if (isOpen(state)) holder = one;
  }
  return { same, before, holder, waiting, ownWaiting, made };
}

/** The name is nobody else's. @throws STARLING_USAGE */
export function requireFree({ holder }: Seen, name: string): void {
  if (holder === undefined) return;
  const why =
    holder.state === 'approved'
      ? 'a person has agreed to another one'
      : 'another agent proposes something';
  throw new StarlingError('STARLING_USAGE', `${why} by the name '${name}'`, {
    hint: 'take another name',
  });
}

/** There is room for one more. @throws STARLING_LIMIT_EXCEEDED */
export function requireRoom({ before, made, ownWaiting, waiting }: Seen): void {
  const gone = before === undefined ? 0 : 1;
  if (made >= PER_DAY_MAX) throw tooMany(`${PER_DAY_MAX} proposals a day are the most`);
  if (ownWaiting - gone >= WAITING_PER_AGENT_MAX) {
    throw tooMany(`${WAITING_PER_AGENT_MAX} proposals of yours wait for a person`);
  }
  if (waiting - gone >= WAITING_MAX) throw tooMany(`${WAITING_MAX} proposals wait for a person`);
}

function tooMany(why: string): StarlingError {
  return new StarlingError('STARLING_LIMIT_EXCEEDED', `nothing was proposed: ${why}`, {
    hint: 'wait for the answers, or propose one of them anew by the same name',
  });
}
