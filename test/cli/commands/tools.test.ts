/** `starling tools` and `starling tools show` against a double of the node. */
import { describe, expect, it } from 'vitest';
import { fakeNode, run } from '../support.ts';

const HOSTILE = 'nice\u001B[2J\u0007\nERROR forged line';

describe('starling tools', () => {
  const listing = {
    tools: [{ name: 'bob__files__read', description: HOSTILE }, { name: 'git__log' }],
  };

  it('lists names with the first line of what they do', async () => {
    const { stateDir } = await fakeNode({ answer: () => listing });
    const { stdout } = await run('tools', 'files', '--state', stateDir);
    expect(stdout).toContain('bob__files__read');
    expect(stdout).not.toContain('git__log');
    expect(stdout).not.toMatch(/\u001B|forged/);
  });

  it("shows the node's own tools, of which there are dozens, after all others", async () => {
    const tools = ['starling__peers', 'git__log', 'starling__status', 'bob__files__read'];
    const named = { tools: tools.map((name) => ({ name })) };
    const { stateDir } = await fakeNode({ answer: () => named });
    const lines = (await run('tools', '--state', stateDir)).stdout.trimEnd().split('\n').slice(1);
    expect(lines.map((line) => line.split(' ')[0])).toEqual([
      'git__log',
      'bob__files__read',
      'starling__peers',
      'starling__status',
    ]);
  });

  it('means by the name of a peer or a server all of that one, and no name that contains it', async () => {
    const tools = [
      'lab__machine__health',
      'starling__ai_collaborate',
      'files__label',
      'lab__git__log',
    ];
    const { stateDir } = await fakeNode({
      answer: () => ({ tools: tools.map((name) => ({ name })) }),
    });
    const shown = async (word: string): Promise<readonly (string | undefined)[]> => {
      const { stdout } = await run('tools', word, '--state', stateDir);
      const lines = stdout.trimEnd().split('\n').slice(1);
      return lines.map((line) => line.split(' ')[0]);
    };
    expect(await shown('lab')).toEqual(['lab__machine__health', 'lab__git__log']);
    expect(await shown('machine')).toEqual(['lab__machine__health']);
    expect(await shown('labo')).toEqual(['starling__ai_collaborate']);
    expect(await shown('label')).toEqual(['files__label']);
  });

  it('gives as JSON what is called just so, and nothing that only contains the word', async () => {
    const names = [
      'lab__machine__health',
      'lab__git__log',
      'starling__ai_collaborate',
      'files__label',
    ];
    const key = '12D3KooWLbLabLabLabLabLabLabLabLabLabLabLabLabLabLab';
    const peers = [{ alias: 'lab', peerId: key, did: 'did:key:z6MkLab' }];
    const { stateDir } = await fakeNode({
      answer: ({ method }) =>
        method === 'tools/call'
          ? { content: [], structuredContent: { peers } }
          : { tools: names.map((name) => ({ name })) },
    });
    const given = async (word: string): Promise<readonly string[]> => {
      const { stdout } = await run('tools', word, '--json', '--state', stateDir);
      return (JSON.parse(stdout) as { tools: { name: string }[] }).tools.map(({ name }) => name);
    };
    const ofLab = ['lab__machine__health', 'lab__git__log'];
    for (const word of ['lab', key, 'did:key:z6MkLab']) expect(await given(word)).toEqual(ofLab);
    expect(await given('lab/git/*')).toEqual(['lab__git__log']);
    expect(await given('files/label')).toEqual(['files__label']);
    expect(await given('machine')).toEqual(['lab__machine__health']);
    for (const word of ['la', 'labo', 'label', 'collab']) expect(await given(word)).toEqual([]);
  });

  it('gives them whole as JSON', async () => {
    const { stateDir } = await fakeNode({ answer: () => listing });
    const { stdout } = await run('tools', '--json', '--state', stateDir);
    expect(JSON.parse(stdout)).toEqual(listing);
  });
});

describe('starling tools show', () => {
  const read = {
    name: 'bob__files__read',
    description: 'Read a file.\nThe whole of it.\u001B[2J',
    inputSchema: {
      type: 'object',
      properties: {
        head: { type: 'integer', description: 'how many lines' },
        path: { type: 'string', description: `where it lies\nand more` },
        mode: { enum: ['text', 'binary'] },
        tags: { type: 'array' },
      },
      required: ['path', 'tags'],
    },
  };
  const told = [
    'bob__files__read',
    '  Read a file.',
    '  The whole of it.\ufffd[2J',
    '',
    'ARGUMENT  TYPE         NEEDED  WHAT IT IS',
    'path      string       yes     where it lies',
    'tags      array        yes',
    'head      integer      no      how many lines',
    'mode      text|binary  no',
    '',
    'Example:',
    "  $ starling call bob__files__read 'path=…' 'tags:=[]'",
    '',
  ].join('\n');

  it.each([
    ['show', 'bob__files__read'],
    ['bob__files__read', ''],
  ])('tools %s %s prints the text, each argument and an example', async (...words) => {
    const { stateDir } = await fakeNode({
      answer: () => ({ tools: [read, { name: 'git__log' }] }),
    });
    const ran = await run('tools', ...words.filter(Boolean), '--state', stateDir);
    expect(ran).toEqual({ code: 0, stdout: told, stderr: '' });
  });

  it.each(['read', 'files/read', 'files__read', 'bob/files/read'])(
    'tools show takes a name as call does: %s',
    async (name) => {
      const { stateDir } = await fakeNode({ answer: () => ({ tools: [read] }) });
      const ran = await run('tools', 'show', name, '--state', stateDir);
      expect(ran).toEqual({ code: 0, stdout: told, stderr: '' });
    },
  );

  it('prints the definition as JSON', async () => {
    const { stateDir } = await fakeNode({ answer: () => ({ tools: [read] }) });
    const { stdout } = await run('tools', 'show', read.name, '--json', '--state', stateDir);
    expect(JSON.parse(stdout)).toEqual({ tool: read });
  });

  it('says which names are near when no tool is called so', async () => {
    const { stateDir } = await fakeNode({ answer: () => ({ tools: [read] }) });
    const near = await run('tools', 'show', 'bob__files__raed', '--state', stateDir);
    expect(near).toMatchObject({ code: 1, stdout: '' });
    expect(near.stderr).toBe(
      'error: no tool is called bob__files__raed here [STARLING_TOOL_UNKNOWN]\n  → did you mean bob__files__read?\n',
    );
    const far = await run('tools', 'show', 'nothing', '--state', stateDir);
    expect(far.stderr).toContain('see which there are: starling tools');
  });

  it('shows a tool whose schema is odd', async () => {
    const odd = [null, { properties: 7 }, { properties: { a: null, b: true }, required: 'a' }];
    const tools = odd.map((inputSchema, index) => ({ name: `t${index}`, inputSchema }));
    const { stateDir } = await fakeNode({ answer: () => ({ tools }) });
    for (const { name } of tools) {
      expect((await run('tools', 'show', name, '--state', stateDir)).code).toBe(0);
    }
  });
});
