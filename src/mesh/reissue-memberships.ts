/**
 * Memberships whose keys were changed are issued anew: what we gave with a key that we had before, and
 * what we gave to one that somebody else has retired since. Until then they hold by the succession.
 */
import type { Clock } from '../core/index.ts';
import { issueGrant } from '../grants/index.ts';
import type { Grant, GrantBook } from '../grants/index.ts';
import type { Identity, Signer } from '../identity/index.ts';
import type { Records } from './records/records.ts';

/** What issuing anew works with. */
export interface ReissueComponents {
  readonly identity: Identity;
  readonly grants: GrantBook;
  readonly records: Records;
  readonly clock: Clock;
  /** Makes the mesh's own key, where we hold it; asked only when something is to be signed with it. */
  readonly root: () => Signer | undefined;
}

/** Issues anew what is due, and gives how many there were. Again at any time: it goes on where it was. */
export async function reissueMemberships(components: ReissueComponents): Promise<number> {
  const { identity, grants, records, clock } = components;
  const { successions } = grants;
  let count = 0;
  const own = records.membershipOf(identity.did)?.[0];
  const root = own === undefined || own.claims.aud === identity.did ? undefined : components.root();
  if (own !== undefined && root !== undefined) {
    const { cap, exp, jti, max_depth: maxDepth } = own.claims;
    const init = { aud: identity.did, sub: root.did, cap, expiresAt: exp, maxDepth, id: jti };
    if (await records.add(issueGrant(root, init, clock.now()).jws)) count += 1;
  }
  for (const old of grants.issued()) {
    if (!records.holds(old)) continue;
    const { iss, aud } = old.claims;
    if (iss === identity.did && successions.of(aud) === undefined) continue;
    const renewed = renewedOf(components, old);
    if (renewed === undefined) continue;
    await records.add(renewed.jws);
    await grants.keepIssued(renewed, old);
    count += 1;
  }
  return count;
}

function renewedOf(components: ReissueComponents, old: Grant): Grant | undefined {
  const { identity, grants, records, clock } = components;
  const { aud, sub, cap, exp, iss, jti, max_depth: depth } = old.claims;
  const parent = records.membershipOf(identity.did)?.[0];
  if (parent === undefined || grants.isRevoked(old, [iss])) return undefined;
  const expiresAt = Math.min(exp, parent.claims.exp);
  const maxDepth = Math.min(depth, parent.claims.max_depth - 1);
  if (expiresAt * 1000 <= clock.now() || maxDepth < 0) return undefined;
  const heir = grants.successions.current(aud);
  const init = { aud: heir, sub, cap, expiresAt, parents: [parent], maxDepth, id: jti };
  return issueGrant(identity, init, clock.now());
}
