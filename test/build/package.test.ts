/**
 * What `npm pack` makes: one package that is whole by itself. It is installed into an empty folder without any
 * registry, and a stranger's program and a stranger's types are tried with nothing else beside it.
 */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runCli, startProcess } from '../../sim/process.ts';
import { VERSION } from '../../src/core/version.ts';
import { imageRunner, readImage } from './image.ts';
import { npm, packInto } from './packed.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const TSC = join(ROOT, 'node_modules/typescript/bin/tsc');
const MB = 1_000_000;
const exec = promisify(execFile);

/** Whether Debian's bubblewrap is there and may make namespaces: `npm run machine` installs it. */
const hasBwrap = await exec('bwrap', ['--unshare-user', '--ro-bind', '/', '/', 'true']).then(
  () => true,
  () => false,
);

let folder: string;
/** The package as npm has installed it. */
let installed: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-package-'));
  const tarball = await packInto(folder);
  const prefix = join(folder, 'prefix');
  await npm(['install', '--global', '--offline', '--prefix', prefix, tarball], folder);
  installed = join(prefix, 'lib/node_modules/starling-mesh');
});
afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

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

it('runs a node, its commands and a call of a tool', async () => {
  const cli = join(installed, 'dist/cli.js');
  const toolbox = { command: process.execPath, args: [join(installed, 'dist/sim-server.js')] };
  const config = { mcpServers: { toolbox } };
  const node = await startProcess({ cli, root: folder, name: 'packed', config });
  try {
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

it.runIf(hasBwrap)(
  'runs as the image says: not as root, on a root folder that is read-only',
  async () => {
    const image = await readImage(join(ROOT, 'config/container/Containerfile'));
    const { run, start } = await imageRunner(image, {
      prefix: join(folder, 'prefix'),
      home: join(folder, 'image'),
      env: {
        STARLING_LISTEN: '/ip4/127.0.0.1/tcp/0',
        STARLING_HTTP_PORT: '0',
        STARLING_MDNS: 'false',
      },
    });
    expect((await run(['id', '-u'])).said).toBe('1000\n');
    expect((await run(['touch', '/opt/x', '/x'])).code).not.toBe(0);
    expect((await run(image.health)).code).toBe(1);
    const node = start(image.command);
    const ended = once(node, 'exit');
    await expect.poll(async () => (await run(image.health)).code).toBe(0);
    const status = await run(['starling', 'status', '--json']);
    const { pid, warnings } = JSON.parse(status.said) as {
      readonly pid: number;
      readonly warnings: readonly { readonly code: string }[];
    };
    // Everything that the node keeps has found its place.
    expect(warnings.filter(({ code }) => /state|disk|audit|noted/.test(code))).toEqual([]);
    process.kill(pid, image.stopSignal);
    expect(await ended).toEqual([0, null]);
  },
);

it('is a library whose types need no package but those of Node', async () => {
  const home = join(folder, 'stranger');
  await mkdir(join(home, 'node_modules/@types'), { recursive: true });
  await symlink(installed, join(home, 'node_modules/starling-mesh'));
  for (const name of ['@types/node', 'undici-types'])
    await symlink(join(ROOT, 'node_modules', name), join(home, 'node_modules', name));
  await writeFile(join(home, 'package.json'), '{ "type": "module" }');
  await writeFile(join(home, 'program.ts'), PROGRAM);
  const checks = ['--strict', '--module', 'nodenext', '--target', 'es2023', '--types', 'node'];
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
