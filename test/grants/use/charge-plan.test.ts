import { describe, expect, it } from 'vitest';
import { planOf } from '../../../src/grants/use/charge-plan.ts';
import type { Grant, GrantBook } from '../../../src/grants/index.ts';
import { ALL_FILES, READ, alice, bob, grantOf, owner } from '../arrange.ts';

type Grants = Pick<GrantBook, 'chainOf' | 'successions'>;

/** What is known of a chain, and how often that was asked for. */
function known(...links: readonly Grant[]): Grants & { asked: number } {
  const grants = {
    asked: 0,
    chainOf: () => {
      grants.asked += 1;
      return links;
    },
    successions: { origin: (did: string) => did },
  };
  return grants as unknown as Grants & { asked: number };
}

const root = grantOf(owner, alice, {
  cap: [READ, ALL_FILES, { resource: 'tool:mail/*', ability: 'tool/call' }],
  maxDepth: 1,
});
const leaf = grantOf(alice, bob, { parents: [root], cap: [READ] });

describe('what a call is charged to', () => {
  it('is the capability itself where the owner gave it', () => {
    const grant = grantOf(owner, alice);
    const { jti } = grant.claims;
    expect(planOf(grant, 0, known(grant))).toEqual({
      grant,
      counter: `${owner.did}/${jti}/0`,
      capability: ALL_FILES,
      isRoot: true,
      parents: [],
    });
  });

  it('is also each capability of its parents that covers it, and no other', () => {
    const plan = planOf(leaf, 0, known(root, leaf));
    expect(plan?.isRoot).toBe(false);
    expect(plan?.parents.map(({ capability }) => capability)).toEqual([READ, ALL_FILES]);
    expect(plan?.parents.map(({ counter }) => counter)).toEqual(
      [0, 1].map((index) => `${owner.did}/${root.claims.jti}/${index}`),
    );
  });

  it('is made once for each capability', () => {
    const two = grantOf(owner, alice, { cap: [READ, ALL_FILES] });
    const grants = known(two);
    const [first, second] = [planOf(two, 0, grants), planOf(two, 1, grants)];
    expect([first?.capability, second?.capability]).toEqual([READ, ALL_FILES]);
    expect([planOf(two, 0, grants), planOf(two, 1, grants)]).toEqual([first, second]);
    expect(grants.asked).toBe(2);
  });

  it('shares what two ways lead to', () => {
    const top = grantOf(owner, alice, { maxDepth: 3 });
    const left = grantOf(alice, alice, { parents: [top], maxDepth: 2 });
    const right = grantOf(alice, alice, { parents: [top], maxDepth: 2 });
    const last = grantOf(alice, bob, { parents: [left, right] });
    const plan = planOf(last, 0, known(top, left, right, last));
    const [one, two] = plan?.parents ?? [];
    expect(one?.grant).toBe(left);
    expect(two?.grant).toBe(right);
    expect(one?.parents[0]).toBe(two?.parents[0]);
    expect(one?.parents[0]?.isRoot).toBe(true);
  });

  it('is unknown while a link is missing, and is known when the link has come', () => {
    const late = grantOf(alice, bob, { parents: [root], cap: [READ] });
    expect(planOf(late, 0, known(late))).toBeUndefined();
    expect(planOf(late, 0, known(root, late))?.parents).toHaveLength(2);
  });

  it('is unknown for a capability that the grant does not have', () => {
    expect(planOf(leaf, 7, known(root, leaf))).toBeUndefined();
  });

  it('ends for a chain that leads back to itself, which no verified one does', () => {
    const one = grantOf(alice, bob, { parents: [root] });
    const two: Grant = { ...one, hash: 'of the other', claims: { ...one.claims, prf: [one.hash] } };
    const circle: Grant = { ...one, claims: { ...one.claims, prf: [two.hash] } };
    expect(planOf(circle, 0, known(circle, two))?.parents[0]?.parents).toEqual([]);
  });
});
