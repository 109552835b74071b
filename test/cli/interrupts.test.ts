/** Ctrl-C ends a command at once, whatever the command waits for at that moment. */
import { expect, it } from 'vitest';
import type { FakeInit } from './fake-node.ts';
import { fakeNode, run } from './support.ts';

/** What a command is asked for while the node says nothing, as the shell has it: 130 is 128 and SIGINT. */
async function interrupted(
  words: readonly string[],
  method: string,
  init?: FakeInit,
): Promise<{ readonly code: number | null; readonly stderr: string }> {
  const node = await fakeNode(init);
  const ended = run(...words, '--state', node.stateDir);
  await node.received(method);
  process.emit('SIGINT', 'SIGINT');
  const { code, stderr } = await ended;
  return { code, stderr };
}

it.each([
  [['call', 'slow'], 'tools/list', 'cancelled\n'],
  [['call', 'alice__files__read'], 'tools/call', 'cancelled\n'],
  [['board', 'watch', 'plan'], 'tools/call', ''],
  [['audit', 'tail'], 'tools/call', ''],
  [['mcp', 'login', 'tickets'], 'tools/call', ''],
  [['ping', 'laptop'], 'tools/call', ''],
  [['peers', '--watch'], 'tools/call', ''],
  [['top'], 'tools/call', ''],
])('starling %s: ends while the node has not answered %s', async (words, method, stderr) => {
  expect(await interrupted(words, method)).toEqual({ code: 130, stderr });
});

it('starling request ends, and says that the request stays', async () => {
  const words = ['request', 'alice/files/*', '--because', 'x'];
  expect(await interrupted(words, 'tools/call')).toEqual({
    code: 130,
    stderr: expect.stringContaining('the request stays') as string,
  });
});

it('a command ends while the node has not even said hello', async () => {
  const hangs: FakeInit = { initialize: () => undefined };
  expect(await interrupted(['audit', 'tail'], 'initialize', hangs)).toEqual({
    code: 130,
    stderr: '',
  });
});
