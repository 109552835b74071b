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
  | { readonly op: 'reclaim'; readonly who: number };

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
  #reclaimed = 0;

  constructor(owners: Owners, id: string, founder: Owner) {
    this.#owners = owners;
    this.#id = id;
    this.#founder = founder;
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
        this.#under.push({ to: at(all, op.to), texts: textsOf(one.books) });
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
    }
  }

  async #reclaim(one: Owner): Promise<void> {
    const { books } = this.#founder;
    if (one === this.#founder || this.#owners.putOut.has(one.did())) return;
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
