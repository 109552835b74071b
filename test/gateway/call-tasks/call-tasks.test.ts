/** Calls that are tasks: what is kept of them, for how long, and how many. */
import { expect, it } from 'vitest';
import { silentLogger } from '../../../src/core/index.ts';
import { createCallTasks } from '../../../src/gateway/call-tasks/call-tasks.ts';
import {
  CALL_RESULTS_OF_ONE_BYTES_MAX,
  CALL_RESULT_BYTES_MAX,
  CALL_TASKS_OF_ONE_MAX,
  TASK_TTL_MS,
} from '../../../src/gateway/call-tasks/limits.ts';
import type { CallTasks, OpenCall, OpenTask } from '../../../src/gateway/call-tasks/types.ts';
import type { Table } from '../../../src/store/index.ts';
import { manualClock } from '../../grants/arrange.ts';
import { memoryTable } from '../../grants/memory-table.ts';

const wanted = { ability: 'tool/call', resource: 'tool:x/y' };
const ANN = { owner: 'client:ann', wanted };
const YEAR_MS = 365 * 86_400_000;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const openCall = (heard: string[] = []): OpenCall => ({
  recheck: () => void heard.push('recheck'),
  answer: () => void heard.push('answer'),
  cancel: () => void heard.push('cancel'),
  drop: () => void heard.push('drop'),
});

function nodeOf(table: Table = memoryTable()): {
  readonly tasks: CallTasks;
  readonly clock: ReturnType<typeof manualClock>;
  /** Sets the clock; timers go on as they were. */
  readonly jumps: (ms: number) => void;
} {
  const clock = manualClock();
  let jumpMs = 0;
  const set = { ...clock, now: () => clock.now() + jumpMs };
  const made = { table, peerOf: () => undefined, clock: set, logger: silentLogger };
  return { tasks: createCallTasks(made), clock, jumps: (ms) => (jumpMs = ms) };
}

const opened = async (tasks: CallTasks, init = ANN, heard?: string[]): Promise<OpenTask> => {
  const task = await tasks.open(init, openCall(heard));
  if (task === undefined) throw new Error('there is no room');
  return task;
};
const shownAs = async (tasks: CallTasks, id: string): Promise<unknown> =>
  JSON.parse((await tasks.find(id, ANN.owner)?.shown()) ?? 'null');

it('are known after a start: those that have ended as they ended, those under way as failed', async () => {
  const rows = memoryTable();
  const { tasks } = nodeOf(rows);
  await tasks.load();
  const [done, cut] = [await opened(tasks), await opened(tasks)];
  done.ended({ result: '{"content":[]}' });
  await turn();
  const { tasks: next } = nodeOf(rows);
  await next.load();
  expect(await shownAs(next, done.row.id)).toMatchObject({
    status: 'completed',
    result: { content: [] },
  });
  const failed = { status: 'failed', error: { data: { code: 'STARLING_STOPPED' } } };
  expect(await shownAs(next, cut.row.id)).toMatchObject(failed);
  expect(next.find(cut.row.id, 'client:bob')).toBeUndefined();
  // And so after one more.
  const { tasks: last } = nodeOf(rows);
  await last.load();
  expect(await shownAs(last, cut.row.id)).toMatchObject(failed);
});

it('are told of as ended once the disk has the end, and are there also where it takes nothing', async () => {
  const rows = memoryTable();
  let writes = 0;
  let write = (): void => undefined;
  const { tasks } = nodeOf({
    ...rows,
    batch: async (batch) => {
      writes += 1;
      if (writes === 2) await new Promise<void>((resolve) => (write = resolve));
      if (writes === 4) throw new Error('the disk is full');
      await rows.batch(batch);
    },
  });
  const task = await opened(tasks);
  task.ended({ result: '{}' });
  await turn();
  expect(await shownAs(tasks, task.row.id)).toMatchObject({ status: 'working' });
  write();
  await turn();
  expect(await shownAs(tasks, task.row.id)).toMatchObject({ status: 'completed' });
  const other = await opened(tasks);
  other.ended({ result: '{"a":1}' });
  await turn();
  expect(await shownAs(tasks, other.row.id)).toMatchObject({
    status: 'completed',
    result: { a: 1 },
  });
});

it('of one caller are bounded: what has ended goes first, a call under way never', async () => {
  const { tasks } = nodeOf();
  const first = await opened(tasks);
  for (let at = 1; at < CALL_TASKS_OF_ONE_MAX; at += 1) await opened(tasks);
  expect(await tasks.open(ANN, openCall())).toBeUndefined();
  const target = { server: 'x' };
  const carried = { target, theirs: 'one', task: {}, era: 'modern' } as const;
  await expect(tasks.carry(ANN, carried)).rejects.toMatchObject({
    code: 'STARLING_LIMIT_EXCEEDED',
  });
  // Others have room.
  await opened(tasks, { owner: 'client:bob', wanted });
  first.ended({ result: '{}' });
  await turn();
  await opened(tasks);
  expect(tasks.find(first.row.id, ANN.owner)).toBeUndefined();
});

it('keep results of so many bytes, and refuse a longer one with what to do', async () => {
  const { tasks } = nodeOf();
  const large = await opened(tasks);
  large.ended({ result: JSON.stringify('x'.repeat(CALL_RESULT_BYTES_MAX)) });
  await turn();
  expect(await shownAs(tasks, large.row.id)).toMatchObject({
    status: 'failed',
    error: { data: { code: 'STARLING_LIMIT_EXCEEDED' } },
  });
  const text = JSON.stringify('x'.repeat(CALL_RESULT_BYTES_MAX - 2));
  const ids: string[] = [];
  for (let bytes = 0; bytes <= CALL_RESULTS_OF_ONE_BYTES_MAX; bytes += text.length) {
    const task = await opened(tasks);
    ids.push(task.row.id);
    task.ended({ result: text });
    await turn();
  }
  expect(tasks.find(ids[0], ANN.owner)).toBeUndefined();
  expect(tasks.find(ids.at(-1), ANN.owner)).toBeDefined();
});

it('are forgotten after a day, and a call that is under way then ends', async () => {
  const rows = memoryTable();
  const { tasks, clock } = nodeOf(rows);
  const heard: string[] = [];
  const task = await opened(tasks, ANN, heard);
  await clock.advance(TASK_TTL_MS);
  expect(heard).toEqual(['cancel']);
  expect(tasks.find(task.row.id, ANN.owner)).toBeUndefined();
  await turn();
  expect(rows.rows.size).toBe(0);
});

it.each([-YEAR_MS, YEAR_MS])('are there for a day by whatever clock (%i ms)', async (jump) => {
  const rows = memoryTable();
  const { tasks, clock, jumps } = nodeOf(rows);
  const heard: string[] = [];
  const [under, done] = [await opened(tasks, ANN, heard), await opened(tasks)];
  done.ended({ result: '{}' });
  await turn();
  jumps(jump);
  // Another one needs room.
  const later = await opened(tasks);
  expect(heard).toEqual([]);
  expect(await shownAs(tasks, under.row.id)).toMatchObject({ status: 'working' });
  expect(await shownAs(tasks, done.row.id)).toMatchObject({ status: 'completed' });
  await clock.advance(TASK_TTL_MS);
  expect(heard).toEqual(['cancel']);
  for (const { row } of [under, done, later]) {
    expect(tasks.find(row.id, ANN.owner)).toBeUndefined();
  }
  await turn();
  expect(rows.rows.size).toBe(0);
});

it('have no more time after a start with a clock that was set back, and none whose time is over', async () => {
  const rows = memoryTable();
  const { tasks } = nodeOf(rows);
  const { row } = await opened(tasks);
  const back = nodeOf(rows);
  back.jumps(-YEAR_MS);
  await back.tasks.load();
  expect(back.tasks.find(row.id, ANN.owner)).toBeDefined();
  await back.clock.advance(TASK_TTL_MS);
  expect(back.tasks.find(row.id, ANN.owner)).toBeUndefined();
  const again = nodeOf(rows);
  const { row: other } = await opened(again.tasks);
  const ahead = nodeOf(rows);
  ahead.jumps(TASK_TTL_MS + 1);
  await ahead.tasks.load();
  await turn();
  expect(ahead.tasks.find(other.id, ANN.owner)).toBeUndefined();
  expect(rows.rows.size).toBe(0);
});

it('that are forgotten do not come back with their end', async () => {
  const rows = memoryTable();
  const { tasks, clock } = nodeOf(rows);
  const task = await opened(tasks);
  await clock.advance(TASK_TTL_MS);
  task.ended({ result: '{}' });
  await turn();
  expect(rows.rows.size).toBe(0);
});

it('of a server have a status that is a word of MCP, or stay as they were', async () => {
  const { tasks } = nodeOf();
  const target = { server: 'x' };
  const carried = { target, theirs: 'one', era: 'modern' } as const;
  const task = await tasks.carry(ANN, { ...carried, task: { status: ['completed'] } });
  expect(task.row.status).toBe('working');
  task.heard({ status: 'completed' });
  expect(task.row.status).toBe('completed');
});

it("of whoever has given a name up are no successor's, on the disk neither", async () => {
  const rows = memoryTable();
  const { tasks } = nodeOf(rows);
  const heard: string[] = [];
  const clerk = { owner: 'client:agent:clerk\nclient:ann', wanted };
  const gone = [
    await opened(tasks, clerk, heard),
    await opened(tasks, { ...clerk, owner: 'client:agent:clerk' }),
  ];
  const others = [
    await opened(tasks),
    await opened(tasks, { ...clerk, owner: 'client:agent:clerks' }),
    await opened(tasks, { ...clerk, owner: 'client:ann\nclient:agent:clerk' }),
  ];
  tasks.forgetAllOf('client:agent:clerk');
  await turn();
  expect(heard).toEqual(['cancel']);
  for (const { row } of gone) expect(tasks.find(row.id, row.owner)).toBeUndefined();
  for (const { row } of others) expect(tasks.find(row.id, row.owner)).toBeDefined();
  expect(rows.rows.size).toBe(others.length);
});

it('leave out what is damaged on the disk', async () => {
  const rows = memoryTable();
  const { tasks } = nodeOf(rows);
  const task = await opened(tasks);
  await rows.put('task/call_x', Buffer.from('{"id":"call_y","owner":1}'));
  await rows.put('task/call_z', Buffer.from('no json'));
  const { tasks: next } = nodeOf(rows);
  await next.load();
  expect(next.find(task.row.id, ANN.owner)).toBeDefined();
  expect(next.find('call_y', '1')).toBeUndefined();
});

it('end with the node', async () => {
  const { tasks } = nodeOf();
  const heard: string[] = [];
  await opened(tasks, ANN, heard);
  tasks.recheck();
  tasks.stop();
  expect(heard).toEqual(['recheck', 'drop']);
  expect(await tasks.open(ANN, openCall())).toBeUndefined();
});
