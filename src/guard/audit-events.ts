/** Tells the audit log how approvals end, when the policy changes, and what becomes of grants. */
import type { Audit, AuditOutcome } from '../audit/index.ts';
import type { Did } from '../core/index.ts';
import { readRevocation } from '../grants/index.ts';
import type { Grant, GrantBook, GrantOrigin } from '../grants/index.ts';
import type { Approval, Approvals } from './approvals/types.ts';
import type { Guardian } from './guardian/types.ts';
import type { CurrentPolicy } from './policy/current-policy.ts';
import { behalfOf, keyOf } from './principal-names.ts';
import { printable } from '../core/index.ts';

const OUTCOMES: Readonly<Record<Exclude<Approval['state'], 'pending'>, AuditOutcome>> = {
  approved: 'allowed',
  denied: 'denied',
  expired: 'timeout',
  withdrawn: 'cancelled',
};

const VERDICTS = { grant: 'allowed', refuse: 'denied', ask: 'asked' } as const;

/** Whose events are recorded. */
export interface GovernanceEvents {
  readonly approvals: Pick<Approvals, 'events'>;
  readonly policy: Pick<CurrentPolicy, 'events'>;
  readonly guardian: Pick<Guardian, 'events'>;
}

/** Listens for as long as the three live. */
export function auditGovernance(
  { approvals, policy, guardian }: GovernanceEvents,
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
      ...(approval.kind === 'call' ? { args: approval.argsHash } : {}),
      outcome: OUTCOMES[approval.state],
      ...(words === '' ? {} : { reason: words }),
      ...(approval.justification === undefined ? {} : { reasoning: approval.justification }),
    });
  });
  guardian.events.on('weighed', ({ principal, request, patterns, verdict, grant }) => {
    const behalf = behalfOf(principal);
    audit.note({
      kind: 'decision',
      who: keyOf(principal),
      ...(behalf === undefined ? {} : { onBehalfOf: behalf }),
      what: {
        ability: `permission/${printable(request.resourceType)}`,
        resource: patterns.join(' '),
      },
      ...(grant === undefined ? {} : { grant }),
      outcome: VERDICTS[verdict.outcome],
      reason: `guardian: ${verdict.reason}`,
      ...(request.justification === '' ? {} : { reasoning: request.justification }),
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

const ABILITIES: Readonly<Record<GrantOrigin, string>> = {
  issued: 'grant/issue',
  delegated: 'grant/delegate',
  renewed: 'grant/renew',
  received: 'grant/receive',
};

/**
 * Listens for as long as the book lives. Of revocations it tells those that are by this node, or end
 * a grant that it has: what others take from others is not its business.
 */
export function auditGrants(
  { grants, self }: { readonly grants: GrantBook; readonly self: Did },
  audit: Pick<Audit, 'note'>,
): void {
  grants.events.on('kept', (grant, how) => {
    const { iss, jti } = grant.claims;
    audit.note({
      kind: 'grant',
      who: iss,
      what: { ability: ABILITIES[how], resource: `grant:${jti}` },
      grant: jti,
      outcome: 'ok',
      reason: wordsOf(grant),
    });
  });
  grants.events.on('revocation', (jws) => {
    // The book has verified it.
    const { iss, jti, reason } = readRevocation(jws).claims;
    const isOurs = (): boolean =>
      [...grants.issued(), ...grants.received()].some(({ claims }) => claims.jti === jti);
    if (iss !== self && !isOurs()) return;
    audit.note({
      kind: 'revocation',
      who: iss,
      what: { ability: 'grant/revoke', resource: `grant:${jti}` },
      grant: jti,
      outcome: 'ok',
      ...(reason === undefined ? {} : { reason }),
    });
  });
}

function wordsOf({ claims }: Grant): string {
  const { aud, sub, iss, exp, cap } = claims;
  const what = cap.map(({ ability, resource, caveats }) =>
    [ability, resource, ...(caveats === undefined ? [] : [JSON.stringify(caveats)])].join(' '),
  );
  const of = sub === iss ? '' : ` on things of ${sub}`;
  return `for ${aud}${of} until ${new Date(exp * 1000).toISOString()}: ${what.join(', ')}`;
}
