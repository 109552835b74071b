/** Who may answer an approval: whoever the policy lets, and nobody what it asks for itself. */
import { StarlingError } from '../../core/index.ts';
import type { CallerRulesLookup } from '../policy/caller-rules.ts';
import { behalfOf, keyOf, nameOf } from '../principal-names.ts';
import type { Principal } from '../types.ts';
import type { Approval, Voter } from './types.ts';

/**
 * That `by` may answer `approval` so, by the policy in force now.
 * @throws STARLING_CALL_REFUSED
 */
export function checkVoter(
  callerRules: CallerRulesLookup,
  approval: Approval,
  by: Voter,
  state: 'approved' | 'denied',
): void {
  const { principal } = by;
  const refuse = (what: string): never => {
    throw new StarlingError('STARLING_CALL_REFUSED', `${nameOf(principal)} may not ${what}`, {
      hint: 'the operator can: starling approvals; others with may_approve in the policy file',
      data: { approval: approval.id },
    });
  };
  if (!callerRules.of(principal).mayApprove) refuse('answer approvals');
  if (state === 'denied') return;
  const isOwn = selvesOf(principal).some((one) => selvesOf(approval.principal).includes(one));
  if (isOwn && principal.kind !== 'operator') {
    refuse('approve this: nobody approves what it asks for itself');
  }
  if (by.via === 'tool' && by.session !== undefined && by.session === approval.session) {
    refuse('approve this: a session does not approve what it asks for itself');
  }
}

/** The principal, and for whom it calls: an agent is one person, by whichever node it asks. */
function selvesOf(principal: Principal): readonly string[] {
  const behalf = behalfOf(principal);
  return behalf === undefined ? [keyOf(principal)] : [keyOf(principal), behalf];
}
