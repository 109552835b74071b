/**
 * What `npm pack` makes: one package that is whole by itself. It is installed into an empty folder without any
 * registry, and a stranger's program and a stranger's types are tried with nothing else beside it.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { cpuUs } from '../../sim/bench/cpu.ts';
import { runCli, startProcess } from '../../sim/process.ts';
import { VERSION } from '../../src/core/version.ts';
import { bareRootMissing } from '../e2e/stranger/bare-root.ts';
import { someOf } from '../long/extent.ts';
import { longIt } from '../long/long-it.ts';
import { findRunner } from './container.ts';
import type { Contents } from './container.ts';
import { overBareDebian, overThisMachine } from './contents.ts';
import { readImage } from './image.ts';
import type { Image } from './image.ts';
import { cleanEnvironment, npm, packInto } from './packed.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const TSC = join(ROOT, 'node_modules/typescript/bin/tsc');
const MB = 1_000_000;
/** Linux counts a process's CPU time in ticks of 10 ms. */
const TICKS = 100;
const exec = promisify(execFile);

const CONTAINERFILE = join(ROOT, 'config/container/Containerfile');
/** What runs the image here: `npm run machine` installs runc and umoci. */
const runner = await findRunner();

let folder: string;
/** The package as a file. */
let tarball: string;
/** The package as npm has installed it. */
let installed: string;
/** CPU of that, s. */
let installS: number;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-package-'));
  tarball = await packInto(folder);
  const prefix = join(folder, 'prefix');
  const before = endedChildrenS();
  await npm(['install', '--global', '--offline', '--prefix', prefix, tarball], folder);
  installS = endedChildrenS() - before;
  installed = join(prefix, 'lib/node_modules/starling-mesh');
});
afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

/** CPU of what this process has started and seen end, with all that came of it, s (proc(5), fields 16 and 17 of stat). */
function endedChildrenS(): number {
  if (!existsSync('/proc/self/stat')) return 0;
  const stat = readFileSync('/proc/self/stat', 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[13]) + Number(fields[14])) / TICKS;
}

/** All files of a folder, with their sizes in bytes. */
async function filesIn(home: string): Promise<ReadonlyMap<string, number>> {
  const names = await readdir(home, { recursive: true, withFileTypes: true });
  const paths = names.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name));
  const sizes = await Promise.all(paths.map(async (path) => (await stat(path)).size));
  return new Map(paths.map((path, index) => [path.slice(home.length + 1), sizes[index] ?? 0]));
}

it('is one package of less than 25 MB, without the tools that measure, and names all licences', async () => {
  const files = await filesIn(join(folder, 'prefix'));
  const manifests = [...files.keys()].filter((path) => path.endsWith('/package.json'));
  expect(manifests).toHaveLength(1);
  expect([...files.values()].reduce((sum, size) => sum + size, 0)).toBeLessThan(25 * MB);
  const manifest = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8')) as object;
  expect(Object.keys(manifest)).not.toContain('dependencies');
  const names = [...files.keys()].join('\n');
  expect(names).not.toMatch(/bench|soak|write-compiled|dist\/types/);
  const licences = await readFile(join(installed, 'dist/LICENSES.txt'), 'utf8');
  for (const name of ['libp2p', 'yjs', 'zod', 'classic-level', 'The LevelDB Authors', 'tweetnacl'])
    expect(licences).toContain(name);
});

it('runs a node, its commands and a call of a tool, within 10 s of CPU with its installation', async () => {
  const cli = join(installed, 'dist/cli.js');
  const toolbox = { command: process.execPath, args: [join(installed, 'dist/sim-server.js')] };
  const config = { mcpServers: { toolbox } };
  const node = await startProcess({ cli, root: folder, name: 'packed', config });
  try {
    // Time passes faster where others work beside; where nobody does, that is how long a person waits.
    const startS = (cpuUs([node.up.pid]) ?? 0) / 1e6;
    expect(installS + startS, `${installS} s and ${startS} s`).toBeLessThan(10);
    const status = await node.run(['status', '--json']);
    expect(JSON.parse(status.stdout)).toMatchObject({ name: 'packed', version: VERSION });
    const call = await node.run(['call', 'toolbox__echo', '--arg', 'message=hello', '--json']);
    expect(call, call.stderr).toMatchObject({ code: 0 });
    expect(call.stdout).toContain('hello');
  } finally {
    expect(await node.stop()).toBe(0);
  }
  // The command that npm links into the PATH.
  const linked = await runCli(join(folder, 'prefix/bin/starling'), ['--version']);
  expect(linked.stdout).toBe(`${VERSION}\n`);
});

longIt('runs by npx from its file, with nothing installed and no registry', async () => {
  const home = join(folder, 'npx');
  await mkdir(home);
  const env = {
    ...cleanEnvironment(home),
    HOME: home,
    STARLING_STATE_DIR: join(home, 'state'),
    STARLING_LISTEN: '/ip4/127.0.0.1/tcp/0',
    STARLING_HTTP_PORT: '0',
    STARLING_MDNS: 'false',
  };
  const words = [`--package=${tarball}`, 'starling', 'up', '--json'];
  const papers = await readFile(join(ROOT, 'docs/operations.md'), 'utf8');
  expect(papers).toContain(`npx --package=./starling-mesh-${VERSION}.tgz starling up`);
  // A group of its own, which is ended whole: npx starts a shell, and that the node.
  const npx = spawn('npx', ['--yes', '--offline', ...words], {
    cwd: home,
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = once(npx, 'close');
  let said = '';
  npx.stderr.on('data', (chunk: Buffer) => (said += chunk.toString('utf8')));
  const line = await Promise.race([
    once(createInterface({ input: npx.stdout }), 'line'),
    ended.then(([code]) => [`ended with ${String(code)}: ${said}`]),
  ]);
  expect(JSON.parse(String(line[0]))).toMatchObject({ event: 'up', version: VERSION });
  process.kill(-(npx.pid ?? 0), 'SIGTERM');
  await ended;
});

/** What the image is made of, in a folder of its own. */
const IMAGES: readonly (readonly [
  over: string,
  make: (image: Image, home: string) => Promise<Contents>,
])[] = [
  ['this machine', (image, home) => overThisMachine(image, join(folder, 'prefix'), home)],
  ['a bare Debian', (image, home) => overBareDebian(image, tarball, CONTAINERFILE, home)],
];

const byWhom = runner === undefined ? 'nothing here: no runc, crun or bwrap runs' : runner.name;

describe.each(someOf(IMAGES, (_, form) => form === 0))('the image over %s', (over, make) => {
  for (const why of runner?.passedOver ?? []) process.stderr.write(`the image: ${why}\n`);
  const missing = over === 'this machine' ? undefined : bareRootMissing();
  if (missing !== undefined) process.stderr.write(`the image over ${over}: ${missing}\n`);

  it.skipIf(runner === undefined || missing !== undefined)(
    `runs by ${byWhom}: not as root, on a root folder that is read-only, healthy, until its signal`,
    async () => {
      const home = join(folder, `image-${over.replaceAll(' ', '-')}`);
      await mkdir(home);
      const image = await readImage(CONTAINERFILE);
      const node = await runner?.start(image, await make(image, home), home);
      if (node === undefined) throw new Error('nothing runs it');
      onTestFinished(() => node.remove());
      await expect.poll(async () => (await node.run(...image.health)).code).toBe(0);
      expect((await node.run('id', '-u')).said).toBe('1000\n');
      expect((await node.run('touch', '/opt/x', '/x')).code).not.toBe(0);
      const noNode = ['env', 'STARLING_STATE_DIR=/data/none', ...image.health];
      expect((await node.run(...noNode)).code).toBe(1);
      const status = await node.run('starling', 'status', '--json');
      const { warnings } = JSON.parse(status.said) as {
        readonly warnings: readonly { readonly code: string }[];
      };
      // Everything that the node keeps has found its place.
      expect(warnings.filter(({ code }) => /state|disk|audit|noted/.test(code))).toEqual([]);
      expect(await node.stop(), node.said()).toBe(0);
    },
  );
});

it('is a library whose types need no package but those of Node', async () => {
  const home = join(folder, 'stranger');
  await mkdir(join(home, 'node_modules/@types'), { recursive: true });
  await symlink(installed, join(home, 'node_modules/starling-mesh'));
  for (const name of ['@types/node', 'undici-types'])
    await symlink(join(ROOT, 'node_modules', name), join(home, 'node_modules', name));
  await writeFile(join(home, 'package.json'), '{ "type": "module" }');
  await writeFile(join(home, 'program.ts'), PROGRAM);
  const checks = [
    '--strict',
    '--module',
    'nodenext',
    '--target',
    'es2023',
    '--types',
    'node',
    '--skipDefaultLibCheck',
  ];
  await exec(process.execPath, [TSC, ...checks, 'program.ts'], { cwd: home });
  const { stdout } = await exec(process.execPath, ['program.js', join(home, 'state')], {
    cwd: home,
  });
  expect(stdout).toBe(`library ${VERSION} twice 42\n`);
});

/** A stranger's program: a node with a tool of its own, called by that program. */
const PROGRAM = `
import { VERSION, createNode, loadConfig } from 'starling-mesh';
import type { Config, StarlingNode, StatusResult } from 'starling-mesh';

const config: Config = await loadConfig({
  env: { STARLING_CONFIG: '' },
  flags: {
    stateDir: process.argv[2] ?? '',
    name: 'library',
    listen: ['/ip4/127.0.0.1/tcp/0'],
    mdns: false,
    http: { enabled: false },
  },
});
// The types say something: what is no configuration is none.
const isRefused: { name: number } extends Config ? false : true = true;
const node: StarlingNode = await createNode(config);
await node.start();
const status: StatusResult = node.status();
await node.tool(
  {
    name: 'twice',
    description: 'Doubles a number.',
    inputSchema: { type: 'object', properties: { n: { type: 'number' } } },
  },
  ({ n }) => ({ twice: Number(n) * 2 }),
);
const answer = await node.call('functions__twice', { n: 21 });
console.log(isRefused && status.name, VERSION, JSON.stringify(answer).includes('42') ? 'twice 42' : answer);
await node.stop();
`;
