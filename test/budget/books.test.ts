/** What a node may spend, whatever is lost, late, twice or broken. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeOwners, textsOf } from './owners.ts';
import type { Owner, Owners } from './owners.ts';

const LIMIT = 1000;
/** More than anybody holds. */
const AMOUNT = 1_000_000;
const TERMS = { name: 'research', unit: 'tokens', limit: LIMIT, shares: {} } as const;

async function made(count: number): Promise<{ owners: Owners; id: string; founder: Owner }> {
  const owners = await makeOwners(count);
  const [founder] = owners.all;
  if (founder === undefined) throw new Error('nobody');
  const id = await founder.books.found({ ...TERMS, createdAt: owners.clock.now() });
  for (const one of owners.all.slice(1)) await founder.books.give(id, one.did(), 0);
  await owners.merge();
  return { owners, id, founder };
}

type Op =
  | {
      readonly op: 'hold' | 'give';
      readonly who: number;
      readonly to: number;
      readonly amount: number;
    }
  | { readonly op: 'settle'; readonly who: number; readonly share: number }
  | {
      readonly op: 'send' | 'deliver';
      readonly who: number;
      readonly to: number;
      readonly keep: boolean;
    }
  | { readonly op: 'crash' | 'rotate' | 'disk' | 'reconcile'; readonly who: number }
  | { readonly op: 'reclaim' | 'close' | 'forget'; readonly who: number };

const nat = fc.nat({ max: 6 });
const OPS: fc.Arbitrary<Op> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      op: fc.constantFrom('hold' as const, 'give' as const),
      who: nat,
      to: nat,
      amount: fc.nat({ max: 400 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constant('settle' as const),
      who: nat,
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      op: fc.constantFrom('send' as const, 'deliver' as const),
      who: nat,
      to: nat,
      keep: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constantFrom(
        'crash' as const,
        'rotate' as const,
        'disk' as const,
        'reconcile' as const,
      ),
      who: nat,
    }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('reclaim' as const), who: nat }) },
);
/** Budgets end late in a run, so that there is something to be forgotten. */
const ENDS: fc.Arbitrary<Op> = fc.oneof(
  { weight: 12, arbitrary: OPS },
  {
    weight: 2,
    arbitrary: fc.record({ op: fc.constantFrom('close' as const, 'forget' as const), who: nat }),
  },
);

describe('the books of owners', () => {
  it('are never overspent, whatever is lost, late, twice, in another order, or crashed, and agree when all have met', async () => {
    const run = fc.asyncProperty(
      fc.integer({ min: 3, max: 7 }),
      fc.array(OPS, { minLength: 20, maxLength: 60 }),
      async (count, ops) => {
        const { owners, id, founder } = await made(count);
        const world = new World(owners, id, founder);
        for (const op of ops) {
          await world.step(op);
          expect(world.faults()).toEqual([]);
        }
        expect(await world.faultsInTheEnd()).toEqual([]);
      },
    );
    await fc.assert(run, { numRuns: 25 });
  }, 60_000);

  it('are forgotten once and for ever: whoever comes back with whatever old rows, nothing is spent a second time', async () => {
    const run = fc.asyncProperty(
      fc.integer({ min: 3, max: 5 }),
      fc.array(OPS, { minLength: 10, maxLength: 25 }),
      fc.array(ENDS, { minLength: 10, maxLength: 40 }),
      async (count, ops, ends) => {
        const { owners, id, founder } = await made(count);
        const world = new World(owners, id, founder);
        for (const op of [...ops, ...ends]) {
          await world.step(op);
          expect(world.faults()).toEqual([]);
        }
        expect(await world.faultsOfTheForgotten()).toEqual([]);
      },
    );
    await fc.assert(run, { numRuns: 20 });
  }, 60_000);
});

/** Texts on their way to one owner. */
interface Message {
  readonly to: Owner;
  readonly texts: readonly string[];
}

class World {
  readonly #owners: Owners;
  readonly #id: string;
  readonly #founder: Owner;
  readonly #seen = new Map<string, number>();
  #under: Message[] = [];
  /** All that ever left a node. */
  readonly #sent = new Set<string>();
  /** The disks as they were in the beginning. */
  readonly #begunWith: ReadonlyMap<Owner, ReadonlyMap<string, Uint8Array>>;
  #reclaimed = 0;

  constructor(owners: Owners, id: string, founder: Owner) {
    this.#owners = owners;
    this.#id = id;
    this.#founder = founder;
    this.#begunWith = new Map(owners.all.map((one) => [one, new Map(one.rows)]));
  }

  async step(op: Op): Promise<void> {
    const { all } = this.#owners;
    const one = at(all, op.who);
    switch (op.op) {
      case 'hold':
        await one.books.hold(this.#id, op.amount).then((hold) => one.open.add(hold), refused);
        return;
      case 'give': {
        const to = at(all, op.to);
        if (to !== one) await one.books.give(this.#id, to.did(), op.amount).catch(refused);
        return;
      }
      case 'settle': {
        const [hold] = one.open;
        if (hold === undefined) return;
        one.open.delete(hold);
        const spent = Math.floor(hold.amount * op.share);
        one.really += spent;
        hold.settle(spent);
        return;
      }
      case 'send':
        this.#send(one, at(all, op.to));
        return;
      case 'deliver': {
        const at = op.to % Math.max(1, this.#under.length);
        const message = this.#under[at];
        if (message === undefined) return;
        if (!op.keep) this.#under = this.#under.toSpliced(at, 1);
        const { to, texts } = message;
        await to.books.take(op.keep ? texts : texts.toReversed()).catch(refused);
        return;
      }
      case 'crash':
        return this.#owners.crash(one);
      case 'rotate':
        return this.#owners.rotate(one);
      case 'disk':
        one.isDiskFull = !one.isDiskFull;
        return;
      case 'reconcile':
        // An operator says the truth, which is here that all of it was spent.
        return one.books.reconcile(this.#id, AMOUNT).catch(refused);
      case 'reclaim':
        return this.#reclaim(one);
      case 'close':
        return this.#founder.books.act(this.#id, { closed: true }).catch(refused);
      case 'forget':
        return this.#forget(one);
    }
  }

  #send(from: Owner, to: Owner): void {
    const texts = textsOf(from.books);
    for (const text of texts) this.#sent.add(text);
    this.#under.push({ to, texts });
  }

  /** By the founder's word, or by what each node does from time to time. */
  async #forget(one: Owner): Promise<void> {
    const { books } = this.#founder;
    if (one !== this.#founder) {
      await one.books.prune().catch(refused);
      return;
    }
    if (books.terms(this.#id) === undefined || !books.acts(this.#id).closed) return;
    await books.forget([this.#id]).catch(refused);
  }

  async #reclaim(one: Owner): Promise<void> {
    const { books } = this.#founder;
    if (one === this.#founder || this.#owners.putOut.has(one.did())) return;
    if (books.terms(this.#id) === undefined) return;
    const amount = Math.max(0, books.standing(this.#id).quota(one.did()));
    this.#owners.putOut.add(one.did());
    await books.act(this.#id, { reclaimed: { [one.did()]: amount } }).then(() => {
      this.#reclaimed += amount;
    }, refused);
  }

  /** What is wrong: something was overspent, or a row takes something back. */
  faults(): readonly string[] {
    const faults: string[] = [];
    const spent = this.#owners.all.reduce(
      (sum, { really, open }) => sum + really + heldBy(open),
      0,
    );
    if (spent > LIMIT + this.#reclaimed) faults.push(`${spent} were spent`);
    for (const [index, { books }] of this.#owners.all.entries()) {
      for (const [owner, row] of books.rows(this.#id)) {
        const key = `${index} ${owner}`;
        if (owner === books.self) continue;
        if (row.spent < (this.#seen.get(key) ?? 0)) faults.push(`${owner} took back`);
        this.#seen.set(key, row.spent);
      }
    }
    return faults;
  }

  /** What is wrong once the budget was forgotten, all have met, and each got every text of old once more. */
  async faultsOfTheForgotten(): Promise<readonly string[]> {
    const { all } = this.#owners;
    for (const one of all) {
      one.isDiskFull = false;
      this.#send(one, one);
    }
    const { books } = this.#founder;
    if (books.terms(this.#id) !== undefined) {
      await books.act(this.#id, { closed: true });
      await books.forget([this.#id]);
    }
    await this.#owners.merge();
    for (const one of all) this.#send(one, one);
    for (const one of all) {
      // One that was away since the beginning, or whose folder was set back to it, has its rows of then.
      if (one !== this.#founder) one.rows = new Map(this.#begunWith.get(one));
      await this.#owners.crash(one);
    }
    const faults: string[] = [];
    for (const one of all) {
      await one.books.take([...this.#sent]);
      await one.books.idle();
      const rows = [...one.books.rowIds()].filter((rowId) => !rowId.startsWith('over/'));
      if (rows.length > 0) faults.push(`rows are here again: ${rows.join(' ')}`);
      const erased = [...one.rows.keys()].filter((key) => key.includes(this.#id));
      if (erased.length > 0) faults.push(`on the disk is still ${erased.join(' ')}`);
      await one.books.hold(this.#id, 1).then(() => faults.push('somebody spends'), refused);
    }
    return [...faults, ...this.faults()];
  }

  /** What is wrong once all have met. */
  async faultsInTheEnd(): Promise<readonly string[]> {
    for (const one of this.#owners.all) one.isDiskFull = false;
    // What was settled while the disk was full goes out with the next write.
    for (const one of this.#owners.all) await one.books.reconcile(this.#id, AMOUNT);
    await this.#owners.merge();
    const faults: string[] = [];
    const [first = '', ...others] = this.#owners.all.map(({ books }) =>
      JSON.stringify(summary(books, this.#id)),
    );
    if (others.some((other) => other !== first)) faults.push('the books differ');
    const booked = summary(this.#founder.books, this.#id).reduce(
      (sum, [, { quota, spent, held }]) => sum + quota + spent + held,
      0,
    );
    if (booked !== LIMIT) faults.push(`the books say ${booked}`);
    for (const { books, really } of this.#owners.all) {
      const spent = books.rows(this.#id).get(books.self)?.spent ?? 0;
      if (spent < really) faults.push(`${really} were spent, and the books say ${spent}`);
      if (books.proofs(this.#id).length > 0) faults.push('an honest owner has contradicted itself');
    }
    return [...faults, ...this.faults()];
  }
}

function summary(
  books: Owner['books'],
  id: string,
): readonly (readonly [
  string,
  { readonly quota: number; readonly spent: number; readonly held: number },
])[] {
  const standing = books.standing(id);
  const rows = books.rows(id);
  return standing
    .owners()
    .toSorted()
    .map((owner) => {
      const { spent = 0, held = 0 } = rows.get(owner) ?? {};
      return [owner, { quota: standing.quota(owner), spent, held }] as const;
    });
}

function at(all: readonly Owner[], index: number): Owner {
  const one = all[index % all.length];
  if (one === undefined) throw new Error('nobody');
  return one;
}

function heldBy(open: Owner['open']): number {
  return [...open].reduce((sum, { amount }) => sum + amount, 0);
}

function refused(error: unknown): void {
  if (!(error instanceof Error)) throw error;
}

it.each([
  ['less than was held', 100, 40, 40],
  ['more than was held, as without a restart', 100, 130, 130],
  ['nobody knows what', 100, Infinity, 100],
  ['more than all that is left', 100, 5000, LIMIT],
])(
  'a hold that was taken up after a crash books what was spent: %s',
  async (_, held, spent, booked) => {
    const { id, founder, owners } = await made(1);
    const { amount, rowId } = await founder.books.hold(id, held);
    await owners.crash(founder);
    const again = await founder.books.takeUp({ amount, rowId });
    expect(again.settle(spent)).toBe(booked);
    expect(again.settle(spent)).toBe(0);
    expect(founder.books.account(id)).toMatchObject({ spent: booked, held: 0, lost: 0 });
    // One that is settled is not booked a second time, whatever more the vendor says.
    const twice = await founder.books.takeUp({ amount, rowId });
    expect(twice.settle(spent === Infinity ? 500 : spent)).toBe(0);
  },
);
