/** Tasks on the disk: what is small lies in the row of a task, and what was written last is what is there. */
import { expect, it } from 'vitest';
import { silentLogger } from '../../src/core/index.ts';
import { createTaskRows } from '../../src/tasks/rows.ts';
import type { TaskRow } from '../../src/tasks/types.ts';
import { memoryTable } from '../grants/memory-table.ts';
import { makeWorker, nodeIn, taskWorlds, turns } from './world.ts';

const world = taskWorlds();
const LONG = 'x'.repeat(1000);

const rowOf = (id: string, state: TaskRow['state'] = 'submitted'): TaskRow => ({
  order: {
    id,
    seq: Number(id.slice(1)),
    capability: 'dig',
    priority: 'normal',
    retry: 'lost',
    attemptMs: 1000,
    submitter: 'operator',
    from: 'operator',
    submittedAt: 1,
    expiresAt: 2,
    inputBytes: 2,
  },
  state,
  token: 0,
  attempts: [],
  roundFrom: 0,
  version: 1,
});

it.each([
  ['small', 'small', 1],
  ['small', LONG, 2],
  [LONG, 'small', 2],
  [LONG, LONG, 3],
])('input and result are read back, also after a start', async (input, result, keys) => {
  const table = memoryTable();
  const rows = createTaskRows(table, silentLogger);
  await rows.addAll([{ row: rowOf('t1'), input }]);
  await rows.put(rowOf('t1', 'running'));
  const again = createTaskRows(table, silentLogger);
  // Nobody but the room of rows knows where they lie.
  expect(await again.load()).toEqual([rowOf('t1', 'running')]);
  for (const one of [rows, again]) expect(await one.input('t1')).toBe(input);
  await again.putResult(rowOf('t1', 'done'), result);
  await again.put({ ...rowOf('t1', 'done'), version: 7 });
  expect([...table.rows.keys()]).toHaveLength(keys);
  const last = createTaskRows(table, silentLogger);
  expect(await last.load()).toEqual([{ ...rowOf('t1', 'done'), version: 7 }]);
  for (const one of [again, last]) expect(await one.result('t1')).toBe(result);
  await last.drop('t1');
  expect([...table.rows.keys()]).toEqual([]);
});

it('rows of an earlier version are read, and go with all that lies beside them', async () => {
  const table = memoryTable();
  const put = (key: string, value: unknown): Promise<void> =>
    table.put(key, Buffer.from(JSON.stringify(value)));
  await put('task/t1', rowOf('t1'));
  await put('input/t1', 'hole');
  const rows = createTaskRows(table, silentLogger);
  expect(await rows.load()).toEqual([rowOf('t1')]);
  expect(await rows.input('t1')).toBe('hole');
  await rows.put(rowOf('t1', 'running'));
  expect(await rows.input('t1')).toBe('hole');
  await rows.putResult(rowOf('t1', 'done'), 'dug');
  expect(await rows.result('t1')).toBe('dug');
  await rows.drop('t1');
  expect([...table.rows.keys()]).toEqual([]);
});

it('what is written while the end of a task is does not undo it', async () => {
  const all = await world('a');
  const a = nodeIn(all, 'a');
  const scout = { kind: 'client', name: 'agent:scout', scopes: ['*'] } as const;
  await makeWorker(all, 'a', { name: 'digger' });
  let open = (): void => undefined;
  const { taskId } = await a.submit({ capability: 'dig', input: 'hole' }, scout);
  await all.until(
    () => a.result(taskId),
    ({ status }) => {
      // The lease is on the disk, and the result is to be written next.
      if (status === 'running') {
        a.disk = new Promise((resolve) => {
          open = resolve;
        });
      }
      return status === 'verified' || status === 'done';
    },
  );
  const retired = a.tasks.retired(scout);
  await turns();
  open();
  a.disk = undefined;
  await retired;
  await turns();
  for (const _ of ['now', 'after a start']) {
    expect(await a.result(taskId)).toMatchObject({ status: 'done', result: { dug: 'hole' } });
    await expect(a.result(taskId, scout)).rejects.toMatchObject({ code: 'STARLING_TASK_UNKNOWN' });
    await a.crash();
  }
});
