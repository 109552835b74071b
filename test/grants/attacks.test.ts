/**
 * Attacks on grants, by name, each against the real code and refused for its own reason. Those on calls
 * are in `attacks-on-calls.test.ts`; those on approvals, the audit log, policy files, key files and the
 * door's nonce are tested where these live.
 */
import { describe, expect, it } from 'vitest';
import type { Did, Json } from '../../src/core/index.ts';
import {
  describeRefusal,
  issueRevocation,
  parseGrant,
  parseRevocation,
  ruleOf,
  verifyChain,
} from '../../src/grants/index.ts';
import type { ChainContext, Grant, GrantBook } from '../../src/grants/index.ts';
import { refusalOf } from '../../src/grants/format/grant.ts';
import { createGuard } from '../../src/guard/index.ts';
import { peerIdFromDid } from '../../src/identity/index.ts';
import {
  ALL_FILES,
  NOW_MS,
  NOW_S,
  READ,
  alice,
  bob,
  carol,
  chainOf,
  emptyBook,
  forge,
  grantOf,
  manualClock,
  owner,
  resign,
  signerOf,
  stranger,
  verifyLast,
} from './arrange.ts';

const HOUR_MS = 3_600_000;
const good = grantOf(owner, alice, { maxDepth: 2 });
const [HEADER = '', PAYLOAD = '', SIGNATURE = ''] = good.jws.split('.');

/** The rule that refuses a text; `accepted` when it is a grant. */
function read(jws: string): string {
  try {
    parseGrant(jws);
  } catch (error) {
    return refusalOf(error).rule;
  }
  return 'accepted';
}

/** The rule that refuses the last of a chain. */
function chain(grants: readonly Grant[], context: Partial<ChainContext> = {}): string {
  const verdict = verifyLast(grants, context);
  return verdict.ok ? 'accepted' : ruleOf(verdict.refusal);
}

/** The rule that refuses a child of `parent` that alice signed by her own rules. */
function child(claims: object, caveats?: Record<string, Json>): string {
  const cap = [caveats === undefined ? READ : { ...READ, caveats }];
  const parent = grantOf(owner, alice, { maxDepth: 2, cap });
  const leaf = grantOf(alice, bob, { parents: [parent], cap });
  return chain([parent, resign(alice, leaf, claims)]);
}

async function book(): Promise<GrantBook> {
  const created = emptyBook(manualClock());
  await created.start();
  return created;
}

function give(to: GrantBook): Promise<Grant> {
  return to.issue({
    aud: alice.did,
    capabilities: [READ],
    expiresAtMs: NOW_MS + HOUR_MS,
    maxDepth: 2,
  });
}

function fresh(ours: GrantBook, holder: Did, ...grants: readonly Grant[]): string {
  const [refusal] = ours.present(
    holder,
    grants.map((grant) => grant.jws),
  );
  return refusal === undefined ? 'accepted' : ruleOf(refusal);
}

/** Adds the order of the group to S (RFC 8032 §5.1.7). */
function raisedS(signature: string): string {
  const bytes = Buffer.from(signature, 'base64url');
  const order = 2n ** 252n + 27742317777372353535851937790883648493n;
  const s = BigInt(`0x${Buffer.from(bytes.subarray(32)).reverse().toString('hex')}`) + order;
  const raised = Buffer.from(s.toString(16).padStart(64, '0'), 'hex').reverse();
  return Buffer.concat([bytes.subarray(0, 32), raised]).toString('base64url');
}

/** A did:key of 32 bytes that are no sound point. */
async function didOf(hex: string): Promise<Did> {
  const { didFromPublicKey } = await import('../../src/identity/did.ts');
  return didFromPublicKey(Buffer.from(hex, 'hex'));
}

type Attack = readonly [name: string, rule: string, run: () => string | Promise<string>];

const text = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const payload = JSON.stringify(good.claims);

const onTheText: readonly Attack[] = [
  [
    'payload tampered with',
    'signature',
    () => read(`${HEADER}.${text({ ...good.claims, aud: stranger.did })}.${SIGNATURE}`),
  ],
  [
    'header tampered with, though it says the same',
    'signature',
    () => read(`${text({ typ: 'starling-grant+jwt', alg: 'EdDSA' })}.${PAYLOAD}.${SIGNATURE}`),
  ],
  [
    'signature tampered with',
    'signature',
    () =>
      read(`${HEADER}.${PAYLOAD}.${SIGNATURE.startsWith('A') ? 'B' : 'A'}${SIGNATURE.slice(1)}`),
  ],
  ['signature of another key', 'signature', () => read(forge(stranger, good.claims))],
  [
    'S of the signature not below the order',
    'signature',
    () => read(`${HEADER}.${PAYLOAD}.${raisedS(SIGNATURE)}`),
  ],
  ['signature left out', 'encoding', () => read(`${HEADER}.${PAYLOAD}.`)],
  ['signature cut short', 'format', () => read(`${HEADER}.${PAYLOAD}.${SIGNATURE.slice(0, 40)}`)],
  [
    'alg none',
    'alg',
    () => read(forge(owner, payload, { alg: 'none', typ: 'starling-grant+jwt' })),
  ],
  [
    'alg HS256',
    'alg',
    () => read(forge(owner, payload, { alg: 'HS256', typ: 'starling-grant+jwt' })),
  ],
  [
    'typ of another kind of token',
    'typ',
    () => read(forge(owner, payload, { alg: 'EdDSA', typ: 'JWT' })),
  ],
  [
    'key brought along in the header',
    'header',
    () => read(forge(owner, payload, { alg: 'EdDSA', typ: 'starling-grant+jwt', jwk: {} })),
  ],
  ['revocation shown as a grant', 'typ', () => read(issueRevocation(owner, good, NOW_MS).jws)],
  [
    'issuer whose key is of small order',
    'signature',
    async () => {
      const weak = await didOf('0100000000000000000000000000000000000000000000000000000000000000');
      const claims = { ...good.claims, iss: weak, sub: weak };
      // R = identity, S = 0: a lax verifier accepts this for any message.
      const nothing = Buffer.alloc(64);
      nothing[0] = 1;
      return read(`${HEADER}.${text(claims)}.${nothing.toString('base64url')}`);
    },
  ],
  [
    'issuer whose key is not written canonically',
    'signature',
    async () => {
      const odd = await didOf('eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f');
      return read(`${HEADER}.${text({ ...good.claims, iss: odd, sub: odd })}.${SIGNATURE}`);
    },
  ],
  [
    'claim that is there twice',
    'json',
    () => read(forge(owner, payload.replace('{', `{"aud":${JSON.stringify(stranger.did)},`))),
  ],
  ['base64url with padding', 'encoding', () => read(`${good.jws}==`)],
  ['huge token', 'too-large', () => read(forge(owner, { ...good.claims, x: 'x'.repeat(20_000) }))],
  [
    'deeply nested token',
    'json',
    () => read(forge(owner, payload.replace('{', `{"x":${'['.repeat(500)}${']'.repeat(500)},`))),
  ],
  [
    'ability * at a link that is no root',
    'ability',
    () =>
      read(
        forge(alice, {
          ...grantOf(alice, bob, { parents: [good] }).claims,
          cap: [{ ...READ, ability: '*' }],
        }),
      ),
  ],
  [
    'unknown member of a capability, which might have narrowed it',
    'claims',
    () => read(forge(owner, { ...good.claims, cap: [{ ...READ, only: 'docs' }] })),
  ],
];

const onTheChain: readonly Attack[] = [
  ['expired', 'expired', () => chain([good], { nowMs: NOW_MS + HOUR_MS + 60_000 })],
  [
    'not yet valid',
    'not-yet-valid',
    () => chain([grantOf(owner, alice, { notBefore: NOW_S + 61 })]),
  ],
  [
    'end moved beyond the forgiven skew of clocks',
    'expired',
    () => chain([grantOf(owner, alice, { expiresAt: NOW_S - 60 })]),
  ],
  ['wrong audience', 'audience', () => chain([good], { holder: bob.did })],
  [
    'stolen, shown on another connection',
    'audience',
    async () => fresh(await book(), stranger.did, good),
  ],
  ['grant on things of another owner', 'owner', () => chain([good], { owner: carol.did })],
  [
    'membership of one mesh used in another',
    'owner',
    () => {
      const [one, other] = [signerOf(31), signerOf(32)];
      const cap = [{ resource: `mesh:${one.did}`, ability: 'mesh/join' }];
      return chain([grantOf(one, alice, { sub: one.did, cap })], { owner: other.did });
    },
  ],
  [
    'root that claims things of somebody else',
    'root',
    () => read(forge(stranger, { ...good.claims, iss: stranger.did })),
  ],
  [
    'link by somebody to whom its parent was not given',
    'issuer',
    () => chain([good, grantOf(stranger, bob, { parents: [good] })]),
  ],
  ['owner changed half way', 'owner', () => child({ sub: stranger.did })],
  ['resource widened', 'widened-resource', () => child({ cap: [ALL_FILES] })],
  [
    'ability widened',
    'widened-ability',
    () => child({ cap: [{ resource: 'resource:files/**', ability: 'resource/write' }] }),
  ],
  ['end later than the parent has', 'time', () => child({ exp: NOW_S + 7200 })],
  [
    'begin earlier than the parent has',
    'time',
    () => {
      const parent = grantOf(owner, alice, { maxDepth: 1, notBefore: NOW_S });
      const leaf = grantOf(alice, bob, { parents: [parent], notBefore: NOW_S - 1 });
      return chain([parent, leaf]);
    },
  ],
  ['more hands than allowed', 'depth', () => child({ max_depth: 2 })],
  [
    'uses widened',
    'widened-uses',
    () => child({ cap: [{ ...READ, caveats: { uses: 6 } }] }, { uses: 5 }),
  ],
  [
    'rate widened',
    'widened-rate',
    () =>
      child(
        { cap: [{ ...READ, caveats: { rate: { per_s: 1, burst: 100 } } }] },
        { rate: { per_s: 1, burst: 1 } },
      ),
  ],
  [
    'argument widened',
    'widened-args',
    () =>
      child(
        { cap: [{ ...READ, caveats: { args: { path: { paths: ['/srv/**'] } } } }] },
        { args: { path: { paths: ['/srv/docs/**'] } } },
      ),
  ],
  [
    'hours widened',
    'widened-hours',
    () =>
      child(
        { cap: [{ ...READ, caveats: { hours: { from: '08:00', to: '19:00' } } }] },
        { hours: { from: '08:00', to: '18:00' } },
      ),
  ],
  ['approval dropped', 'widened-approval', () => child({ cap: [READ] }, { approval: 'required' })],
  [
    'budget widened',
    'widened-budget',
    () =>
      child(
        { cap: [{ ...READ, caveats: { budget: { id: 'a', max: 9 } } }] },
        { budget: { id: 'a', max: 5 } },
      ),
  ],
  ['parent kept back', 'missing-parent', () => chain([grantOf(alice, bob, { parents: [good] })])],
  [
    'chain that bites its own tail',
    'cycle',
    () => {
      const leaf = grantOf(alice, bob, { parents: [good] });
      const loop: Grant = { ...good, claims: { ...good.claims, prf: [leaf.hash] } };
      return chain([loop, leaf]);
    },
  ],
  [
    'chain of nine links',
    'too-long',
    () => chain(chainOf([owner, ...[1, 2, 3, 4, 5, 6, 7, 8, 9].map((it) => signerOf(it + 40))])),
  ],
  [
    'parent swapped for one whose hash begins the same',
    'missing-parent',
    () => {
      const leaf = grantOf(alice, bob, { parents: [good] });
      const other = grantOf(owner, alice, { cap: [{ resource: 'tool:**', ability: 'tool/call' }] });
      const twin = { ...other, hash: `${good.hash.slice(0, 40)}xxx` };
      const verdict = verifyChain(leaf, {
        find: (hash) => (hash.startsWith(good.hash.slice(0, 40)) ? twin : undefined),
        nowMs: NOW_MS,
        isRevoked: () => false,
      });
      return verdict.ok ? 'accepted' : ruleOf(verdict.refusal);
    },
  ],
  ...[0, 1, 2, 3].map((depth): Attack => [
    `link revoked at depth ${depth}`,
    'revoked',
    async () => {
      const ours = await book();
      const people = [owner, alice, bob, carol, signerOf(50)];
      const links = chainOf(people);
      const [link, issuer] = [links[depth] as Grant, people[depth] as typeof owner];
      await ours.addRevocation(issueRevocation(issuer, link, NOW_MS).jws);
      return fresh(ours, signerOf(50).did, ...links);
    },
  ]),
];

describe.each([
  ['the text of a grant', onTheText],
  ['a chain', onTheChain],
])('an attack on %s', (_on, attacks) => {
  it.each(attacks)('%s: %s', async (_name, rule, run) => {
    expect(await run()).toBe(rule);
  });
});

describe('the attacks', () => {
  it('are at least forty, each with a name of its own', () => {
    const all = [...onTheText, ...onTheChain];
    expect(new Set(all.map(([title]) => title)).size).toBe(all.length);
    expect(all.length).toBeGreaterThanOrEqual(40);
  });

  it('fail where the same thing done honestly works', async () => {
    expect(read(good.jws)).toBe('accepted');
    expect(child({})).toBe('accepted');
    expect(fresh(await book(), alice.did, good)).toBe('accepted');
  });
});

describe('a revocation', () => {
  it('by a stranger changes nothing', async () => {
    const ours = await book();
    const grant = await give(ours);
    await ours.addRevocation(issueRevocation(stranger, grant, NOW_MS).jws);
    expect(ours.held(alice.did)).toEqual([grant]);
  });

  it('by the holder of a grant does not end that of somebody above', async () => {
    const ours = await book();
    const root = await give(ours);
    await ours.addRevocation(issueRevocation(alice, root, NOW_MS).jws);
    expect(ours.held(alice.did)).toEqual([root]);
  });

  it('is no grant, and a grant no revocation', () => {
    expect(() => parseRevocation(good.jws)).toThrow(/typ/);
  });
});

describe('the guard', () => {
  it('tells a peer whose chain widens nothing of what is there', async () => {
    const ours = await book();
    const root = await give(ours);
    const wide = resign(alice, grantOf(alice, bob, { parents: [root], cap: [READ] }), {
      cap: [ALL_FILES],
    });
    const [refusal] = ours.present(bob.did, [wide.jws, root.jws]);
    expect(describeRefusal(refusal ?? { rule: '', text: '' })).toContain(
      'what it stands on does not allow to call files/*',
    );
    const guard = createGuard({ grants: ours, self: { name: 'workstation', did: owner.did } });
    const principal = {
      kind: 'peer',
      peerId: peerIdFromDid(bob.did),
      did: bob.did,
      alias: 'bob',
    } as const;
    expect(
      guard.decide(principal, { resource: 'tool:files/read_file', ability: 'tool/call' }).allow,
    ).toBe(false);
  });
});
