/** The set of revocations: grows, forgets what is over, and can't be filled by one liar. */
import { describe, expect, it } from 'vitest';
import { KEEP_OVER_MS, createRevocationSet } from '../../../src/grants/index.ts';
import type { Revocation } from '../../../src/grants/index.ts';
import { NOW_MS, NOW_S, alice, bob, carol, owner } from '../arrange.ts';
import type { Signer } from '../../../src/identity/index.ts';

let count = 0;
function revocationBy(signer: Signer, exp = NOW_S + 100): Revocation {
  count += 1;
  return { jws: `jws-${count}`, claims: { iss: signer.did, jti: `${count}`, iat: NOW_S, exp } };
}

describe('the set of revocations', () => {
  it('knows a revocation by grant and issuer together', () => {
    const set = createRevocationSet({ self: owner.did });
    const revocation = revocationBy(alice);
    expect(set.add(revocation, NOW_MS)).toBe(true);
    expect(set.add(revocation, NOW_MS)).toBe(false);
    expect(set.find(revocation.claims.jti, [owner.did, alice.did])).toBe(revocation);
    expect(set.find(revocation.claims.jti, [owner.did, bob.did])).toBeUndefined();
    expect(set.find('other', [alice.did])).toBeUndefined();
    expect(set.find(revocation.claims.jti, [])).toBeUndefined();
  });

  it('is bounded per issuer and in all, but never for ourselves', () => {
    const set = createRevocationSet({ self: owner.did, perIssuerMax: 2, totalMax: 3 });
    const add = (signer: Signer): boolean => set.add(revocationBy(signer), NOW_MS);
    expect([add(alice), add(alice), add(alice)]).toEqual([true, true, false]);
    expect([add(bob), add(bob), add(carol)]).toEqual([true, false, false]);
    expect([add(owner), add(owner), add(owner), add(owner)]).toEqual([true, true, true, true]);
    expect(set.all()).toHaveLength(7);
  });

  it('takes what has expired for a minute more, and forgets it two hours later', () => {
    const set = createRevocationSet({ self: owner.did, perIssuerMax: 1, totalMax: 1 });
    const old = revocationBy(alice, NOW_S);
    expect(set.add(old, NOW_MS + 59_999)).toBe(true);
    // A clock that ran ahead and goes back finds it revoked still.
    expect(set.prune(NOW_MS + 60_000 + KEEP_OVER_MS - 1)).toEqual([]);
    expect(set.prune(NOW_MS + 60_000 + KEEP_OVER_MS)).toEqual([old]);
    expect(set.all()).toEqual([]);
    expect(set.holds(old.jws)).toBe(false);
    expect(set.add(old, NOW_MS + 60_000)).toBe(false);
    expect(set.add(revocationBy(bob), NOW_MS)).toBe(true);
  });
});
