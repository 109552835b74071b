/** Successions: what one says, which ones count, and what grants become when a key is changed. */
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/core/index.ts';
import {
  KEEP_MAX,
  SUCCESSION_TYPE,
  createCounters,
  createGrantBook,
  createSuccessions,
  issueGrant,
  issueRevocation,
  issueSuccession,
  parseSuccession,
  ruleOf,
} from '../../../src/grants/index.ts';
import type { Grant, GrantBook, Succession, Successions } from '../../../src/grants/index.ts';
import { NO_SUCCESSIONS } from '../../../src/grants/format/succession.ts';
import type { Signer } from '../../../src/identity/index.ts';
import {
  ALL_FILES,
  NOW_MS,
  NOW_S,
  READ,
  alice,
  bob,
  carol,
  forge,
  grantOf,
  manualClock,
  owner,
  resign,
  signerOf,
  stranger,
  verifyLast,
} from '../arrange.ts';
import { memoryTable } from '../memory-table.ts';

const MESH = signerOf(20).did;
/** The last second of the year 9999. */
const YEAR_9999_S = 253_402_300_799;
const ruleIn = (action: () => unknown): unknown => {
  try {
    return action();
  } catch (error) {
    return (error as { data: { rule: unknown } }).data.rule;
  }
};

/** `old` names `next`, an hour ago unless told otherwise. */
function succeed(old: Signer, next: Signer, keep: readonly Grant[] = [], at = NOW_MS): Succession {
  return issueSuccession(old, next, { mesh: MESH, keep }, at);
}

async function successionsOf(...known: readonly Succession[]): Promise<Successions> {
  const set = createSuccessions({ table: memoryTable(), logger: silentLogger });
  for (const one of known) await set.add(one);
  return set;
}

describe('a succession', () => {
  it('is read back as it was signed by both keys', () => {
    const grant = grantOf(owner, alice);
    const made = succeed(alice, bob, [grant]);
    const read = parseSuccession(made.jws);
    expect(read.claims).toEqual(made.claims);
    expect(read.claims).toMatchObject({ iss: alice.did, sub: bob.did, mesh: MESH, iat: NOW_S });
    expect(read.keeps(grant)).toBe(true);
    expect(read.keeps(grantOf(owner, bob))).toBe(false);
  });

  it('says the second in which it was made', () => {
    expect(succeed(alice, bob, [], NOW_MS + 999).claims.iat).toBe(NOW_S);
  });

  it('was made by nobody who never changed a key', () => {
    expect(NO_SUCCESSIONS.follows(alice.did, alice.did)).toBe(true);
    expect(NO_SUCCESSIONS.follows(alice.did, bob.did)).toBe(false);
  });

  it('lists as many grants as fit', () => {
    const many = Array.from({ length: KEEP_MAX + 9 }, (_, index) => ({
      ...grantOf(owner, alice),
      hash: String(index).padStart(43, 'A'),
    }));
    expect(succeed(alice, bob, many).claims.keep).toHaveLength(KEEP_MAX);
  });

  const claims = (): Record<string, unknown> => ({ ...succeed(alice, bob).claims });
  it.each<[string, () => string, string]>([
    ['by a stranger in the name of the old key', () => forged(stranger, claims()), 'signature'],
    ['without the new key agreeing', () => forged(alice, { ...claims(), sub: carol.did }), 'proof'],
    [
      'with more kept than the new key agreed to',
      () => forged(alice, { ...claims(), keep: ['A'.repeat(22)] }),
      'proof',
    ],
    ['carried to another mesh', () => forged(alice, { ...claims(), mesh: carol.did }), 'proof'],
    ['at another time', () => forged(alice, { ...claims(), iat: NOW_S + 1 }), 'proof'],
    ['that points to itself', () => forged(alice, { ...claims(), sub: alice.did }), 'self'],
    ['with the typ of a grant', () => forge(alice, claims()), 'typ'],
    ['without a proof', () => forged(alice, { ...claims(), proof: undefined }), 'claims'],
    ['with a keep that is no list', () => forged(alice, { ...claims(), keep: 'all' }), 'claims'],
    [
      'with a keep of something else',
      () => forged(alice, { ...claims(), keep: ['abc'] }),
      'claims',
    ],
    ['with a time that is none', () => forged(alice, { ...claims(), iat: 1.5 }), 'claims'],
    ['with a time before all', () => forged(alice, { ...claims(), iat: -1 }), 'claims'],
    ['with a time after all', () => forged(alice, { ...claims(), iat: YEAR_9999_S + 1 }), 'claims'],
    [
      'with an id that is short',
      () => forged(alice, { ...claims(), jti: 'A'.repeat(20) }),
      'claims',
    ],
    ['with an id that is no text', () => forged(alice, { ...claims(), jti: 7 }), 'claims'],
    ['with a number for a key', () => forged(alice, { ...claims(), sub: 7 }), 'claims'],
    // Each is a time; only the new key has not agreed to it.
    ['with the first of all times', () => forged(alice, { ...claims(), iat: 0 }), 'proof'],
    ['with the last of all times', () => forged(alice, { ...claims(), iat: YEAR_9999_S }), 'proof'],
    [
      'for something that is no did',
      () => forged(alice, { ...claims(), sub: 'did:web:x' }),
      'claims',
    ],
  ])('is refused %s', (_, make, rule) => {
    expect(ruleIn(() => parseSuccession(make()))).toBe(rule);
  });
});

function forged(by: Signer, claims: object): string {
  return forge(by, claims, { alg: 'EdDSA', typ: SUCCESSION_TYPE });
}

describe('the set of successions', () => {
  it('follows a key through all its changes, in both directions', async () => {
    const set = await successionsOf(succeed(bob, carol), succeed(alice, bob));
    expect(set.current(alice.did)).toBe(carol.did);
    expect(set.origin(carol.did)).toBe(alice.did);
    expect(set.lineage(carol.did)).toEqual([carol.did, bob.did, alice.did]);
    expect(set.heirs(alice.did)).toEqual([alice.did, bob.did, carol.did]);
    expect([set.follows(carol.did, alice.did), set.follows(alice.did, carol.did)]).toEqual([
      true,
      false,
    ]);
    expect(set.of(carol.did)).toBeUndefined();
  });

  it('counts the first of two, tells of the other, and counts the same one after a restart', async () => {
    const table = memoryTable();
    const set = createSuccessions({ table, logger: silentLogger });
    const [first, second] = [succeed(alice, bob), succeed(alice, carol)];
    const told: string[] = [];
    set.events.on('conflict', (_, other) => told.push(other.claims.sub));
    expect(await Promise.all([set.add(first), set.add(second), set.add(first)])).toEqual([
      'new',
      'conflict',
      'known',
    ]);
    await set.add(second);
    expect(told).toEqual([carol.did]);
    const again = createSuccessions({ table, logger: silentLogger });
    await again.load();
    expect(again.current(alice.did)).toBe(bob.did);
  });

  it('does not let one key take the place of two', async () => {
    const set = await successionsOf(succeed(alice, carol));
    expect(await set.add(succeed(bob, carol))).toBe('conflict');
    expect(set.current(bob.did)).toBe(bob.did);
  });

  it('refuses one that would close a circle', async () => {
    const set = await successionsOf(succeed(alice, bob), succeed(bob, carol));
    await expect(set.add(succeed(carol, alice))).rejects.toMatchObject({ data: { rule: 'cycle' } });
    expect(set.current(alice.did)).toBe(carol.did);
  });

  it('bounds how often one key is changed', async () => {
    const set = await successionsOf();
    const changes = Array.from({ length: 70 }, (_, index) =>
      set.add(succeed(signerOf(index + 1), signerOf(index + 2))),
    );
    const results = await Promise.allSettled(changes);
    expect(results.flatMap(({ status }, index) => (status === 'rejected' ? [index] : []))).toEqual([
      63,
    ]);
    expect(set.heirs(signerOf(1).did)).toHaveLength(64);
  });
});

describe('a chain of grants across a change of keys', () => {
  const root = grantOf(owner, alice, { maxDepth: 2 });
  const handed = grantOf(alice, bob, { parents: [root], maxDepth: 1 });
  const rule = (grants: readonly Grant[], successions: Successions, context = {}): string => {
    const verdict = verifyLast(grants, { successions, ...context });
    return verdict.ok ? 'ok' : ruleOf(verdict.refusal);
  };

  it('holds for the new key of its holder, of its owner, and of one in between', async () => {
    const holder = await successionsOf(succeed(bob, stranger));
    expect(rule([root, handed], holder, { holder: stranger.did })).toBe('ok');
    const ofOwner = await successionsOf(succeed(owner, stranger));
    expect(rule([root, handed], ofOwner, { owner: stranger.did })).toBe('ok');
    const between = await successionsOf(succeed(alice, stranger, [handed]));
    expect(rule([root, handed], between)).toBe('ok');
    const anew = grantOf(stranger, bob, { parents: [root] });
    expect(rule([root, anew], between)).toBe('ok');
  });

  it("does not hold for somebody who is nobody's heir, nor for the old key where the new one is meant", async () => {
    const set = await successionsOf(succeed(alice, stranger, [handed]));
    expect(rule([root, grantOf(carol, bob, { parents: [root] })], set)).toBe('issuer');
    const forNew = grantOf(owner, stranger, { maxDepth: 2 });
    expect(rule([forNew, grantOf(alice, bob, { parents: [forNew] })], set)).toBe('retired');
    expect(rule([root], set, { holder: carol.did })).toBe('audience');
  });

  it('holds what the old key had issued, and nothing that somebody made up with it later', async () => {
    const set = await successionsOf(succeed(alice, stranger, [handed]));
    const backdated = resign(alice, handed, { iat: NOW_S - 999, aud: carol.did });
    expect(rule([root, backdated], set)).toBe('retired');
    expect(rule([root, handed], set)).toBe('ok');
    const late = resign(owner, root, { iat: NOW_S + 999 });
    expect(rule([late], await successionsOf(succeed(owner, stranger)))).toBe('retired');
  });
});

interface Desk {
  readonly book: GrantBook;
  readonly successions: Successions;
  readonly tables: {
    readonly grants: ReturnType<typeof memoryTable>;
    readonly revocations: ReturnType<typeof memoryTable>;
  };
}

async function deskOf(
  identity: Signer,
  successions: Successions,
  tables?: Desk['tables'],
): Promise<Desk> {
  const own = tables ?? { grants: memoryTable(), revocations: memoryTable() };
  const book = createGrantBook({
    identity,
    ...own,
    successions,
    clock: manualClock(),
    logger: silentLogger,
  });
  await book.start();
  return { book, successions, tables: own };
}

/** Resolves when what `book` issues anew is issued. */
async function settled(book: GrantBook): Promise<void> {
  await book.stop();
  await book.start();
}

describe('the grants of a node', () => {
  const files = { capabilities: [ALL_FILES], expiresAtMs: NOW_MS + 3_600_000 };

  it('that it gave to a key are issued anew for the one that took its place, and the old key holds nothing', async () => {
    const { book, successions } = await deskOf(owner, await successionsOf());
    const grant = await book.issue({ aud: alice.did, ...files, maxDepth: 1 });
    await successions.add(succeed(alice, bob));
    expect(book.held(bob.did).map(({ claims }) => claims.jti)).toEqual([grant.claims.jti]);
    await settled(book);
    const [now] = book.held(bob.did);
    expect(now?.claims).toMatchObject({
      aud: bob.did,
      jti: grant.claims.jti,
      cap: grant.claims.cap,
      exp: grant.claims.exp,
      max_depth: 1,
    });
    expect(book.held(alice.did)).toEqual([]);
    expect(book.issued().map(({ claims }) => claims.aud)).toEqual([bob.did]);
    expect(book.present(alice.did, [grant.jws])).toMatchObject([{ rule: 'retired' }]);
  });

  it('stay revoked when they were, and can be revoked under the new key', async () => {
    const { book, successions } = await deskOf(owner, await successionsOf());
    const one = await book.issue({ aud: alice.did, ...files });
    const two = await book.issue({ aud: alice.did, ...files });
    await book.revoke(one.claims.jti);
    await successions.add(succeed(alice, bob));
    await settled(book);
    expect(book.held(bob.did).map(({ claims }) => claims.jti)).toEqual([two.claims.jti]);
    await book.revoke(two.claims.jti);
    expect(book.held(bob.did)).toEqual([]);
  });

  it('are issued anew in its own name when its own key is changed; what holders have goes on until then', async () => {
    const before = await deskOf(owner, await successionsOf());
    const grant = await before.book.issue({ aud: alice.did, ...files, maxDepth: 1 });
    const handed = grantOf(alice, bob, { parents: [grant], cap: [READ] });
    await before.book.stop();
    const { book } = await deskOf(
      stranger,
      await successionsOf(succeed(owner, stranger)),
      before.tables,
    );
    expect(book.held(alice.did)[0]?.claims).toMatchObject({
      iss: stranger.did,
      sub: stranger.did,
      jti: grant.claims.jti,
    });
    expect(book.issuedTo(alice.did)).toHaveLength(1);
    expect(book.present(bob.did, [handed.jws, grant.jws])).toEqual([]);
    expect(book.held(bob.did).map(({ claims }) => claims.jti)).toEqual([handed.claims.jti]);
    await book.revoke(grant.claims.jti);
    expect([book.held(alice.did), book.held(bob.did)]).toEqual([[], []]);
  });

  it('do not come to be by a thief of the old key who writes earlier dates', async () => {
    const before = await deskOf(owner, await successionsOf());
    const grant = await before.book.issue({ aud: alice.did, ...files });
    await before.book.stop();
    const { book } = await deskOf(
      stranger,
      await successionsOf(succeed(owner, stranger)),
      before.tables,
    );
    const madeUp = grantOf(owner, carol, { expiresAt: NOW_S + 60 });
    const widened = resign(owner, grant, { iat: NOW_S - 99, aud: carol.did });
    const longer = resign(owner, grant, { iat: NOW_S - 99, exp: NOW_S + 99_999 });
    for (const forgery of [madeUp, widened]) {
      expect(book.present(carol.did, [forgery.jws])).toMatchObject([{ rule: 'retired' }]);
    }
    expect(book.present(alice.did, [longer.jws])).toMatchObject([{ rule: 'retired' }]);
    expect(book.held(carol.did)).toEqual([]);
  });

  it('are not revoked by a retired key, neither now nor by an earlier date', async () => {
    const root = grantOf(owner, alice, { maxDepth: 2 });
    const handed = grantOf(alice, bob, { parents: [root] });
    const { book } = await deskOf(owner, await successionsOf(succeed(alice, carol, [handed])));
    book.present(bob.did, [handed.jws, root.jws]);
    const { did: self } = owner;
    expect(self).toBe(root.claims.sub);
    await book.addRevocation(issueRevocation(alice, handed, NOW_MS + 1000).jws);
    await book.addRevocation(issueRevocation(alice, handed, NOW_MS - 99_000).jws);
    expect(book.isRevoked(handed, [owner.did, alice.did])).toBe(false);
    await book.addRevocation(issueRevocation(carol, handed, NOW_MS).jws);
    expect(book.isRevoked(handed, [owner.did, alice.did])).toBe(true);
  });

  it('that it received count under its new key, and those of an owner with a new key take the place of the old', async () => {
    const before = await deskOf(alice, await successionsOf());
    const grant = grantOf(owner, alice);
    await before.book.receive([grant.jws]);
    await before.book.stop();
    const set = await successionsOf(succeed(alice, bob));
    const { book } = await deskOf(bob, set, before.tables);
    expect(book.toPresent(owner.did)).toEqual([grant.jws]);
    await set.add(succeed(owner, stranger));
    expect(book.toPresent(stranger.did)).toEqual([grant.jws]);
    const anew = issueGrant(
      stranger,
      {
        aud: bob.did,
        sub: stranger.did,
        cap: [ALL_FILES],
        expiresAt: grant.claims.exp,
        id: grant.claims.jti,
      },
      NOW_MS,
    );
    expect(await book.receive([anew.jws])).toEqual([]);
    expect(await book.receive([grant.jws])).toEqual([]);
    expect(book.received().map(({ jws }) => jws)).toEqual([anew.jws]);
    expect(book.toPresent(stranger.did)).toEqual([anew.jws]);
  });

  it('have used up what they had used up before, whoever of the two changed its key', async () => {
    const counts = memoryTable();
    const cap = [{ ...ALL_FILES, caveats: { uses: 3 } }];
    const before = await deskOf(owner, await successionsOf());
    const first = createCounters({
      table: counts,
      grants: before.book,
      self: owner.did,
      clock: manualClock(),
      logger: silentLogger,
    });
    await first.start();
    const grant = await before.book.issue({
      aud: alice.did,
      capabilities: cap,
      expiresAtMs: files.expiresAtMs,
    });
    expect(first.take(grant, 0, NOW_MS).ok).toBe(true);
    await before.successions.add(succeed(alice, bob));
    await settled(before.book);
    const [forBob] = before.book.held(bob.did);
    if (forBob === undefined) throw new Error('bob holds it');
    expect(first.take(forBob, 0, NOW_MS).ok).toBe(true);
    await first.stop();
    await before.book.stop();
    const set = await successionsOf(succeed(alice, bob), succeed(owner, stranger));
    const after = await deskOf(stranger, set, before.tables);
    const second = createCounters({
      table: counts,
      grants: after.book,
      self: stranger.did,
      clock: manualClock(),
      logger: silentLogger,
    });
    await second.start();
    const [now] = after.book.held(bob.did);
    if (now === undefined) throw new Error('bob holds it');
    expect(now.claims).toMatchObject({ iss: stranger.did, aud: bob.did });
    expect(second.taken(now, 0)).toBe(2);
    expect(second.take(now, 0, NOW_MS).ok).toBe(true);
    expect(second.take(now, 0, NOW_MS)).toMatchObject({ ok: false, refusal: { rule: 'uses' } });
    after.book.present(bob.did, [forBob.jws]);
    expect(second.take(forBob, 0, NOW_MS)).toMatchObject({ ok: false, refusal: { rule: 'uses' } });
    await second.stop();
  });

  it('are the same array until something changes, by one key or by two: decisions rest on that', async () => {
    const { book, successions } = await deskOf(owner, await successionsOf());
    await book.issue({ aud: alice.did, ...files });
    await successions.add(succeed(alice, bob));
    await settled(book);
    expect(book.held(bob.did)).toHaveLength(1);
    expect(book.held(bob.did)).toBe(book.held(bob.did));
    await book.issue({ aud: alice.did, ...files });
    const both = book.held(bob.did);
    expect(both.map(({ claims }) => claims.aud).toSorted()).toEqual(
      [alice.did, bob.did].toSorted(),
    );
    expect(book.held(bob.did)).toBe(both);
    await book.issue({ aud: bob.did, ...files });
    expect(book.held(bob.did)).toHaveLength(3);
  });
});
