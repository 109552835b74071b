/** Tasks on nodes whose roads are function calls: each ends once, whatever becomes of workers and owners. */
import { describe, expect, it } from 'vitest';
import { attachedClient } from '../../src/guard/index.ts';
import { StarlingError } from '../../src/core/index.ts';
import type { JsonObject } from '../../src/core/index.ts';
import { taskResources } from '../../src/tasks/index.ts';
import { RESULT_BYTES_MAX, TASKS_MAX } from '../../src/tasks/limits.ts';
import { endOf, makeWorker, nodeIn, taskWorlds, turns } from './world.ts';
import type { TaskWorld } from './world.ts';

const world = taskWorlds();

const states = (all: TaskWorld, at: string, id: string, state: string) =>
  all.until(
    () => nodeIn(all, at).result(id),
    ({ status }) => status === state,
  );

describe('a task', () => {
  it('is done by an agent of a peer, and its result is there after a restart', async () => {
    const all = await world('a', 'b');
    const worker = await makeWorker(all, 'b', { name: 'digger' });
    const a = nodeIn(all, 'a');
    const { taskId, status } = await a.submit({ capability: 'dig', input: 'hole' });
    expect(status).toBe('bidding');
    const done = await endOf(all, 'a', taskId);
    expect(done).toMatchObject({
      status: 'done',
      result: { dug: 'hole' },
      processedBy: 'digger@b',
      attempts: [{ token: 1, agent: 'digger@b', outcome: 'done' }],
    });
    expect(worker.seen[0]?.metadata).toMatchObject({
      capability: 'dig',
      task: { id: taskId, token: 1, idempotencyKey: taskId },
    });
    await a.crash();
    expect(await a.result(taskId)).toMatchObject({ status: 'done', result: { dug: 'hole' } });
    await turns();
    expect(worker.seen).toHaveLength(1);
  });

  it('is on the disk before its submitter is told, and waits there until somebody can do it', async () => {
    const all = await world('a', 'b');
    const a = nodeIn(all, 'a');
    const { taskId } = await a.submit({ capability: 'dig', input: 'hole' });
    expect(a.rows.has(`task/${taskId}`)).toBe(true);
    const waiting = await all.until(
      () => a.result(taskId),
      ({ waitsFor }) => waitsFor !== undefined,
    );
    expect(waiting.waitsFor).toContain("no agent for 'dig'");
    await a.crash();
    await makeWorker(all, 'a', { name: 'digger' });
    expect(await endOf(all, 'a', taskId)).toMatchObject({ processedBy: 'digger@a' });
  });

  it('goes to another at once where the connection to a worker is lost, and a late result is kept and shown', async () => {
    const all = await world('a', 'b', 'c');
    const a = nodeIn(all, 'a');
    const lost = await makeWorker(all, 'b', { name: 'first' });
    lost.answer = () => undefined;
    const { taskId } = await a.submit({ capability: 'dig', input: 'hole', prefer: 'first' });
    await all.until(
      () => lost.seen.length,
      (count) => count === 1,
    );
    await makeWorker(all, 'c', { name: 'second' });
    all.world.away('b', true);
    const done = await endOf(all, 'a', taskId, 20_000);
    expect(done).toMatchObject({
      status: 'done',
      processedBy: 'second@c',
      attempts: [{ outcome: 'lost' }, { outcome: 'done' }],
    });
    // Its node could do nothing but answer: that counts for nothing, and is shown.
    const message = lost.seen[0];
    const { nodes } = all.world;
    await nodes['b']?.call(attachedClient('program-first'), 'agent_message', {
      type: 'response',
      inReplyTo: message?.id ?? '',
      message: 'late',
    });
    all.world.away('b', false);
    const shown = await all.until(
      () => a.result(taskId),
      ({ late }) => late !== undefined,
    );
    expect(shown).toMatchObject({
      result: { dug: 'hole' },
      processedBy: 'second@c',
      late: [{ token: 1, agent: 'first@b', result: 'late' }],
    });
  });

  it('goes to another within fifteen seconds where a node falls silent', async () => {
    const all = await world('a', 'b', 'c');
    const a = nodeIn(all, 'a');
    const lost = await makeWorker(all, 'b', { name: 'first' });
    lost.answer = () => undefined;
    const { taskId } = await a.submit({ capability: 'dig', input: 'hole', prefer: 'first' });
    await all.until(
      () => lost.seen.length,
      (count) => count === 1,
    );
    await makeWorker(all, 'c', { name: 'second' });
    // From now on nothing comes from there, and nobody says so.
    nodeIn(all, 'b').node.more.splice(0);
    const silent = all.world.nodes['b'];
    const { clock } = all.world;
    if (silent !== undefined) {
      silent.call = () =>
        new Promise((_, reject) => {
          clock.schedule(8000, () => reject(new StarlingError('STARLING_TIMEOUT', 'silent')));
        });
    }
    const from = clock.now();
    const again = await all.until(
      () => a.result(taskId),
      ({ attempts }) => attempts[0]?.outcome === 'lost',
      40_000,
    );
    expect(again.attempts[0]).toMatchObject({ agent: 'first@b', outcome: 'lost' });
    // The fake road takes eight seconds for each question, the real one eight and three.
    expect(clock.now() - from).toBeLessThanOrEqual(20_500);
  });

  it('is given up by a worker whose submitter does not ask any more', async () => {
    const all = await world('a', 'b');
    const b = nodeIn(all, 'b');
    const worker = await makeWorker(all, 'b', { name: 'digger' });
    worker.answer = () => undefined;
    const peer = { kind: 'peer', alias: 'a', did: 'did:key:a', peerId: 'peer-a' } as never;
    const name = { agentId: 'digger', taskId: 'task_1', token: 3 };
    const begin = { op: 'begin', ...name, input: 'hole', timeoutMs: 60_000 };
    expect(await b.node.call(peer, 'task_attempt', begin)).toMatchObject({ state: 'running' });
    // The same attempt twice is one, an older one is refused.
    expect(await b.node.call(peer, 'task_attempt', begin)).toMatchObject({ state: 'running' });
    const stale = b.node.call(peer, 'task_attempt', { ...begin, token: 2 });
    await expect(stale).rejects.toMatchObject({ data: { reason: 'stale' } });
    await turns();
    expect(worker.seen).toHaveLength(1);
    all.world.clock.advance(11_000);
    const follow = { op: 'follow', ...name };
    expect(await b.node.call(peer, 'task_attempt', follow)).toMatchObject({ state: 'running' });
    all.world.clock.advance(11_000);
    expect(await b.node.call(peer, 'task_attempt', follow)).toMatchObject({ state: 'running' });
    all.world.clock.advance(12_000);
    expect(await b.node.call(peer, 'task_attempt', follow)).toMatchObject({
      state: 'failed',
      reason: 'lease',
    });
  });

  it('is tried again at other nodes where its submitter wants that, and is set aside after three', async () => {
    const all = await world('a', 'b', 'c', 'd');
    const a = nodeIn(all, 'a');
    const workers = [];
    for (const at of ['b', 'c', 'd']) {
      const worker = await makeWorker(all, at, { name: `digger-${at}` });
      worker.answer = () => new Error('the ground is stone');
      workers.push(worker);
    }
    const once = await a.submit({ capability: 'dig', input: 'hole' });
    expect(await endOf(all, 'a', once.taskId)).toMatchObject({
      status: 'failed',
      error: { reason: 'failed', message: expect.stringContaining('stone') as string },
    });
    const retryPolicy = 'exponential_backoff';
    const { taskId } = await a.submit({ capability: 'dig', input: 'hole', retryPolicy });
    const aside = await endOf(all, 'a', taskId);
    expect(aside).toMatchObject({ status: 'failed', error: { reason: 'poison' } });
    expect(new Set(aside.attempts.map(({ agent }) => agent)).size).toBe(3);
    for (const worker of workers) worker.answer = () => 'done after all';
    await a.node.call({ kind: 'operator' }, 'task_retry', { taskId });
    expect(await endOf(all, 'a', taskId)).toMatchObject({
      status: 'done',
      result: 'done after all',
    });
  });

  it('survives the end of its own node while a peer has it, without a second attempt', async () => {
    const all = await world('a', 'b');
    const a = nodeIn(all, 'a');
    const worker = await makeWorker(all, 'b', { name: 'digger' });
    worker.answer = () => undefined;
    const { taskId } = await a.submit({ capability: 'dig', input: 'hole' });
    await all.until(
      () => worker.seen.length,
      (count) => count === 1,
    );
    await a.crash();
    await states(all, 'a', taskId, 'running');
    const message = worker.seen[0];
    await all.world.nodes['b']?.call(attachedClient('program-digger'), 'agent_message', {
      type: 'response',
      inReplyTo: message?.id ?? '',
      message: 'dug',
    });
    expect(await endOf(all, 'a', taskId)).toMatchObject({ status: 'done', result: 'dug' });
    expect(worker.seen).toHaveLength(1);
  });

  it('is cancelled, or expires, once; whoever has it is told to stop', async () => {
    const all = await world('a', 'b');
    const a = nodeIn(all, 'a');
    const worker = await makeWorker(all, 'b', { name: 'digger' });
    worker.answer = () => undefined;
    const { taskId } = await a.submit({ capability: 'dig', input: 'hole' });
    await states(all, 'a', taskId, 'running');
    const operator = { kind: 'operator' } as const;
    const token = 1;
    const program = attachedClient('program-digger');
    const b = nodeIn(all, 'b').node;
    const tell = { taskId, token, progress: 0.5, message: 'half way' };
    expect(await b.call(program, 'task_progress', tell)).toEqual({ wanted: true });
    const half = await all.until(
      () => a.result(taskId),
      ({ progress }) => progress !== undefined,
    );
    expect(half.progress).toEqual({ part: 0.5, text: 'half way' });
    expect(await a.node.call(operator, 'task_cancel', { taskId })).toMatchObject({
      status: 'cancelled',
      attempts: [{ outcome: 'cancelled' }],
    });
    const again = a.node.call(operator, 'task_cancel', { taskId });
    await expect(again).rejects.toMatchObject({
      code: 'STARLING_TASK_ENDED',
      message: `task ${taskId} is cancelled: only what has not ended can be ended`,
    });
    await turns();
    expect(await b.call(program, 'task_progress', tell)).toEqual({ wanted: false });
    const late = await a.submit({ capability: 'paint', input: 'hole', timeoutMs: 5000 });
    expect(await endOf(all, 'a', late.taskId)).toMatchObject({ status: 'expired' });
    await a.crash();
    expect(await a.result(late.taskId)).toMatchObject({ status: 'expired' });
  });

  it('goes to another where a program that told of progress tells of none any more', async () => {
    const all = await world('a', 'b');
    const a = nodeIn(all, 'a');
    const worker = await makeWorker(all, 'b', { name: 'digger' });
    worker.answer = () => undefined;
    const { taskId } = await a.submit({ capability: 'dig', input: 'hole' });
    await states(all, 'a', taskId, 'running');
    const tell = { taskId, token: 1, progress: 0.5 };
    await nodeIn(all, 'b').node.call(attachedClient('program-digger'), 'task_progress', tell);
    worker.answer = () => 'dug';
    const done = await endOf(all, 'a', taskId);
    expect(done).toMatchObject({
      result: 'dug',
      attempts: [{ outcome: 'lost', why: expect.stringContaining('told nothing') as string }, {}],
    });
  });

  it('is seen by its submitter, its worker and the operator, and by nobody else', async () => {
    const all = await world('a', 'b');
    const a = nodeIn(all, 'a');
    await makeWorker(all, 'a', { name: 'digger' });
    const own = attachedClient('own');
    const { taskId } = await a.submit({ capability: 'dig', input: 'hole' }, own);
    await endOf(all, 'a', taskId);
    expect(await a.result(taskId, own)).toMatchObject({ result: { dug: 'hole' } });
    expect(await a.result(taskId, attachedClient('program-digger'))).toMatchObject({ taskId });
    for (const stranger of [
      attachedClient('other'),
      { kind: 'peer', alias: 'b', did: 'did:key:b', peerId: 'peer-b' } as never,
    ]) {
      await expect(a.result(taskId, stranger)).rejects.toMatchObject({
        code: 'STARLING_TASK_UNKNOWN',
      });
      expect(a.tasks.list(stranger, {}).tasks).toEqual([]);
    }
    const worker = attachedClient('program-digger');
    await expect(a.node.call(worker, 'task_cancel', { taskId })).rejects.toMatchObject({
      code: 'STARLING_CALL_REFUSED',
    });
  });

  it('takes the messages of the guide, each once, and gives back what they say; their results are told to all', async () => {
    const all = await world('a', 'b');
    const a = nodeIn(all, 'a');
    await makeWorker(all, 'b', { name: 'digger', capabilities: ['tasks.*'] });
    const message = {
      id: 'task-123',
      type: 'claude',
      data: 'Process this text',
      priority: 'high',
      requester: 'agent-1',
      requiresAI: true,
      metadata: { room: 7 },
    };
    const { taskId } = await a.submit(message);
    expect((await a.submit(message)).taskId).toBe(taskId);
    const { data: _, priority, ...said } = message;
    expect(await endOf(all, 'a', taskId)).toMatchObject({
      capability: 'tasks.claude',
      priority,
      message: said,
      result: { dug: 'Process this text' },
      processedBy: 'digger@b',
    });
    await turns();
    const heard = all.world.nodes['b']?.call({ kind: 'operator' }, 'events', {
      topic: 'task.result',
      timeout_s: 0,
    });
    expect(await heard).toMatchObject({
      events: [
        {
          message: {
            taskId: 'task-123',
            result: { dug: 'Process this text' },
            processedBy: 'digger@b',
          },
        },
      ],
    });
  });

  it('is refused where what is given back as it came is larger than an input may be', async () => {
    const a = nodeIn(await world('a'), 'a');
    const said = { metadata: { note: 'x'.repeat(300 * 1024) } };
    await expect(a.submit({ capability: 'dig', ...said })).rejects.toThrow(/bytes/);
    expect(a.rows.size).toBe(0);
  });

  it('is refused without a trace where ten thousand wait', async () => {
    const all = await world('a');
    const a = nodeIn(all, 'a');
    const submits = Array.from({ length: TASKS_MAX }, (_, index) =>
      a.tasks.submit({ kind: 'operator' }, { capability: 'dig', input: index }),
    );
    await Promise.all(submits);
    const rows = a.rows.size;
    await expect(a.submit({ capability: 'dig', input: 'one more' })).rejects.toMatchObject({
      code: 'STARLING_LIMIT_EXCEEDED',
    });
    expect(a.rows.size).toBe(rows);
    await a.crash();
    expect(a.tasks.list({ kind: 'operator' }, {}).counts).toEqual({ bidding: TASKS_MAX });
  });

  it('goes to another where the right to a worker is taken back half-way, and that one is told to stop', async () => {
    const all = await world('a', 'b', 'c');
    const a = nodeIn(all, 'a');
    const first = await makeWorker(all, 'b', { name: 'first' });
    first.answer = () => undefined;
    const { taskId } = await a.submit({ capability: 'dig', input: 'hole', prefer: 'first' });
    await states(all, 'a', taskId, 'running');
    await makeWorker(all, 'c', { name: 'second' });
    const b = nodeIn(all, 'b').node;
    b.grants.delete('a agent:first');
    expect(await endOf(all, 'a', taskId)).toMatchObject({
      processedBy: 'second@c',
      attempts: [{ outcome: 'lost', why: expect.stringContaining('no right') as string }, {}],
    });
    const told = { taskId, token: 1, progress: 1 };
    expect(await b.call(attachedClient('program-first'), 'task_progress', told)).toEqual({
      wanted: false,
    });
  });

  it('goes to another where a node says what nobody can read, and fails where its result is too large', async () => {
    const all = await world('a', 'b', 'c');
    const a = nodeIn(all, 'a');
    const b = nodeIn(all, 'b');
    await makeWorker(all, 'b', { name: 'first' });
    const answers: JsonObject[] = [{ state: 'running', news: 1 }, { state: 'done' }];
    const odd = { ...b.node.more.find(({ definition }) => definition.name === 'task_attempt') };
    odd.call = async () => answers.shift() ?? { state: 'odd' };
    b.node.more.splice(0, b.node.more.length, odd as never);
    const { taskId } = await a.submit({ capability: 'dig', input: 'hole', prefer: 'first' });
    await all.until(
      () => a.result(taskId),
      ({ attempts }) => attempts[0]?.outcome === 'lost',
    );
    const second = await makeWorker(all, 'c', { name: 'second' });
    expect(await endOf(all, 'a', taskId)).toMatchObject({ processedBy: 'second@c' });
    second.answer = () => 'x'.repeat(RESULT_BYTES_MAX);
    const large = await a.submit({ capability: 'dig', input: 'hole', prefer: 'second' });
    expect(await endOf(all, 'a', large.taskId)).toMatchObject({
      status: 'failed',
      error: { reason: 'size' },
    });
  });

  it('goes to another where a node says for ever that it works, and is asked no faster for it', async () => {
    const all = await world('a', 'b', 'c');
    const a = nodeIn(all, 'a');
    const b = nodeIn(all, 'b');
    await makeWorker(all, 'b', { name: 'first' });
    let asked = 0;
    const busy = { ...b.node.more.find(({ definition }) => definition.name === 'task_attempt') };
    busy.call = async () => ({ state: 'running', news: (asked += 1), progress: { part: 0.5 } });
    b.node.more.splice(0, b.node.more.length, busy as never);
    const { taskId } = await a.submit({ capability: 'dig', input: 1, attemptMs: 20_000 });
    await states(all, 'a', taskId, 'running');
    await makeWorker(all, 'c', { name: 'second' });
    expect(await endOf(all, 'a', taskId)).toMatchObject({
      processedBy: 'second@c',
      attempts: [{ agent: 'first@b', outcome: 'lost' }, { agent: 'second@c' }],
    });
    expect(asked).toBeLessThan(300);
  });

  it('has one result where the machine sleeps for hours while a worker has it', async () => {
    const all = await world('a', 'b');
    const a = nodeIn(all, 'a');
    const worker = await makeWorker(all, 'b', { name: 'digger' });
    worker.answer = () => undefined;
    const { taskId } = await a.submit({ capability: 'dig', input: 'hole' });
    await states(all, 'a', taskId, 'running');
    all.world.clock.sleep(5 * 3_600_000);
    worker.answer = () => 'dug';
    const { message } = worker.seen[0] ?? {};
    expect(message).toBe('hole');
    await nodeIn(all, 'b').node.call(attachedClient('program-digger'), 'agent_message', {
      type: 'response',
      inReplyTo: worker.seen[0]?.id ?? '',
      message: 'dug',
    });
    const done = await endOf(all, 'a', taskId);
    expect(done).toMatchObject({ status: 'done', result: 'dug' });
    expect(done.attempts).toHaveLength(1);
  });

  it('is a resource that tells its changes, to nobody but whoever may see it', async () => {
    const all = await world('a');
    const a = nodeIn(all, 'a');
    const [one, queue] = taskResources({ tasks: a.tasks });
    const signal = new AbortController().signal;
    const own = { principal: attachedClient('own'), signal };
    const other = { principal: attachedClient('other'), signal };
    const { taskId } = await a.submit({ capability: 'dig', input: 'hole' }, own.principal);
    const uri = `task://${taskId}`;
    let changes = 0;
    let queued = 0;
    let heard = 0;
    const stops = [
      await one?.watch(uri, own, () => void (changes += 1)),
      await queue?.watch('task_queue://all', own, () => void (queued += 1)),
      await queue?.watch('task_queue://all', other, () => void (heard += 1)),
    ];
    await expect(one?.read(uri, other)).rejects.toMatchObject({ code: 'STARLING_TASK_UNKNOWN' });
    await expect(one?.watch(uri, other, () => undefined)).rejects.toMatchObject({
      code: 'STARLING_TASK_UNKNOWN',
    });
    expect(await one?.read('board://x', own)).toBeUndefined();
    expect(JSON.parse((await queue?.read('task_queue://all', own)) ?? '')).toMatchObject({
      tasks: [{ taskId }],
    });
    await makeWorker(all, 'a', { name: 'digger' });
    await endOf(all, 'a', taskId);
    await all.until(
      () => queued,
      (count) => count > 0,
    );
    expect(changes).toBeGreaterThan(1);
    expect(heard).toBe(0);
    expect(JSON.parse((await one?.read(uri, own)) ?? '')).toMatchObject({
      status: 'done',
      result: { dug: 'hole' },
    });
    for (const stop of stops) stop?.();
  });
});
