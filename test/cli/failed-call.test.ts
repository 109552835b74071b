/** A call that failed by a slip of who typed it is told in words of ours. */
import { describe, expect, it } from 'vitest';
import type { FakeNode } from './fake-node.ts';
import { fakeNode, run } from './support.ts';

describe('starling call', () => {
  /** A node with the tool `lab__sums__add`, whose server says `text` and that it failed. */
  const failing = async (text: string): Promise<FakeNode> => {
    const number = { type: 'number' };
    const inputSchema = {
      type: 'object',
      properties: { a: number, b: number },
      required: ['a', 'b'],
    };
    return fakeNode({
      answer: ({ method }) => {
        if (method === 'tools/list') return { tools: [{ name: 'lab__sums__add', inputSchema }] };
        if (method !== 'tools/call') return undefined;
        return { isError: true, content: [{ type: 'text', text }] };
      },
    });
  };

  it.each([
    [
      'lab__sums__ad a=1',
      1,
      /the tool ad of sums at lab is not among .*\n.*did you mean lab__sums__add\?/,
    ],
    ['lab/sums/add a=1', 2, /the tool add of sums at lab needs b/],
    ['sums__add a=1', 2, /^sums__add is lab__sums__add\n.*needs b/],
    ['add a=1', 2, /^add is lab__sums__add\n.*needs b/],
    ['lab__sums__add a=1', 2, /the tool add of sums at lab needs b \(number\)/],
    ['lab__sums__add a=1 B=2', 2, /needs b \(number\), takes no B \(did you mean b\?\)/],
    ['lab__sums__add a:="x" b=2', 2, /takes a \(number\), not string/],
  ])('%s is told with the tool, its peer and where to read on', async (words, code, says) => {
    const { stateDir } = await failing('MCP error -32602: not so');
    const ran = await run('call', ...words.split(' '), '--state', stateDir);
    expect(ran).toMatchObject({ code, stdout: '' });
    expect(ran.stderr).toMatch(says);
    expect(ran.stderr).toMatch(
      /starling tools show lab__sums__add\n {4}its server says: not so\n$/,
    );
    const asJson = await run('call', ...words.split(' '), '--json', '--state', stateDir);
    expect(JSON.parse(asJson.stdout)).toMatchObject({ isError: true });
  });

  it('the end of a name is enough where one tool alone ends so, and several are listed', async () => {
    const called: unknown[] = [];
    const { stateDir } = await fakeNode({
      answer: ({ method, params }) => {
        const names = ['lab__sums__add', 'lab__sums__echo', 'den__says__echo'];
        if (method === 'tools/list') return { tools: names.map((name) => ({ name })) };
        if (method !== 'tools/call') return undefined;
        called.push(params?.['name']);
        return { content: [{ type: 'text', text: '3' }] };
      },
    });
    for (const words of ['add', 'sums/add', 'sums__echo x=1'])
      expect(await run('call', ...words.split(' '), '--state', stateDir)).toMatchObject({
        code: 0,
      });
    const both = await run('call', 'echo', 'x=1', '--state', stateDir);
    expect(both).toMatchObject({ code: 1, stdout: '' });
    expect(both.stderr).toContain('2 tools end in echo');
    expect(both.stderr).toContain('lab__sums__echo, den__says__echo');
    expect(called).toEqual(['lab__sums__add', 'lab__sums__add', 'lab__sums__echo']);
  });

  it('leaves the words of a tool that failed for reasons of its own', async () => {
    const { stateDir } = await failing('the sum is too large');
    const ran = await run('call', 'lab__sums__add', 'a=1', 'b=2', '--state', stateDir);
    expect(ran).toMatchObject({ code: 1, stdout: 'the sum is too large\n', stderr: '' });
  });

  it('a refusal of a misspelt name names the tool that may be called, before wider rights', async () => {
    const { stateDir } = await fakeNode({
      answer: ({ method, id }, { fail }) => {
        if (method === 'tools/list') return { tools: [{ name: 'lab__sums__add' }] };
        const data = { code: 'STARLING_CALL_REFUSED', reason: 'no grant', hint: 'ask for one' };
        fail(id, { code: -32003, message: 'long', data });
        return undefined;
      },
    });
    const { stderr } = await run('call', 'lab__sum__add', '--state', stateDir);
    expect(stderr).toContain('did you mean lab__sums__add, which you may call? Else ask for one');
  });
});
