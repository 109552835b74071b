/** A grant as a person reads it, in the results of the grant tools. */
import type { Budgets } from '../../budget/index.ts';
import { isObject } from '../../core/index.ts';
import type { Counters, Grant, GrantBook } from '../../grants/index.ts';
import { peerIdFromDid } from '../../identity/index.ts';
import type { Membership } from '../../membership/index.ts';
import type { MeshAdmission } from '../../mesh/index.ts';
import type { GrantSummary } from '../results.ts';

/** Who knows of a grant whether it counts, is used up, or came of a ticket, and what its budgets are called. */
export interface SummaryComponents {
  readonly grants: Pick<GrantBook, 'state' | 'renewable'>;
  readonly membership: Pick<Membership, 'peer'>;
  readonly counters: Pick<Counters, 'taken'>;
  readonly admission: Pick<MeshAdmission, 'ticketOf'>;
  readonly budgets: Pick<Budgets, 'knows' | 'show'>;
}

/** A grant as a person reads it. */
export function summarise(
  components: SummaryComponents,
  grant: Grant,
  direction: 'issued' | 'received',
  renewable: ReadonlySet<string> = renewableIn(components),
): GrantSummary {
  const did = direction === 'issued' ? grant.claims.aud : grant.claims.iss;
  const peer = components.membership.peer(peerIdFromDid(did));
  const ticket = direction === 'issued' ? components.admission.ticketOf(grant) : undefined;
  const counted = direction === 'issued' && grant.claims.prf === undefined ? grant.claims.cap : [];
  const taken = counted.flatMap(({ caveats }, capability) =>
    caveats?.['uses'] === undefined
      ? []
      : [{ capability, uses: components.counters.taken(grant, capability) }],
  );
  const budgets = budgetsOf(components, grant);
  return {
    id: grant.claims.jti,
    direction,
    with: peer?.alias ?? did,
    ...(peer?.newName === undefined ? {} : { newName: peer.newName }),
    did,
    capabilities: grant.claims.cap,
    ...(taken.length === 0 ? {} : { taken }),
    ...(budgets.length === 0 ? {} : { budgets }),
    renewed: direction === 'issued' && renewable.has(grant.hash),
    issuedAt: grant.claims.iat * 1000,
    expiresAt: grant.claims.exp * 1000,
    state: components.grants.state(grant),
    ...(ticket === undefined ? {} : { ticket }),
  };
}

/** The names of budgets that calls by the grant count against, where this node knows them. */
function budgetsOf(
  { budgets }: SummaryComponents,
  { claims }: Grant,
): NonNullable<GrantSummary['budgets']> {
  return claims.cap.flatMap(({ caveats }, capability) => {
    const budget = caveats?.['budget'];
    const id = isObject(budget) ? budget['id'] : undefined;
    if (typeof id !== 'string' || !budgets.knows(id)) return [];
    return [{ capability, name: budgets.show(id).name }];
  });
}

/** Hashes of the grants that are renewed, looked up once for a whole list. */
export function renewableIn({ grants }: SummaryComponents): ReadonlySet<string> {
  return new Set(grants.renewable().map(({ grant }) => grant.hash));
}
