/** Servers that want to be the operator, in their sandbox and out of it. */
import { chmod, chown, mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { NodeProcess } from '../../sim/process.ts';
import { attach } from '../../src/cli/node/client.ts';
import { noteNode } from '../../src/config/index.ts';
import { sandboxMissing } from './sandbox-missing.ts';
import { SERVERS, eventually, useWorld } from './support.ts';
import { someOf } from '../long/extent.ts';

const world = useWorld();
const missing = await sandboxMissing();
if (missing !== undefined) process.stderr.write(`skipped: ${missing}\n`);

const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;
const users: readonly (readonly [title: string, uid: number])[] = isRoot
  ? [
      ['root', 0],
      ['an ordinary user', NOBODY],
    ]
  : [['an ordinary user', process.getuid?.() ?? 0]];

interface Scene {
  readonly node: NodeProcess;
  readonly targets: Targets;
}

interface Targets {
  readonly pid: number;
  readonly stateDir: string;
  readonly secrets: readonly string[];
  readonly obeyed: readonly string[];
  readonly only?: readonly string[];
}

type Loot = Readonly<Record<string, string | null>>;

/** A file of the user, in folders of the user. */
async function own(uid: number, path: string, text: string): Promise<string> {
  await folderOf(uid, dirname(path));
  await writeFile(path, text, { mode: 0o600 });
  await chown(path, uid, uid);
  return path;
}

async function folderOf(uid: number, folder: string): Promise<string> {
  const made = await mkdir(folder, { recursive: true, mode: 0o700 });
  if (made !== undefined) await chown(folder, uid, uid);
  return folder;
}

/** The state folder of another node that is not running now, and of one whose socket is open. */
async function otherNodes(uid: number, home: string): Promise<readonly string[]> {
  const idle = await folderOf(uid, join(home, 'idle'));
  await noteNode(idle, { HOME: home });
  const notes = await readdir(join(home, '.local'), { recursive: true });
  for (const path of ['', ...notes]) await chown(join(home, '.local', path), uid, uid);
  const running = await folderOf(uid, join(home, 'running'));
  await folderOf(uid, join(running, 'db'));
  const server = createServer().listen(join(running, 'node.sock'));
  world.defer(() => server.close());
  await once(server, 'listening');
  return Promise.all(
    [idle, running].map((folder) => own(uid, join(folder, 'token'), 'of another')),
  );
}

/** A node of `uid` with two thieves among its servers, one of them outside of the sandbox. */
async function scene(uid: number): Promise<Scene> {
  const root = await world.root();
  // Another user gets there, and sees nothing else of the run.
  await chmod(dirname(root), 0o711);
  await chmod(root, 0o755);
  const prefix =
    uid === process.getuid?.()
      ? []
      : ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups'];
  const home = await folderOf(uid, join(root, 'owner'));
  const others = await otherNodes(uid, home);
  const passphrase = await own(uid, join(home, 'passphrase.txt'), 'a passphrase');
  // The client's file is there before the node is, with the token that the node will have.
  const token = 'a-token-that-a-person-pasted-somewhere';
  const stateDir = join(home, 'state');
  await own(uid, join(stateDir, 'token'), `${token}\n`);
  const client = await own(uid, join(home, '.cursor', 'mcp.json'), `{"token": "${token}"}`);
  const thief = SERVERS.fixture('thief.mjs');
  const node = await world.start('owner', {
    prefix,
    env: { STARLING_PASSPHRASE_FILE: passphrase, SOME_SECRET: 'HIDDEN=environment' },
    config: { mcpServers: { thief, free: { ...thief, sandbox: false } } },
  });
  const state = ['token', 'key', 'db/CURRENT'].map((name) => join(stateDir, name));
  const secrets = [...state, ...others, passphrase, client];
  for (const path of secrets) expect((await readFile(path, 'utf8')).length).toBeGreaterThan(0);
  // The policy was not there before the start.
  const obeyed = [join(home, 'starling.json'), join(home, 'policy.yaml')];
  return { node, targets: { pid: node.up.pid, stateDir, secrets, obeyed } };
}

async function steal(node: NodeProcess, server: string, targets: Targets): Promise<Loot> {
  const client = await attach(node.stateDir);
  try {
    const { content } = await client.call(`${server}__steal`, { ...targets });
    const [{ text = '' } = {}] = content as { text?: string }[];
    return JSON.parse(text) as Loot;
  } finally {
    client.close();
  }
}

const taken = (loot: Loot): Loot =>
  Object.fromEntries(Object.entries(loot).filter(([, got]) => got !== null));

/** What the thief tries that does no harm where it succeeds. */
const HARMLESS = [
  'list the state folder',
  'the socket',
  'root of any process',
  'cwd of the node',
  'files of the node',
  'environment of the node',
  'memory of the node',
  'arguments of the node',
  'environment with a secret',
  'signal the node',
];
const WITH_PYTHON = ['trace the node', 'read memory of the node'];

// In `npm test` of the user who may most.
describe.skipIf(missing !== undefined).each(someOf(users, (_, user) => user === 0))(
  'a server of %s that is a thief',
  (_, uid) => {
    it('gets nothing in its sandbox, and outside of it all that it tries', async () => {
      const { node, targets } = await scene(uid);
      const loot = await steal(node, 'thief', targets);
      expect(Object.keys(loot).length).toBeGreaterThan(40);
      expect(taken(loot)).toEqual({});

      const reads = targets.secrets.map((path) => `read ${path}`);
      const only = [
        ...HARMLESS,
        ...WITH_PYTHON,
        ...reads,
        ...(uid === 0 ? ['enter the node'] : []),
      ];
      const free = await steal(node, 'free', { ...targets, only });
      expect(Object.keys(taken(free)).toSorted()).toEqual(only.toSorted());
      expect(node.up.warnings.map(({ code }) => code)).toContain('sandbox-off');
    });
  },
);

/** Processes with this word among their arguments, with their states. */
async function withArgument(word: string): Promise<readonly string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
  );
  return pids.filter((_, index) => lines[index]?.split('\0').includes(word));
}

describe.skipIf(process.platform !== 'linux')('servers of a node that is killed', () => {
  it('end with the node in their sandbox, and else with its next start', async () => {
    const [inside, outside] = [`inside-${randomUUID()}`, `outside-${randomUUID()}`];
    const mcpServers = {
      inside: SERVERS.fixture('stays.mjs', inside),
      outside: { ...SERVERS.fixture('stays.mjs', outside), sandbox: false },
    };
    const node = await world.start('alice', { config: { mcpServers } });
    const countOf = async (word: string): Promise<number> => (await withArgument(word)).length;
    const outer = await withArgument(outside);
    expect([(await countOf(inside)) > 0, outer.length]).toEqual([true, 2]);
    await node.stop('SIGKILL');
    if (missing === undefined) {
      await eventually(
        'the sandboxed ones are gone',
        () => countOf(inside),
        (count) => count === 0,
      );
    }
    expect(await withArgument(outside)).toEqual(outer);

    await world.start('alice', { config: { mcpServers } });
    await eventually(
      'two new ones are there, and none of those before',
      () => withArgument(outside),
      (pids) => pids.length === 2 && !pids.some((pid) => outer.includes(pid)),
    );
  });
});
