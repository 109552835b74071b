/** Owners that lie: no honest node's books are wrong by it. */
import { expect, it } from 'vitest';
import { signRow } from '../../src/budget/rows/row-format.ts';
import { createIdentity } from '../../src/identity/index.ts';
import type { BudgetRow } from '../../src/budget/types.ts';
import { makeOwners, textsOf } from './owners.ts';
import type { Owner, Owners } from './owners.ts';

const TERMS = { name: 'research', unit: 'calls', limit: 100, shares: {} } as const;

interface Lies {
  readonly owners: Owners;
  readonly id: string;
  readonly founder: Owner;
  readonly liar: Owner;
  readonly honest: Owner;
  /** A row that the liar signs, whatever it says. */
  readonly sign: (row: Partial<BudgetRow>) => string;
}

/** The founder has 60, the liar 30, and the honest one 10. */
async function lies(): Promise<Lies> {
  const owners = await makeOwners(3);
  const [founder, liar, honest] = owners.all;
  if (founder === undefined || liar === undefined || honest === undefined) throw new Error('few');
  const id = await founder.books.found({ ...TERMS, createdAt: owners.clock.now() });
  await founder.books.give(id, liar.did(), 30);
  await founder.books.give(id, honest.did(), 10);
  await owners.merge();
  const bare: BudgetRow = { budget: id, owner: liar.did(), seq: 9, spent: 0, held: 0, out: {} };
  const sign = (row: Partial<BudgetRow>): string => signRow(liar.identity, { ...bare, ...row });
  return { owners, id, founder, liar, honest, sign };
}

it('a gift of what the giver does not have counts for nothing', async () => {
  const { honest, id, liar, sign } = await lies();
  await honest.books.take([sign({ out: { [honest.did()]: 1000 } })]);
  // 30 were covered.
  expect(honest.books.free(id)).toBe(40);
  await honest.books.take([sign({ seq: 10, spent: 30, out: { [honest.did()]: 1000 } })]);
  expect(honest.books.free(id)).toBe(10);
  expect(honest.books.standing(id).quota(liar.did())).toBeLessThan(0);
});

it('nobody writes the row of another, nor one of a budget that it was not let into', async () => {
  const { founder, honest, id, liar, sign } = await lies();
  const forged = sign({ owner: founder.did(), out: { [liar.did()]: 90 } });
  expect(await honest.books.take([forged])).toBe(0);
  const terms = { ...TERMS, createdAt: 1, limit: 9999 };
  expect(await honest.books.take([sign({ terms })])).toBe(0);
  expect(honest.books.terms(id)?.limit).toBe(100);
  const [stranger] = (await makeOwners(4)).all.slice(3);
  const row = {
    budget: id,
    owner: stranger?.did() ?? founder.did(),
    seq: 1,
    spent: 0,
    held: 0,
    out: {},
  };
  if (stranger !== undefined) {
    expect(await honest.books.take([signRow(stranger.identity, row)])).toBe(0);
  }
});

it('a row that is replayed changes nothing, and one that takes back what was spent is proof', async () => {
  const { founder, honest, id, liar, sign } = await lies();
  const spent = sign({ seq: 9, spent: 20 });
  await honest.books.take([spent]);
  expect(await honest.books.take([spent, sign({ seq: 3 })])).toBe(0);
  expect(honest.books.rows(id).get(liar.did())?.spent).toBe(20);
  await honest.books.take([sign({ seq: 10, spent: 5 })]);
  expect(honest.books.isFrozen(id, liar.did())).toBe(true);
  expect(honest.books.rows(id).get(liar.did())?.spent).toBe(20);
  // Whoever gets both texts sees the same, whatever it had before.
  await founder.books.take(textsOf(honest.books));
  expect(founder.books.isFrozen(id, liar.did())).toBe(true);
});

it('two rows of one number freeze their owner everywhere until the founder settles it', async () => {
  const { founder, honest, id, liar, owners, sign } = await lies();
  await founder.books.take([sign({ out: { [founder.did()]: 30 } })]);
  await honest.books.take([sign({ out: { [honest.did()]: 30 } })]);
  await founder.books.take(textsOf(honest.books));
  await honest.books.take(textsOf(founder.books));
  for (const { books } of [founder, honest]) {
    expect(books.isFrozen(id, liar.did())).toBe(true);
    expect(books.proofs(id)).toHaveLength(1);
    expect(await books.take([sign({ seq: 11, spent: 1 })])).toBe(0);
  }
  // The books add up, with the liar below nothing.
  const standing = founder.books.standing(id);
  const quotas = standing.owners().reduce((sum, owner) => sum + standing.quota(owner), 0);
  expect(quotas).toBe(100);
  expect(standing.quota(liar.did())).toBe(-30);
  await founder.books.act(id, { settled: { [liar.did()]: 9 } });
  await owners.merge();
  expect(honest.books.isFrozen(id, liar.did())).toBe(false);
});

it('a node whose folder was set back goes on from its own later row, and counts what that says more as spent', async () => {
  const { founder, id, liar, owners } = await lies();
  const before = new Map(liar.rows);
  (await liar.books.hold(id, 12)).settle(12);
  await liar.books.reconcile(id, 0);
  await founder.books.take(textsOf(liar.books));
  liar.rows = before;
  await owners.crash(liar);
  expect(liar.books.free(id)).toBe(30);
  await liar.books.take(textsOf(founder.books));
  expect(liar.books.free(id)).toBe(18);
  await liar.books.give(id, founder.did(), 1);
  await founder.books.take(textsOf(liar.books));
  expect(founder.books.proofs(id)).toEqual([]);
  expect(founder.books.rows(id).get(liar.did())?.spent).toBe(12);
});

it('rights of one that was put out come back by the founder alone, and a successor acts only then', async () => {
  const owners = await makeOwners(3);
  const [founder, heir, other] = owners.all;
  if (founder === undefined || heir === undefined || other === undefined) throw new Error('few');
  const id = await founder.books.found({
    ...TERMS,
    createdAt: owners.clock.now(),
    shares: { [other.did()]: 40 },
    successor: heir.did(),
  });
  await owners.merge();
  await heir.books.act(id, { reclaimed: { [other.did()]: 40 }, closed: true });
  await owners.merge();
  expect(other.books.acts(id)).toMatchObject({ closed: false, reclaimed: {} });
  owners.putOut.add(founder.did());
  expect(other.books.acts(id)).toMatchObject({ closed: true, reclaimed: { [other.did()]: 40 } });
});

it.each([[-1], [1.5], [Number.NaN], [2 ** 60]])('an amount of %d is refused', async (amount) => {
  const { founder, id } = await lies();
  await expect(founder.books.hold(id, amount)).rejects.toMatchObject({
    code: expect.stringMatching(/STARLING_(USAGE|BUDGET_EXHAUSTED)/) as string,
  });
});

it('what nobody had stays worth nothing when it is handed on', async () => {
  const owners = await makeOwners(4);
  const [founder, first, second, honest] = owners.all as [Owner, Owner, Owner, Owner];
  const id = await founder.books.found({ ...TERMS, createdAt: owners.clock.now() });
  for (const one of [first, second, honest]) await founder.books.give(id, one.did(), 10);
  await owners.merge();
  const row = { budget: id, seq: 9, spent: 0, held: 0 };
  const gift = (from: Owner, to: Owner): string =>
    signRow(from.identity, { ...row, owner: from.did(), out: { [to.did()]: 1e9 } });
  await honest.books.take([gift(first, second), gift(second, honest)]);
  // Its own ten, and those of the two liars.
  expect(honest.books.free(id)).toBe(30);
});

it('a row that would be too long to sign is not written', async () => {
  const owners = await makeOwners(1);
  const [{ books }] = owners.all as [Owner];
  const strangers = Array.from({ length: 63 }, () => createIdentity().did);
  const shares = Object.fromEntries(strangers.map((did) => [did, 1]));
  const id = await books.found({ ...TERMS, shares, createdAt: owners.clock.now() });
  const given = [];
  for (const did of strangers) {
    given.push(
      await books.give(id, did, 0).then(
        () => 'given',
        ({ code }: { code: string }) => code,
      ),
    );
  }
  expect(given.filter((one) => one === 'given').length).toBeGreaterThan(10);
  expect(given.at(-1)).toBe('STARLING_LIMIT_EXCEEDED');
  expect(books.texts(id)).toHaveLength(1);
});

it('rights of the largest budget that go to and fro are refused before a row says more than any node reads', async () => {
  const owners = await makeOwners(3);
  const [founder, other, third] = owners.all as [Owner, Owner, Owner];
  const limit = 10_000_000_000_000;
  const id = await founder.books.found({ ...TERMS, limit, createdAt: owners.clock.now() });
  await founder.books.give(id, other.did(), 0);
  await owners.merge();
  let refused = 0;
  for (let round = 0; round < 70; round += 1) {
    for (const [from, to] of [
      [founder, other],
      [other, founder],
    ] as const) {
      await from.books.give(id, to.did(), from.books.free(id)).catch((error: unknown) => {
        expect(error).toMatchObject({ code: 'STARLING_LIMIT_EXCEEDED' });
        refused += 1;
      });
      await to.books.take(textsOf(from.books));
    }
  }
  // What there is was given 64 times by each: no more often.
  expect(refused).toBeGreaterThan(0);
  await owners.merge();
  // All is there still, everywhere, and can be spent.
  for (const { books } of owners.all) {
    const standing = books.standing(id);
    const quotas = standing.owners().reduce((sum, owner) => sum + standing.quota(owner), 0);
    expect(quotas).toBe(limit);
  }
  const rich = founder.books.free(id) > 0 ? founder : other;
  expect(rich.books.free(id)).toBe(limit);
  (await rich.books.hold(id, limit)).settle(limit);
  await rich.books.idle();
  await third.books.take(textsOf(rich.books));
  expect(third.books.rows(id).get(rich.did())?.spent).toBe(limit);
});

it.each([
  [Number.NaN, 5],
  [-3, 0],
  [0.2, 1],
  [1e300, 60],
  [Infinity, 60],
])('what cost %s of five that were held is booked as %s', async (cost, booked) => {
  const { founder, id, owners } = await lies();
  const hold = await founder.books.hold(id, 5);
  expect(hold.settle(cost)).toBe(booked);
  await founder.books.idle();
  await owners.crash(founder);
  expect(founder.books.account(id)).toMatchObject({ spent: booked, held: 0, lost: 0 });
});

it.each([-1, 0.5, Number.NaN, Infinity, 2 ** 53])('nobody gives or holds %s', async (amount) => {
  const { founder, id, liar } = await lies();
  for (const doing of [
    founder.books.give(id, liar.did(), amount),
    founder.books.hold(id, amount),
  ]) {
    await expect(doing).rejects.toMatchObject({ code: 'STARLING_USAGE' });
  }
  expect(founder.books.free(id)).toBe(60);
  const { books } = founder;
  await expect(books.reconcile(id, amount)).rejects.toMatchObject({ code: 'STARLING_USAGE' });
});
