/** A durable task whose owner is killed while a worker has it: another node goes on with it, and it ends once. */
import { expect, it } from 'vitest';
import type { NodeProcess } from '../../../sim/process.ts';
import type { TaskResult } from '../../../src/tasks/types.ts';
import { builtin, eventually, ok, sameListen, sees, ticketOf, useWorld } from '../support.ts';

const world = useWorld();
const TEST_MS = 480_000;

interface Page {
  readonly messages: readonly {
    readonly id: string;
    readonly message: unknown;
    readonly metadata: { readonly task?: { readonly token: number; readonly id: string } };
  }[];
}

/** Queries that an agent has had, once there are as many. */
const inbox = (node: NodeProcess, name: string, count: number): Promise<Page> =>
  eventually(
    `${name} has been asked ${count} times`,
    () => builtin<Page>(node, 'agent_inbox', { name, timeout_s: 2 }),
    ({ messages }) => messages.length >= count,
  );

it(
  'goes on at another node when its owner is killed, has one result, and is read at each',
  { timeout: TEST_MS },
  async () => {
    const listen = sameListen();
    const ann = await world.start('ann', { config: { listen } });
    const bob = await world.start('bob', { args: ['--join', ann.up.ticket ?? ''] });
    const cyd = await world.start('cyd', { args: ['--join', await ticketOf(ann)] });
    await sees(ann, [bob, cyd]);
    await sees(bob, [ann, cyd]);
    await sees(cyd, [ann, bob]);
    await builtin(bob, 'agent_announce', {
      name: 'digger',
      capabilities: ['dig'],
      listed: true,
      // What the owner that is killed has given takes a place until its lease has ended.
      maxConcurrentTasks: 2,
    });
    for (const peer of ['ann', 'cyd']) {
      await builtin(bob, 'grant_create', { peer, agents: ['digger'] });
    }

    const given = await builtin<TaskResult>(ann, 'agent_task', {
      capability: 'dig',
      input: { hole: 1 },
      durable: 'mesh',
    });
    expect(given).toMatchObject({ durable: 'mesh', copies: 3, owner: 'ann' });
    const { taskId } = given;
    const [first] = (await inbox(bob, 'digger', 1)).messages;
    expect(first?.message).toEqual({ hole: 1 });
    await ann.stop('SIGKILL');

    const { messages } = await inbox(bob, 'digger', 2);
    const [, second] = messages;
    expect(second?.message).toEqual({ hole: 1 });
    expect(second?.metadata.task?.id).toBe(taskId);
    expect(second?.metadata.task?.token).toBeGreaterThan(first?.metadata.task?.token ?? 0);
    const answer = (id: string | undefined, message: string): Promise<unknown> =>
      builtin(bob, 'agent_message', {
        type: 'response',
        inReplyTo: id ?? '',
        message,
        from: 'digger',
      }).catch((error: unknown) => error);
    await answer(first?.id, 'for the owner that is gone');
    await answer(second?.id, 'dug');
    for (const node of [bob, cyd]) {
      const done = await builtin<TaskResult>(node, 'task_result', { taskId, timeout_s: 20 });
      expect(done).toMatchObject({ status: 'done', result: 'dug', processedBy: 'digger@bob' });
      expect(done.owner).not.toBe('ann');
      expect(done.attempts.filter(({ outcome }) => outcome === 'done')).toHaveLength(1);
    }

    const again = await world.start('ann', { config: { listen: sameListen(ann) } });
    const seen = await eventually(
      'the first owner knows how it has ended',
      () => builtin<TaskResult>(again, 'task_result', { taskId }).catch(() => undefined),
      (task) => task?.status === 'done',
    );
    expect(seen).toMatchObject({ result: 'dug' });
    expect(seen?.owner).not.toBe('ann');
    expect(await ok(again, 'task', 'result', taskId)).toContain('dug');
  },
);
