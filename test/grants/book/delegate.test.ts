/** Handing on what one received, and renewing what one gave, over the books of three nodes. */
import { describe, expect, it } from 'vitest';
import { StarlingError, silentLogger } from '../../../src/core/index.ts';
import type { Did } from '../../../src/core/index.ts';
import { createGrantBook, createRenewalTimer, ruleOf } from '../../../src/grants/index.ts';
import type {
  Grant,
  GrantBook,
  GrantDelegateInit,
  RenewalTimer,
} from '../../../src/grants/index.ts';
import type { Signer } from '../../../src/identity/index.ts';
import {
  ALL_FILES,
  NOW_MS,
  READ,
  alice,
  bob,
  carol,
  grantOf,
  manualClock,
  owner,
  signerOf,
} from '../arrange.ts';
import { memoryTable } from '../memory-table.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

interface Mesh {
  readonly clock: ReturnType<typeof manualClock>;
  readonly owner: GrantBook;
  readonly alice: GrantBook;
  readonly bob: GrantBook;
  /** Another book of alice on the same tables. */
  restarted(): Promise<GrantBook>;
  /** A grant on the owner's files for alice, kept by both. */
  give(init?: { maxDepth?: number; renewForMs?: number }): Promise<Grant>;
  /** What goes over the wire when alice and bob meet the owner and each other. */
  meet(): Promise<void>;
}

async function meshOf(): Promise<Mesh> {
  const clock = manualClock();
  const open = async (
    identity: Signer,
    grants = memoryTable(),
    revocations = memoryTable(),
  ): Promise<GrantBook> => {
    const book = createGrantBook({ identity, grants, revocations, clock, logger: silentLogger });
    await book.start();
    return book;
  };
  const tables = [memoryTable(), memoryTable()] as const;
  const books = {
    owner: await open(owner),
    alice: await open(alice, ...tables),
    bob: await open(bob),
  };
  return {
    clock,
    ...books,
    restarted: () => open(alice, ...tables),
    async give(init = {}) {
      const grant = await books.owner.issue({
        aud: alice.did,
        capabilities: [ALL_FILES],
        expiresAtMs: clock.now() + DAY_MS,
        maxDepth: 2,
        ...init,
      });
      await books.alice.receive(books.owner.issuedTo(alice.did));
      return grant;
    },
    async meet() {
      await books.alice.receive(books.owner.issuedTo(alice.did));
      await books.bob.receive(books.alice.issuedTo(bob.did));
      books.owner.present(bob.did, books.bob.toPresent(owner.did));
      books.owner.present(alice.did, books.alice.toPresent(owner.did));
    },
  };
}

const toBob = (parent: Grant, init: Partial<GrantDelegateInit> = {}): GrantDelegateInit => ({
  parent: parent.claims.jti,
  aud: bob.did,
  ...init,
});

async function ruleOfRefusal(run: () => Promise<unknown>): Promise<unknown> {
  try {
    await run();
  } catch (error) {
    if (error instanceof StarlingError) return error.data['rule'] ?? error.code;
    throw error;
  }
  return 'fine';
}

describe('handing on', () => {
  it('gives a part of it to somebody else, who shows it to the owner', async () => {
    const mesh = await meshOf();
    const root = await mesh.give();
    const leaf = await mesh.alice.delegate(
      toBob(root, { resources: [READ.resource], caveats: { uses: 5 } }),
    );
    expect(leaf.claims.cap).toEqual([{ ...READ, caveats: { uses: 5 } }]);
    expect(leaf.claims.exp).toBe(root.claims.exp);
    await mesh.meet();
    expect(mesh.bob.received()).toEqual([leaf]);
    expect(mesh.owner.held(bob.did)).toEqual([leaf]);
    expect(mesh.owner.chainOf(leaf).map((link) => link.claims.iss)).toEqual([alice.did, owner.did]);
    expect(mesh.alice.chainOf(leaf)).toEqual([leaf, root]);
  });

  it('adds to caveats, argument by argument', async () => {
    const mesh = await meshOf();
    const args = { path: { paths: ['/srv/**'] } };
    const root = await mesh.owner.issue({
      aud: alice.did,
      capabilities: [{ ...READ, caveats: { uses: 9, args } }],
      expiresAtMs: NOW_MS + DAY_MS,
      maxDepth: 1,
    });
    await mesh.alice.receive([root.jws]);
    const leaf = await mesh.alice.delegate(
      toBob(root, { caveats: { args: { head: { maximum: 10 } }, approval: 'required' } }),
    );
    expect(leaf.claims.cap[0]?.caveats).toEqual({
      uses: 9,
      approval: 'required',
      args: { ...args, head: { maximum: 10 } },
    });
  });

  it.each<[string, Partial<GrantDelegateInit>, string]>([
    ['another server', { resources: ['tool:git/*'] }, 'widened-resource'],
    ['a later end', { expiresAtMs: NOW_MS + 2 * DAY_MS }, 'time'],
    ['as many further hands', { maxDepth: 2 }, 'depth'],
    ['a condition that makes no sense', { caveats: { uses: 0 } }, 'caveat'],
  ])('refuses %s', async (_name, init, rule) => {
    const mesh = await meshOf();
    const root = await mesh.give();
    expect(await ruleOfRefusal(() => mesh.alice.delegate(toBob(root, init)))).toBe(rule);
    expect(mesh.alice.issued()).toEqual([]);
  });

  it('refuses what may not be handed on, and what is not ours to hand on', async () => {
    const mesh = await meshOf();
    const last = await mesh.give({ maxDepth: 0 });
    expect(await ruleOfRefusal(() => mesh.alice.delegate(toBob(last)))).toBe('depth');
    await expect(mesh.alice.delegate(toBob(last))).rejects.toMatchObject({
      message: `grant ${last.claims.jti.slice(0, 8)} may not be handed on`,
      hint: expect.stringMatching(/^ask ….{8}, which gave it, .* --max-depth 1$/) as string,
    });
    expect(await ruleOfRefusal(() => mesh.owner.delegate(toBob(last)))).toBe('issuer');
  });

  it('ends for all below when a link is revoked by its issuer', async () => {
    const mesh = await meshOf();
    const root = await mesh.give();
    const leaf = await mesh.alice.delegate(toBob(root));
    await mesh.meet();
    const revocation = await mesh.alice.revoke(leaf.claims.jti);
    await mesh.owner.addRevocation(revocation.jws);
    expect(mesh.owner.held(bob.did)).toEqual([]);
    expect(mesh.owner.held(alice.did)).toEqual([root]);
    expect(mesh.alice.issuedTo(bob.did)).toEqual([]);
  });

  it('is remembered over a restart', async () => {
    const mesh = await meshOf();
    const root = await mesh.give();
    const leaf = await mesh.alice.delegate(toBob(root));
    const again = await mesh.restarted();
    expect(again.issuedTo(bob.did)).toEqual([leaf.jws, root.jws]);
    expect(again.state(leaf)).toBe('valid');
  });

  it('can go through eight hands and no more', async () => {
    const clock = manualClock();
    const people = Array.from({ length: 10 }, (_, index) => index + 20);
    const signers = people.map((number) => signerOf(number));
    const books = signers.map((identity) =>
      createGrantBook({
        identity,
        grants: memoryTable(),
        revocations: memoryTable(),
        clock,
        logger: silentLogger,
      }),
    );
    const didOf = (index: number): Did => signers[index]?.did ?? owner.did;
    let last = await (books[0] as GrantBook).issue({
      aud: didOf(1),
      capabilities: [READ],
      expiresAtMs: NOW_MS + HOUR_MS,
      maxDepth: 20,
    });
    for (let hand = 1; hand < 8; hand += 1) {
      const [from, to] = [books[hand] as GrantBook, books[hand + 1] as GrantBook];
      const texts = hand === 1 ? [last.jws] : (books[hand - 1] as GrantBook).issuedTo(didOf(hand));
      expect(await from.receive(texts)).toEqual([]);
      last = await from.delegate({
        parent: last.claims.jti,
        aud: didOf(hand + 1),
        maxDepth: 20 - hand,
      });
      expect(to.received()).toEqual([]);
    }
    const eight = books[8] as GrantBook;
    expect(await eight.receive((books[7] as GrantBook).issuedTo(didOf(8)))).toEqual([]);
    const ninth = eight.delegate({ parent: last.claims.jti, aud: didOf(9) });
    await expect(ninth).rejects.toMatchObject({ data: { rule: 'too-long' } });
  });
});

describe('a renewal', () => {
  it('is the same grant with a later end, in the place of the old one', async () => {
    const mesh = await meshOf();
    const grant = await mesh.give({ renewForMs: DAY_MS });
    await mesh.clock.advance(13 * HOUR_MS);
    const renewed = await mesh.owner.renew(grant.claims.jti);
    const { exp, iat } = grant.claims;
    expect(renewed?.claims).toEqual({ ...grant.claims, exp: exp + 46_800, iat: iat + 46_800 });
    expect(mesh.owner.issued()).toEqual([renewed]);
    expect(mesh.owner.held(alice.did)).toEqual([renewed]);
    await mesh.meet();
    expect(mesh.alice.received()).toEqual([renewed]);
    // Shown by somebody who has not heard yet, the old one changes nothing.
    await mesh.alice.receive([grant.jws]);
    expect(mesh.alice.received()).toEqual([renewed]);
    expect((await mesh.restarted()).received()).toEqual([renewed]);
  });

  it('is not for what is revoked, given an end, or unknown', async () => {
    const mesh = await meshOf();
    const ending = await mesh.give();
    const revoked = await mesh.give({ renewForMs: DAY_MS });
    await mesh.owner.revoke(revoked.claims.jti);
    await mesh.clock.advance(HOUR_MS);
    expect(await mesh.owner.renew(ending.claims.jti)).toBeUndefined();
    expect(await mesh.owner.renew(revoked.claims.jti)).toBeUndefined();
    expect(mesh.owner.renewable()).toEqual([]);
  });

  it('stays revoked when it was revoked while it was renewed', async () => {
    const mesh = await meshOf();
    const grant = await mesh.give({ renewForMs: DAY_MS });
    await mesh.clock.advance(HOUR_MS);
    const renewing = mesh.owner.renew(grant.claims.jti);
    const revocation = await mesh.owner.revoke(grant.claims.jti);
    const renewed = (await renewing) as Grant;
    expect(revocation.claims.exp).toBe(renewed.claims.exp);
    expect(mesh.owner.state(renewed)).toBe('revoked');
    expect(mesh.owner.held(alice.did)).toEqual([]);
  });

  it('lets what stands on it be renewed as well', async () => {
    const mesh = await meshOf();
    const root = await mesh.give({ renewForMs: DAY_MS });
    const leaf = await mesh.alice.delegate(toBob(root, { renewForMs: DAY_MS }));
    await mesh.meet();
    await mesh.clock.advance(13 * HOUR_MS);
    expect(await mesh.alice.renew(leaf.claims.jti)).toBeUndefined();
    const newRoot = await mesh.owner.renew(root.claims.jti);
    await mesh.meet();
    const newLeaf = await mesh.alice.renew(leaf.claims.jti);
    expect(newLeaf?.claims.exp).toBe(newRoot?.claims.exp);
    await mesh.meet();
    expect(mesh.bob.received()).toEqual([newLeaf]);
    // The old root ends; what stands on the new one goes on.
    await mesh.clock.advance(12 * HOUR_MS);
    expect(mesh.owner.held(bob.did)).toEqual([newLeaf]);
  });

  it('is not made on what is left when a parent is gone', async () => {
    const clock = manualClock();
    const grants = memoryTable();
    const open = async (): Promise<GrantBook> => {
      const book = createGrantBook({
        identity: alice,
        grants,
        revocations: memoryTable(),
        clock,
        logger: silentLogger,
      });
      await book.start();
      return book;
    };
    const before = await open();
    // Each parent alone would allow all that the leaf says.
    const parents = [1, 2].map((days) =>
      grantOf(owner, alice, { maxDepth: 1, expiresAt: (NOW_MS + days * DAY_MS) / 1000 }),
    );
    await before.receive(parents.map(({ jws }) => jws));
    const leaf = grantOf(alice, bob, { parents });
    await before.keepIssued(leaf);
    await before.stop();
    grants.rows.set(`renew/${leaf.claims.jti}`, Buffer.from(String(HOUR_MS)));
    await clock.advance(HOUR_MS / 2);
    const whole = await open();
    expect((await whole.renew(leaf.claims.jti))?.claims.prf).toEqual(leaf.claims.prf);
    await whole.stop();
    for (const lost of parents) {
      const row = `received/${lost.hash}`;
      const kept = grants.rows.get(row) ?? new Uint8Array();
      grants.rows.delete(row);
      await clock.advance(HOUR_MS / 4);
      const book = await open();
      expect(await book.renew(leaf.claims.jti)).toBeUndefined();
      await book.stop();
      grants.rows.set(row, kept);
    }
  });
});

describe('the renewal timer', () => {
  async function renewalTimerOf(
    mesh: Mesh,
    book: GrantBook,
    self: Did,
  ): Promise<{ readonly renewalTimer: RenewalTimer; readonly live: Set<Did> }> {
    const live = new Set<Did>();
    const renewalTimer = createRenewalTimer({
      grants: book,
      self,
      clock: mesh.clock,
      logger: silentLogger,
      isLive: (holder) => live.has(holder),
    });
    await renewalTimer.start();
    return { renewalTimer, live };
  }

  it('renews what is half over, for holders that are live, until it is revoked', async () => {
    const mesh = await meshOf();
    const grant = await mesh.give({ renewForMs: DAY_MS });
    const { renewalTimer, live } = await renewalTimerOf(mesh, mesh.owner, owner.did);
    live.add(alice.did);
    const end = (): number => mesh.owner.find(grant.claims.jti).claims.exp * 1000;
    await mesh.clock.advance(11 * HOUR_MS);
    expect(end()).toBe(NOW_MS + DAY_MS);
    await mesh.clock.advance(2 * HOUR_MS);
    expect(end()).toBeGreaterThan(NOW_MS + 35 * HOUR_MS);
    await mesh.clock.advance(10 * DAY_MS);
    expect(mesh.owner.held(alice.did)).toHaveLength(1);
    await mesh.owner.revoke(grant.claims.jti);
    await mesh.clock.advance(2 * DAY_MS);
    expect(mesh.owner.held(alice.did)).toEqual([]);
    await renewalTimer.stop();
  });

  it('lets a grant end whose holder is away, and renews it when the holder is back', async () => {
    const mesh = await meshOf();
    await mesh.give({ renewForMs: DAY_MS });
    const { renewalTimer, live } = await renewalTimerOf(mesh, mesh.owner, owner.did);
    await mesh.clock.advance(2 * DAY_MS);
    expect(mesh.owner.held(alice.did)).toEqual([]);
    live.add(alice.did);
    await renewalTimer.check();
    expect(mesh.owner.held(alice.did)).toHaveLength(1);
    await renewalTimer.stop();
  });

  it('renews what was handed on as soon as what it stands on is', async () => {
    const mesh = await meshOf();
    const root = await mesh.give({ renewForMs: DAY_MS });
    const leaf = await mesh.alice.delegate(toBob(root, { renewForMs: DAY_MS }));
    const { renewalTimer, live } = await renewalTimerOf(mesh, mesh.alice, alice.did);
    live.add(bob.did);
    await mesh.clock.advance(13 * HOUR_MS);
    const newRoot = await mesh.owner.renew(root.claims.jti);
    await mesh.alice.receive(mesh.owner.issuedTo(alice.did));
    await renewalTimer.check();
    expect(mesh.alice.find(leaf.claims.jti).claims.exp).toBe(newRoot?.claims.exp);
    await renewalTimer.stop();
    await renewalTimer.stop();
  });

  it('does nothing after it was stopped', async () => {
    const mesh = await meshOf();
    const grant = await mesh.give({ renewForMs: DAY_MS });
    const { renewalTimer, live } = await renewalTimerOf(mesh, mesh.owner, owner.did);
    live.add(alice.did);
    await renewalTimer.stop();
    await mesh.clock.advance(20 * HOUR_MS);
    await renewalTimer.check();
    expect(mesh.owner.issued()).toEqual([grant]);
  });
});

describe('memberships', () => {
  it('are not pushed as if they were handed-on grants', async () => {
    const mesh = await meshOf();
    const parent = grantOf(carol, owner, { sub: carol.did, maxDepth: 3 });
    const member = grantOf(owner, alice, { sub: carol.did, parents: [parent], maxDepth: 2 });
    await mesh.owner.keepIssued(member);
    expect(mesh.owner.issuedTo(alice.did)).toEqual([]);
    expect(mesh.owner.state(member)).toBe('valid');
  });
});

describe('a refusal of a chain', () => {
  it('names the caveat that is widened', async () => {
    const mesh = await meshOf();
    const root = await mesh.owner.issue({
      aud: alice.did,
      capabilities: [{ ...READ, caveats: { uses: 2 } }],
      expiresAtMs: NOW_MS + DAY_MS,
      maxDepth: 1,
    });
    await mesh.alice.receive([root.jws]);
    const wider = mesh.alice.delegate(toBob(root, { caveats: { uses: 3 } }));
    await expect(wider).rejects.toThrow(
      /to call files\/read_\*: the limit on its number of uses is wider, or left out/,
    );
    expect(ruleOf({ rule: 'a', text: '', causes: [{ rule: 'b', text: '' }] })).toBe('b');
  });
});
