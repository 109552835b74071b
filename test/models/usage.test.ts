/** Counts of models: told apart by caller and task, kept over a restart, bounded, and written in batches. */
import { expect, it } from 'vitest';
import { silentLogger } from '../../src/core/index.ts';
import { OPERATOR } from '../../src/guard/index.ts';
import type { Principal } from '../../src/guard/index.ts';
import { createUsageBook } from '../../src/models/index.ts';
import type { Table } from '../../src/store/index.ts';
import { createTestClock } from '../core/test-clock.ts';
import { memoryTable } from '../grants/memory-table.ts';

const EDITOR: Principal = { kind: 'client', name: 'editor', scopes: [] };
const AGENT: Principal = { kind: 'client', name: 'coder', scopes: [], worksFor: [EDITOR] };
const ROWS_MAX = 2000;

function bookOn(table: Table, clock = createTestClock()) {
  return { clock, book: createUsageBook({ table, clock, logger: silentLogger }) };
}

/** The table, counting its batches; they fail while `isBroken`. */
function watched(table: Table) {
  const seen = { batches: 0, isBroken: false };
  const batch: Table['batch'] = async (writes) => {
    seen.batches += 1;
    if (seen.isBroken) throw new Error('no space is left');
    await table.batch(writes);
  };
  return { seen, table: { ...table, batch } };
}

it('tells callers, agents and tasks apart, and has them again after a restart', async () => {
  const table = memoryTable();
  const { book, clock } = bookOn(table);
  await book.load();
  const first = book.start('gpu/qwen', EDITOR, 'task_1');
  clock.advance(40);
  first.begun();
  clock.advance(60);
  first.used({ input: 10, output: 5, cachedInput: 4 });
  first.paid(150);
  first.over(false);
  first.over(true);
  clock.advance(1);
  const second = book.start('gpu/qwen', AGENT, undefined);
  second.used({ input: 1, output: 1, isEstimated: true });
  second.over(true);
  await book.stop();
  const again = bookOn(table).book;
  await again.load();
  expect(again.rows()).toEqual(book.rows());
  expect(again.rows()).toEqual([
    expect.objectContaining({
      model: 'gpu/qwen',
      caller: 'the client editor',
      task: 'task_1',
      calls: 1,
      failed: 0,
      inputTokens: 10,
      outputTokens: 5,
      cachedInputTokens: 4,
      costMicroUsd: 150,
      hasEstimates: false,
      firstByteMs: 40,
      totalMs: 100,
    }),
    expect.objectContaining({
      agent: 'coder',
      caller: 'the client coder',
      onBehalfOf: 'client:editor',
      failed: 1,
      hasEstimates: true,
    }),
  ]);
});

it('writes many calls in one batch, and what could not be written with the next', async () => {
  const { seen, table } = watched(memoryTable());
  const { book, clock } = bookOn(table);
  await book.load();
  for (let at = 0; at < 50; at += 1) book.start(`gpu/m${at}`, OPERATOR, undefined).over(false);
  seen.isBroken = true;
  clock.advance(2000);
  await Promise.resolve();
  await new Promise((resolve) => void setImmediate(resolve));
  expect(seen.batches).toBe(1);
  seen.isBroken = false;
  book.start('gpu/last', OPERATOR, undefined).over(false);
  clock.advance(2000);
  await book.stop();
  expect(seen.batches).toBe(2);
  const again = bookOn(table).book;
  await again.load();
  expect(again.rows()).toHaveLength(51);
});

it('forgets who was idle longest, on the disk as well, and drops what it can not read', async () => {
  const table = memoryTable();
  await table.put('junk', Buffer.from('not a row'));
  const { book } = bookOn(table);
  await book.load();
  for (let at = 0; at < ROWS_MAX + 3; at += 1) {
    book.start('gpu/qwen', { kind: 'client', name: `c${at}`, scopes: [] }, undefined).over(false);
    if (at > 0) book.start('gpu/qwen', EDITOR, undefined).over(false);
  }
  await book.stop();
  const again = bookOn(table).book;
  await again.load();
  expect(again.rows()).toHaveLength(ROWS_MAX);
  expect(again.rows().some(({ caller }) => caller === 'the client editor')).toBe(true);
  expect(again.rows().some(({ caller }) => caller === 'the client c0')).toBe(false);
  expect(await table.get('junk')).toBeUndefined();
});

it('counts in all what only grows, also when rows are forgotten, and from 0 after a restart', async () => {
  const table = memoryTable();
  const { book } = bookOn(table);
  await book.load();
  for (let at = 0; at <= ROWS_MAX; at += 1) {
    const call = book.start('gpu/qwen', EDITOR, `task_${at}`);
    call.used({ input: 3, output: 2 });
    call.paid(10);
    call.over(at === 0);
  }
  expect(book.rows()).toHaveLength(ROWS_MAX);
  const calls = ROWS_MAX + 1;
  const all = {
    calls,
    failed: 1,
    inputTokens: 3 * calls,
    outputTokens: 2 * calls,
    costMicroUsd: 10 * calls,
    lastHourMicroUsd: 10 * calls,
  };
  expect(book.totals()).toEqual(all);
  await book.stop();
  const again = bookOn(table).book;
  await again.load();
  expect(again.totals()).toEqual({
    calls: 0,
    failed: 0,
    inputTokens: 0,
    outputTokens: 0,
    costMicroUsd: 0,
    lastHourMicroUsd: 0,
  });
});

it('knows what was paid in the last hour', () => {
  const { book, clock } = bookOn(memoryTable());
  const pay = (micros: number): void => {
    const call = book.start('gpu/qwen', EDITOR, undefined);
    call.paid(micros);
    call.over(false);
  };
  pay(1);
  clock.advance(59 * 60_000);
  pay(20);
  expect(book.totals().lastHourMicroUsd).toBe(21);
  clock.advance(60_000);
  expect(book.totals().lastHourMicroUsd).toBe(20);
  pay(300);
  expect(book.totals().lastHourMicroUsd).toBe(320);
  clock.advance(24 * 3_600_000);
  expect(book.totals()).toMatchObject({ lastHourMicroUsd: 0, costMicroUsd: 321 });
});
