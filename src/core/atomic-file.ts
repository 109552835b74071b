/** Files that are whole or not there, and folders that only their owner may enter. */
import { randomBytes } from 'node:crypto';
import { chmod, lstat, mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { StarlingError, messageOf } from './errors.ts';

const OTHERS = 0o077;

/**
 * Replaces `path` by `data` in one step: after a crash the old or the new content is there, never
 * a part. `mode` are the new file's permission bits.
 */
export async function writeFileAtomic(
  path: string,
  data: string | Uint8Array,
  mode: number,
): Promise<void> {
  const folder = dirname(path);
  const temporary = join(folder, `.${basename(path)}.${randomBytes(6).toString('hex')}`);
  try {
    const file = await open(temporary, 'wx', mode);
    try {
      await file.writeFile(data);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw new StarlingError(
      'STARLING_STATE_UNUSABLE',
      `${path} can't be written: ${messageOf(error)}`,
      { hint: `check the permissions and the free space of ${folder}`, cause: error },
    );
  }
  await syncFolder(folder);
}

/**
 * Makes sure that `path` is a folder of ours with mode 0700. @throws STARLING_STATE_UNUSABLE when it
 * can't be made, is no folder, or belongs to somebody else.
 */
export async function ensurePrivateFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    const facts = await lstat(path);
    if (!facts.isDirectory()) throw new Error('it is not a folder');
    if (process.platform === 'win32') return;
    if (facts.uid !== process.getuid?.()) throw new Error('it belongs to another user');
    if ((facts.mode & OTHERS) !== 0) await chmod(path, 0o700);
  } catch (error) {
    throw new StarlingError(
      'STARLING_STATE_UNUSABLE',
      `the state folder ${path} can't be used: ${messageOf(error)}`,
      { hint: 'choose another with --state, or make it a folder of your own', cause: error },
    );
  }
}

/** Makes a rename durable; Windows has no such call. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
