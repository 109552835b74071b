/** Bad input and bad luck of one task: each ends in one counted result, or in one stated failure. */
import { EventEmitter } from 'node:events';
import { expect, it } from 'vitest';
import { OPERATOR, attachedClient } from '../../src/guard/index.ts';
import { silentLogger } from '../../src/core/index.ts';
import type { Did, JsonObject } from '../../src/core/index.ts';
import type { MembershipEvents, PeerView } from '../../src/membership/types.ts';
import { createDurableBoards } from '../../src/tasks/durable/boards.ts';
import type { TestNode } from '../agents/world.ts';
import { createTestClock } from '../core/test-clock.ts';
import { endOf, makeWorker, nodeIn, taskWorlds, turns } from './world.ts';
import type { TaskWorld } from './world.ts';

const YEAR_MS = 365 * 86_400_000;
const world = taskWorlds();
const ends = (all: TaskWorld, id: string) => endOf(all, 'a', id);
const respond = (all: TaskWorld, at: string, name: string, inReplyTo: string, message: string) =>
  nodeIn(all, at).node.call(attachedClient(`program-${name}`), 'agent_message', {
    type: 'response',
    inReplyTo,
    message,
  });

it('counts the first of two answers of one worker, and refuses the second', async () => {
  const all = await world('a', 'b');
  const worker = await makeWorker(all, 'b', { name: 'digger' });
  worker.answer = () => undefined;
  const { taskId } = await nodeIn(all, 'a').submit({ capability: 'dig', input: 'hole' });
  await all.until(
    () => worker.seen.length,
    (count) => count === 1,
  );
  const id = worker.seen[0]?.id ?? '';
  const both = await Promise.allSettled([
    respond(all, 'b', 'digger', id, 'one'),
    respond(all, 'b', 'digger', id, 'two'),
  ]);
  expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  const done = await ends(all, taskId);
  expect(done).toMatchObject({ status: 'done', result: 'one' });
  expect(done.late).toBeUndefined();
});

it('goes to another where a node lies about how much its agent can take', async () => {
  const all = await world('a', 'b', 'c');
  const a = nodeIn(all, 'a');
  const liar = await makeWorker(all, 'b', { name: 'liar', maxConcurrentTasks: 1 });
  liar.answer = () => undefined;
  const lied = nodeIn(all, 'b').node;
  const call = lied.call.bind(lied);
  const lying: TestNode['call'] = async (principal, tool, args, signal) => {
    const answer = await call(principal, tool, args, signal);
    const agents = answer['agents'] as readonly JsonObject[] | undefined;
    if (tool !== 'agent_list' || agents === undefined) return answer as never;
    return { ...answer, agents: agents.map((one) => ({ ...one, free: 1000, queue: 0 })) } as never;
  };
  (lied as { call: TestNode['call'] }).call = lying;
  const first = await a.submit({ capability: 'dig', input: 'first' });
  await all.until(
    () => liar.seen.length,
    (count) => count === 1,
  );
  await makeWorker(all, 'c', { name: 'honest' });
  const second = await a.submit({ capability: 'dig', input: 'second', prefer: 'liar' });
  expect(await ends(all, second.taskId)).toMatchObject({
    status: 'done',
    processedBy: 'honest@c',
    attempts: [{ outcome: 'done' }],
  });
  await respond(all, 'b', 'liar', liar.seen[0]?.id ?? '', 'dug');
  expect(await ends(all, first.taskId)).toMatchObject({ status: 'done', result: 'dug' });
});

it.each([-YEAR_MS, -3_600_000, 3_600_000, YEAR_MS])(
  'has one result, and one attempt, though the clock jumps by %i ms',
  async (jump) => {
    const all = await world('a', 'b');
    const a = nodeIn(all, 'a');
    const worker = await makeWorker(all, 'b', { name: 'digger' });
    worker.answer = () => undefined;
    const { taskId } = await a.submit({ capability: 'dig', input: 'hole' });
    await all.until(
      () => worker.seen.length,
      (count) => count === 1,
    );
    all.world.clock.sleep(jump);
    for (let step = 0; step < 30; step += 1) {
      all.world.clock.advance(1000);
      await turns();
    }
    expect(await a.result(taskId)).toMatchObject({ status: 'running', attempts: [{ token: 1 }] });
    await respond(all, 'b', 'digger', worker.seen[0]?.id ?? '', 'dug');
    const done = await ends(all, taskId);
    expect(done).toMatchObject({ status: 'done', result: 'dug' });
    expect(done.attempts).toHaveLength(1);
  },
);

it('has one result where a cut heals after another has been given the task, and both have done it', async () => {
  const all = await world('a', 'b', 'c');
  const a = nodeIn(all, 'a');
  const first = await makeWorker(all, 'b', { name: 'first' });
  first.answer = () => undefined;
  const { taskId } = await a.submit({ capability: 'dig', input: 'hole' });
  await all.until(
    () => first.seen.length,
    (count) => count === 1,
  );
  const second = await makeWorker(all, 'c', { name: 'second' });
  second.answer = () => undefined;
  all.world.away('b', true);
  await all.until(
    () => second.seen.length,
    (count) => count === 1,
  );
  all.world.away('b', false);
  await respond(all, 'b', 'first', first.seen[0]?.id ?? '', 'by the first');
  await respond(all, 'c', 'second', second.seen[0]?.id ?? '', 'by the second');
  expect(await ends(all, taskId)).toMatchObject({
    result: 'by the second',
    processedBy: 'second@c',
  });
  const shown = await all.until(
    () => a.result(taskId),
    ({ late }) => late !== undefined,
  );
  expect(shown).toMatchObject({ result: 'by the second', late: [{ result: 'by the first' }] });
});

it('is refused at once where its submitter may not give it to the agent that it is for', async () => {
  const all = await world('a', 'b');
  const a = nodeIn(all, 'a');
  a.node.keptOut.add('stranger');
  await makeWorker(all, 'a', { name: 'own' });
  const client = attachedClient('stranger');
  for (const agentId of ['own', 'own@a', 'nobody@b']) {
    await expect(a.submit({ agentId, input: 1 }, client)).rejects.toMatchObject({
      code: 'STARLING_CALL_REFUSED',
      hint: expect.stringContaining('starling grant create') as string,
    });
  }
  expect((await a.submit({ agentId: 'own', input: 1 })).status).not.toBe('failed');
});

it('says to whoever watches it why nobody takes it', async () => {
  const all = await world('a', 'b');
  const a = nodeIn(all, 'a');
  const { taskId, version } = await a.submit({ agentId: 'nobody@b', input: 1 });
  const told = await all.until(
    () => a.tasks.status(OPERATOR, taskId),
    (view) => view.version > version,
  );
  expect(told.waitsFor).toContain('nobody@b');
});

it('goes on where the boards of a peer’s durable tasks cannot be opened', async () => {
  const events = new EventEmitter<MembershipEvents>();
  const peer = { did: 'did:key:zPeer' } as PeerView;
  const tried: string[] = [];
  const boards = createDurableBoards({
    blackboard: {
      async board(name) {
        tried.push(name);
        if (name.endsWith('zPeer')) throw new Error('too many boards');
        return { watch: () => () => undefined, entries: () => [] } as never;
      },
    },
    membership: { events, peers: () => [] },
    self: { did: 'did:key:zSelf' as Did },
    clock: createTestClock(),
    logger: silentLogger,
    heard: () => undefined,
  });
  await boards.start();
  events.emit('change', peer, undefined, new Set(['state']));
  await turns();
  expect(tried).toContain('durable-tasks@zPeer');
  boards.stop();
});
