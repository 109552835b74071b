/** How the nodes of a user find each other on one machine without a daemon: notes, and what goes stale. */
import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import {
  knownNodes,
  noteNode,
  notedIn,
  readAbout,
  writeAbout,
} from '../../src/config/known-nodes.ts';
import { defaultStateDir, nodesFolder } from '../../src/config/paths.ts';

const ABOUT = {
  name: 'lab',
  mesh: 'lab-mesh',
  fingerprint: 'a b c d',
  configFile: '/srv/lab.json',
};

let home: string;
let env: NodeJS.ProcessEnv;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'starling-known-'));
  env = { HOME: home };
  onTestFinished(() => rm(home, { recursive: true, force: true, maxRetries: 5 }));
});

async function folder(name: string): Promise<string> {
  const path = join(home, name);
  await mkdir(path, { recursive: true, mode: 0o700 });
  return path;
}

describe('a node that starts', () => {
  it('is known by its state folder, its name and its mesh, to its user alone', async () => {
    const stateDir = await folder('lab');
    await noteNode(stateDir, env);
    await writeAbout(stateDir, ABOUT);
    expect(await knownNodes(env)).toEqual([{ stateDir, about: ABOUT }]);
    const modes = [nodesFolder(env), join(stateDir, 'about.json')].map(
      async (path) => (await stat(path)).mode & 0o777,
    );
    expect(await Promise.all(modes)).toEqual([0o700, 0o600]);
  });

  it('in the default folder needs no note, and comes first', async () => {
    const usual = defaultStateDir(env);
    await mkdir(usual, { recursive: true });
    await writeFile(join(usual, 'key'), '');
    await noteNode(usual, env);
    const other = await folder('other');
    await noteNode(other, env);
    expect((await knownNodes(env)).map(({ stateDir }) => stateDir)).toEqual([usual, other]);
    expect(await readdir(nodesFolder(env))).toHaveLength(1);
  });
});

describe('a note', () => {
  it('is removed with its state folder', async () => {
    const stateDir = await folder('gone');
    await noteNode(stateDir, env);
    await rm(stateDir, { recursive: true });
    expect(await knownNodes(env)).toEqual([]);
    expect(await readdir(nodesFolder(env))).toEqual([]);
  });

  it('that names another folder than it is named after counts for nothing', async () => {
    const stateDir = await folder('lab');
    await noteNode(stateDir, env);
    const [name = ''] = await readdir(nodesFolder(env));
    await writeFile(join(nodesFolder(env), name), '/etc\n');
    expect(await notedIn(nodesFolder(env))).toEqual([]);
  });
});

it.each(['', '{', '[]', '{"name": 5}', `{"name": "${'x'.repeat(20_000)}"}`])(
  'a damaged about.json (%s) says nothing, and the folder is known all the same',
  async (text) => {
    const stateDir = await folder('lab');
    await noteNode(stateDir, env);
    await writeFile(join(stateDir, 'about.json'), text);
    expect(await readAbout(stateDir)).toBeUndefined();
    expect(await knownNodes(env)).toEqual([{ stateDir }]);
  },
);
