/** Chains: what holds, what each rule refuses, and that no chain ever allows more than its links. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  allows,
  allowsAlways,
  describeRefusal,
  parseTarget,
  ruleOf,
  verifyChain,
} from '../../../src/grants/index.ts';
import type { Capability, ChainVerdict, Grant } from '../../../src/grants/index.ts';
import {
  ALL_FILES,
  NOW_MS,
  NOW_S,
  READ,
  alice,
  bob,
  carol,
  chainOf,
  grantOf,
  owner,
  resign,
  signerOf,
  stranger,
  verifyLast,
} from '../arrange.ts';
import { slowMatch } from './slow-match.ts';
import { upTo } from '../../long/extent.ts';

function ruleIn(verdict: ChainVerdict): string {
  return verdict.ok ? 'accepted' : ruleOf(verdict.refusal);
}

/** The rule that refuses a child of an honest parent, when the child is changed in one way. */
function ruleOfChild(child: object, parent: object = {}): string {
  const root = grantOf(owner, alice, { maxDepth: 2, ...parent });
  const leaf = resign(alice, grantOf(alice, bob, { parents: [root], cap: [READ] }), child);
  return ruleIn(verifyLast([root, leaf]));
}

describe('a chain', () => {
  it('holds from the owner through each hand to the holder', () => {
    const chain = chainOf([owner, alice, bob, carol]);
    const verdict = verifyLast(chain, { holder: carol.did, owner: owner.did });
    expect(verdict).toEqual({ ok: true, links: chain.toReversed() });
  });

  it('may draw on more than one parent', () => {
    const read = grantOf(owner, alice, { cap: [READ], maxDepth: 1 });
    const git = grantOf(owner, alice, {
      cap: [{ resource: 'tool:git/*', ability: 'tool/call' }],
      maxDepth: 1,
    });
    const cap = [READ, { resource: 'tool:git/status', ability: 'tool/call' }];
    const both = grantOf(alice, bob, { parents: [read, git], cap });
    const one = grantOf(alice, bob, { parents: [read], cap });
    expect(ruleIn(verifyLast([read, git, both]))).toBe('accepted');
    expect(ruleIn(verifyLast([read, git, one]))).toBe('widened-resource');
  });

  it('falls with any of its parents', () => {
    const read = grantOf(owner, alice, { cap: [READ], maxDepth: 1 });
    const other = grantOf(owner, alice, { maxDepth: 1 });
    const leaf = grantOf(alice, bob, { parents: [other, read], cap: [READ] });
    expect(ruleIn(verifyLast([other, leaf]))).toBe('missing-parent');
    const verdict = verifyLast([read, other, leaf], { isRevoked: (grant) => grant === read });
    expect(ruleIn(verdict)).toBe('revoked');
  });

  it('is refused for another holder: a stolen grant is worthless', () => {
    const chain = chainOf([owner, alice]);
    expect(ruleIn(verifyLast(chain, { holder: bob.did }))).toBe('audience');
  });

  it("is refused for things of another owner, such as another mesh's", () => {
    expect(ruleIn(verifyLast(chainOf([owner, alice]), { owner: bob.did }))).toBe('owner');
  });

  it('holds within its times only, with a minute for the clocks', () => {
    const grant = grantOf(owner, alice, { notBefore: NOW_S + 100, expiresAt: NOW_S + 200 });
    const at = (offsetMs: number): string =>
      ruleIn(verifyLast([grant], { nowMs: NOW_MS + offsetMs }));
    expect(at(39_999)).toBe('not-yet-valid');
    expect(at(40_000)).toBe('accepted');
    expect(at(259_999)).toBe('accepted');
    expect(at(260_000)).toBe('expired');
  });

  it('ends when the first of its links does', () => {
    const root = grantOf(owner, alice, { maxDepth: 1 });
    const leaf = grantOf(alice, bob, { parents: [root] });
    const stale = resign(owner, root, { exp: NOW_S - 100 });
    const child = resign(alice, leaf, { prf: [stale.hash] });
    expect(ruleIn(verifyLast([stale, child]))).toBe('expired');
  });

  it.each([
    ['another tool', { cap: [{ ...READ, resource: 'tool:git/*' }] }, 'widened-resource'],
    ['more tools', { cap: [{ ...READ, resource: 'tool:files/**' }] }, 'widened-resource'],
    ['all servers', { cap: [{ ...READ, resource: 'tool:*/*' }] }, 'widened-resource'],
    [
      'one good and one bad capability',
      { cap: [READ, { ...READ, resource: 'tool:a/b' }] },
      'widened-resource',
    ],
    [
      'another ability',
      { cap: [{ resource: 'board:x/y', ability: 'board/read' }] },
      'widened-ability',
    ],
    ['a later end', { exp: NOW_S + 3601 }, 'time'],
    ['as much depth as its parent', { max_depth: 2 }, 'depth'],
    ['more depth than its parent', { max_depth: 30 }, 'depth'],
    ['the owner changed', { sub: stranger.did }, 'owner'],
    [
      'a parent that nobody has',
      { prf: [Buffer.alloc(32).toString('base64url')] },
      'missing-parent',
    ],
  ])('refuses a child with %s', (_name, child, rule) => {
    expect(ruleOfChild(child)).toBe(rule);
  });

  it('refuses a child under a parent that allows no delegation', () => {
    expect(ruleOfChild({}, { maxDepth: 0 })).toBe('depth');
  });

  it('refuses a child that begins earlier, or does not say when', () => {
    const parent = { notBefore: NOW_S - 10 };
    expect(ruleOfChild({ nbf: NOW_S - 11 }, parent)).toBe('time');
    expect(ruleOfChild({ nbf: undefined }, parent)).toBe('time');
    expect(ruleOfChild({}, parent)).toBe('accepted');
  });

  it('refuses a grant by somebody to whom the parent was not given', () => {
    const root = grantOf(owner, alice, { maxDepth: 1 });
    expect(ruleIn(verifyLast([root, grantOf(stranger, bob, { parents: [root] })]))).toBe('issuer');
  });

  it('refuses the ability of one kind of thing as another', () => {
    const root = grantOf(owner, alice, {
      cap: [{ resource: 'board:plan/*', ability: 'board/read' }],
      maxDepth: 1,
    });
    const cap = [{ resource: 'board:plan/*', ability: 'board/write' }];
    expect(ruleIn(verifyLast([root, grantOf(alice, bob, { parents: [root], cap })]))).toBe(
      'widened-ability',
    );
  });

  it('lets the ability * of a root become a named one', () => {
    const root = grantOf(owner, alice, { cap: [{ ...ALL_FILES, ability: '*' }], maxDepth: 1 });
    const leaf = grantOf(alice, bob, { parents: [root], cap: [READ] });
    expect(ruleIn(verifyLast([root, leaf]))).toBe('accepted');
  });

  it('keeps every caveat of its parents, and may add some', () => {
    const args = { args: { path: { prefix: '/srv' } } };
    const parent = { cap: [{ ...ALL_FILES, caveats: args }] };
    const child = (caveats: object): string => ruleOfChild({ cap: [{ ...READ, caveats }] }, parent);
    expect(ruleOfChild({}, parent)).toBe('widened-args');
    expect(child({ args: { path: { prefix: '/' } } })).toBe('widened-args');
    expect(child({ ...args, uses: 3 })).toBe('accepted');
    const target = parseTarget('tool:files/read_file');
    expect(allows({ ...READ, caveats: {} }, 'tool/call', target).allow).toBe(true);
    expect(allows({ ...READ, ability: '*' }, '*', target).allow).toBe(false);
    expect(allowsAlways({ ...READ, caveats: {} }, 'tool/call', target)).toBe(true);
    expect(allowsAlways({ ...READ, caveats: { uses: 3 } }, 'tool/call', target)).toBe(false);
  });

  it('has at most 8 links; up to 32 where the caller says so', () => {
    const signers = Array.from({ length: 40 }, (_, index) => signerOf(20 + index));
    const [root = owner] = signers;
    const links = (count: number): readonly Grant[] => {
      const chain: Grant[] = [];
      for (const [index, from] of signers.slice(0, count).entries()) {
        const to = signers[index + 1] ?? stranger;
        const parent = chain.at(-1);
        const parents = parent === undefined ? {} : { parents: [parent] };
        const maxDepth = Math.min(31, count - 1 - index);
        chain.push(grantOf(from, to, { sub: root.did, maxDepth, ...parents }));
      }
      return chain;
    };
    expect(ruleIn(verifyLast(links(8)))).toBe('accepted');
    expect(ruleIn(verifyLast(links(9)))).toBe('too-long');
    expect(ruleIn(verifyLast(links(32), { maxLinks: 32 }))).toBe('accepted');
    expect(ruleIn(verifyLast(links(33), { maxLinks: 99 }))).toBe('too-long');
  });

  it('is as long as its longest way, also where two ways meet again', () => {
    const people = Array.from({ length: 8 }, (_, index) =>
      index === 0 ? owner : signerOf(20 + index),
    );
    const detour = (count: number): string => {
      const shared: Grant[] = [];
      for (const [index, from] of people.slice(0, count).entries()) {
        const parent = shared.at(-1);
        const parents = parent === undefined ? {} : { parents: [parent] };
        shared.push(
          grantOf(from, people[index + 1] ?? alice, { maxDepth: 20 - index, ...parents }),
        );
      }
      const end = shared.at(-1);
      const hand = people[count] ?? alice;
      if (end === undefined) throw new Error('no chain');
      const long = grantOf(hand, hand, { parents: [end], maxDepth: 5 });
      const leaf = grantOf(hand, bob, { parents: [end, long] });
      return ruleIn(verifyLast([...shared, long, leaf]));
    };
    expect(detour(6)).toBe('accepted');
    expect(detour(7)).toBe('too-long');
  });

  it('is refused when it bites its own tail, whatever the book of grants says', () => {
    const one = grantOf(owner, alice, { maxDepth: 1 });
    const two = grantOf(alice, bob, { parents: [one] });
    const bent: Grant = { ...one, claims: { ...one.claims, iss: bob.did, prf: [two.hash] } };
    expect(ruleIn(verifyLast([bent, two]))).toBe('cycle');
  });

  it('is refused when the book of grants gives another grant than the one named', () => {
    const [root, leaf] = chainOf([owner, alice, bob]);
    const other = grantOf(owner, alice, { maxDepth: 9 });
    if (root === undefined || leaf === undefined) throw new Error('no chain');
    const verdict = verifyLast([root, leaf], { find: () => other });
    expect(ruleIn(verdict)).toBe('missing-parent');
  });

  it('does not grow into a thicket: 64 grants are the end', () => {
    const layers: Grant[][] = [];
    for (let depth = 0; depth < 10; depth += 1) {
      const parents = layers.at(-1) ?? [];
      const layer = Array.from({ length: 8 }, (_, index): Grant => {
        const claims = {
          ...grantOf(owner, owner).claims,
          jti: `${depth}-${index}`,
          max_depth: 20 - depth,
          ...(parents.length === 0 ? {} : { prf: parents.map((parent) => parent.hash) }),
        };
        return { jws: '', hash: `${depth}-${index}`, claims };
      });
      layers.push(layer);
    }
    const grants = layers.flat();
    const byHash = new Map(grants.map((grant) => [grant.hash, grant]));
    let looks = 0;
    const context = {
      maxLinks: 32,
      find(hash: string): Grant | undefined {
        looks += 1;
        return byHash.get(hash);
      },
    };
    expect(ruleIn(verifyLast(grants, context))).toBe('too-long');
    // Each of 64 grants has 8 parents, and is walked once, not once for each way that leads to it.
    expect(looks).toBeLessThanOrEqual(64 * 8);
    looks = 0;
    expect(ruleIn(verifyLast(grants.slice(0, 56), context))).toBe('accepted');
    // The leaf, and five layers of eight that have parents.
    expect(looks).toBe(41 * 8);
    looks = 0;
    const verdict = verifyLast(grants.slice(0, 56), { ...context, isRevoked: () => true });
    if (verdict.ok) throw new Error('accepted');
    expect(looks).toBeLessThanOrEqual(64 * 8);
    expect(describeRefusal(verdict.refusal).split('\n').length).toBeLessThanOrEqual(64);
  });

  it('falls when a link at any depth is revoked by its issuer or an ancestor', () => {
    const people = [owner, alice, bob, carol, signerOf(5)];
    const chain = chainOf(people);
    for (const [depth, link] of chain.entries()) {
      for (const [who, person] of people.entries()) {
        const verdict = verifyLast(chain, {
          isRevoked: (grant, mayRevoke) => grant === link && mayRevoke.includes(person.did),
        });
        expect([depth, who, ruleIn(verdict)]).toEqual([
          depth,
          who,
          who <= depth ? 'revoked' : 'accepted',
        ]);
      }
    }
  });

  it('explains itself as a tree', () => {
    const [root, middle, leaf] = chainOf([owner, alice, bob, carol]);
    if (root === undefined || middle === undefined || leaf === undefined)
      throw new Error('no chain');
    const verdict = verifyLast([root, middle, leaf], { isRevoked: (grant) => grant === root });
    if (verdict.ok) throw new Error('accepted');
    expect(describeRefusal(verdict.refusal).split('\n')).toEqual([
      `grant ${leaf.claims.jti.slice(0, 8)} stands on a grant that does not hold`,
      `  grant ${middle.claims.jti.slice(0, 8)} stands on a grant that does not hold`,
      `    grant ${root.claims.jti.slice(0, 8)} is revoked`,
    ]);
  });

  it('tells of each bad parent, so that a person need not find them one by one', () => {
    const [revoked, good, gone, ended] = [
      grantOf(owner, alice, { maxDepth: 1 }),
      grantOf(owner, alice, { maxDepth: 1 }),
      grantOf(owner, alice, { maxDepth: 1 }),
      grantOf(owner, alice, { maxDepth: 1, expiresAt: NOW_S - 100 }),
    ];
    const leaf = resign(alice, grantOf(alice, bob, { parents: [good] }), {
      prf: [revoked, good, gone, ended].map((parent) => parent.hash),
    });
    const verdict = verifyLast([revoked, good, ended, leaf], {
      isRevoked: (grant) => grant === revoked,
    });
    if (verdict.ok) throw new Error('accepted');
    const name = (grant: Grant): string => `grant ${grant.claims.jti.slice(0, 8)}`;
    expect(describeRefusal(verdict.refusal).split('\n')).toEqual([
      `${name(leaf)} stands on 3 grants that do not hold`,
      `  ${name(revoked)} is revoked`,
      `  a grant on which ${name(leaf)} stands is missing`,
      `  ${name(ended)} expired at ${new Date((NOW_S - 100) * 1000).toISOString()}`,
    ]);
    expect(ruleIn(verdict)).toBe('revoked');
  });

  it('tells of eight bad parents at the most', () => {
    const roots = Array.from({ length: 8 }, () => grantOf(owner, alice, { maxDepth: 2 }));
    const middles = Array.from({ length: 8 }, () =>
      grantOf(alice, bob, { parents: roots, maxDepth: 1 }),
    );
    const leaf = grantOf(bob, carol, { parents: middles });
    const verdict = verifyLast([...roots, ...middles, leaf], {
      isRevoked: (grant) => roots.includes(grant),
    });
    if (verdict.ok) throw new Error('accepted');
    const lines = describeRefusal(verdict.refusal).split('\n');
    expect(lines.filter((line) => line.endsWith('is revoked'))).toHaveLength(8);
    expect(ruleIn(verdict)).toBe('revoked');
  });
});

describe('any random chain', () => {
  const resources = fc.constantFrom(
    'tool:**',
    'tool:*/*',
    'tool:a/**',
    'tool:a/*',
    'tool:a/r*',
    'tool:a/read',
    'tool:b/*',
    'tool:starling/*',
    'tool:starling/status',
  );
  const capability: fc.Arbitrary<Capability> = fc.record({
    resource: resources,
    ability: fc.constantFrom('tool/call', 'tool/call', '*'),
  });
  const step = fc.record({
    cap: fc.array(capability, { minLength: 1, maxLength: 2 }),
    nbf: fc.option(fc.integer({ min: -300, max: 300 }), { nil: undefined, freq: 2 }),
    exp: fc.integer({ min: -300, max: 900 }),
    depth: fc.integer({ min: 0, max: 5 }),
    honest: fc.boolean(),
    to: fc.integer({ min: 1, max: 4 }),
  });
  const universe = ['a/read', 'a/run', 'a/write', 'a/x/y', 'b/read', 'starling/status'];
  const people = [owner, alice, bob, carol, stranger];

  it('allows only what every link of it allows', () => {
    const runs = upTo(1000, 10_000);
    let accepted = 0;
    let granted = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 4 }), (steps) => {
        const chain: Grant[] = [];
        for (const [index, it] of steps.entries()) {
          const parent = chain.at(-1);
          const above = parent?.claims;
          // Half of the links narrow as they should, so that many chains hold.
          const tame = above !== undefined && it.honest;
          const nbf = tame ? above.nbf : it.nbf === undefined ? undefined : NOW_S + it.nbf;
          const claims = {
            iss: above?.aud ?? owner.did,
            aud: people[it.to]?.did ?? owner.did,
            sub: owner.did,
            cap: tame
              ? above.cap.map(({ resource }) => ({ resource, ability: 'tool/call' }))
              : it.cap,
            iat: NOW_S,
            exp: tame ? above.exp : NOW_S + it.exp,
            jti: `grant-${index}`,
            max_depth: tame ? Math.max(0, above.max_depth - 1) : it.depth,
            ...(nbf === undefined ? {} : { nbf }),
            ...(parent === undefined ? {} : { prf: [parent.hash] }),
          };
          chain.push({ jws: '', hash: `hash-${index}`, claims });
        }
        const verdict = verifyLast(chain);
        if (!verdict.ok) return;
        accepted += 1;
        const leaf = chain.at(-1);
        for (const name of universe) {
          const target = `tool:${name}`;
          const allowed = leaf?.claims.cap.some(
            (cap) => allows(cap, 'tool/call', parseTarget(target)).allow,
          );
          if (allowed !== true) continue;
          granted += 1;
          for (const [index, { claims }] of chain.entries()) {
            expect(claims.cap.some(({ resource }) => slowMatch(resource, target))).toBe(true);
            expect(claims.exp).toBeGreaterThan(NOW_S - 60);
            expect(claims.nbf ?? 0).toBeLessThanOrEqual(NOW_S + 60);
            expect(claims.iss).toBe(chain[index - 1]?.claims.aud ?? owner.did);
            expect(claims.max_depth).toBeGreaterThanOrEqual(chain.length - 1 - index);
          }
        }
      }),
      { numRuns: runs, seed: 7 },
    );
    expect(accepted).toBeGreaterThan(runs / 8);
    expect(granted).toBeGreaterThan(runs / 8);
  });

  it('with one link swapped for one of equal claims but another key is refused', () => {
    const chain = chainOf([owner, alice, bob, carol]);
    for (const index of chain.keys()) {
      const forged = chain.map((grant, at) => (at === index ? { ...grant, hash: 'other' } : grant));
      const leaf = forged.at(-1);
      if (leaf === undefined || index === chain.length - 1) continue;
      const byHash = new Map(forged.map((grant) => [grant.hash, grant]));
      const verdict = verifyChain(leaf, {
        find: (hash) => byHash.get(hash),
        nowMs: NOW_MS,
        isRevoked: () => false,
      });
      expect(ruleIn(verdict)).toBe('missing-parent');
    }
  });
});
