/**
 * Builds a commit of before from this repository's own history, with the dependencies that are installed, and those that
 * npm brings because nothing of today needs them.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const BUILD_TIMEOUT_MS = 300_000;

/**
 * Builds `commit` of the repository at `root` in `folder`; returns the path of its built command.
 * @throws when the history does not reach so far, npm does not bring what is gone, or the build fails
 */
export async function buildOld(root: string, commit: string, folder: string): Promise<string> {
  await run('git', ['-C', root, 'cat-file', '-e', `${commit}^{commit}`]).catch(() => {
    throw new Error(
      `this clone has no commit ${commit}: fetch the whole history (git fetch --unshallow)`,
    );
  });
  await mkdir(folder, { recursive: true });
  const archive = join(folder, 'source.tar');
  await run('git', ['-C', root, 'archive', '--output', archive, commit]);
  await run('tar', ['-xf', archive, '-C', folder]);
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  await installGone(root, folder);
  const rolldown = join(root, 'node_modules/.bin/rolldown');
  await run(rolldown, ['-c'], { cwd: folder, timeout: BUILD_TIMEOUT_MS });
  return join(folder, 'dist/cli.js');
}

/** Installs above `folder`, where Node.js looks next, what the manifest there needs and `root` has no more. */
async function installGone(root: string, folder: string): Promise<void> {
  const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as {
    readonly dependencies: Readonly<Record<string, string>>;
  };
  const gone = Object.entries(manifest.dependencies).filter(
    ([name]) => !existsSync(join(root, 'node_modules', name)),
  );
  if (gone.length === 0) return;
  const above = dirname(folder);
  await writeFile(join(above, 'package.json'), '{"private": true}\n');
  const names = gone.map(([name, version]) => `${name}@${version}`);
  const quiet = ['--no-audit', '--no-fund', '--no-package-lock', '--ignore-scripts'];
  await run('npm', ['install', ...quiet, ...names], { cwd: above, timeout: BUILD_TIMEOUT_MS });
}
