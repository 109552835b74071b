/** `starling mcp import`: what is found in the files of MCP clients, shown, asked for and taken. */
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { loadConfig } from '../../../src/config/index.ts';
import type { JsonObject } from '../../../src/core/index.ts';
import { seatPerson } from '../person.ts';
import { run, temporaryFolder } from '../support.ts';
import type { Ran } from '../support.ts';

let home: string;
let file: string;
beforeEach(async () => {
  home = await temporaryFolder();
  file = join(home, 'starling.json');
  vi.stubEnv('HOME', home);
  vi.stubEnv('XDG_CONFIG_HOME', join(home, '.config'));
  vi.stubEnv('CLAUDE_CONFIG_DIR', '');
  vi.stubEnv('STARLING_STATE_DIR', join(home, 'state'));
  vi.spyOn(process, 'cwd').mockReturnValue(join(home, 'work'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

const take = (...args: string[]): Promise<Ran> => run('mcp', 'import', '--config', file, ...args);

async function write(path: string, content: unknown): Promise<string> {
  const full = join(home, path);
  await mkdir(dirname(full), { recursive: true });
  await writeFile(full, typeof content === 'string' ? content : JSON.stringify(content));
  return full;
}

async function servers(): Promise<JsonObject> {
  const content = JSON.parse(await readFile(file, 'utf8')) as { mcpServers: JsonObject };
  return content.mcpServers;
}

const CURSOR = '.cursor/mcp.json';

it('shows each command with names of variables, no values, and takes all with --yes', async () => {
  await write(CURSOR, {
    mcpServers: {
      files: { command: 'npx', args: ['-y', 'srv', 'a b'], env: { TOKEN: 'hunter2' }, cwd: '/srv' },
      web: { url: 'https://a.example/mcp?k=hunter2', headers: { Authorization: 'hunter2' } },
    },
  });
  const { code, stdout, stderr } = await take('cursor', '--yes');
  expect(code).toBe(0);
  expect(stderr).toMatch(/files {2}Cursor: .*mcp\.json\n {2}runs: npx -y srv 'a b'\n/);
  expect(stderr).toContain('in the folder: /srv\n  with the variables: TOKEN\n');
  expect(stderr).toContain(
    'connects to: https://a.example/mcp?…\n  with the headers: Authorization',
  );
  expect(stdout).toContain('imported files, web into');
  expect(stdout + stderr).not.toContain('hunter2');
  expect(await servers()).toEqual({
    files: { command: 'npx', args: ['-y', 'srv', 'a b'], env: { TOKEN: 'hunter2' }, cwd: '/srv' },
    web: { url: 'https://a.example/mcp?k=hunter2', headers: { Authorization: 'hunter2' } },
  });
});

it('takes nothing where nobody can be asked and nobody agreed', async () => {
  await write(CURSOR, { mcpServers: { files: { command: 'x' } } });
  const ran = await take('cursor');
  expect(ran).toMatchObject({ code: 2, stdout: '' });
  expect(ran.stderr).toMatch(/runs: x\n[^]*1 of these can be imported[^]*--yes/);
  expect(await readdir(home)).toEqual(['.cursor']);
});

it.each<[string[], string[]]>([
  [
    ['yes', 'no', 'yes'],
    ['a', 'c'],
  ],
  [
    ['no', 'all'],
    ['b', 'c'],
  ],
  [['yes', 'quit'], ['a']],
])('asked and told %j, it takes %j', async (said, taken) => {
  const entry = (command: string): JsonObject => ({ command });
  await write(CURSOR, { mcpServers: { a: entry('x'), b: entry('y'), c: entry('z') } });
  seatPerson(said);
  expect((await take('cursor')).code).toBe(0);
  expect(Object.keys(await servers())).toEqual(taken);
});

it('asked and told no to all, it writes nothing', async () => {
  await write(CURSOR, { mcpServers: { a: { command: 'x' } } });
  seatPerson(['no']);
  expect(await take('cursor')).toMatchObject({ code: 0, stdout: 'nothing imported\n' });
  expect(await readdir(home)).toEqual(['.cursor']);
});

it('without a name looks into the user’s file of every client, and not into the project', async () => {
  await write('.config/Claude/claude_desktop_config.json', {
    mcpServers: { desktop: { command: 'a' } },
  });
  await write('.config/Code/User/mcp.json', { servers: { code: { type: 'stdio', command: 'b' } } });
  await write(CURSOR, { mcpServers: { cursor: { command: 'c' } } });
  await write('.codeium/windsurf/mcp_config.json', {
    mcpServers: { surf: { serverUrl: 'https://d.example' } },
  });
  await write('.claude.json', {
    numStartups: 3,
    mcpServers: { user: { type: 'stdio', command: 'e', args: [], env: {} } },
    projects: {
      [join(home, 'work')]: { mcpServers: { local: { type: 'sse', url: 'https://f.example' } } },
      '/elsewhere': { mcpServers: { other: { command: 'g' } } },
    },
  });
  for (const [name, path] of [
    ['cline', '.cline/data/settings/cline_mcp_settings.json'],
    ['gemini', '.gemini/settings.json'],
    ['copilot', '.copilot/mcp-config.json'],
    ['studio', '.lmstudio/mcp.json'],
  ] as const) {
    await write(path, { theme: 'dark', mcpServers: { [name]: { command: name } } });
  }
  await write('.config/zed/settings.json', { context_servers: { zed: { command: 'z' } } });
  for (const path of ['work/.mcp.json', 'work/.cursor/mcp.json']) {
    await write(path, { mcpServers: { planted: { command: 'curl' } } });
  }
  expect((await take('--yes')).code).toBe(0);
  expect(Object.keys(await servers()).sort()).toEqual([
    'cline',
    'code',
    'copilot',
    'cursor',
    'desktop',
    'gemini',
    'local',
    'studio',
    'surf',
    'user',
    'zed',
  ]);
  const config = await loadConfig({ file, env: {}, flags: {} });
  expect(config.mcpServers['local']).toMatchObject({ type: 'sse' });
});

it('reads a file of VS Code with comments, and says what it can not take', async () => {
  const path = await write(
    'proj/.vscode/mcp.json',
    `{
      // "inputs" are asked for by the editor
      "inputs": [{ "id": "key", "type": "promptString", "password": true }],
      "servers": {
        "asks": { "command": "x", "env": { "KEY": "\${input:key}" } },
        "here": { "type": "stdio", "command": "\${workspaceFolder}/run", "args": ["\${userHome}"],
          "env": { "PORT": 80, "GONE": null, "T": "\${env:TOKEN}" }, "dev": { "watch": "*" }, },
        "odd": { "command": "\${command:pick}" },
        "io.github.x/files": { "type": "http", "url": "https://a.example" }, /* last */
      },
    }`,
  );
  const { stderr } = await take(path, '--yes');
  expect(stderr).toMatch(/asks[^]*not imported: it asks for \$\{input:key\}/);
  expect(stderr).toMatch(/here[^]*TOKEN is not set here/);
  expect(stderr).toMatch(/odd[^]*not imported: it uses \$\{command:pick\}/);
  // Its path once: a file has no other title.
  expect(stderr).toMatch(/^asks {2}\S+$/m);
  expect(stderr).toContain("io-github-x-files ('io.github.x/files' there)");
  expect(await servers()).toEqual({
    here: {
      type: 'stdio',
      command: `${join(home, 'proj')}/run`,
      args: [home],
      env: { PORT: '80', T: '${env:TOKEN}' },
    },
    'io-github-x-files': { type: 'http', url: 'https://a.example' },
  });
});

it('takes servers of the settings file of an older VS Code, and maps the name of the built-in server', async () => {
  const path = await write('settings.json', {
    'editor.fontSize': 12,
    mcp: { inputs: [], servers: { files: { command: 'x' }, starling: { command: 'y' } } },
  });
  const { code, stderr } = await take(path, '--yes');
  expect(code).toBe(0);
  expect(stderr).toContain("starling-2 ('starling' there)");
  expect(await servers()).toEqual({ files: { command: 'x' }, 'starling-2': { command: 'y' } });
});

describe('a server that is not taken', () => {
  it.each<[string, JsonObject, RegExp]>([
    ['starling', { command: '/opt/n/bin/starling', args: ['mcp'] }, /it is Starling itself/],
    [
      'mesh',
      { command: 'node', args: ['/usr/bin/starling', 'mcp', '--state', '/s'] },
      /Starling itself/,
    ],
    ['bad', { command: 7 }, /command: this value can't be used/],
    ['none', {}, /give it a `command`, or a `url`/],
    ['evil\u001B[2J', { command: 'x\u001B[2J', args: ['${input:\u0007}'] }, /asks for/],
  ])('%j: %j', async (name, entry, why) => {
    await write(CURSOR, { mcpServers: { [name]: entry, good: { command: 'x' } } });
    const { stderr } = await take('cursor', '--yes');
    expect(stderr).toMatch(why);
    expect(stderr).not.toMatch(/[\u001B\u0007]/);
    expect(Object.keys(await servers())).toEqual(['good']);
  });

  it('has a name that is taken here, or by another file', async () => {
    await write('starling.json', {
      mcpServers: { mine: { command: 'old' }, same: { command: 's' } },
    });
    await write(CURSOR, {
      mcpServers: {
        mine: { command: 'new' },
        same: { command: 's' },
        x: { command: '1' },
        y: { command: 'y' },
      },
    });
    await write('.codeium/windsurf/mcp_config.json', {
      mcpServers: { x: { command: '2' }, y: { command: 'y' } },
    });
    const { stdout } = await take('--yes', '--json');
    expect(JSON.parse(stdout)).toMatchObject({
      imported: ['x', 'y'],
      skipped: [
        { name: 'mine', reason: expect.stringContaining("called 'mine' here already") as string },
        { name: 'same', reason: 'it is imported already' },
        { name: 'x', reason: expect.stringContaining('Cursor has another server') as string },
        { name: 'y', reason: 'it is the same as that of Cursor' },
      ],
      node: 'none',
    });
    expect(await servers()).toMatchObject({ mine: { command: 'old' }, x: { command: '1' } });
  });
});

it.each<[string[], RegExp]>([
  [['no-such.json'], /there is no file .*no-such\.json/],
  [['cursor-rules.json'], /holds no MCP servers/],
  [['broken.json'], /is not JSON: line 1, column 2/],
  [['--project'], /goes with the name of a client/],
  [['x.json', '--project'], /goes with the name of a client/],
  [['windsurf', '--project'], /has no file for a project/],
])('%j is told what is wrong', async (args, says) => {
  await write('work/cursor-rules.json', { rules: [] });
  await write('work/broken.json', '{hunter2');
  const ran = await take(...args, '--yes');
  expect(ran).toMatchObject({ code: 2, stdout: '' });
  expect(ran.stderr).toMatch(says);
  expect(ran.stderr).not.toContain('hunter2');
});

it('looks into the project’s file when told to', async () => {
  await write('work/.mcp.json', { mcpServers: { p: { command: '${workspaceFolder}/x' } } });
  expect((await take('claude-code', '--project', '--yes')).code).toBe(0);
  expect(await servers()).toEqual({ p: { command: `${join(home, 'work')}/x` } });
});

it('says where it looked when there is nothing', async () => {
  const { code, stdout } = await take();
  expect(code).toBe(0);
  expect(stdout).toMatch(
    /no MCP servers found; looked into:\n {2}Claude Desktop: .*\n[^]*Windsurf: /,
  );
});
