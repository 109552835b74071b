/**
 * The root folder of a machine with nothing but Debian and Node.js: the packages that Debian calls essential, those that
 * they need, and what Node.js is linked with, copied from this machine; then `node`, `npm` and `npx`. Nothing is started.
 */
import { execFile } from 'node:child_process';
import { copyFile, cp, lstat, mkdir, realpath, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { hasProgram } from '../../../sim/has-program.ts';

const exec = promisify(execFile);
/** Beside what is essential: Node.js is linked with it, and Debian's smallest image has it. */
const ALSO = ['libstdc++6'] as const;
/** What a person reads, and no program. */
const PAPERS = /^\/usr\/share\/(?:bug|doc|info|lintian|locale|man)\//;
const FOLDERS = ['dev', 'etc', 'proc', 'root', 'run', 'srv', 'sys', 'tmp', 'var/tmp'] as const;
const FILES = {
  'etc/passwd': 'root:x:0:0:root:/root:/bin/bash\n',
  'etc/group': 'root:x:0:\n',
  'etc/hosts': '127.0.0.1 localhost\n',
} as const;
const OUTPUT_MAX = 64 * 1024 * 1024;

/** Where programs are on that machine. */
export const BARE_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** What a person on that machine has in the environment. */
export const BARE_ENV: readonly string[] = [
  'HOME=/root',
  'USER=root',
  'LANG=C.UTF-8',
  `PATH=${BARE_PATH}`,
];

/** Why such a root folder can't be made here; undefined where it can. */
export function bareRootMissing(): string | undefined {
  if (process.getuid?.() !== 0) return 'a root folder of its own takes root';
  if (hasProgram('dpkg-query') === undefined) return 'this is no Debian, whose packages are copied';
  return hasProgram('npm') === undefined ? 'there is no npm to be copied' : undefined;
}

/** Makes the folder at `root`. */
export async function makeBareRoot(root: string): Promise<void> {
  for (const folder of FOLDERS) await mkdir(join(root, folder), { recursive: true });
  const list = `${root}.list`;
  await writeFile(list, (await filesOf(await barePackages())).join('\n'));
  const copy = 'tar --no-recursion -C / -T "$1" -cf - | tar -xf - -C "$0"';
  await exec('bash', ['-o', 'pipefail', '-c', copy, root, list]);
  for (const [path, text] of Object.entries(FILES)) await writeFile(join(root, path), text);
  await addNode(join(root, 'usr/local'));
}

async function addNode(prefix: string): Promise<void> {
  const npm = resolve(await realpath(hasProgram('npm') ?? ''), '../..');
  await mkdir(join(prefix, 'bin'), { recursive: true });
  await copyFile(process.execPath, join(prefix, 'bin/node'));
  await cp(npm, join(prefix, 'lib/node_modules/npm'), { recursive: true });
  for (const name of ['npm', 'npx'])
    await symlink(`../lib/node_modules/npm/bin/${name}-cli.js`, join(prefix, 'bin', name));
}

/** Essential packages, and all that they depend on, of those that are installed. */
async function barePackages(): Promise<readonly string[]> {
  const form = '${Package}\t${Essential}\t${Pre-Depends}, ${Depends}\n';
  const said = (await exec('dpkg-query', ['-W', '-f', form], { maxBuffer: OUTPUT_MAX })).stdout;
  const needs = new Map<string, readonly string[]>();
  const wanted: string[] = [...ALSO];
  for (const line of said.split('\n')) {
    const [name = '', essential, depends = ''] = line.split('\t');
    needs.set(name, depends.match(/[a-z0-9][a-z0-9+.-]+(?=[ ,|:(]|$)/g) ?? []);
    if (essential === 'yes') wanted.push(name);
  }
  const found = new Set<string>();
  for (const name of wanted) {
    // What is not installed is another way to have the same.
    if (found.has(name) || !needs.has(name)) continue;
    found.add(name);
    wanted.push(...(needs.get(name) ?? []));
  }
  return [...found];
}

/** Files of the packages, from the root, by where they truly are. */
async function filesOf(packages: readonly string[]): Promise<readonly string[]> {
  const said = (await exec('dpkg', ['-L', ...packages], { maxBuffer: OUTPUT_MAX })).stdout;
  const paths = new Set(
    said.split('\n').filter((path) => /^\/[^.]/.test(path) && !PAPERS.test(path)),
  );
  const folders = new Map<string, Promise<string>>();
  const placed = async (path: string): Promise<string | undefined> => {
    const facts = await lstat(path).catch(() => undefined);
    if (facts === undefined) return undefined;
    const folder = dirname(path);
    const real = folders.get(folder) ?? realpath(folder);
    folders.set(folder, real);
    return join(await real, basename(path)).slice(1);
  };
  const all = await Promise.all([...paths].map(placed));
  return [...new Set(all.filter((path) => path !== undefined))];
}
