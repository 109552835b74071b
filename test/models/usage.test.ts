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
const NONE = { checked: 0, passed: 0, voted: 0, agreed: 0, graded: 0, gradeSum: 0 };

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

it('keeps the counts of others where one caller names ever new tasks, and of its own what they come to', async () => {
  const table = memoryTable();
  const { book } = bookOn(table);
  await book.load();
  const callers = Array.from({ length: 20 }, (_, at) => `c${at}`);
  for (const name of callers) {
    book.start('gpu/qwen', { kind: 'client', name, scopes: [] }, undefined).over(false);
  }
  for (let at = 0; at < 2 * ROWS_MAX; at += 1) {
    const call = book.start('gpu/qwen', EDITOR, `task_${at}`);
    call.paid(10);
    call.over(false);
  }
  await book.stop();
  const again = bookOn(table).book;
  await again.load();
  const rows = again.rows();
  expect(rows).toHaveLength(ROWS_MAX);
  expect(
    rows.filter(({ caller }) => callers.includes(caller.slice('the client '.length))),
  ).toHaveLength(20);
  const own = rows.filter(({ caller }) => caller === 'the client editor');
  expect(own.reduce((sum, { calls }) => sum + calls, 0)).toBe(2 * ROWS_MAX);
  expect(own.reduce((sum, one) => sum + one.costMicroUsd, 0)).toBe(20 * ROWS_MAX);
  expect(own.filter(({ task }) => task === undefined)).toHaveLength(1);
});

it('has of the quality of answers what was measured, by caller and task, also after a restart', async () => {
  const table = memoryTable();
  const { book } = bookOn(table);
  await book.load();
  const call = book.start('gpu/qwen', EDITOR, 'task_1');
  call.over(false);
  call.found({ what: 'check', isPassed: true });
  call.found({ what: 'check', isPassed: false });
  call.found({ what: 'vote', isAgreed: true });
  book.start('gpu/qwen', EDITOR, undefined).over(false);
  book.found('gpu/big', OPERATOR, { what: 'grade', score: 1 });
  book.found('gpu/big', OPERATOR, { what: 'grade', score: 0.5 });
  await book.stop();
  const again = bookOn(table).book;
  await again.load();
  const rows = again.rows().map(({ model, task, quality }) => ({ model, task, quality }));
  expect(rows.toSorted((one, other) => (one.model < other.model ? 1 : -1))).toEqual([
    {
      model: 'gpu/qwen',
      task: 'task_1',
      quality: { checks: { passed: 1, of: 2 }, votes: { agreed: 1, of: 1 } },
    },
    { model: 'gpu/qwen', task: undefined, quality: undefined },
    { model: 'gpu/big', task: undefined, quality: { grades: { mean: 0.75, of: 2 } } },
  ]);
  expect(book.totals()).toMatchObject({
    checked: 2,
    passed: 1,
    voted: 1,
    graded: 2,
    gradeSum: 1.5,
  });
});

it('reads counts of before, in which models and agents had other names, once', async () => {
  const table = memoryTable();
  const old = { model: 'gpu/qwen3%3A8b', caller: 'the client agent:coder', agent: 'agent:coder' };
  const counts = { since: 1, lastAt: 2, calls: 3, costMicroUsd: 40 };
  await table.put('old', Buffer.from(JSON.stringify({ ...old, ...counts })));
  const { book } = bookOn(table);
  await book.load();
  const agent: Principal = { kind: 'client', name: 'agent:coder', scopes: [] };
  book.start('gpu/qwen3:8b', agent, undefined).over(false);
  expect(book.rows()).toMatchObject([
    { model: 'gpu/qwen3:8b', caller: 'the agent coder', calls: 4, costMicroUsd: 40 },
  ]);
  await book.stop();
  const again = bookOn(table).book;
  await again.load();
  await again.load();
  expect(again.rows()).toEqual(book.rows());
  expect(await table.get('old')).toBeUndefined();
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
    ...NONE,
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
    ...NONE,
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
