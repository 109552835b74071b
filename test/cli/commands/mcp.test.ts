/** `starling mcp`, as an MCP client starts it: bytes through, and nothing of its own on standard output. */
import { once } from 'node:events';
import { expect, it } from 'vitest';
import type { JsonObject } from '../../../src/core/index.ts';
import { fakeNode, start, temporaryFolder } from '../support.ts';

const line = (message: JsonObject): string => `${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`;

it('carries questions and answers, and ends with 0 when the client has said all', async () => {
  const node = await fakeNode({ answer: ({ params }) => ({ echo: params ?? {} }) });
  const { child, says, ended } = start(['mcp', '--state', node.stateDir]);
  child.stdin?.write(line({ id: 1, method: 'ping', params: { a: 'ü' } }));
  await says('"id":1');
  child.stdin?.end(line({ id: 2, method: 'ping' }));
  const ran = await ended();
  expect(ran).toMatchObject({ code: 0, stderr: '' });
  const answers = ran.stdout
    .trimEnd()
    .split('\n')
    .map((text) => JSON.parse(text) as JsonObject);
  expect(answers.map(({ id, result }) => [id, result])).toEqual([
    [1, { echo: { a: 'ü' } }],
    [2, { echo: {} }],
  ]);
});

it('carries what the node still answers after the client has said all', async () => {
  const node = await fakeNode({
    answer: ({ id }, { socket, send }) => {
      socket.removeAllListeners('end');
      socket.once('end', () => {
        send({ jsonrpc: '2.0', id, result: { late: true } });
        socket.end();
      });
    },
  });
  const { child, ended } = start(['mcp', '--state', node.stateDir]);
  child.stdin?.end(line({ id: 1, method: 'ping' }));
  expect(await ended()).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('late') as string,
  });
});

it('loses no byte of a message of 30 MB to a client that reads late', async () => {
  const text = 'x'.repeat(30_000_000);
  const node = await fakeNode({ answer: () => ({ text }) });
  const { child, ended } = start(['mcp', '--state', node.stateDir]);
  child.stdout?.pause();
  child.stdin?.end(line({ id: 1, method: 'ping' }));
  await node.received('ping');
  child.stdout?.resume();
  const ran = await ended();
  expect(ran.code).toBe(0);
  expect((JSON.parse(ran.stdout) as { result: { text: string } }).result.text === text).toBe(true);
});

it('says on standard error that no node runs, and ends with 1', async () => {
  const ran = await start(['mcp', '--state', await temporaryFolder()]).ended();
  expect(ran).toMatchObject({ code: 1, stdout: '' });
  expect(ran.stderr).toMatch(/no node runs[^]*starling up/);
});

it('ends with 1, and says why, when the node ends first', async () => {
  const node = await fakeNode({ answer: (_, { socket }) => void socket.end() });
  const { child, ended } = start(['mcp', '--state', node.stateDir]);
  child.stdin?.write(line({ id: 1, method: 'ping' }));
  const ran = await ended();
  expect(ran).toMatchObject({ code: 1, stdout: '' });
  expect(ran.stderr).toMatch(/^error: the node has stopped \[STARLING_NODE_UNREACHABLE\]\n/);
  expect(ran.stderr).not.toContain('    at ');
});

it('ends when the node is killed and the connection breaks', async () => {
  const node = await fakeNode({ answer: (_, { socket }) => void socket.destroy() });
  const { child, ended } = start(['mcp', '--state', node.stateDir]);
  child.stdin?.write(line({ id: 1, method: 'ping' }));
  expect(await ended()).toMatchObject({ code: 1, stdout: '' });
});

it('ends when the client goes away', async () => {
  const node = await fakeNode({ answer: () => ({}) });
  const { child } = start(['mcp', '--state', node.stateDir]);
  const exited = once(child, 'exit');
  child.stdin?.write(line({ id: 1, method: 'ping' }));
  await node.received('ping');
  child.stdout?.destroy();
  child.stdin?.end();
  expect((await exited)[0]).toBe(0);
});
