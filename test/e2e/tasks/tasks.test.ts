/** A task on three nodes of which two are killed: it ends once. */
import { expect, it } from 'vitest';
import type { NodeProcess } from '../../../sim/process.ts';
import type { TaskBatch, TaskListResult, TaskResult } from '../../../src/tasks/types.ts';
import { builtin, eventually, sameListen, sees, ticketOf, useWorld } from '../support.ts';

const world = useWorld();
const TEST_MS = 480_000;

interface Page {
  readonly messages: readonly { readonly id: string; readonly message: unknown }[];
  readonly cursor: string;
}

/** The next message that an agent has, which stays in its inbox. */
const nextOf = async (node: NodeProcess, name: string): Promise<Page['messages'][number]> => {
  const { messages } = await eventually(
    `${name} has something to do`,
    () => builtin<Page>(node, 'agent_inbox', { name, timeout_s: 5 }),
    (page) => page.messages.length > 0,
  );
  return messages[0] ?? { id: '', message: undefined };
};

/** An agent of the operator of a node, to which the owner may write. */
async function digger(node: NodeProcess, name: string): Promise<void> {
  await builtin(node, 'agent_announce', { name, capabilities: ['dig'], listed: true });
  await builtin(node, 'grant_create', { peer: 'owner', agents: [name] });
}

/** Where a person must agree, the task waits, is asked for once, and is given after the yes: the owner is killed meanwhile. */
async function asksOnce(owner: NodeProcess, worker: NodeProcess): Promise<void> {
  await builtin(worker, 'agent_announce', {
    name: 'painter',
    capabilities: ['paint'],
    listed: true,
  });
  const grant = { peer: 'owner', agents: ['painter'], approval: 'required' };
  await builtin(worker, 'grant_create', grant);
  const given = { capability: 'paint', input: 'the fence' };
  const { taskId } = await builtin<TaskResult>(owner, 'agent_task', given);
  const waiting = await eventually(
    'the task waits for a person',
    () => builtin<TaskResult>(owner, 'task_result', { taskId }),
    ({ status }) => status === 'input_required',
  );
  expect(waiting.question).toMatchObject({ kind: 'approval' });
  await owner.stop('SIGKILL');
  const again = await world.start('owner', { config: { listen: sameListen(owner) } });
  await eventually(
    'the task waits for the same person',
    () => builtin<TaskResult>(again, 'task_result', { taskId }),
    ({ status }) => status === 'input_required',
  );
  const { approvals } = await builtin<{ approvals: readonly { id: string; args: string }[] }>(
    worker,
    'approval_list',
    {},
  );
  expect(approvals).toHaveLength(1);
  expect(approvals[0]?.args).toContain('the fence');
  await builtin(worker, 'approval_answer', { id: approvals[0]?.id, approve: true });
  expect((await nextOf(worker, 'painter')).message).toBe('the fence');
}

const BATCHES = 12;
const BATCH = 40;

/** Gives tasks that nobody can do, many at a time, and kills the node as soon as some were acknowledged; gives those. */
async function givenUntilKilled(owner: NodeProcess): Promise<readonly string[]> {
  const acked: string[] = [];
  let killed: Promise<unknown> | undefined;
  const give = async (at: number): Promise<void> => {
    const inputs = Array.from({ length: BATCH }, (_, nth) => `${at}/${nth}`);
    const args = { capability: 'nobody has it', inputs, id: `batch-${at}` };
    const { taskIds } = await builtin<TaskBatch>(owner, 'agent_task', args);
    acked.push(...taskIds);
    killed ??= owner.stop('SIGKILL');
  };
  // Those after the kill hear nothing.
  await Promise.allSettled(Array.from({ length: BATCHES }, (_, at) => give(at)));
  await killed;
  expect(acked.length).toBeGreaterThanOrEqual(BATCH);
  return acked;
}

/** What was acknowledged is there, and of what was given together all or nothing. */
async function keptAll(owner: NodeProcess, acked: readonly string[]): Promise<void> {
  const { tasks } = await builtin<TaskListResult>(owner, 'task_list', { limit: 1000 });
  const given = tasks.filter(({ capability }) => capability === 'nobody has it');
  const ids = new Set(given.map(({ taskId }) => taskId));
  expect(acked.filter((id) => !ids.has(id))).toEqual([]);
  const counts = new Map<string, number>();
  for (const { message } of given) {
    const [batch = ''] = String(message?.['id']).split('/');
    counts.set(batch, (counts.get(batch) ?? 0) + 1);
  }
  expect([...counts.values()].filter((count) => count !== BATCH)).toEqual([]);
}

it(
  'goes on at another worker and at its own node when each is killed, and has one result',
  { timeout: TEST_MS },
  async () => {
    const listen = sameListen();
    let owner = await world.start('owner', { config: { listen } });
    const first = await world.start('first', { args: ['--join', owner.up.ticket ?? ''] });
    const second = await world.start('second', { args: ['--join', await ticketOf(owner)] });
    await sees(owner, [first, second]);
    await digger(first, 'digger-1');
    const { taskId } = await builtin<TaskResult>(owner, 'agent_task', {
      capability: 'dig',
      input: { hole: 1 },
    });
    expect((await nextOf(first, 'digger-1')).message).toEqual({ hole: 1 });
    await digger(second, 'digger-2');
    await first.stop('SIGKILL');
    expect((await nextOf(second, 'digger-2')).message).toEqual({ hole: 1 });

    const acked = await givenUntilKilled(owner);
    owner = await world.start('owner', { config: { listen: sameListen(owner) } });
    await keptAll(owner, acked);
    // The worker goes on with what it has, or is given it anew, where the owner took longer than the lease.
    const over = new AbortController();
    const answering = (async () => {
      let cursor: string | undefined;
      while (!over.signal.aborted) {
        const args = {
          name: 'digger-2',
          timeout_s: 1,
          ...(cursor === undefined ? {} : { cursor }),
        };
        const page = await builtin<Page>(second, 'agent_inbox', args);
        for (const { id } of page.messages) {
          const answer = { type: 'response', inReplyTo: id, message: 'dug', from: 'digger-2' };
          await builtin(second, 'agent_message', answer).catch(() => undefined);
        }
        ({ cursor } = page);
      }
    })();
    const done = await eventually(
      'the task has ended',
      () => builtin<TaskResult>(owner, 'task_result', { taskId, timeout_s: 5 }),
      ({ endedAt }) => endedAt !== undefined,
    );
    over.abort();
    await answering;
    expect(done).toMatchObject({ status: 'done', result: 'dug', processedBy: 'digger-2@second' });
    expect(done.attempts[0]).toMatchObject({ agent: 'digger-1@first', outcome: 'lost' });
    expect(done.attempts.filter(({ outcome }) => outcome === 'done')).toHaveLength(1);

    await asksOnce(owner, second);
  },
);
