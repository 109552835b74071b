/** Why a proposal does not take what is asked of it. Pure. */
import { StarlingError } from '../core/index.ts';
import { digestOf } from './digest.ts';
import type { Proposal } from './types.ts';

const ID_SHOWN = 8;

/** A person agrees to what was shown: that has one digest. @throws STARLING_PROPOSAL_REFUSED */
export function requireDigest(proposal: Proposal, shown: string | undefined): void {
  const { digest, program } = proposal;
  if (program === undefined) throw closed(proposal);
  if (shown === digest && digestOf(program) === digest) return;
  const id = shownId(proposal);
  throw refused(
    proposal,
    'changed',
    `proposal ${id} is not the one that was shown: its digest is another`,
    `look at it again: starling proposals show ${id}`,
  );
}

/** It is over. */
export function closed(proposal: Omit<Proposal, 'program'>): StarlingError {
  const { answeredAt, reason, state } = proposal;
  const when = answeredAt === undefined ? '' : ` at ${new Date(answeredAt).toISOString()}`;
  const why = reason === undefined ? '' : ` (${reason})`;
  const what = state === 'expired' ? 'has expired' : `was ${state}${when}${why}`;
  const text = `proposal ${shownId(proposal)} ${what}`;
  return refused(proposal, 'closed', text, 'see what waits: starling proposals');
}

/** It has no trial that went well. */
export function untried(proposal: Proposal): StarlingError {
  const why = proposal.trial === undefined ? 'has not run on trial' : 'failed on trial';
  const id = shownId(proposal);
  return refused(
    proposal,
    'untried',
    `proposal ${id} ${why}`,
    `see what it does in a sandbox: starling proposals try ${id}`,
  );
}

function refused(
  { id, state }: Pick<Proposal, 'id' | 'state'>,
  reason: 'changed' | 'closed' | 'untried',
  text: string,
  hint: string,
): StarlingError {
  return new StarlingError('STARLING_PROPOSAL_REFUSED', text, {
    hint,
    data: { proposal: id, state, reason },
  });
}

function shownId({ id }: Pick<Proposal, 'id'>): string {
  return id.slice(0, ID_SHOWN);
}
