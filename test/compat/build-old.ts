/** Builds a commit of before from this repository's own history, with the dependencies that are installed. */
import { execFile } from 'node:child_process';
import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const BUILD_TIMEOUT_MS = 300_000;

/**
 * Builds `commit` of the repository at `root` in `folder`; returns the path of its built command.
 * @throws when the history does not reach so far, or the build fails
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
  const rolldown = join(root, 'node_modules/.bin/rolldown');
  await run(rolldown, ['-c'], { cwd: folder, timeout: BUILD_TIMEOUT_MS });
  return join(folder, 'dist/cli.js');
}
