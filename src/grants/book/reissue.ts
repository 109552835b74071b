/**
 * What becomes of grants when a key is changed. A grant that the old key issued, or that is for an old
 * key, is issued anew with the same id, so that counters, renewal and revocation go on. Pure.
 */
import type { Did } from '../../core/index.ts';
import { widening } from '../chain/capability.ts';
import type { GrantInit } from '../format/issue.ts';
import type { Grant, Refusal, SuccessionView } from '../types.ts';

/** Whether an issuer in use must issue `grant` anew: its own key or its holder's has changed. */
export function isOutdated({ claims }: Grant, self: Did, successions: SuccessionView): boolean {
  return claims.iss !== self || successions.of(claims.aud) !== undefined;
}

/** `grant` anew, by and for the keys in use now, on the newest of what it stands on. */
export function reissueOf(
  grant: Grant,
  self: Did,
  parents: readonly Grant[],
  successions: SuccessionView,
): GrantInit {
  const { aud, cap, nbf, exp, jti, max_depth: maxDepth } = grant.claims;
  return {
    aud: successions.current(aud),
    sub: parents[0]?.claims.sub ?? self,
    cap,
    expiresAt: Math.min(exp, ...parents.map((parent) => parent.claims.exp)),
    maxDepth,
    id: jti,
    ...(nbf === undefined ? {} : { notBefore: nbf }),
    ...(parents.length === 0 ? {} : { parents }),
  };
}

/**
 * Why `links` do not hold although each signature does: one of them is a root in the name of a key of
 * ours that is retired, and none of ours allows what it says. What allows it is what the owner `issued`
 * anew, so that whoever was away may go on with what it has.
 */
export function forgedIn(
  links: readonly Grant[],
  self: Did,
  issued: Iterable<Grant>,
  successions: SuccessionView,
): Refusal | undefined {
  const old = links.filter(
    ({ claims: { iss, sub } }) => iss === sub && iss !== self && successions.follows(self, iss),
  );
  if (old.length === 0) return undefined;
  const own = [...issued];
  const forged = old.find((link) => !own.some((now) => isCovered(link, now, successions)));
  if (forged === undefined) return undefined;
  const id = forged.claims.jti.slice(0, 8);
  return {
    rule: 'retired',
    text: `grant ${id} is by a retired key of ours, and none that it gave`,
  };
}

/** Why `did` holds nothing any more; undefined while its key is in use. */
export function retiredBy(did: Did, successions: SuccessionView): Refusal | undefined {
  const succession = successions.of(did);
  if (succession === undefined) return undefined;
  const { sub, iat } = succession.claims;
  const at = new Date(iat * 1000).toISOString();
  return { rule: 'retired', text: `the key of ${did} is retired: ${sub} took its place at ${at}` };
}

function isCovered(old: Grant, now: Grant, successions: SuccessionView): boolean {
  const [before, after] = [old.claims, now.claims];
  return (
    before.jti === after.jti &&
    before.exp <= after.exp &&
    before.max_depth <= after.max_depth &&
    successions.follows(after.aud, before.aud) &&
    (after.nbf === undefined || (before.nbf ?? 0) >= after.nbf) &&
    before.cap.every((one) => after.cap.some((wider) => widening(wider, one) === undefined))
  );
}

/** Which of two versions of a grant is newer: by the keys that they name, then by their ends. */
export function isNewer(one: Grant, than: Grant, successions: SuccessionView): boolean {
  const age = ({ claims }: Grant): number =>
    successions.lineage(claims.iss).length +
    successions.lineage(claims.aud).length +
    successions.lineage(claims.sub).length;
  const [a, b] = [age(one), age(than)];
  return a > b || (a === b && one.claims.exp > than.claims.exp);
}

/** Whether both are versions of one grant: same id, same issuer and owner by their keys now. */
export function isSameGrant(one: Grant, other: Grant, successions: SuccessionView): boolean {
  const [a, b] = [one.claims, other.claims];
  return (
    a.jti === b.jti &&
    successions.current(a.iss) === successions.current(b.iss) &&
    successions.current(a.sub) === successions.current(b.sub)
  );
}
