/** Tells the audit log how approvals end, and when the policy changes. */
import type { Audit, AuditOutcome } from '../audit/index.ts';
import type { Approval, Approvals } from './approval-types.ts';
import type { PolicyBook } from './policy-book.ts';
import { behalfOf, keyOf } from './who.ts';

const OUTCOMES: Readonly<Record<Exclude<Approval['state'], 'pending'>, AuditOutcome>> = {
  approved: 'allowed',
  denied: 'denied',
  expired: 'timeout',
  withdrawn: 'cancelled',
};

/** Listens for as long as the two live. */
export function auditGovernance(
  { approvals, policy }: { readonly approvals: Approvals; readonly policy: PolicyBook },
  audit: Pick<Audit, 'note'>,
): void {
  approvals.events.on('closed', (approval) => {
    if (approval.state === 'pending') return;
    const { answeredBy, reason } = approval;
    const behalf = behalfOf(approval.principal);
    const words = [answeredBy, reason].filter((word) => word !== undefined).join(': ');
    audit.note({
      kind: 'approval',
      who: keyOf(approval.principal),
      ...(behalf === undefined ? {} : { onBehalfOf: behalf }),
      what: { ability: approval.ability, resource: approval.resource },
      args: approval.argsHash,
      outcome: OUTCOMES[approval.state],
      ...(words === '' ? {} : { reason: words }),
      ...(approval.justification === undefined ? {} : { reasoning: approval.justification }),
    });
  });
  policy.events.on('change', (_, changes) => {
    audit.note({
      kind: 'policy',
      who: 'operator',
      what: { ability: 'policy/change', resource: 'policy' },
      outcome: 'ok',
      reason: JSON.stringify(changes).slice(0, 1000),
    });
  });
}
