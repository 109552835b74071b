/** Owners of budgets without a network: their books over tables that fail, crash and are set back as a test wants. */
import { silentLogger } from '../../src/core/index.ts';
import type { Did } from '../../src/core/index.ts';
import { createBooks } from '../../src/budget/index.ts';
import type { Books, Hold } from '../../src/budget/index.ts';
import { createIdentity } from '../../src/identity/index.ts';
import type { Identity } from '../../src/identity/index.ts';
import type { Table } from '../../src/store/index.ts';
import { createTestClock } from '../core/test-clock.ts';
import type { TestClock } from '../core/test-clock.ts';
import { memoryTable } from '../grants/memory-table.ts';

/** One owner. */
export interface Owner {
  books: Books;
  identity: Identity;
  rows: Map<string, Uint8Array>;
  /** Writes fail while it is true. */
  isDiskFull: boolean;
  /** What was really spent, whatever the books say. */
  really: number;
  /** Holds whose work is under way. */
  readonly open: Set<Hold>;
  did(): Did;
}

/** All owners of one mesh. */
export interface Owners {
  readonly all: readonly Owner[];
  readonly clock: TestClock;
  readonly putOut: Set<Did>;
  /** Ends a node without a word; whatever it had under way was spent in full. */
  crash(owner: Owner): Promise<void>;
  /** Takes a new key. */
  rotate(owner: Owner): Promise<void>;
  /** Every owner gets all rows of all others, until nothing is new. */
  merge(): Promise<void>;
}

/** Making a key takes longer than all that a run does with it. */
const keys = new Map<number, Identity>();

function keyOf(number: number): Identity {
  const known = keys.get(number);
  if (known !== undefined) return known;
  const fresh = createIdentity(new Uint8Array(32).map((_, at) => (at === 0 ? number : at)));
  keys.set(number, fresh);
  return fresh;
}

/** Makes owners with seeded keys. */
export async function makeOwners(count: number): Promise<Owners> {
  const clock = createTestClock(1_790_000_000_000);
  const origins = new Map<Did, Did>();
  const successions = { origin: (did: Did): Did => origins.get(did) ?? did };
  const putOut = new Set<Did>();
  let made = 0;
  const nextKey = (): Identity => {
    made += 1;
    return keyOf(made);
  };
  const open = async (owner: Owner): Promise<void> => {
    owner.books = createBooks({
      table: tableOf(owner),
      signer: owner.identity,
      successions,
      clock,
      logger: silentLogger,
      isPutOut: (did) => putOut.has(did),
    });
    await owner.books.load();
  };
  const all: Owner[] = [];
  for (let at = 0; at < count; at += 1) {
    const owner: Owner = {
      books: undefined as unknown as Books,
      identity: nextKey(),
      rows: new Map(),
      isDiskFull: false,
      really: 0,
      open: new Set(),
      did: () => owner.books.self,
    };
    await open(owner);
    all.push(owner);
  }
  const crash = async (owner: Owner): Promise<void> => {
    for (const hold of owner.open) owner.really += hold.amount;
    owner.open.clear();
    // What an ended process still writes goes nowhere.
    owner.rows = new Map(owner.rows);
    await open(owner);
  };
  return {
    all,
    clock,
    putOut,
    crash,
    async rotate(owner) {
      await owner.books.idle();
      const origin = owner.did();
      owner.identity = nextKey();
      origins.set(owner.identity.did, origin);
      await crash(owner);
    },
    async merge() {
      for (let isNew = true; isNew;) {
        isNew = false;
        for (const from of all) {
          const texts = textsOf(from.books);
          for (const to of all) if (to !== from && (await to.books.take(texts)) > 0) isNew = true;
        }
      }
    },
  };
}

/** All signed rows that may leave a node. */
export function textsOf(books: Books): readonly string[] {
  return [...books.rowIds()].flatMap((rowId) => books.texts(rowId).map(({ jws }) => jws));
}

function tableOf(owner: Owner): Table {
  const rows = owner.rows;
  const table = memoryTable(rows);
  return {
    ...table,
    async batch(writes) {
      await new Promise((resolve) => setImmediate(resolve));
      if (owner.isDiskFull) throw new Error('no space left on device');
      await table.batch(writes);
    },
  };
}
