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

  /** A node that lists the tool `every__ask`, whose server answers with `said`, and not as a result. */
  const lacking = async (said: string, code = -32602): Promise<FakeNode> =>
    fakeNode({
      answer: ({ method, id }, { fail }) => {
        if (method === 'tools/list') return { tools: [{ name: 'every__ask' }] };
        if (method === 'tools/call') fail(id, { code, message: said });
        return undefined;
      },
    });

  it.each([
    'MCP error -32602: Tool ask not found',
    'Unknown tool: ask',
    "MCP error -32602: Unknown tool: 'ask'",
  ])(
    'a tool that its server has only for callers whom it can ask is told as that: %s',
    async (said) => {
      const { stateDir } = await lacking(said);
      const { code, stderr } = await run('call', 'every__ask', '--state', stateDir);
      expect(code).toBe(2);
      expect(stderr).toContain('is there only for callers whom its server can ask something');
      expect(stderr).toContain('answer it in a terminal: starling call --ask every__ask');
    },
  );

  it.each([
    ['elicitation', 'Client does not support form elicitation.', 'starling call --ask every__ask'],
    ['sampling', 'this client does not serve sampling/createMessage', 'starling connect --help'],
  ])('a tool that asks for %s, and nobody answers, is told as that', async (what, said, says) => {
    const { stateDir } = await failing(said);
    const { code, stderr } = await run('call', 'lab__sums__add', 'a=1', 'b=2', '--state', stateDir);
    expect(code).toBe(2);
    expect(stderr).toContain(`asks its caller something (${what}), and nobody answers here`);
    expect(stderr).toContain(says.replace('every__ask', 'lab__sums__add'));
  });

  it('--ask is refused where nobody sits', async () => {
    const { stateDir } = await lacking('x');
    const { code, stderr } = await run('call', 'every__ask', '--ask', '--state', stateDir);
    expect(code).toBe(2);
    expect(stderr).toContain('--ask is for a terminal');
  });

  it('a server that is still starting is told first, and no other tool is guessed', async () => {
    const { stateDir } = await fakeNode({
      answer: ({ method, id }, { fail }) => {
        if (method === 'tools/list') return { tools: [{ name: 'files__echo' }] };
        const data = {
          code: 'STARLING_UPSTREAM_UNAVAILABLE',
          reason: "server 'every' is still starting",
          hint: 'try again in a moment',
        };
        if (method === 'tools/call') fail(id, { code: -32003, message: data.reason, data });
        return undefined;
      },
    });
    const { stderr } = await run('call', 'every__echo', '--state', stateDir);
    expect(stderr).toMatch(/^error: server 'every' is still starting .*\n {2}→ try again/);
  });

  it('a name that a list on its way may bring is told as that, and no other tool is guessed', async () => {
    const reason = "no tool is called 'files__read' so far: the list of alice is not here yet";
    const data = { code: 'STARLING_TOOL_UNKNOWN', reason, hint: 'try again in a moment' };
    const { stateDir } = await fakeNode({
      answer: ({ method, id }, { fail }) => {
        if (method === 'tools/list') return { tools: [{ name: 'files__reads' }] };
        if (method === 'tools/call') fail(id, { code: -32602, message: reason, data });
        return undefined;
      },
    });
    const { stderr } = await run('call', 'files__read', '--state', stateDir);
    expect(stderr).toContain('so far: the list of alice is not here yet');
    expect(stderr).toContain('→ try again in a moment');
  });

  it('a text that ends its line itself gets no empty line more', async () => {
    const content = ['hello\n', 'you'].map((text) => ({ type: 'text', text }));
    const { stateDir } = await fakeNode({
      answer: ({ method }) => (method === 'tools/call' ? { content } : { tools: [] }),
    });
    expect((await run('call', 'x__y', '--state', stateDir)).stdout).toBe('hello\nyou\n');
  });

  it('the name of a peer is no tool, and a JSON object has an option', async () => {
    const { stateDir } = await fakeNode({
      answer: ({ method, params, id }, { fail }) => {
        if (method === 'tools/list') return { tools: [{ name: 'tablet__files__read' }] };
        if (method !== 'tools/call') return undefined;
        if (params?.['name'] === 'starling__peers')
          return { content: [], structuredContent: { peers: [{ alias: 'tablet' }] } };
        fail(id, { code: -32602, message: "no tool is called 'tablet'" });
        return undefined;
      },
    });
    const peer = await run('call', 'tablet', '--state', stateDir);
    expect(peer.stderr).toContain('tablet is a peer, and no tool');
    expect(peer.stderr).toContain('starling tools tablet');
    expect(peer.stderr).not.toContain('its server says');
    const json = await run('call', 'tablet__files__read', '{"path": "/x"}', '--state', stateDir);
    expect(json.stderr).toContain("follow an option: --args '");
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
