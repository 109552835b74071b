/** `starling connect`: the files of MCP clients, changed by what was shown and nothing more. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, readdir, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { JsonObject } from '../../../src/core/index.ts';
import { launchHere } from '../../../src/cli/client-files/launcher.ts';
import { CLIENT_IDS, knownClient } from '../../../src/cli/client-files/mcp-clients.ts';
import type { ClientId } from '../../../src/cli/client-files/mcp-clients.ts';
import { serving } from '../fake-node.ts';
import type { FakeNode } from '../fake-node.ts';
import { seatPerson } from '../person.ts';
import { fakeNode, run, start, temporaryFolder } from '../support.ts';
import { createSmallDisk, smallDiskMissing } from '../../store/small-disk.ts';

const SCRIPT = '/opt/node/bin/starling';
const [, script = ''] = process.argv;
const diskMissing = await smallDiskMissing();

let home: string;
let cursor: string;
beforeEach(async () => {
  home = await temporaryFolder();
  cursor = join(home, '.cursor', 'mcp.json');
  process.argv[1] = SCRIPT;
  vi.stubEnv('HOME', home);
  vi.stubEnv('XDG_CONFIG_HOME', '');
  vi.stubEnv('XDG_STATE_HOME', '');
  vi.stubEnv('CLAUDE_CONFIG_DIR', '');
  vi.spyOn(process, 'cwd').mockReturnValue(join(home, 'work'));
});
afterEach(() => {
  process.argv[1] = script;
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

async function write(path: string, text: string, mode = 0o600): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text, { mode });
}

const backups = async (path: string): Promise<readonly string[]> =>
  (await readdir(dirname(path)))
    .filter((name) => name.includes('.starling-backup-'))
    .map((name) => join(dirname(path), name));

it.each<[ClientId, string, string]>([
  ['claude-desktop', '.config/Claude/claude_desktop_config.json', 'mcpServers'],
  ['claude-code', '.claude.json', 'mcpServers'],
  ['cursor', '.cursor/mcp.json', 'mcpServers'],
  ['vscode', '.config/Code/User/mcp.json', 'servers'],
  ['windsurf', '.codeium/windsurf/mcp_config.json', 'mcpServers'],
  ['cline', '.cline/data/settings/cline_mcp_settings.json', 'mcpServers'],
  ['gemini-cli', '.gemini/settings.json', 'mcpServers'],
  ['copilot', '.copilot/mcp-config.json', 'mcpServers'],
  ['zed', '.config/zed/settings.json', 'context_servers'],
  ['lm-studio', '.lmstudio/mcp.json', 'mcpServers'],
])('%s gets an entry in ~/%s, by absolute paths', async (client, path, key) => {
  const ran = await run('connect', client, '--yes');
  expect(ran.code).toBe(0);
  const file = join(home, path);
  const entry = (JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>)[key];
  expect(entry).toEqual({
    starling: {
      ...knownClient(client).extra,
      command: expect.stringMatching(/^\/.*node$/) as string,
      args: [SCRIPT, 'mcp', '--as', client],
    },
  });
  expect(ran.stderr).toContain(`${file} (a new file)`);
  expect(ran.stdout).toContain(knownClient(client).afterwards);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
});

it('what it writes starts and reaches the node, without PATH or any other variable', async () => {
  const node = await fakeNode({
    answer: ({ method }) =>
      method === 'tools/call' ? { structuredContent: { name: 'cursor' } } : { pong: true },
  });
  const args = ['connect', 'cursor', '--yes', '--state', node.stateDir];
  const ran = await start(args, { HOME: home }).ended();
  expect(ran).toMatchObject({ code: 0 });
  const { mcpServers } = JSON.parse(await readFile(cursor, 'utf8')) as {
    mcpServers: { starling: { command: string; args: string[] } };
  };
  const { command, args: words } = mcpServers.starling;
  const child = spawn(command, words, { env: {}, cwd: resolve(import.meta.dirname, '../../..') });
  const closed = once(child, 'close');
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  child.stdin.end('{"jsonrpc":"2.0","id":1,"method":"ping"}\n');
  expect(await closed).toEqual([0, null]);
  expect(JSON.parse(said)).toMatchObject({ id: 1, result: { pong: true } });
});

describe('a file that is there', () => {
  const BEFORE = `{
    // mine
    "mcpServers": {
        "a": { "command": "x", "env": { "TOKEN": "hunter2" } }, // first
    },
    "other": "hunter2",
}
`;

  it('is kept beside it, and changes by one entry, which was shown with nobody’s secrets', async () => {
    await write(cursor, BEFORE, 0o640);
    const { code, stdout, stderr } = await run('connect', 'cursor', '--yes');
    expect(code).toBe(0);
    const after = await readFile(cursor, 'utf8');
    const added = after.split('\n').filter((line) => !BEFORE.split('\n').includes(line));
    expect(
      after
        .split('\n')
        .filter((line) => !added.includes(line))
        .join('\n'),
    ).toBe(BEFORE);
    for (const line of added) expect(stderr).toContain(`+ ${line}\n`);
    expect(stderr.split('\n').filter((line) => /^[+-]/.test(line)).length).toBe(added.length);
    expect(stdout + stderr).not.toContain('hunter2');
    const [backup = ''] = await backups(cursor);
    expect(stdout).toContain(backup);
    expect(await readFile(backup, 'utf8')).toBe(BEFORE);
    expect((await stat(cursor)).mode & 0o777).toBe(0o640);
    expect((await stat(backup)).mode & 0o777).toBe(0o640);
  });

  it('is as it was after --remove', async () => {
    await write(cursor, BEFORE);
    await run('connect', 'cursor', '--yes');
    const { code, stderr } = await run('connect', 'cursor', '--remove', '--yes');
    expect(code).toBe(0);
    expect(stderr).toMatch(/^- +"starling": \{$/m);
    expect(await readFile(cursor, 'utf8')).toBe(BEFORE);
    const again = await run('connect', 'cursor', '--remove');
    expect(again).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('is not connected') as string,
    });
  });

  it('is left alone when it says so already', async () => {
    await write(cursor, BEFORE);
    await run('connect', 'cursor', '--yes');
    const again = await run('connect', 'cursor');
    expect(again).toMatchObject({ code: 0, stderr: '' });
    expect(again.stdout).toContain('is connected already');
    expect(await backups(cursor)).toHaveLength(1);
  });

  it('keeps what its owner wrote into an older entry', async () => {
    const old = { command: 'starling', args: ['mcp'], alwaysAllow: ['status'], url: 'http://old' };
    await write(cursor, JSON.stringify({ mcpServers: { mesh: old } }, null, 2));
    await run('connect', 'cursor', '--yes', '--name', 'mesh');
    const { mcpServers } = JSON.parse(await readFile(cursor, 'utf8')) as { mcpServers: unknown };
    const command = expect.stringMatching(/node$/) as string;
    expect(mcpServers).toEqual({
      mesh: { command, args: [SCRIPT, 'mcp', '--as', 'cursor'], alwaysAllow: ['status'] },
    });
  });

  it('is changed through a link', async () => {
    const target = join(home, 'dotfiles', 'mcp.json');
    await write(target, '{}');
    await mkdir(dirname(cursor));
    await symlink(target, cursor);
    expect((await run('connect', 'cursor', '--yes')).code).toBe(0);
    expect(await readFile(target, 'utf8')).toContain('"starling"');
    expect(await readdir(dirname(target))).toEqual(['mcp.json']);
  });

  it.each([
    ['{ "mcpServers": hunter2 }', /is not JSON: line 1, column 17/],
    ['{ "mcpServers": ["hunter2"] }', /'mcpServers' in it is no object/],
  ])('is left alone when it is not understood: %s', async (text, says) => {
    await write(cursor, text);
    const ran = await run('connect', 'cursor', '--yes');
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toMatch(says);
    expect(ran.stderr).not.toContain('hunter2');
    expect(await readFile(cursor, 'utf8')).toBe(text);
    expect(await backups(cursor)).toEqual([]);
  });
});

describe('nothing is changed', () => {
  it.each<[string, string[], string[], number]>([
    ['by --dry-run', ['--dry-run'], [], 0],
    ['where nobody can be asked', [], [], 2],
    ['when the person says no', [], ['no'], 1],
  ])('%s, but it is shown', async (_, args, said, exit) => {
    seatPerson(said);
    const { code, stderr } = await run('connect', 'cursor', ...args);
    expect(code).toBe(exit);
    expect(stderr).toContain('+     "starling": {');
    expect(await readdir(home)).toEqual([]);
  });

  it('when the file is another one by the time that the person agrees', async () => {
    await write(cursor, '{}');
    seatPerson(['yes'], () => writeFile(cursor, '{ "mine": true }'));
    const ran = await run('connect', 'cursor');
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toContain('was changed in the meantime');
    expect(await readFile(cursor, 'utf8')).toBe('{ "mine": true }');
  });
});

it('a project’s file names no path of this machine, and others may read it', async () => {
  const file = join(home, 'work', '.vscode', 'mcp.json');
  expect((await run('connect', 'vscode', '--project', '--yes')).code).toBe(0);
  expect(JSON.parse(await readFile(file, 'utf8'))).toEqual({
    servers: {
      starling: { type: 'stdio', command: 'starling', args: ['mcp', '--as', 'vscode'] },
    },
  });
  expect((await stat(file)).mode & 0o044).toBe(0o044 & ~process.umask());
});

it('a node elsewhere is named, because the client has none of our variables', async () => {
  vi.stubEnv('STARLING_STATE_DIR', '/srv/node');
  await run('connect', 'cursor', '--yes');
  expect(await readFile(cursor, 'utf8')).toContain(
    `["${SCRIPT}", "mcp", "--as", "cursor", "--state", "/srv/node"]`,
  );
});

it('tells programs in JSON what it did', async () => {
  const ran = await run('connect', 'cursor', '--yes', '--json');
  expect(JSON.parse(ran.stdout)).toMatchObject({
    client: 'cursor',
    file: cursor,
    changed: true,
    diff: expect.arrayContaining(['+     "starling": {']) as string[],
  });
});

it.each<[string[], RegExp]>([
  [['curser'], /did you mean cursor\?/],
  [['emacs'], /known are claude-desktop, /],
  [['windsurf', '--project'], /has no file for a project/],
  [['cursor', '--name', 'a b'], /is no name for a server/],
  [['cursor', '--as', 'Cursor'], /can't be the name of a client/],
  [['cursor', '--as', 'operator'], /can't be the name of a client/],
  [['cursor', '--as', 'work', '--operator'], /--operator takes no --as/],
  [['cursor', '--scope', 'tool:files/*'], /--scope is of a key/],
  [['cursor', '--http', '--project'], /no matter for a file that others share/],
  [['claude-desktop', '--http'], /takes no URL/],
])('%j is told what is wrong', async (args, says) => {
  const ran = await run('connect', ...args, '--yes');
  expect(ran).toMatchObject({ code: 2, stdout: '' });
  expect(ran.stderr).toMatch(says);
});

describe('a client with a name', () => {
  it('gets no key where no node runs that could make one', async () => {
    const ran = await run('connect', 'cursor', '--http', '--yes');
    expect(ran).toMatchObject({ code: 1, stdout: '' });
    expect(ran.stderr).toContain('no node runs');
    expect(await readdir(home)).toEqual([]);
  });

  const KEY = `starling_0123456789ab_${'k'.repeat(43)}`;
  const URL = 'http://127.0.0.1:4100/mcp';
  const byTool = (results: Record<string, JsonObject>): Promise<FakeNode> =>
    fakeNode({ answer: serving({ status: { endpoints: { url: URL } }, ...results }) });

  it('attaches by it, and the node hears which program has it', async () => {
    const node = await byTool({ client_connect: { name: 'work' } });
    const ran = await run('connect', 'cursor', '--as', 'work', '--yes', '--state', node.stateDir);
    expect(ran).toMatchObject({ code: 0 });
    expect(ran.stdout).toContain('now uses Starling as client:work');
    expect(await readFile(cursor, 'utf8')).toMatch(/"mcp",\s+"--as",\s+"work"/);
    expect((await node.received('tools/call')).params).toMatchObject({
      name: 'starling__client_connect',
      arguments: { name: 'work', program: 'cursor' },
    });
  });

  it('is not written where the name is taken', async () => {
    const node = await fakeNode({
      answer: ({ id }, { fail }) =>
        fail(id, { code: -32602, message: "the name 'cursor' belongs to an API key" }),
    });
    const ran = await run('connect', 'cursor', '--yes', '--state', node.stateDir);
    expect(ran).toMatchObject({ code: 2 });
    expect(ran.stderr).toContain('belongs to an API key');
    expect(await readdir(home)).toEqual([]);
  });

  it('is told what --operator means, and then written so', async () => {
    const ran = await run('connect', 'cursor', '--operator', '--yes');
    expect(ran.stderr).toContain('can grant, make keys, set secrets, approve');
    expect(await readFile(cursor, 'utf8')).toContain('"mcp", "--operator"');
  });

  it.each<[ClientId, string, object]>([
    ['claude-code', '.claude.json', { type: 'http', url: URL }],
    ['cursor', '.cursor/mcp.json', { url: URL }],
    ['vscode', '.config/Code/User/mcp.json', { type: 'http', url: URL }],
    ['windsurf', '.codeium/windsurf/mcp_config.json', { serverUrl: URL }],
    ['cline', '.cline/data/settings/cline_mcp_settings.json', { type: 'streamableHttp', url: URL }],
    ['gemini-cli', '.gemini/settings.json', { httpUrl: URL }],
    ['copilot', '.copilot/mcp-config.json', { type: 'http', url: URL, tools: ['*'] }],
    ['zed', '.config/zed/settings.json', { url: URL }],
    ['lm-studio', '.lmstudio/mcp.json', { url: URL }],
  ])('%s gets URL and key with --http, which nobody is shown', async (client, path, way) => {
    const node = await byTool({ client_connect: { name: client, key: KEY } });
    const args = ['--http', '--yes', '--state', node.stateDir];
    const ran = await run('connect', client, ...args);
    expect(ran).toMatchObject({ code: 0 });
    const text = await readFile(join(home, path), 'utf8');
    const [servers] = Object.values(JSON.parse(text) as Record<string, unknown>);
    expect(servers).toEqual({
      starling: { ...way, headers: { Authorization: `Bearer ${KEY}` } },
    });
    expect(ran.stdout + ran.stderr).not.toContain('kkk');
    expect(ran.stderr).toContain('Bearer …');
    expect(node.heard.map(({ params }) => params?.['arguments'])).toContainEqual({
      name: client,
      program: client,
      by_key: true,
    });
  });

  it('has its file closed to others once a key is in it', async () => {
    const node = await byTool({ client_connect: { name: 'cursor', key: KEY } });
    await write(cursor, '{}', 0o644);
    await run('connect', 'cursor', '--http', '--yes', '--state', node.stateDir);
    expect((await stat(cursor)).mode & 0o777).toBe(0o600);
  });

  it.skipIf(diskMissing !== undefined)(
    'leaves no key behind where the disk has no room for a copy of the file, and the file as it was',
    async () => {
      const disk = await createSmallDisk(1024 * 1024);
      try {
        const node = await byTool({
          client_connect: { name: 'cursor', key: KEY },
          client_disconnect: { freed: true },
        });
        vi.stubEnv('HOME', disk.path);
        const file = join(disk.path, '.cursor', 'mcp.json');
        const text = JSON.stringify({ mcpServers: {}, other: 'x'.repeat(5000) });
        await write(file, text);
        await disk.fill();
        const ran = await run('connect', 'cursor', '--http', '--yes', '--state', node.stateDir);
        expect(ran).toMatchObject({ code: 1, stderr: expect.stringContaining('no backup') });
        expect(await readFile(file, 'utf8')).toBe(text);
        expect(await readdir(dirname(file))).toEqual(['mcp.json']);
        const asked = node.heard.map(({ params }) => String(params?.['name']));
        expect(asked.filter((name) => name.startsWith('starling__client'))).toEqual([
          'starling__client_connect',
          'starling__client_disconnect',
        ]);
      } finally {
        await disk.remove();
      }
    },
  );

  it('gives the name back with --remove', async () => {
    const node = await byTool({
      client_connect: { name: 'cursor' },
      client_disconnect: { freed: true },
    });
    await run('connect', 'cursor', '--yes', '--state', node.stateDir);
    await run('connect', 'cursor', '--remove', '--yes', '--state', node.stateDir);
    expect(node.heard.map(({ params }) => params?.['name'])).toContain(
      'starling__client_disconnect',
    );
  });
});

describe('where the clients keep their files', () => {
  it.each<[ClientId, NodeJS.Platform, string]>([
    [
      'claude-desktop',
      'darwin',
      '/h/Library/Application Support/Claude/claude_desktop_config.json',
    ],
    ['claude-desktop', 'win32', 'C:\\R/Claude/claude_desktop_config.json'],
    ['claude-desktop', 'linux', '/x/Claude/claude_desktop_config.json'],
    ['claude-code', 'darwin', '/h/.claude.json'],
    ['claude-code', 'win32', 'C:\\U/.claude.json'],
    ['cursor', 'win32', 'C:\\U/.cursor/mcp.json'],
    ['vscode', 'darwin', '/h/Library/Application Support/Code/User/mcp.json'],
    ['vscode', 'win32', 'C:\\R/Code/User/mcp.json'],
    ['vscode', 'linux', '/x/Code/User/mcp.json'],
    ['windsurf', 'darwin', '/h/.codeium/windsurf/mcp_config.json'],
    ['gemini-cli', 'win32', 'C:\\U/.gemini/settings.json'],
    ['zed', 'darwin', '/h/.config/zed/settings.json'],
    ['zed', 'linux', '/x/zed/settings.json'],
    ['zed', 'win32', 'C:\\R/Zed/settings.json'],
    ['lm-studio', 'darwin', '/h/.lmstudio/mcp.json'],
  ])('%s on %s: %s', (client, platform, path) => {
    const env = { HOME: '/h', USERPROFILE: 'C:\\U', APPDATA: 'C:\\R', XDG_CONFIG_HOME: '/x' };
    expect(knownClient(client).userFile({ env, platform, folder: '/p' })).toBe(path);
  });

  it('help names them all', async () => {
    const { stdout } = await run('connect', '--help');
    for (const id of CLIENT_IDS) expect(stdout).toContain(id);
  });
});

describe('Node in the entry', () => {
  it('is the path that outlives an update, when PATH has it', async () => {
    const real = join(home, 'Cellar', 'node', '22.1.0', 'bin', 'node');
    const link = join(home, 'bin', 'node');
    await write(real, '');
    await mkdir(dirname(link));
    await symlink(real, link);
    const launched = { execPath: real, execArgv: [], script: SCRIPT };
    const named = (PATH: string): string =>
      launchHere({ ...launched, env: { HOME: home, PATH } }, '/s').command;
    expect(named(`relative:/nowhere:${dirname(link)}`)).toBe(link);
    expect(named('/nowhere')).toBe(real);
  });

  it('comes with its loader only when it runs from the sources', () => {
    const args = (path: string): readonly string[] =>
      launchHere({ execPath: '/node', execArgv: ['--import', 'tsx'], script: path, env: {} }, '/s')
        .args;
    expect(args('/c/main.ts').slice(0, 3)).toEqual(['--import', 'tsx', '/c/main.ts']);
    expect(args('/c/cli.js').slice(0, 2)).toEqual(['/c/cli.js', 'mcp']);
  });
});
