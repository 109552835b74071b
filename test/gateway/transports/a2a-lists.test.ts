/** Lists of tasks by A2A: as they are asked for, page after page. */
import { ListTasksRequest, TaskState } from '@a2a-js/sdk';
import { expect, it } from 'vitest';
import type { JsonObject } from '../../../src/core/index.ts';
import { createA2aRequests } from '../../../src/gateway/transports/a2a/a2a-requests.ts';

const COUNT = 130;
const views: JsonObject[] = Array.from({ length: COUNT }, (_, at) => ({
  taskId: `task-${at}`,
  agentId: at === 7 ? 'another' : 'coder',
  status: at % 2 === 0 ? 'done' : 'running',
  message: { metadata: { a2a: { contextId: 'context' } } },
  version: 1,
}));
const requestsOf = (tasks: () => readonly JsonObject[]) =>
  createA2aRequests('coder', async (tool, { taskId }) => {
    const result = { ...tasks().find((view) => view['taskId'] === taskId), result: 'dug' };
    const structuredContent = tool === 'task_list' ? { tasks: [...tasks()] } : result;
    return { result: { structuredContent } };
  });
const listOf = (tasks: () => readonly JsonObject[]) => {
  const requests = requestsOf(tasks);
  return (request: object) =>
    requests.listTasks(ListTasksRequest.fromJSON({ pageSize: 50, ...request }), undefined as never);
};
const list = listOf(() => views);

it('has all tasks on its pages, each once', async () => {
  const ids: string[] = [];
  let pages = 0;
  for (let pageToken: string | undefined; pageToken !== '' && pages < 10; pages += 1) {
    const page = await list({ pageToken });
    ids.push(...page.tasks.map(({ id }) => id));
    expect(page.totalSize).toBe(COUNT - 1);
    pageToken = page.nextPageToken;
  }
  expect(pages).toBe(3);
  expect(ids).toEqual(views.filter((_, at) => at !== 7).map(({ taskId }) => taskId));
});

it('has only tasks of the state that is asked for', async () => {
  const done = await list({ status: 'TASK_STATE_COMPLETED' });
  expect(done.totalSize).toBe(COUNT / 2);
  expect(done.tasks.every(({ status }) => status?.state === TaskState.TASK_STATE_COMPLETED)).toBe(
    true,
  );
});

const at = (minute: number): string => new Date(Date.UTC(2026, 0, 1, 0, minute)).toISOString();
const timed = (id: string, submitted: number, ended?: number): JsonObject => ({
  taskId: id,
  agentId: 'coder',
  status: ended === undefined ? 'running' : 'done',
  submittedAt: at(submitted),
  ...(ended === undefined ? {} : { endedAt: at(ended) }),
  message: { metadata: { a2a: { contextId: 'context' } } },
});

it('has those first whose state has changed last, and those alone that have changed since', async () => {
  const asked = listOf(() => [timed('new', 5), timed('old', 1, 9), timed('middle', 3, 4)]);
  const ids = async (request: object): Promise<string[]> =>
    (await asked(request)).tasks.map(({ id }) => id);
  expect(await ids({})).toEqual(['old', 'new', 'middle']);
  expect(await ids({ statusTimestampAfter: at(5) })).toEqual(['old', 'new']);
  await expect(asked({ statusTimestampAfter: 'yesterday' })).rejects.toThrow('no time');
});

it('goes on behind a task that has changed, or is gone, between two pages', async () => {
  let tasks = [timed('d', 4), timed('c', 3), timed('b', 2), timed('a', 1)];
  const asked = listOf(() => tasks);
  const { nextPageToken: pageToken } = await asked({ pageSize: 2 });
  tasks = [timed('d', 4), timed('c', 3, 9), timed('b', 2), timed('a', 1)];
  const ids = async (): Promise<string[]> => (await asked({ pageToken })).tasks.map(({ id }) => id);
  expect(await ids()).toEqual(['b', 'a']);
  tasks = tasks.slice(2);
  expect(await ids()).toEqual(['b', 'a']);
  for (const token of ['task-7', '5', '5 ', `${'9'.repeat(17)} a`, '5 a b']) {
    await expect(asked({ pageToken: token }), token).rejects.toThrow('pageToken');
  }
});

it('has results where they are asked for, and else none', async () => {
  const asked = listOf(() => [timed('one', 1, 2)]);
  expect((await asked({})).tasks[0]?.artifacts).toEqual([]);
  const [task] = (await asked({ includeArtifacts: true })).tasks;
  expect(task?.artifacts[0]?.parts[0]?.content?.value).toBe('dug');
});
