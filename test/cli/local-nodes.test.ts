/** `starling nodes`, `--node` and `STARLING_NODE`; and which config file a command takes for a node's. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { noteMeshLeft, noteNode, writeAbout } from '../../src/config/known-nodes.ts';
import { silentLogger } from '../../src/core/index.ts';
import type { JsonObject } from '../../src/core/index.ts';
import { loadIdentity } from '../../src/identity/index.ts';
import { writeMembershipEnd } from '../../src/mesh/mesh-state.ts';
import { createStore } from '../../src/store/index.ts';
import { serving } from './fake-node.ts';
import type { FakeNode } from './fake-node.ts';
import { fakeNode, run, start, temporaryFolder } from './support.ts';

let home: string;
beforeEach(async () => {
  home = await temporaryFolder();
  vi.stubEnv('HOME', home);
  vi.stubEnv('XDG_STATE_HOME', '');
  vi.stubEnv('XDG_CONFIG_HOME', '');
});
afterEach(() => vi.unstubAllEnvs());

function aboutOf(name: string): { name: string; mesh: string; fingerprint: string } {
  return { name, mesh: `${name}-mesh`, fingerprint: 'bada dodo fifa gugu' };
}

/** A node that has run and does not run now. */
async function stopped(folder: string, name: string, configFile?: string): Promise<string> {
  const stateDir = join(home, folder);
  await mkdir(stateDir, { mode: 0o700 });
  await noteNode(stateDir, process.env);
  await writeAbout(stateDir, {
    ...aboutOf(name),
    ...(configFile === undefined ? {} : { configFile }),
  });
  return stateDir;
}

async function running(name: string, more: JsonObject = {}): Promise<FakeNode> {
  const { mesh, fingerprint } = aboutOf(name);
  const status = { name, mesh: { name: mesh, fingerprint }, pid: 4711, upstreams: [], ...more };
  const node = await fakeNode({ answer: serving({ status }) });
  await noteNode(node.stateDir, process.env);
  await writeAbout(node.stateDir, aboutOf(name));
  return node;
}

describe('starling nodes', () => {
  it('says of a node that failed to start and has not run since that it never ran', async () => {
    const stateDir = join(home, 'in-vain');
    await mkdir(stateDir, { mode: 0o700 });
    await noteNode(stateDir, process.env);
    expect((await run('nodes')).stdout).toMatch(/^– +never ran +– /m);
  });

  it('lists those that run and those that do not, each with its state folder', async () => {
    const lab = await running('lab');
    const home2 = await stopped('desk', 'desk');
    const { stdout, code } = await run('nodes');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^NAME +STATE +MESH +PID +STATE FOLDER\n/);
    expect(stdout).toMatch(new RegExp(`^lab +running +lab-mesh +4711 +${lab.stateDir}$`, 'm'));
    expect(stdout).toMatch(new RegExp(`^desk +stopped +desk-mesh +– +${home2}$`, 'm'));
  });

  it('names no mesh of a node that has left it', async () => {
    const folder = await stopped('desk', 'desk', '/etc/desk.json');
    await noteMeshLeft(folder);
    const { stdout } = await run('nodes');
    expect(stdout).toMatch(new RegExp(`^desk +stopped +– +– +${folder}$`, 'm'));
    const { nodes } = JSON.parse((await run('nodes', '--json')).stdout) as { nodes: JsonObject[] };
    expect(nodes[0]).toMatchObject({ name: 'desk', configFile: '/etc/desk.json' });
  });

  it('says of a node that was put out of its mesh that it is no node that hangs', async () => {
    const folder = await stopped('desk', 'desk');
    await loadIdentity(join(folder, 'key'));
    const store = createStore({ logger: silentLogger }, { dir: join(folder, 'db') });
    await store.start();
    await writeMembershipEnd(store.table('mesh'), 'this node was put out by lab');
    await store.stop();
    expect((await run('nodes')).stdout).toMatch(/^desk +put out +desk-mesh +–/m);
    const { nodes } = JSON.parse((await run('nodes', '--json')).stdout) as { nodes: JsonObject[] };
    expect(nodes).toMatchObject([{ name: 'desk', state: 'stopped', isOut: true }]);
    const told = (await run('doctor', '--state', folder)).stdout;
    expect(told).toMatch(/✗ node +this node was put out by lab/);
    // Both name the folder: a bare command would mean another node.
    expect(told.replaceAll(/\s+/g, ' ')).toContain(
      `starling up --state ${folder} --join <ticket>; or go without them: starling leave --state ${folder}`,
    );
  });

  it('says which command starts the first one', async () => {
    expect((await run('nodes')).stdout).toContain('start one with: starling up');
  });

  it('says that two have one name', async () => {
    await stopped('one', 'lab');
    await stopped('two', 'lab');
    expect((await run('nodes')).stderr).toBe(
      '! lab is the name of more than one: say which with --state <folder>\n',
    );
  });
});

describe('a node by its name', () => {
  it.each<[string, string[], Record<string, string>]>([
    ['--node before the command', ['--node', 'lab', 'status', '--json'], {}],
    ['--node= before the command', ['--node=lab', 'status', '--json'], {}],
    ['--node behind it', ['status', '--node', 'lab', '--json'], {}],
    ['STARLING_NODE', ['status', '--json'], { STARLING_NODE: 'lab' }],
    [
      '--node, though a folder is in the environment',
      ['--node', 'lab', 'status', '--json'],
      {
        STARLING_STATE_DIR: '/nowhere',
      },
    ],
  ])('is picked by %s', async (_, words, variables) => {
    await running('lab');
    await stopped('desk', 'desk');
    for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
    const { stdout } = await run(...words);
    expect(JSON.parse(stdout)).toMatchObject({ name: 'lab', pid: 4711 });
  });

  it('that there is not is told with the nearest', async () => {
    await stopped('desk', 'desk');
    const ran = await run('--node', 'dsk', 'status');
    expect(ran.code).toBe(2);
    expect(ran.stderr).toBe(
      "error: no node of yours on this machine is called 'dsk' [STARLING_USAGE]\n  → did you mean 'desk'? See which there are: starling nodes\n",
    );
  });

  it('that two have is refused, with their folders', async () => {
    const folders = [await stopped('one', 'lab'), await stopped('two', 'lab')];
    const { stderr } = await run('--node', 'lab', 'status');
    expect(stderr).toContain(`2 nodes of yours are called 'lab': their state folders are`);
    for (const folder of folders) expect(stderr).toContain(folder);
    expect(stderr).toContain('--state');
  });

  it('and a folder exclude each other', async () => {
    await stopped('one', 'lab');
    const { code, stderr } = await run('--node', 'lab', 'status', '--state', home);
    expect(code).toBe(2);
    expect(stderr).toContain('--node and --state each name a node');
  });

  it('starts again with its state folder and its config file', async () => {
    const file = join(home, 'desk.json');
    await writeFile(file, JSON.stringify({ name: 'desk', mdns: false, http: { enabled: false } }));
    const stateDir = await stopped('desk', 'desk', file);
    const up = start(['--node', 'desk', 'up', '--json', '--listen', '/ip4/127.0.0.1/tcp/0']);
    await up.says('}\n');
    const [first = ''] = up.stdout().split('\n');
    expect(JSON.parse(first)).toMatchObject({ name: 'desk', stateDir, configFile: file });
    up.child.kill('SIGTERM');
    expect((await up.ended()).code).toBe(0);
  });

  it('leaves help and mistakes of the command as they are', async () => {
    expect((await run('--node', 'lab', 'help', 'status')).stdout).toMatch(/Usage: starling status/);
    expect((await run('--node', 'lab', 'nonsense')).stderr).toContain("unknown command 'nonsense'");
    expect((await run('--node', 'lab', 'stop')).stderr).toContain('kill <pid>');
  });
});

describe('the config file of a running node', () => {
  const entry = { command: 'node', args: ['x.js'] };
  let file: string;
  beforeEach(async () => {
    file = join(home, 'elsewhere.json');
    await writeFile(file, JSON.stringify({ mcpServers: { files: entry } }));
    const node = await running('lab', { configFile: file });
    vi.stubEnv('STARLING_STATE_DIR', node.stateDir);
  });
  const servers = async (): Promise<readonly string[]> =>
    Object.keys((JSON.parse(await readFile(file, 'utf8')) as { mcpServers: object }).mcpServers);

  it('is the one that mcp add, import and remove change, and says so', async () => {
    const added = await run('mcp', 'add', 'git', '--', 'git-server');
    expect(added.stdout).toContain(`added git in ${file}`);
    expect(added.stdout).toContain('the running node takes it up by itself');
    const other = join(home, 'client.json');
    await writeFile(other, JSON.stringify({ mcpServers: { search: entry } }));
    const imported = await run('mcp', 'import', other, '--yes');
    expect(imported.stdout).toContain(`imported search into ${file}`);
    expect(await servers()).toEqual(['files', 'git', 'search']);
    expect((await run('mcp', 'remove', 'git')).stdout).toContain(`from ${file}`);
  });

  it('may have comments and trailing commas for every command, as for the node', async () => {
    vi.stubEnv('STARLING_STATE_DIR', '');
    const stateDir = await stopped('desk', 'desk');
    await writeFile(
      file,
      `\uFEFF{ // where its things are\n "stateDir": ${JSON.stringify(stateDir)}, }\n`,
    );
    const status = await run('status', '--config', file);
    expect(status).toMatchObject({ code: 1, stderr: expect.stringContaining(stateDir) });
    await writeFile(file, '{ "stateDir": ');
    expect((await run('status', '--config', file)).stderr).toContain('it is not JSON');
  });

  it('is the one that mcp list shows, and names', async () => {
    const { stdout } = await run('mcp', 'list');
    expect(stdout).toContain('files');
    expect(stdout).toContain(`config file: ${file}\n`);
  });

  it('is the one that doctor checks, and names', async () => {
    const { stdout } = await run('doctor');
    expect(stdout).toContain(`the configuration is valid (${file})`);
  });

  it('is not the one of a command that names another', async () => {
    const mine = join(home, 'mine.json');
    const { stdout } = await run('mcp', 'add', 'git', '--config', mine, '--', 'git-server');
    expect(stdout).toContain(`added git in ${mine}`);
    expect(await servers()).toEqual(['files']);
  });

  it('is that of a stopped node, too, when the node is named', async () => {
    vi.stubEnv('STARLING_STATE_DIR', '');
    const desk = join(home, 'desk.json');
    await stopped('desk', 'desk', desk);
    const { stdout } = await run('--node', 'desk', 'mcp', 'add', 'git', '--', 'git-server');
    expect(stdout).toContain(`added git in ${desk}`);
  });
});
