/** Lists of tasks by A2A: as they are asked for, page after page. */
import { ListTasksRequest, TaskState } from '@a2a-js/sdk';
import { expect, it } from 'vitest';
import { createA2aRequests } from '../../../src/gateway/transports/a2a/a2a-requests.ts';

const COUNT = 130;
const views = Array.from({ length: COUNT }, (_, at) => ({
  taskId: `task-${at}`,
  agentId: at === 7 ? 'another' : 'coder',
  status: at % 2 === 0 ? 'done' : 'running',
  message: { metadata: { a2a: { contextId: 'context' } } },
  version: 1,
}));
const requests = createA2aRequests('coder', async () => ({
  result: { structuredContent: { tasks: views } },
}));
const list = (request: object) =>
  requests.listTasks(ListTasksRequest.fromJSON({ pageSize: 50, ...request }), undefined as never);

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
  await expect(list({ pageToken: 'task-7' })).rejects.toThrow('pageToken');
});

it('has only tasks of the state that is asked for', async () => {
  const done = await list({ status: 'TASK_STATE_COMPLETED' });
  expect(done.totalSize).toBe(COUNT / 2);
  expect(done.tasks.every(({ status }) => status?.state === TaskState.TASK_STATE_COMPLETED)).toBe(
    true,
  );
});
