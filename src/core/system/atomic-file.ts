/** Files that are whole or not there, and folders that only their owner may enter. */
import { randomBytes } from 'node:crypto';
import { chmod, lstat, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { diskTroubleOf } from './disk-trouble.ts';
import { StarlingError, messageOf } from '../errors.ts';

const OTHERS = 0o077;
/** Files by which a folder is known to be a node's: in state folders, and in folders of sockets. */
const OURS = /^(key|token|[0-9a-f]{16}\.sock)$/;
const STICKY = 0o1000;

/**
 * Replaces `path` by `data` in one step: after a crash the old or the new content is there, never
 * a part. `mode` are the new file's permission bits. @throws STARLING_STATE_UNUSABLE
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
    await syncFolder(folder);
  } catch (error) {
    // On a disk that is read-only by now this fails as well, and would hide why.
    await rm(temporary, { force: true }).catch(() => undefined);
    throw unwritable(path, error);
  }
}

/**
 * Writes `data` over a file that stays the same file, for those who hold on to the file and not to its name:
 * a mount in a sandbox, which goes with the file. When that fails, `before` is put back.
 * @throws STARLING_STATE_UNUSABLE
 */
export async function writeFileInPlace(path: string, data: string, before: string): Promise<void> {
  try {
    const file = await open(path, 'r+');
    const put = async (text: string): Promise<void> => {
      const bytes = Buffer.from(text);
      for (let at = 0; at < bytes.length;) {
        at += (await file.write(bytes, at, bytes.length - at, at)).bytesWritten;
      }
      await file.truncate(bytes.length);
      await file.sync();
    };
    try {
      await put(data).catch(async (error: unknown) => {
        await put(before);
        throw error;
      });
    } finally {
      await file.close();
    }
  } catch (error) {
    throw unwritable(path, error);
  }
}

function unwritable(path: string, error: unknown): StarlingError {
  const trouble = diskTroubleOf(error);
  return new StarlingError(
    'STARLING_STATE_UNUSABLE',
    `${path} can't be written: ${trouble?.text ?? messageOf(error)}`,
    {
      hint: trouble?.hint ?? `check the permissions and the free space of ${dirname(path)}`,
      cause: error,
    },
  );
}

/**
 * Makes sure that `path` is a folder of ours with mode 0700. A folder that others may enter is closed to
 * them when the folder is empty or a node's; any other (a home, `/tmp`) is left as it is, and refused.
 * @throws STARLING_STATE_UNUSABLE when it can't be made, is no folder, is shared, or belongs to
 * somebody else
 */
export async function ensurePrivateFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    const facts = await lstat(path);
    if (facts.isSymbolicLink()) throw new Error('it is a symbolic link; name the folder itself');
    if (!facts.isDirectory()) throw new Error('it is not a folder');
    if (process.platform === 'win32') return;
    if (facts.uid !== process.getuid?.()) throw new Error('it belongs to another user');
    if ((facts.mode & OTHERS) === 0) return;
    const names = await readdir(path);
    const isOurs = names.length === 0 || names.some((name) => OURS.test(name));
    if (!isOurs || (facts.mode & STICKY) !== 0) {
      throw new Error('others can enter it, and it is not only for a node');
    }
    await chmod(path, 0o700);
  } catch (error) {
    throw new StarlingError(
      'STARLING_STATE_UNUSABLE',
      `the state folder ${path} can't be used: ${messageOf(error)}`,
      {
        hint:
          diskTroubleOf(error)?.hint ??
          'choose another with --state, or make it a private folder of your own',
        cause: error,
      },
    );
  }
}

/** Makes durable what files the folder has; Windows has no such call. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
