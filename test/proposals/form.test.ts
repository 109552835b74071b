/** What can be proposed, and what can not: the form is closed, and leads nowhere but into its own folder. */
import { describe, expect, it } from 'vitest';
import { digestOf } from '../../src/proposals/digest.ts';
import { entryOf } from '../../src/proposals/config-entry.ts';
import { PROGRAM_INPUT, readProgram } from '../../src/proposals/program.ts';
import type { ProposedProgram } from '../../src/proposals/types.ts';
import { checkMcpServer } from '../../src/config/servers/check-server.ts';
import { saidProgram } from './program.ts';
import type { SaidProgram } from './program.ts';

const SCOPES = ['tool:files/*', 'tool:starling/infrastructure_propose'];

function read(more: Partial<SaidProgram> | object): ProposedProgram {
  return readProgram(PROGRAM_INPUT.strict().parse({ ...saidProgram(), ...more }), SCOPES);
}

const file = (path: string, text = 'x'): object => ({ files: [{ path, text }] });

describe('a proposal', () => {
  it('says what runs, with its files in their order and nothing that it may do by itself', () => {
    const program = read({ files: [...(saidProgram().files ?? []), { path: 'a.txt', text: '' }] });
    expect(program).toMatchObject({
      what: 'server',
      name: 'resize',
      limits: { network: false, keeps: false },
      tools: [],
    });
    expect(program.files.map(({ path }) => path)).toEqual(['a.txt', 'src/main.mjs']);
    const entry = entryOf(program, '/srv/services/resize-1');
    expect(entry).toEqual({
      command: 'node',
      args: ['src/main.mjs'],
      cwd: '/srv/services/resize-1',
      sandbox: { required: true, network: false, read: ['/srv/services/resize-1'] },
    });
    expect(checkMcpServer('resize', entry, {})).toEqual({ problems: [], unset: [], remarks: [] });
  });

  it.each([
    ['a path above its folder', file('../key')],
    ['a path with .. in it', file('src/../../key')],
    ['an absolute path', file('/etc/cron.d/x')],
    ['a path of Windows', file('C:\\x')],
    ['a hidden file', file('.ssh/authorized_keys')],
    ['an empty part', file('src//x')],
    ['a path with NUL', file('x\0')],
    ['a folder that the program fills itself', file('Data/x')],
    ['too many folders', file('a/b/c/d/e')],
    [
      'two files of one path',
      {
        files: [
          { path: 'a', text: '' },
          { path: 'A', text: '' },
        ],
      },
    ],
    [
      'a file that is a folder',
      {
        files: [
          { path: 'a', text: '' },
          { path: 'a/b', text: '' },
        ],
      },
    ],
    ['a file too large', file('a', 'x\n'.repeat(17 * 1024))],
    [
      'files too large together',
      { files: [1, 2, 3].map((at) => ({ path: `f${at}`, text: 'x\n'.repeat(12 * 1024) })) },
    ],
    [
      'too many files',
      { files: Array.from({ length: 17 }, (_, at) => ({ path: `f${at}`, text: '' })) },
    ],
    ['a line that runs out of sight', file('a', `${' '.repeat(600)}evil()`)],
    ['a text that reads otherwise than it runs', file('a', 'let x = "\u202e"; // check')],
    ['an invisible character', file('a', 'a\u200bb')],
    ['an escape of the terminal', file('a', '\u001b[2Kfine')],
    ['a return to the beginning of the line', file('a', 'evil()\rfine()')],
    ['a command by its path', { command: './evil' }],
    ['a command with words', { command: 'node -e' }],
    ['a variable of the node in an argument', { args: ['${ANTHROPIC_API_KEY}'] }],
    ['a secret of the node in an argument', { args: ['--key=${secret:ANTHROPIC}'] }],
    ['too many arguments', { args: Array.from({ length: 33 }, () => 'x') }],
    ['variables for it', { env: { TOKEN: '${secret:ANTHROPIC}' } }],
    ['a file of variables', { envFile: '/proc/self/environ' }],
    ['a folder of its choice', { cwd: '/' }],
    ['a sandbox of its own', { sandbox: false }],
    ['limits that nobody knows', { limits: { network: false, root: true } }],
    ['memory for a server, which nothing bounds', { limits: { memory: '1Gi' } }],
    ['a server with rights', { tools: ['tool:files/*'] }],
    ['a kind with rights that its author has not', { what: 'kind', tools: ['tool:shell/*'] }],
    ['a kind with all rights', { what: 'kind', tools: ['*'] }],
    ['a kind with rights at the node itself', { what: 'kind', tools: ['tool:starling/*'] }],
    ["the node's own name", { name: 'starling' }],
    ['the name of its functions', { name: 'functions' }],
    ['a name that leads out', { name: '../x' }],
    ['a name in capitals', { name: 'Files' }],
    ['words of the model beside it', { purpose: 'Trust me.' }],
  ])('with %s is none', (_, more) => {
    expect(() => read(more)).toThrow();
  });

  it('of a kind gives what its author may give, and says its limits', () => {
    const program = read({
      what: 'kind',
      tools: ['tool:files/read'],
      limits: { keeps: true, memory: '512Mi', cpu: '1' },
    });
    expect(entryOf(program, '/s/resize-1')).toMatchObject({
      tools: ['tool:files/read'],
      memory: '512Mi',
      cpu: '1',
      sandbox: {
        required: true,
        network: false,
        read: ['/s/resize-1'],
        write: ['/s/resize-1/data'],
      },
    });
  });

  it('has a digest that each of its parts changes', () => {
    const variants: readonly object[] = [
      {},
      { name: 'resize2' },
      { what: 'kind' },
      { command: 'nodejs' },
      { args: ['src/main.mjs', ''] },
      { args: [] },
      file('src/main.mjs', 'x'),
      file('src/main2.mjs'),
      { limits: { network: true } },
      { limits: { keeps: true } },
      { what: 'kind', limits: { memory: '1Gi' } },
      { what: 'kind', limits: { cpu: '1' } },
      { what: 'kind', tools: ['tool:files/read'] },
    ];
    const digests = variants.map((more) => digestOf(read(more)));
    expect(new Set(digests).size).toBe(variants.length);
    expect(digestOf(read({}))).toBe(digests[0]);
  });
});
