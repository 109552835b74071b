/** The grant book: what a node issued, received and was shown, over restarts and revocations. */
import { describe, expect, it, vi } from 'vitest';
import { StarlingError, silentLogger } from '../../../src/core/index.ts';
import type { Clock, Did, Logger } from '../../../src/core/index.ts';
import { createGrantBook, issueRevocation } from '../../../src/grants/index.ts';
import type { Grant, GrantBook, GrantBookInit, Refusal } from '../../../src/grants/index.ts';
import type { Signer } from '../../../src/identity/index.ts';
import {
  ALL_FILES,
  NOW_MS,
  NOW_S,
  READ,
  alice,
  bob,
  carol,
  emptyBook,
  grantOf,
  manualClock,
  owner,
  resign,
  stranger,
} from '../arrange.ts';
import { memoryTable } from '../memory-table.ts';

interface House {
  readonly book: GrantBook;
  readonly clock: ReturnType<typeof manualClock>;
  readonly grants: ReturnType<typeof memoryTable>;
  readonly revocations: ReturnType<typeof memoryTable>;
  readonly changes: Did[];
  readonly passedOn: string[];
  /** Another book on the same tables, as after a restart. */
  restarted(logger?: Logger): Promise<GrantBook>;
}

async function houseOf(identity: Signer, init: GrantBookInit = {}): Promise<House> {
  const clock = manualClock();
  const grants = memoryTable();
  const revocations = memoryTable();
  const open = async (on: Clock, logger: Logger = silentLogger): Promise<GrantBook> => {
    const book = createGrantBook({ identity, grants, revocations, clock: on, logger }, init);
    await book.start();
    return book;
  };
  const book = await open(clock);
  const changes: Did[] = [];
  const passedOn: string[] = [];
  book.events.on('change', (holder) => changes.push(holder));
  book.events.on('revocation', (jws) => passedOn.push(jws));
  const restarted = (logger?: Logger): Promise<GrantBook> => open(clock, logger);
  return { book, clock, grants, revocations, changes, passedOn, restarted };
}

/** A book whose clock can be set; its timers don't hear of that. */
async function withSettableClock(): Promise<
  Pick<House, 'book' | 'changes' | 'clock'> & { readonly setClock: (aheadMs: number) => void }
> {
  const clock = manualClock();
  let aheadMs = 0;
  const book = emptyBook({ ...clock, now: () => clock.now() + aheadMs });
  await book.start();
  const changes: Did[] = [];
  book.events.on('change', (holder) => changes.push(holder));
  return { book, changes, clock, setClock: (ms) => void (aheadMs = ms) };
}

const HOUR_MS = 3_600_000;
const forAlice = { aud: alice.did, capabilities: [ALL_FILES], expiresAtMs: NOW_MS + HOUR_MS };
const rules = (refusals: readonly Refusal[]): string[] => refusals.map((refusal) => refusal.rule);
const texts = (...grants: readonly Grant[]): string[] => grants.map((grant) => grant.jws);

async function codeOf(run: () => unknown): Promise<string> {
  try {
    await run();
  } catch (error) {
    if (error instanceof StarlingError) return error.code;
    throw error;
  }
  return 'fine';
}

describe('issuing', () => {
  it('of a hundred at once lets others have their turn between two signatures', async () => {
    const { book } = await houseOf(owner);
    let others = 0;
    let isOver = false;
    const other = (): void => {
      others += 1;
      if (!isOver) setImmediate(other);
    };
    setImmediate(other);
    const grants = await Promise.all(Array.from({ length: 100 }, () => book.issue(forAlice)));
    expect(others).toBeGreaterThanOrEqual(98);
    others = 0;
    await Promise.all(grants.map(({ claims }) => book.revoke(claims.jti)));
    isOver = true;
    expect(others).toBeGreaterThanOrEqual(98);
    expect(book.held(alice.did)).toEqual([]);
    expect(book.revocations()).toHaveLength(100);
  });

  it('gives the holder the grant at once, tells it, and remembers it over a restart', async () => {
    const house = await houseOf(owner);
    const grant = await house.book.issue(forAlice);
    expect(house.book.held(alice.did)).toEqual([grant]);
    expect(house.book.held(bob.did)).toEqual([]);
    expect(house.book.issuedTo(alice.did)).toEqual([grant.jws]);
    expect(house.changes).toEqual([alice.did]);
    const again = await house.restarted();
    expect(again.held(alice.did)).toEqual([grant]);
    expect(again.issued()).toEqual([grant]);
    expect(again.state(grant)).toBe('valid');
  });

  it('answers with the same array until something changes', async () => {
    const { book, clock } = await houseOf(owner);
    await book.issue(forAlice);
    const first = book.held(alice.did);
    await clock.advance(1000);
    expect(book.held(alice.did)).toBe(first);
    await book.issue({ ...forAlice, capabilities: [READ] });
    expect(book.held(alice.did)).toHaveLength(2);
  });

  it('refuses a capability that makes no sense', async () => {
    const { book } = await houseOf(owner);
    const capabilities = [{ resource: 'tool:files/..', ability: 'tool/call' }];
    expect(await codeOf(() => book.issue({ ...forAlice, capabilities }))).toBe(
      'STARLING_GRANT_MALFORMED',
    );
    expect(book.issued()).toEqual([]);
  });

  it('ends when the grant expires, to the second, and says so', async () => {
    const { book, clock, changes } = await houseOf(owner);
    const grant = await book.issue({ ...forAlice, expiresAtMs: NOW_MS + 5000 });
    changes.length = 0;
    await clock.advance(4999);
    expect(book.held(alice.did)).toEqual([grant]);
    expect(changes).toEqual([]);
    await clock.advance(1);
    expect(book.held(alice.did)).toEqual([]);
    expect(book.issuedTo(alice.did)).toEqual([]);
    expect(book.state(grant)).toBe('expired');
    expect(changes).toEqual([alice.did]);
    await clock.advance(10 * HOUR_MS);
    expect(changes).toEqual([alice.did]);
  });

  it('forgets expired grants after a month', async () => {
    const { book, clock, grants } = await houseOf(owner);
    await book.issue(forAlice);
    await clock.advance(29 * 24 * HOUR_MS);
    expect(book.issued()).toHaveLength(1);
    await clock.advance(3 * 24 * HOUR_MS);
    expect(book.issued()).toHaveLength(0);
    expect(grants.rows.size).toBe(0);
  });
});

describe('finding', () => {
  it('takes an id or the beginning of one, if it is the only such', async () => {
    let next = 0;
    const jtis = ['AAAAAAAAAAAAAAAAAAAAAA', 'AAAAAAAAAAAAAAAAAAAABA', 'BBBBAAAAAAAAAAAAAAAAAA'];
    const { book } = await houseOf(owner, {
      randomBytes: () => Buffer.from(jtis[next++] ?? '', 'base64url'),
    });
    const first = await book.issue(forAlice);
    await book.issue(forAlice);
    const third = await book.issue(forAlice);
    expect(book.find(first.claims.jti)).toEqual(first);
    expect(book.find('BBBB')).toEqual(third);
    expect(await codeOf(() => book.find('AAAA'))).toBe('STARLING_GRANT_UNKNOWN');
    expect(await codeOf(() => book.find('BBB'))).toBe('STARLING_GRANT_UNKNOWN');
    expect(await codeOf(() => book.find('CCCC'))).toBe('STARLING_GRANT_UNKNOWN');
    expect(await codeOf(() => book.find(''))).toBe('STARLING_GRANT_UNKNOWN');
  });

  it('prefers our own grant to a received one that took its id', async () => {
    const { book } = await houseOf(owner);
    const grant = await book.issue(forAlice);
    const init = { sub: alice.did };
    const twin = resign(alice, grantOf(alice, owner, init), { jti: grant.claims.jti });
    expect(await book.receive([twin.jws])).toEqual([]);
    expect(book.find(grant.claims.jti)).toEqual(grant);
  });
});

describe('revoking', () => {
  it('takes the grant away at once, tells the holder and the mesh, and lasts', async () => {
    const house = await houseOf(owner);
    const grant = await house.book.issue(forAlice);
    const revocation = await house.book.revoke(grant.claims.jti.slice(0, 6), 'left');
    expect(house.book.held(alice.did)).toEqual([]);
    expect(house.book.issuedTo(alice.did)).toEqual([]);
    expect(house.book.state(grant)).toBe('revoked');
    expect(house.changes).toEqual([alice.did, alice.did]);
    expect(house.passedOn).toEqual([revocation.jws]);
    expect(await house.book.revoke(grant.claims.jti)).toBe(revocation);
    const again = await house.restarted();
    expect(again.held(alice.did)).toEqual([]);
    expect(again.state(grant)).toBe('revoked');
    expect(again.revocations()).toEqual([revocation]);
  });

  it('is for the issuer alone', async () => {
    const { book } = await houseOf(alice);
    const grant = grantOf(owner, alice);
    await book.receive([grant.jws]);
    expect(await codeOf(() => book.revoke(grant.claims.jti))).toBe('STARLING_GRANT_INVALID');
    expect(await codeOf(() => book.revoke('nothing'))).toBe('STARLING_GRANT_UNKNOWN');
  });

  it('is forgotten once the grant has expired anyway', async () => {
    const { book, clock, revocations } = await houseOf(owner);
    const grant = await book.issue(forAlice);
    await book.revoke(grant.claims.jti);
    await clock.advance(4 * HOUR_MS);
    expect(book.revocations()).toEqual([]);
    expect(revocations.rows.size).toBe(0);
    expect(book.held(alice.did)).toEqual([]);
  });
});

describe('a chain that a caller presents', () => {
  async function delegated(): Promise<House & { root: Grant; middle: Grant; leaf: Grant }> {
    const house = await houseOf(owner);
    const root = await house.book.issue({ ...forAlice, maxDepth: 3 });
    const middle = grantOf(alice, bob, { parents: [root], maxDepth: 2 });
    const leaf = grantOf(bob, carol, { parents: [middle], cap: [READ] });
    house.changes.length = 0;
    return { ...house, root, middle, leaf };
  }

  it('counts for its holder, once, until forgotten', async () => {
    const { book, root, middle, leaf, changes } = await delegated();
    expect(book.present(carol.did, texts(leaf, middle, root))).toEqual([]);
    expect(book.present(carol.did, texts(root, middle, leaf))).toEqual([]);
    expect(book.held(carol.did)).toEqual([leaf]);
    expect(book.held(bob.did)).toEqual([]);
    expect(changes).toEqual([carol.did]);
    book.forget(carol.did);
    expect(book.held(carol.did)).toEqual([]);
  });

  it('may leave out what the owner issued itself', async () => {
    const { book, middle, leaf } = await delegated();
    expect(book.present(carol.did, texts(leaf, middle))).toEqual([]);
    expect(book.held(carol.did)).toEqual([leaf]);
  });

  it('does nothing for somebody else, for other owners, with gaps, or with forgeries in it', async () => {
    const { book, root, middle, leaf } = await delegated();
    const present = (holder: Did, ...jws: readonly string[]): string[] =>
      rules(book.present(holder, jws));
    expect(present(stranger.did, ...texts(leaf, middle, root))).toEqual(['audience']);
    expect(present(carol.did, leaf.jws)).toEqual(['missing-parent']);
    expect(present(alice.did, grantOf(bob, alice, { sub: bob.did }).jws)).toEqual(['owner']);
    expect(present(carol.did, 'nonsense', `${leaf.jws.slice(0, -4)}AAAA`)).toEqual([
      'format',
      'signature',
    ]);
    for (const { did } of [stranger, carol, alice]) {
      expect(book.held(did).filter((grant) => grant.hash !== root.hash)).toEqual([]);
    }
  });

  it('keeps the good ones of a mixed lot', async () => {
    const { book, middle, leaf } = await delegated();
    const bad = grantOf(bob, carol, { parents: [middle], cap: [{ ...READ, resource: 'tool:**' }] });
    expect(rules(book.present(carol.did, texts(bad, leaf, middle)))).toEqual(['widened']);
    expect(book.held(carol.did)).toEqual([leaf]);
  });

  it.each([
    ['the owner ends its root', 0, owner, true],
    ['the owner ends a middle link', 1, owner, true],
    ['its issuer ends a middle link', 1, alice, true],
    ['its issuer ends the leaf', 2, bob, true],
    ['an ancestor ends the leaf', 2, alice, true],
    ['a stranger says so', 2, stranger, false],
    ['a child says so of its parent', 1, bob, false],
    ['the holder says so of the root', 0, carol, false],
  ])('is judged again when %s', async (_name, index, by, ends) => {
    const { book, root, middle, leaf, changes } = await delegated();
    const link = [root, middle, leaf][index] ?? root;
    book.present(carol.did, texts(leaf, middle));
    changes.length = 0;
    const { jws } = issueRevocation(by, link, NOW_MS);
    expect(await book.addRevocation(jws)).toBe(true);
    expect(await book.addRevocation(jws)).toBe(false);
    expect(book.held(carol.did)).toEqual(ends ? [] : [leaf]);
    expect(changes.includes(carol.did)).toBe(ends);
    const refusals = book.present(carol.did, texts(leaf, middle));
    expect(rules(refusals.flatMap((it) => it.causes ?? it))).toHaveLength(ends ? 1 : 0);
  });

  it('ends in time, and is told so, though the clock was set an hour ahead and back', async () => {
    const { book, changes, setClock, clock } = await withSettableClock();
    const grant = await book.issue({ ...forAlice, expiresAtMs: NOW_MS + 2_400_000 });
    changes.length = 0;
    setClock(HOUR_MS);
    expect(book.held(alice.did)).toEqual([]);
    await clock.advance(60_000);
    expect(changes).toEqual([alice.did]);
    setClock(0);
    await clock.advance(60_000);
    changes.length = 0;
    await clock.advance(2_400_000);
    expect(book.held(alice.did)).toEqual([]);
    expect(changes).toEqual([alice.did]);
    expect(grant.claims.exp).toBe(NOW_S + 2400);
  });

  it('that was revoked stays so, wherever the clock goes', async () => {
    const { book, setClock, clock } = await withSettableClock();
    const grant = await book.issue({ ...forAlice, expiresAtMs: NOW_MS + 2_400_000 });
    await book.revoke(grant.claims.jti);
    for (const aheadMs of [HOUR_MS, -HOUR_MS, HOUR_MS, 0]) {
      setClock(aheadMs);
      await clock.advance(60_000);
      expect(book.held(alice.did)).toEqual([]);
      expect(book.isRevoked(grant, [owner.did])).toBe(true);
    }
  });

  it('ends with its shortest link', async () => {
    const { book, clock, root } = await delegated();
    const short = grantOf(alice, bob, { parents: [root], expiresAt: NOW_S + 100 });
    book.present(bob.did, [short.jws]);
    await clock.advance(159_000);
    expect(book.held(bob.did)).toEqual([short]);
    await clock.advance(1000);
    expect(book.held(bob.did)).toEqual([]);
    expect(rules(book.present(bob.did, [short.jws]))).toEqual(['expired']);
  });

  it('is one of a bounded number, per holder and in all', async () => {
    const { book } = await houseOf(owner, { presentedMax: 3, presentersMax: 2 });
    const root = await book.issue({ ...forAlice, maxDepth: 1 });
    const lot = (to: Signer): string[] =>
      Array.from({ length: 5 }, () => grantOf(alice, to, { parents: [root] }).jws);
    expect(rules(book.present(bob.did, lot(bob)))).toEqual(['limit', 'limit']);
    expect(book.held(bob.did)).toHaveLength(3);
    expect(book.present(carol.did, lot(carol))).toHaveLength(2);
    expect(book.present(stranger.did, lot(stranger))).toHaveLength(5);
    book.forget(bob.did);
    expect(book.present(stranger.did, lot(stranger))).toHaveLength(2);
    expect(
      rules(
        book.present(
          bob.did,
          Array.from({ length: 1100 }, () => root.jws),
        ),
      ),
    ).toContain('limit');
  });
});

describe('grants that others gave us', () => {
  it('are kept with their parents, and shown to their owner only', async () => {
    const house = await houseOf(bob);
    const root = grantOf(owner, alice, { maxDepth: 1 });
    const leaf = grantOf(alice, bob, { parents: [root] });
    expect(await house.book.receive(texts(leaf, root))).toEqual([]);
    expect(house.book.received()).toEqual([leaf]);
    expect(house.book.toPresent(owner.did)).toEqual(texts(leaf, root));
    expect(house.book.toPresent(alice.did)).toEqual([]);
    expect(house.changes).toEqual([bob.did]);
    const again = await house.restarted();
    expect(again.toPresent(owner.did)).toEqual(texts(leaf, root));
    expect(await again.receive(texts(leaf, root))).toEqual([]);
    expect(again.received()).toHaveLength(1);
  });

  it('are refused when they are for others, incomplete, or on our own things', async () => {
    const { book } = await houseOf(bob);
    const root = grantOf(owner, alice, { maxDepth: 1 });
    const orphan = grantOf(alice, bob, { parents: [root] });
    expect(rules(await book.receive([grantOf(owner, carol).jws]))).toEqual(['audience']);
    expect(rules(await book.receive([orphan.jws]))).toEqual(['missing-parent']);
    expect(rules(await book.receive(['x.y.z']))).toEqual(['encoding']);
    expect(rules(await book.receive([grantOf(bob, bob, { sub: bob.did }).jws]))).toEqual(['owner']);
    expect(book.received()).toEqual([]);
  });

  it('are not shown any more when expired or revoked', async () => {
    const { book, clock } = await houseOf(alice);
    const short = grantOf(owner, alice, { expiresAt: NOW_S + 10 });
    const long = grantOf(owner, alice);
    await book.receive(texts(short, long));
    await clock.advance(70_000);
    expect(book.toPresent(owner.did)).toEqual([long.jws]);
    expect([book.state(short), book.state(long)]).toEqual(['expired', 'valid']);
    await book.addRevocation(issueRevocation(owner, long, NOW_MS).jws);
    expect(book.toPresent(owner.did)).toEqual([]);
    expect(book.state(long)).toBe('revoked');
  });

  it('show as revoked when a parent is', async () => {
    const { book } = await houseOf(bob);
    const root = grantOf(owner, alice, { maxDepth: 1 });
    const leaf = grantOf(alice, bob, { parents: [root] });
    await book.receive(texts(root, leaf));
    await book.addRevocation(issueRevocation(owner, root, NOW_MS).jws);
    expect(book.state(leaf)).toBe('revoked');
    expect(book.toPresent(owner.did)).toEqual([]);
  });

  it('make room when they are revoked: who got and lost many can get one more', async () => {
    const house = await houseOf(alice, { receivedPerOwnerMax: 2 });
    const { book } = house;
    const lost = [grantOf(owner, alice), grantOf(owner, alice)];
    await book.receive(texts(...lost));
    for (const grant of lost) await book.addRevocation(issueRevocation(owner, grant, NOW_MS).jws);
    const kept = [grantOf(owner, alice), grantOf(owner, alice)];
    for (const grant of kept) expect(await book.receive([grant.jws])).toEqual([]);
    expect(book.received()).toEqual(kept);
    expect(rules(await book.receive([grantOf(owner, alice).jws]))).toEqual(['limit']);
    expect(rules(await book.receive(texts(...lost)))).toEqual(['limit', 'limit']);
    const hashes = (await house.restarted()).received().map(({ hash }) => hash);
    expect(hashes.toSorted()).toEqual(kept.map(({ hash }) => hash).toSorted());
  });

  it('are bounded per owner; expired ones make room', async () => {
    const { book, clock } = await houseOf(alice, { receivedPerOwnerMax: 2 });
    const short = (): string => grantOf(owner, alice, { expiresAt: NOW_S + 10 }).jws;
    expect(await book.receive([short(), short()])).toEqual([]);
    expect(rules(await book.receive([short()]))).toEqual(['limit']);
    expect(await book.receive([grantOf(bob, alice, { sub: bob.did }).jws])).toEqual([]);
    await clock.advance(71_000);
    expect(await book.receive([grantOf(owner, alice).jws])).toEqual([]);
    expect(book.received()).toHaveLength(2);
  });
});

describe('revocations from elsewhere', () => {
  it('are verified, kept and passed on', async () => {
    const house = await houseOf(alice);
    const { jws } = issueRevocation(owner, grantOf(owner, bob), NOW_MS);
    expect(await house.book.addRevocation(jws)).toBe(true);
    expect(house.passedOn).toEqual([jws]);
    expect(await codeOf(() => house.book.addRevocation(`${jws.slice(0, -4)}AAAA`))).toBe(
      'STARLING_GRANT_INVALID',
    );
    expect(await codeOf(() => house.book.addRevocation('?'))).toBe('STARLING_GRANT_MALFORMED');
    expect((await house.restarted()).revocations()).toHaveLength(1);
  });

  it('count before the grant is seen', async () => {
    const { book } = await houseOf(bob);
    const grant = grantOf(owner, bob);
    await book.addRevocation(issueRevocation(owner, grant, NOW_MS).jws);
    expect(rules(await book.receive([grant.jws]))).toEqual(['revoked']);
  });

  it('are nothing new when the grant has expired', async () => {
    const { book } = await houseOf(bob);
    const old = grantOf(owner, bob, { expiresAt: NOW_S - 61 });
    expect(await book.addRevocation(issueRevocation(owner, old, NOW_MS).jws)).toBe(false);
  });
});

describe('damaged or foreign rows', () => {
  it('are logged and skipped, and the rest is read', async () => {
    const house = await houseOf(owner);
    const grant = await house.book.issue(forAlice);
    await house.book.receive([grantOf(bob, owner, { sub: bob.did }).jws]);
    house.grants.rows.set('issued/junk', Buffer.from([0xff, 0x00]));
    house.grants.rows.set('issued/foreign', Buffer.from(grantOf(bob, alice, { sub: bob.did }).jws));
    house.grants.rows.set('received/foreign', Buffer.from(grantOf(owner, carol).jws));
    house.grants.rows.set('parent/forged', Buffer.from(`${grant.jws.slice(0, -4)}AAAA`));
    house.revocations.rows.set('junk', Buffer.alloc(0));
    const warnings: string[] = [];
    const logger: Logger = {
      ...silentLogger,
      warn: (_fields, message) => void warnings.push(message),
    };
    const again = await house.restarted(logger);
    expect(again.issued()).toEqual([grant]);
    expect(again.received()).toHaveLength(1);
    expect(again.held(alice.did)).toEqual([grant]);
    expect(warnings).toHaveLength(5);
    expect(house.grants.rows.has('issued/junk')).toBe(true);
  });
});

describe('its life', () => {
  it('may be started twice and stopped before starting', async () => {
    const { book, clock, changes } = await houseOf(owner);
    await book.start();
    await book.issue({ ...forAlice, expiresAtMs: NOW_MS + 5000 });
    await book.stop();
    await book.stop();
    await clock.advance(10_000);
    expect(changes).toEqual([alice.did]);
    await book.start();
    expect(book.issued()).toHaveLength(1);
  });
});

describe('a revocation that the disk did not take', () => {
  it('does not count, and is written and told once when it is asked for again', async () => {
    const house = await houseOf(owner);
    const { book, grants, passedOn } = house;
    const grant = await book.issue({ ...forAlice, renewForMs: HOUR_MS });
    vi.spyOn(house.revocations, 'put').mockRejectedValueOnce(new Error('the disk is full'));
    await expect(book.revoke(grant.claims.jti)).rejects.toThrow('the disk is full');
    expect(book.state(grant)).toBe('valid');
    expect(book.held(alice.did)).toHaveLength(1);
    expect(book.renewable()).toHaveLength(1);
    const { jti } = grant.claims;
    await Promise.all([book.revoke(jti), book.revoke(jti)]);
    await book.revoke(jti);
    expect(book.held(alice.did)).toEqual([]);
    expect(passedOn).toHaveLength(1);
    expect([...grants.rows.keys()].filter((key) => key.includes('renew'))).toEqual([]);
    const again = await house.restarted();
    expect(again.held(alice.did)).toEqual([]);
    expect(again.state(grant)).toBe('revoked');
  });

  it('counts at once when another node signed it, and is taken until it is written', async () => {
    const house = await houseOf(owner);
    const { book, passedOn } = house;
    const theirs = await houseOf(alice);
    const grant = await theirs.book.issue({
      aud: owner.did,
      capabilities: forAlice.capabilities,
      expiresAtMs: forAlice.expiresAtMs,
    });
    const { jws } = await theirs.book.revoke(grant.claims.jti);
    vi.spyOn(house.revocations, 'put').mockRejectedValueOnce(new Error('the disk is full'));
    await expect(book.addRevocation(jws)).rejects.toThrow('the disk is full');
    expect(book.isRevoked(grant, [alice.did])).toBe(true);
    expect(await book.addRevocation(jws)).toBe(true);
    expect(await book.addRevocation(jws)).toBe(false);
    expect(passedOn).toEqual([jws]);
    expect((await house.restarted()).isRevoked(grant, [alice.did])).toBe(true);
  });
});
