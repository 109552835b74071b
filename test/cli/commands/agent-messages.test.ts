/** What a person is told of messages: as whom one was sent, and which can still be answered. */
import { expect, it } from 'vitest';
import type { JsonObject } from '../../../src/core/index.ts';
import { serving } from '../fake-node.ts';
import { fakeNode, run } from '../support.ts';

const QUERY = {
  id: 'msg_1',
  from: 'planner@bob',
  to: 'coder',
  type: 'query',
  message: 'how far?',
  priority: 'normal',
  correlationId: 'msg_1',
  timestamp: '2026-11-30T10:00:00.000Z',
  metadata: {},
};

it('an inbox says how to answer a query that waits, and its history says so of none', async () => {
  const page = { agent: 'coder', messages: [QUERY], cursors: ['1'], cursor: '1', waiting: 0 };
  const node = await fakeNode({ answer: serving({ agent_inbox: page }) });
  const at = ['--state', node.stateDir];
  const now = await run('agent', 'inbox', 'coder', ...at);
  expect(now.stdout).toContain('--reply-to msg_1');
  const before = await run('agent', 'inbox', 'coder', '--history', ...at);
  expect(before.stdout).toContain('query from planner@bob: how far?');
  expect(before.stdout).not.toContain('--reply-to');
});

it('an inbox that was read before says where what it had is, and one that never had anything does not', async () => {
  const empty = { agent: 'coder', messages: [], cursors: [], cursor: '1', waiting: 0 };
  const shown = async (before: readonly JsonObject[]): Promise<string> => {
    const node = await fakeNode({
      answer({ params, method }) {
        if (method !== 'tools/call') return undefined;
        const { history } = (params?.['arguments'] ?? {}) as { readonly history?: boolean };
        return { structuredContent: history === true ? { ...empty, messages: before } : empty };
      },
    });
    return (await run('agent', 'inbox', 'coder', '--state', node.stateDir)).stdout;
  };
  expect(await shown([QUERY])).toBe(
    'no new messages for coder; those that were read: starling agent inbox coder --history\n',
  );
  expect(await shown([])).toBe('no messages for coder\n');
});

const SENT = { messageId: 'msg_2', agentId: 'coder', correlationId: 'msg_2' };

it.each([
  [
    'a command',
    { status: 'delivered' },
    'msg_2 is in the inbox of coder, from planner@alice\n',
    '',
  ],
  ['a query', { status: 'answered', response: 'done' }, 'done\n', 'asked, from planner@alice\n'],
])('whoever has one agent and sends %s is told that it went as that agent', async (...given) => {
  const [, result, stdout, stderr] = given;
  const answer = { ...SENT, ...result, from: 'planner@alice' };
  const node = await fakeNode({ answer: serving({ agent_message: answer }) });
  const said = await run('agent', 'message', 'coder', 'go on', '--state', node.stateDir);
  expect(said).toMatchObject({ stdout, stderr });
});
