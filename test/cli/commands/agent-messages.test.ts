/** What a person is told of messages: as whom one was sent, and which can still be answered. */
import { expect, it } from 'vitest';
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
