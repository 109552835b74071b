/** The rows that a node owns, over a disk that refuses: what was refused has never been, and nothing else is lost with it. */
import { expect, it } from 'vitest';
import { createAccounts } from '../../src/budget/books/accounts.ts';
import type { Accounts } from '../../src/budget/books/accounts.ts';
import { silentLogger } from '../../src/core/index.ts';
import type { Did } from '../../src/core/index.ts';
import type { Table } from '../../src/store/index.ts';
import { createTestClock } from '../core/test-clock.ts';
import { memoryTable } from '../grants/memory-table.ts';

const clock = createTestClock();
const SELF = 'did:key:z6MkAnn' as Did;
const OTHER = 'did:key:z6MkBob' as Did;
const ROW = 'calls@z6MkAnn';

/** A disk whose writes end when the test says so. */
function disk(): {
  readonly table: Table;
  readonly next: () => Promise<(problem?: Error) => void>;
} {
  const table = memoryTable();
  const begun: ((problem?: Error) => void)[] = [];
  let heard: () => void = () => undefined;
  return {
    table: {
      ...table,
      entries: (prefix) => table.entries(prefix),
      async batch(writes) {
        await new Promise<void>((resolve, reject) => {
          begun.push((problem) => (problem === undefined ? resolve() : reject(problem)));
          heard();
        });
        await table.batch(writes);
      },
    },
    next: async () => {
      while (begun.length === 0) await new Promise<void>((resolve) => (heard = resolve));
      return begun.shift() ?? (() => undefined);
    },
  };
}

async function reread(table: Table): Promise<Accounts> {
  const accounts = createAccounts({ table, clock, logger: silentLogger });
  await accounts.load();
  return accounts;
}

it('what comes while a write is refused is kept as it was acknowledged', async () => {
  const { table, next } = disk();
  const accounts = createAccounts({ table, clock, logger: silentLogger });
  const first = accounts.change(ROW, { acts: { reclaimed: { [OTHER]: 5 } }, give: [OTHER, 3] });
  const refuse = await next();
  const second = accounts.change(ROW, { acts: { closed: true }, spent: 4, give: [OTHER, 1] });
  refuse(new Error('no space left'));
  await expect(first).rejects.toThrow('no space left');
  (await next())();
  await second;
  await accounts.idle();
  const told = { spent: 4, out: { [OTHER]: 1 }, acts: { closed: true } };
  expect(accounts.durable(ROW, SELF)).toMatchObject(told);
  expect((await reread(table)).get(ROW)).toEqual(accounts.get(ROW));
});

it('what was spent while a row that came back was refused is not forgotten with it', async () => {
  const { table, next } = disk();
  const accounts = createAccounts({ table, clock, logger: silentLogger });
  const held = accounts.change(ROW, { held: 10 });
  (await next())();
  await held;
  const back = { budget: ROW, owner: SELF, seq: 7, spent: 20, held: 5, out: { [OTHER]: 2 } };
  const gone = accounts.goOnFrom(back);
  const refuse = await next();
  accounts.settle(ROW, 10, 8);
  refuse(new Error('no space left'));
  await expect(gone).rejects.toThrow('no space left');
  expect(accounts.get(ROW)).toMatchObject({ spent: 8, held: 0, out: {} });
  const again = accounts.goOnFrom(back);
  (await next())();
  await again;
  await accounts.idle();
  expect(accounts.durable(ROW, SELF)).toMatchObject({ spent: 25, held: 0, out: { [OTHER]: 2 } });
});

it('a node that is always busy writes all the same, and is idle once all is written', async () => {
  const { table, next } = disk();
  const accounts = createAccounts({ table, clock, logger: silentLogger });
  let isOver = false;
  const changes: Promise<void>[] = [];
  const change = (): void => {
    if (isOver) return;
    changes.push(accounts.change(ROW, { spent: 1 }));
    setImmediate(change);
  };
  change();
  const write = await next();
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  isOver = true;
  write();
  const idle = accounts.idle();
  (await next())();
  await Promise.all(changes);
  await idle;
  expect((await reread(table)).get(ROW)?.spent).toBe(changes.length);
});

it('what was settled while the disk refused is written once it takes writes, though nothing else is changed', async () => {
  const { table, next } = disk();
  const accounts = createAccounts({ table, clock, logger: silentLogger });
  const held = accounts.change(ROW, { held: 10 });
  (await next())();
  await held;
  accounts.settle(ROW, 10, 4);
  for (let tries = 0; tries < 3; tries += 1) {
    (await next())(new Error('no space left'));
    await accounts.idle();
    expect((await reread(table)).get(ROW)).toMatchObject({ spent: 0, lost: 10 });
    clock.advance(5000);
  }
  (await next())();
  await accounts.idle();
  expect((await reread(table)).get(ROW)).toMatchObject({ spent: 4, lost: 0 });
  expect(clock.waiting()).toBe(0);
});

it('whoever closes the books has what was settled written once more, and no timer is left', async () => {
  const { table, next } = disk();
  const accounts = createAccounts({ table, clock, logger: silentLogger });
  accounts.settle(ROW, 0, 4);
  (await next())(new Error('no space left'));
  await accounts.idle();
  expect(clock.waiting()).toBe(1);
  const closed = accounts.close();
  (await next())(new Error('no space left'));
  await closed;
  expect(clock.waiting()).toBe(0);
});
