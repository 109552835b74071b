/** `starling mcp add|remove|list`: what gets into the config file, what stays, and what is said. */
import { mkdir, readFile, readdir, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { loadConfig } from '../../../src/config/index.ts';
import { serving } from '../fake-node.ts';
import { fakeNode, run, temporaryFolder } from '../support.ts';
import type { Ran } from '../support.ts';

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await temporaryFolder();
  file = join(folder, 'starling.json');
  vi.stubEnv('STARLING_STATE_DIR', join(folder, 'state'));
});
afterEach(() => vi.unstubAllEnvs());

const mcp = (verb: string, ...args: string[]): Promise<Ran> =>
  run('mcp', verb, '--config', file, ...args);
const servers = async (): Promise<unknown> =>
  (JSON.parse(await readFile(file, 'utf8')) as { mcpServers: unknown }).mcpServers;

describe('starling mcp add', () => {
  it.each<[string, string[], unknown]>([
    [
      'a command after --, with options of its own',
      ['-e', 'A=1', '-e', 'B=x=y', 'files', '--', 'npx', '-y', 'srv', '--timeout', '5', '--', '-e'],
      {
        command: 'npx',
        args: ['-y', 'srv', '--timeout', '5', '--', '-e'],
        env: { A: '1', B: 'x=y' },
      },
    ],
    [
      'options behind the name',
      ['files', '--timeout', '5m', '--', 'x'],
      { command: 'x', timeout: 300_000 },
    ],
    ['a command without options', ['files', 'npx', 'srv'], { command: 'npx', args: ['srv'] }],
    [
      'a URL, and its headers behind it',
      [
        '--transport',
        'http',
        'files',
        'https://a.example/mcp',
        '--header',
        'Authorization: Bearer a:b',
        '-H',
        'X-Y:z',
      ],
      {
        type: 'http',
        url: 'https://a.example/mcp',
        headers: { Authorization: 'Bearer a:b', 'X-Y': 'z' },
      },
    ],
    [
      'a URL of the older transport',
      ['-t', 'sse', 'files', 'https://a.example/sse'],
      { type: 'sse', url: 'https://a.example/sse' },
    ],
    [
      'a URL alone',
      ['files', 'https://a.example/mcp'],
      { type: 'http', url: 'https://a.example/mcp' },
    ],
    ['a folder', ['--cwd', '/srv', 'files', '--', './run'], { command: './run', cwd: '/srv' }],
    [
      'the folder where it is typed, for relative paths',
      ['files', '--', 'node', './s.js'],
      { command: 'node', args: ['./s.js'], cwd: process.cwd() },
    ],
  ])('takes %s', async (_, args, entry) => {
    const ran = await mcp('add', ...args);
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(await servers()).toEqual({ files: entry });
    expect(Object.keys((await loadConfig({ file, env: {}, flags: {} })).mcpServers)).toEqual([
      'files',
    ]);
  });

  it('takes a file of variables, by its whole path', async () => {
    await writeFile(join(folder, '.env'), 'A=1\n');
    vi.spyOn(process, 'cwd').mockReturnValue(folder);
    expect((await mcp('add', '--env-file', '.env', 'files', '--', 'x')).code).toBe(0);
    expect(await servers()).toEqual({ files: { command: 'x', envFile: join(folder, '.env') } });
    vi.restoreAllMocks();
  });

  it('makes a file that nobody else can read, and that editors know the form of', async () => {
    file = join(folder, 'deep', 'er', 'starling.json');
    await mcp('add', 'files', '--', 'x');
    const { $schema } = JSON.parse(await readFile(file, 'utf8')) as { $schema: string };
    expect($schema).toMatch(/^file:\/\/.*\/config\/starling\.schema\.json$/);
    expect(await readFile(new URL($schema), 'utf8')).toContain('"Starling configuration"');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await stat(dirname(file))).mode & 0o777).toBe(0o700);
    expect((await stat(join(folder, 'deep'))).mode & 0o777).toBe(0o700);
  });

  it('writes the file that `up` would read when nobody names one', async () => {
    vi.stubEnv('HOME', folder);
    vi.stubEnv('XDG_CONFIG_HOME', join(folder, 'config'));
    vi.stubEnv('STARLING_CONFIG', '');
    const ran = await run('mcp', 'add', 'files', '--json', '--', 'x');
    const { file: usual } = JSON.parse(ran.stdout) as { file: string };
    expect(usual).toContain(folder);
    const config = await loadConfig({
      env: { HOME: folder, XDG_CONFIG_HOME: join(folder, 'config') },
      flags: {},
    });
    expect(Object.keys(config.mcpServers)).toEqual(['files']);
    vi.stubEnv('STARLING_CONFIG', file);
    await run('mcp', 'add', 'other', '--', 'y');
    expect(await servers()).toEqual({ other: { command: 'y' } });
  });

  it('leaves every other byte of the file, its mode, and a link to it', async () => {
    const target = join(folder, 'dotfiles.json');
    const before =
      '{\r\n\t"name": "a",\r\n\t"mcpServers": {\r\n\t\t"x": {"command":"x"}\r\n\t},\r\n\t"mdns": false\r\n}';
    await writeFile(target, before, { mode: 0o640 });
    await symlink(target, file);
    await mcp('add', 'y', '--', 'z');
    expect(await readFile(target, 'utf8')).toBe(
      before.replace('"x"}', '"x"},\r\n\t\t"y": {\r\n\t\t\t"command": "z"\r\n\t\t}'),
    );
    expect((await stat(target)).mode & 0o777).toBe(0o640);
    expect((await readdir(folder)).sort()).toEqual(['dotfiles.json', 'starling.json']);
  });

  it('replaces a server only when told to', async () => {
    await mcp('add', 'files', '--', 'x');
    const refused = await mcp('add', 'files', '--', 'y');
    expect(refused).toMatchObject({ code: 2, stdout: '' });
    expect(refused.stderr).toMatch(/'files' in .*starling\.json already[^]*--force/);
    expect(await servers()).toEqual({ files: { command: 'x' } });
    expect((await mcp('add', '--force', 'files', '--', 'y')).stdout).toMatch(/^replaced files/);
    expect(await servers()).toEqual({ files: { command: 'y' } });
  });

  it('refuses a name that would become equal to another', async () => {
    await mcp('add', 'a_b', '--', 'x');
    expect((await mcp('add', '--force', 'a__b', '--', 'y')).stderr).toContain(
      "like the server 'a_b'",
    );
  });

  it.each<[string[], RegExp]>([
    [['a b', '--', 'x'], /a server is named by 1 to 32/],
    [['starling', '--', 'x'], /built-in server/],
    [['files'], /nothing says what[^]*-- <command>/],
    [['files', '-t', 'http', 'hunter2'], /url: this value can't be used; allowed: an http/],
    [['files', 'https://a.example', 'more'], /takes no arguments, but there is 'more'/],
    [['files', 'https://a.example', '-e', 'A=hunter2'], /--env is for a server that is a process/],
    [['files', 'https://a.example', '--env-file', 'x'], /--env-file is for/],
    [['files', '-H', 'A: hunter2', '--', 'x'], /--header is for a server at a URL/],
    [['files', '-e', 'hunter2', '--', 'x'], /--env needs NAME=value/],
    [['files', 'https://a.example', '-H', 'hunter2'], /--header needs "Name: value"/],
    [['files', 'https://a.example', '-H', 'A: hunter2\nB: c'], /headers\.A: it is no HTTP header/],
    [['files', '--env-file', '/no/such', '--', 'x'], /envFile: can't be read/],
    [['files', '--timeout', 'soon', '--', 'x'], /90s, 15m/],
    [['files', '--timeout', '90d', '--', 'x'], /timeout: this value can't be used.*from 1 to/],
  ])('%j is refused, and no secret repeated', async (args, says) => {
    const ran = await mcp('add', ...args);
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toMatch(says);
    expect(ran.stderr).not.toContain('hunter2');
    expect(await readdir(folder)).toEqual([]);
  });

  it('names the variables that the node will need', async () => {
    const ran = await mcp('add', '-e', 'A=${STARLING_TEST_UNSET}', 'files', '--', 'x');
    expect(ran.stdout).toContain('STARLING_TEST_UNSET is not set here: the node needs it');
  });

  it('never shows values of variables and headers', async () => {
    const a = await mcp('add', '-e', 'TOKEN=hunter2', 'a', '--', 'x');
    const b = await mcp(
      'add',
      'b',
      'https://b.example?key=hunter2',
      '-H',
      'Auth: hunter2',
      '--json',
    );
    expect(a.stdout).toContain('with the variables: TOKEN');
    expect(JSON.parse(b.stdout)).toMatchObject({ headers: ['Auth'], url: 'https://b.example?…' });
    expect(a.stdout + b.stdout).not.toContain('hunter2');
  });

  it('says what happens next: how to start a node, or that the running one takes it up', async () => {
    const none = await mcp('add', 'a', '--', 'x');
    expect(none.stdout).toContain(`no node runs yet; start one with: starling up --config ${file}`);
    const { stateDir } = await fakeNode();
    const some = await mcp('add', '--state', stateDir, 'b', '--', 'x');
    expect(some.stdout).toContain('a running node that reads this file takes it up by itself');
  });

  it.each([
    ['{ "mcpServers": { /* mine\n} }', /line 1, column 19.*comment/],
    ['{ "mcpServers": [] }', /'mcpServers' in it is no object/],
    ['[]', /its content is no object/],
  ])('leaves a file alone that it does not understand: %s', async (text, says) => {
    await writeFile(file, text);
    const ran = await mcp('add', 'files', '--', 'x');
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toMatch(says);
    expect(await readFile(file, 'utf8')).toBe(text);
  });
});

describe('starling mcp remove', () => {
  it('takes one server out and leaves the rest', async () => {
    await mcp('add', 'a', '--', 'x');
    await mcp('add', 'b', '--', 'y');
    const before = await readFile(file, 'utf8');
    await mcp('add', 'c', '--', 'z');
    const ran = await mcp('remove', 'c');
    expect(ran).toMatchObject({ code: 0, stdout: expect.stringContaining('removed c') as string });
    expect(await readFile(file, 'utf8')).toBe(before);
  });

  it('knows what was meant', async () => {
    await mcp('add', 'files', '--', 'x');
    const ran = await mcp('remove', 'flies');
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain("did you mean 'files'?");
    file = join(folder, 'none.json');
    expect((await mcp('remove', 'files')).stderr).toContain('no server is called');
  });
});

describe('starling mcp list', () => {
  const content = {
    mcpServers: {
      files: { command: 'npx', args: ['-y', 'a server'], env: { TOKEN: 'hunter2' } },
      a__b: { type: 'sse', serverUrl: 'https://me:hunter2@a.example/sse?k=hunter2' },
      off: { command: 'x', disabled: true },
      'od\u001Bd': 7,
    },
  };

  it('shows each server of the file, and – for the state where no node runs', async () => {
    await writeFile(file, JSON.stringify(content));
    const { code, stdout } = await mcp('list');
    expect(code).toBe(0);
    expect(stdout).toMatch(/files +stdio +– +– +npx -y 'a server'/);
    expect(stdout).toMatch(/a__b +sse +– +– +https:\/\/…@a\.example\/sse\?…/);
    expect(stdout).toMatch(/off +stdio +disabled/);
    expect(stdout).toMatch(/unknown/);
    expect(stdout).not.toMatch(/hunter2|\u001B/);
  });

  it.each(['ready', 'idle'])('asks the running node how they do: %s', async (state) => {
    await writeFile(file, JSON.stringify(content));
    const upstreams = [
      { server: 'files', kind: 'stdio', state, tools: 3 },
      { server: 'a_b', kind: 'sse', state: 'failed', tools: 0, error: 'refused' },
    ];
    const { stateDir } = await fakeNode({ answer: serving({ status: { upstreams } }) });
    const ran = await mcp('list', '--state', stateDir, '--json');
    expect(JSON.parse(ran.stdout)).toMatchObject({
      file,
      servers: [
        { name: 'files', kind: 'stdio', state, tools: 3, env: ['TOKEN'] },
        { name: 'a__b', kind: 'sse', state: 'failed', error: 'refused' },
        { name: 'off', disabled: true },
        { kind: 'unknown' },
      ],
    });
    expect(ran.stdout).not.toContain('hunter2');
    const shown = new RegExp(`files +stdio +${state} +3 `);
    expect((await mcp('list', '--state', stateDir)).stdout).toMatch(shown);
  });

  it('says so when the node runs with the servers of another file', async () => {
    await writeFile(file, '{}');
    const upstreams = [{ server: 'git', kind: 'stdio', state: 'ready', tools: 3 }];
    const { stateDir } = await fakeNode({ answer: serving({ status: { upstreams } }) });
    const { stdout } = await mcp('list', '--state', stateDir);
    expect(stdout).toMatch(/no servers in .*\nthe running node has git besides: .*--config/);
  });

  it('says how to begin when there is nothing', async () => {
    expect((await mcp('list')).stdout).toContain('add one with: starling mcp add');
    await mkdir(file);
    expect((await mcp('list')).stderr).toMatch(/can't be read: it is a folder/);
  });
});
