/** Tasks that wait for a person: for an approval at the node of the agent, and for what the agent needs to know. */
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/core/index.ts';
import { attachedClient } from '../../src/guard/index.ts';
import type { Voter } from '../../src/guard/approvals/types.ts';
import { makeWorker, taskWorlds, turns } from './world.ts';
import type { TaskNode, TaskWorld, TestWorker } from './world.ts';

const world = taskWorlds();

const YEAR_MS = 365 * 86_400_000;
const PERSON: Voter = { principal: { kind: 'operator' }, via: 'tool' };

interface Stage {
  readonly all: TaskWorld;
  readonly a: TaskNode;
  readonly b: TaskNode;
  readonly worker: TestWorker;
}

async function stage(): Promise<Stage> {
  const all = await world('a', 'b');
  const [a, b] = [all.at['a'], all.at['b']];
  if (a === undefined || b === undefined) throw new Error('a and b');
  return { all, a, b, worker: await makeWorker(all, 'b', { name: 'digger' }) };
}

const inState = ({ all, a }: Stage, id: string, state: string, limitMs?: number) =>
  all.until(
    () => a.result(id),
    ({ status }) => status === state,
    limitMs,
  );
const pendingAt = ({ all }: Stage, node: TaskNode) =>
  all.until(
    () => node.approvals.list('pending'),
    ({ length }) => length > 0,
  );

describe('a task whose agent may only have it once a person has agreed', () => {
  it('shows as input_required while that takes, asks once, and is done after the yes', async () => {
    const all = await stage();
    const { a, b, worker } = all;
    b.needsApproval.add('agent:digger');
    const { taskId } = await a.submit({ capability: 'dig', input: 'hole' });
    const waiting = await inState(all, taskId, 'input_required');
    expect(waiting.question).toMatchObject({
      kind: 'approval',
      message: expect.stringContaining('operator of b') as string,
    });
    // Longer than an attempt may take, a lease lasts, and an answer is waited for.
    for (let minute = 0; minute < 24; minute += 1) {
      for (let step = 0; step < 15; step += 1) {
        all.all.world.clock.advance(1000);
        await turns();
      }
    }
    expect(await a.result(taskId)).toMatchObject({ status: 'input_required' });
    const [approval, ...others] = b.approvals.list('pending');
    expect(others).toEqual([]);
    expect(approval?.args).toContain('"input":"hole"');
    expect(worker.seen).toHaveLength(0);
    await b.approvals.approve(approval?.id ?? '', PERSON);
    expect(await inState(all, taskId, 'done')).toMatchObject({ attempts: [{ token: 1 }] });
    expect(b.approvals.list('pending')).toEqual([]);
  });

  it('waits for the person as long as the task may take, where the policy says nothing', async () => {
    const all = await stage();
    const { a, b } = all;
    b.isUnsaid = true;
    b.needsApproval.add('agent:digger');
    const given = { capability: 'dig', input: 'hole', timeoutMs: 7_200_000 };
    const { taskId } = await a.submit(given);
    const waiting = await inState(all, taskId, 'input_required');
    expect(waiting.question?.message).toContain('within 7200 s');
    for (let step = 0; step < 60; step += 1) {
      all.all.world.clock.advance(11_000);
      await turns();
    }
    const [approval] = b.approvals.list('pending');
    expect(approval).not.toHaveProperty('isUnsaid');
    await b.approvals.approve(approval?.id ?? '', PERSON);
    expect(await inState(all, taskId, 'done')).toMatchObject({ result: { dug: 'hole' } });
  });

  it('fails with the person’s reason after a no, and nobody else is asked', async () => {
    const all = await stage();
    all.b.needsApproval.add('agent:digger');
    const { taskId } = await all.a.submit({ capability: 'dig', input: 'hole' });
    const [approval] = await pendingAt(all, all.b);
    await all.b.approvals.deny(approval?.id ?? '', PERSON, 'not in my garden');
    expect(await inState(all, taskId, 'failed')).toMatchObject({
      error: { reason: 'denied', message: expect.stringContaining('not in my garden') as string },
    });
    expect(all.worker.seen).toHaveLength(0);
  });

  it.each(['a', 'b'] as const)(
    'waits for the same answer after node %s was killed, however often',
    async (which) => {
      const all = await stage();
      const { a, b, worker } = all;
      b.needsApproval.add('agent:digger');
      const { taskId } = await a.submit({ capability: 'dig', input: 'hole' });
      const [approval] = await pendingAt(all, b);
      for (let times = 0; times < 8; times += 1) {
        await inState(all, taskId, 'input_required');
        await (which === 'a' ? a : b).crash();
        if (which === 'b') {
          all.all.world.away('b', true);
          await turns();
          all.all.world.away('b', false);
        }
      }
      await inState(all, taskId, 'input_required');
      expect(b.approvals.list('pending').map(({ id }) => id)).toEqual([approval?.id]);
      await b.approvals.approve(approval?.id ?? '', PERSON);
      await inState(all, taskId, 'done');
      expect(worker.seen).toHaveLength(1);
    },
  );

  it('goes on with a yes that came while its own node was away, and that yes counts once', async () => {
    const all = await stage();
    const { a, b, worker } = all;
    b.needsApproval.add('agent:digger');
    const { taskId } = await a.submit({ capability: 'dig', input: 'hole' });
    const [approval] = await pendingAt(all, b);
    await a.tasks.stop();
    all.all.world.clock.advance(60_000);
    await turns();
    await b.approvals.approve(approval?.id ?? '', PERSON);
    await b.crash();
    await a.crash();
    await inState(all, taskId, 'done');
    expect(worker.seen).toHaveLength(1);
    const again = await a.submit({ capability: 'dig', input: 'hole' });
    await inState(all, again.taskId, 'input_required');
    expect(b.approvals.list('pending')).toHaveLength(1);
  });

  it('takes the question back when it is cancelled, and leaves no place of the agent taken meanwhile', async () => {
    const all = await stage();
    const { a, b, worker } = all;
    b.needsApproval.add('agent:digger');
    const { taskId } = await a.submit({ capability: 'dig', input: 'asked' });
    await pendingAt(all, b);
    b.needsApproval.clear();
    const other = await a.submit({ capability: 'dig', input: 'free' });
    await inState(all, other.taskId, 'done');
    expect(worker.seen).toHaveLength(1);
    await a.node.call({ kind: 'operator' }, 'task_cancel', { taskId });
    await turns();
    expect(b.approvals.list('withdrawn')).toHaveLength(1);
  });

  it('of a program here asks the person here', async () => {
    const all = await stage();
    const { b } = all;
    b.needsApproval.add('agent:digger');
    const { taskId } = await b.submit({ agentId: 'digger', input: 'hole' }, attachedClient('ann'));
    const [approval] = await pendingAt(all, b);
    expect(approval?.principal).toMatchObject({ kind: 'client', name: 'ann' });
    expect((await b.result(taskId)).status).toBe('input_required');
    await b.approvals.approve(approval?.id ?? '', PERSON);
    await all.all.until(
      () => b.result(taskId),
      ({ status }) => status === 'done',
    );
  });
});

describe('an agent that needs to know something', () => {
  const ask = ({ b }: Stage, { taskId, token }: { taskId: string; token: number }) =>
    b.node.call<{ answer: unknown }>(attachedClient('program-digger'), 'task_ask', {
      taskId,
      token,
      key: 'how-deep',
      message: 'How deep?',
      schema: { type: 'number' },
    });

  it.each([0, -YEAR_MS, YEAR_MS])(
    'asks the submitter, is told, and has the time that it had, by whatever clock (%i ms)',
    async (jump) => {
      const all = await stage();
      const { a, worker } = all;
      worker.answer = () => undefined;
      const { taskId } = await a.submit({ capability: 'dig', input: 'hole', attemptMs: 20_000 });
      await all.all.until(
        () => worker.seen.length,
        (count) => count === 1,
      );
      all.all.world.clock.sleep(jump);
      const asking = ask(all, { taskId, token: 1 });
      const waiting = await inState(all, taskId, 'input_required');
      expect(waiting.question).toEqual({
        kind: 'input',
        key: 'how-deep',
        message: 'How deep?',
        schema: { type: 'number' },
      });
      for (let step = 0; step < 60; step += 1) {
        all.all.world.clock.advance(1000);
        await turns();
      }
      await a.node.call({ kind: 'operator' }, 'task_answer', { taskId, answer: 3 });
      expect(await asking).toMatchObject({ answer: 3 });
      await inState(all, taskId, 'running');
      const twice = a.node.call({ kind: 'operator' }, 'task_answer', { taskId, answer: 4 });
      await expect(twice).rejects.toMatchObject({ code: 'STARLING_TASK_ENDED' });
      all.all.world.clock.advance(5000);
      const { attempts } = await inState(all, taskId, 'running');
      expect(attempts).toHaveLength(1);
      // The rest of its twenty seconds, and not twenty more.
      const again = await all.all.until(
        () => a.result(taskId),
        ({ attempts }) => attempts[0]?.outcome !== undefined,
        16_000,
      );
      expect(again.attempts[0]?.why).toContain('no answer in its time');
    },
  );

  it('is not told to ask again where another attempt was answered, also after its owner was killed', async () => {
    const all = await stage();
    const { a, b, worker } = all;
    worker.answer = () => undefined;
    const { taskId } = await a.submit({ capability: 'dig', input: 'hole' });
    await all.all.until(
      () => worker.seen.length,
      (count) => count === 1,
    );
    const asking = ask(all, { taskId, token: 1 }).catch(() => undefined);
    await inState(all, taskId, 'input_required');
    await a.crash();
    await inState(all, taskId, 'input_required');
    // The worker's node is gone before it hears the answer, and nobody says so.
    b.node.isAway = true;
    await a.node.call({ kind: 'operator' }, 'task_answer', { taskId, answer: 3 });
    await a.crash();
    await b.crash();
    await asking;
    b.node.isAway = false;
    const told = await all.all.until(
      () => worker.seen[1]?.metadata['task'],
      (task) => task !== undefined,
    );
    const { status, attempts } = await a.result(taskId);
    expect({ status, attempts: attempts.length }).toEqual({ status: 'running', attempts: 2 });
    expect(told).toMatchObject({ token: 2, answers: { 'how-deep': 3 } });
  });

  it('can’t be answered by somebody else, nor asked by one who has not the task', async () => {
    const all = await stage();
    const { a, b, worker } = all;
    worker.answer = () => undefined;
    const { taskId } = await a.submit({ capability: 'dig', input: 'hole' });
    await all.all.until(
      () => worker.seen.length,
      (count) => count === 1,
    );
    const stranger = b.node.call(attachedClient('mallory'), 'task_ask', {
      taskId,
      token: 1,
      key: 'k',
      message: 'the password?',
    });
    await expect(stranger).rejects.toMatchObject({ code: 'STARLING_AGENT_FAILED' });
    void ask(all, { taskId, token: 1 }).catch(() => undefined);
    await inState(all, taskId, 'input_required');
    const other = a.node.call(attachedClient('mallory'), 'task_answer', { taskId, answer: 1 });
    await expect(other).rejects.toMatchObject({ code: 'STARLING_TASK_UNKNOWN' });
  });
});

it('is in the audit log of the worker’s node when it begins and when it ends, however often it is asked for', async () => {
  const all = await stage();
  const { a, b, worker } = all;
  worker.answer = () => undefined;
  const { taskId } = await a.submit({ capability: 'dig', input: 'hole' });
  await inState(all, taskId, 'running');
  for (let step = 0; step < 60; step += 1) {
    all.all.world.clock.advance(1000);
    await turns();
  }
  const [message] = worker.seen;
  await b.node.call(attachedClient('program-digger'), 'agent_message', {
    type: 'response',
    inReplyTo: message?.id ?? '',
    message: 'dug',
  });
  await inState(all, taskId, 'done');
  await turns();
  expect(b.noted.map(({ kind, outcome }) => `${kind} ${outcome}`)).toEqual([
    'decision allowed',
    'call ok',
  ]);
  expect(b.noted[0]?.what).toEqual({ ability: 'agent/task', resource: 'agent:digger' });
});

it('shows what is asked as a form to a client that waits for the result, and takes the answer from there', async () => {
  const all = await stage();
  const { a, b, worker } = all;
  worker.answer = () => undefined;
  const { taskId } = await a.submit({ capability: 'dig', input: 'hole' });
  await all.all.until(
    () => worker.seen.length,
    (count) => count === 1,
  );
  const forms: JsonObject[] = [];
  const resultTool = a.node.more.find(({ definition }) => definition.name === 'task_result');
  const waiting = resultTool?.call(
    { taskId, timeout_s: 300 },
    {
      principal: { kind: 'operator' },
      signal: new AbortController().signal,
      async elicit(_, params) {
        forms.push(params);
        return { action: 'accept', content: { answer: 7 } };
      },
    },
  );
  const asked = b.node.call<{ answer: unknown }>(attachedClient('program-digger'), 'task_ask', {
    taskId,
    token: 1,
    key: 'deep',
    message: 'How deep?',
    schema: { type: 'number' },
  });
  let answer: unknown;
  void asked.then((said) => {
    ({ answer } = said);
  });
  await all.all.until(
    () => answer,
    (known) => known === 7,
  );
  expect(forms).toMatchObject([
    {
      message: 'How deep?',
      requestedSchema: { properties: { answer: { type: 'number' } }, required: ['answer'] },
    },
  ]);
  await a.node.call({ kind: 'operator' }, 'task_cancel', { taskId });
  expect(await waiting).toMatchObject({ status: 'cancelled' });
});

it('is not seen by whoever announces the name of an agent that had it and has retired', async () => {
  const all = await stage();
  const { b } = all;
  const { taskId } = await b.submit({ agentId: 'digger', input: 'hole' });
  await all.all.until(
    () => b.result(taskId),
    ({ status }) => status === 'done',
  );
  const own = attachedClient('program-digger');
  expect(await b.result(taskId, own)).toMatchObject({ status: 'done' });
  await b.node.call(own, 'agent_retire', { agentId: 'digger' });
  const other = attachedClient('mallory');
  await b.node.call(other, 'agent_announce', { name: 'digger', capabilities: ['dig'] });
  await expect(b.result(taskId, other)).rejects.toMatchObject({ code: 'STARLING_TASK_UNKNOWN' });
  expect(await b.result(taskId, own)).toMatchObject({ status: 'done' });
});

it('counts once among those that wait, though it is tried again while its failure is being written', async () => {
  const all = await stage();
  const { a, b, worker } = all;
  worker.answer = () => undefined;
  const { taskId } = await a.submit({ capability: 'dig', input: 'hole' });
  await inState(all, taskId, 'running');
  worker.answer = () => new Error('stone');
  let write = (): void => undefined;
  a.disk = new Promise((resolve) => {
    write = resolve;
  });
  // It has failed, and its disk takes its time with that.
  await b.node.call(attachedClient('program-digger'), 'agent_message', {
    type: 'response',
    inReplyTo: worker.seen[0]?.id ?? '',
    message: null,
    error: 'stone',
  });
  await turns();
  // Nobody is told of an end that the disk does not have.
  expect(a.tasks.list({ kind: 'operator' }, {}).counts).toEqual({ running: 1 });
  const retry = () => a.node.call({ kind: 'operator' }, 'task_retry', { taskId });
  const early = retry();
  const refused = expect(early).rejects.toMatchObject({ code: 'STARLING_TASK_ENDED' });
  await turns();
  write();
  await refused;
  await inState(all, taskId, 'failed');
  await turns();
  const both = await Promise.allSettled([retry(), retry()]);
  expect(both.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  await inState(all, taskId, 'failed');
  await turns();
  // What has ended and what waits is counted right: all places are there.
  expect(await a.node.call({ kind: 'operator' }, 'task_retry', { taskId })).toBeDefined();
  await inState(all, taskId, 'failed');
  expect(a.tasks.list({ kind: 'operator' }, {}).counts).toEqual({ failed: 1 });
});
