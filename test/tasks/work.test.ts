/** What one node does for submitters: how much of it, and what it keeps. */
import { expect, it } from 'vitest';
import type { Json } from '../../src/core/index.ts';
import type { Principal } from '../../src/guard/index.ts';
import { RESULT_BYTES_MAX, WORK_OF_ONE_MAX } from '../../src/tasks/limits.ts';
import { createWork } from '../../src/tasks/worker/work.ts';
import type { Work } from '../../src/tasks/worker/work-types.ts';
import { createTestClock } from '../core/test-clock.ts';

const peer = (alias: string): Principal =>
  ({ kind: 'peer', alias, did: `did:key:${alias}`, peerId: `peer-${alias}` }) as never;
const ANN = peer('ann');
const BOB = peer('bob');

function workOf(
  answer: () => Json | Promise<Json>,
  places = 10_000,
): { work: Work; asked: () => number } {
  let asked = 0;
  const standing = { status: 'online', free: 1, maxConcurrentTasks: places } as const;
  const work = createWork({
    self: { name: 'here' },
    clock: createTestClock(),
    agents: {
      standing: () => standing,
      message: async () => {
        asked += 1;
        return { response: await answer() } as never;
      },
      ownerOf: () => undefined,
      owns: () => false,
      edgeOf: () => undefined,
      requireTask: () => undefined,
    },
    clear: async () => ({ over: () => undefined }),
  });
  return { work, asked: () => asked };
}

const begin = (work: Work, who: Principal, taskId: string, token = 1): ReturnType<Work['begin']> =>
  work.begin(who, { taskId, token, agent: 'digger', input: 1, timeoutMs: 1000, metadata: {} });

const now = (work: Work, who: Principal, taskId: string): ReturnType<Work['follow']> =>
  work.follow(who, { taskId, token: 1, seen: 0, waitMs: 0 }, new AbortController().signal);

it('begins an attempt once, though it is asked twice at the same time', async () => {
  const { work, asked } = workOf(() => 'dug');
  await Promise.all([begin(work, ANN, 't'), begin(work, ANN, 't')]);
  expect(asked()).toBe(1);
  work.stop();
});

it('gives an agent no more than it takes, though all are asked at the same time', async () => {
  const { work } = workOf(() => 'dug', 2);
  const all = Array.from({ length: 10 }, (_, index) => begin(work, ANN, `t${index}`));
  const done = await Promise.allSettled(all);
  expect(done.filter(({ status }) => status === 'fulfilled')).toHaveLength(2);
  work.stop();
});

it('keeps no result that the node of the submitter would not take', async () => {
  const { work } = workOf(() => 'x'.repeat(RESULT_BYTES_MAX));
  await begin(work, ANN, 't');
  expect(await now(work, ANN, 't')).toMatchObject({ state: 'failed', reason: 'size' });
  work.stop();
});

it('keeps what came of the work for one, however much another has done', async () => {
  const { work } = workOf(() => 'dug');
  await begin(work, BOB, 'his');
  for (let index = 0; index < 5 * WORK_OF_ONE_MAX; index += 1) await begin(work, ANN, `t${index}`);
  expect(await now(work, BOB, 'his')).toEqual({ state: 'done', result: 'dug' });
  expect(await now(work, ANN, 't0')).toEqual({ state: 'unknown' });
  expect(await now(work, ANN, `t${5 * WORK_OF_ONE_MAX - 1}`)).toMatchObject({ state: 'done' });
  work.stop();
});

it('tells of many together what is new of each, and waits for the first that has something', async () => {
  let answer: (value: Json) => void = () => undefined;
  const answers = [
    Promise.resolve<Json>('quick'),
    new Promise<Json>((resolve) => (answer = resolve)),
  ];
  const { work: slow } = workOf(() => answers.shift() ?? null);
  await begin(slow, ANN, 'quick');
  await begin(slow, ANN, 'slow');
  const { signal } = new AbortController();
  const look = (seen: number): ReturnType<Work['followAll']> =>
    slow.followAll(
      ANN,
      [
        { taskId: 'quick', token: 1, seen: 99 },
        { taskId: 'slow', token: 1, seen },
        { taskId: 'none', token: 1, seen: 0 },
      ],
      { waitMs: 4000, signal },
    );
  const [, first] = await look(0);
  expect(await look(0)).toMatchObject([
    { state: 'done', result: 'quick' },
    { state: 'running' },
    { state: 'unknown' },
  ]);
  const { news } = first as { news: number };
  const waits = slow.followAll(ANN, [{ taskId: 'slow', token: 1, seen: news }], {
    waitMs: 4000,
    signal,
  });
  answer('late');
  expect(await waits).toMatchObject([{ state: 'done', result: 'late' }]);
  // Nobody hears of what another one has given.
  expect(
    await slow.followAll(BOB, [{ taskId: 'slow', token: 1, seen: 0 }], { waitMs: 0, signal }),
  ).toEqual([{ state: 'unknown' }]);
  slow.stop();
});
