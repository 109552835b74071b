/** Files that are whole or not there, and folders that only their owner may enter. */
import { randomBytes } from 'node:crypto';
import { chmod, lstat, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { diskTroubleOf } from './disk-trouble.ts';
import { StarlingError, messageOf } from '../errors.ts';

const OTHERS = 0o077;
/** Files by which a folder is known to be a node's: in state folders, and in folders of sockets. */
const OURS = /^(key|token|[0-9a-f]{16}\.sock)$/;
const STICKY = 0o1000;
/** Behind the name of a file that is being written. */
const RANDOM = /^[0-9a-f]{12}$/;
/** Nobody writes at one file for longer. */
const UNFINISHED_MS = 60_000;

/** What holds where a file of somebody's is replaced. */
export interface Replacing {
  /** Whose the file is: the new one is of the same owner, with just its `mode`. Absent where there is none yet. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** Looks once more, at the last moment, whether the file is what it was. @throws where it is not */
  check(): Promise<void>;
}

/**
 * Replaces `path` by `data` in one step: after a crash the old or the new content is there, never
 * a part. `mode` are the new file's permission bits. @throws STARLING_STATE_UNUSABLE, and what `replacing.check` throws
 */
export async function writeFileAtomic(
  path: string,
  data: string | Uint8Array,
  mode: number,
  replacing?: Replacing,
): Promise<void> {
  const folder = dirname(path);
  const temporary = join(folder, `.${basename(path)}.${randomBytes(6).toString('hex')}`);
  try {
    const file = await open(temporary, 'wx', mode);
    try {
      if (replacing?.owner !== undefined) await likeBefore(file, mode, replacing.owner);
      await file.writeFile(data);
      await file.sync();
    } finally {
      await file.close();
    }
    await replacing?.check();
    await rename(temporary, path);
    await syncFolder(folder);
  } catch (error) {
    // On a disk that is read-only by now this fails as well, and would hide why.
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error instanceof StarlingError ? error : unwritable(path, error);
  }
}

/**
 * Takes away what processes have left beside `path` that were killed while they wrote it: it may hold a secret, and nobody
 * looks there.
 */
export async function dropUnfinished(path: string): Promise<void> {
  const folder = dirname(path);
  const begun = `.${basename(path)}.`;
  // A folder that can't be listed has been written to all the same, or says so when it is.
  for (const name of await readdir(folder).catch(() => [])) {
    if (!name.startsWith(begun) || !RANDOM.test(name.slice(begun.length))) continue;
    const file = join(folder, name);
    // Whoever writes it may have finished meanwhile.
    const facts = await lstat(file).catch(() => undefined);
    if (facts === undefined || Math.abs(Date.now() - facts.mtimeMs) <= UNFINISHED_MS) continue;
    await rm(file, { force: true });
  }
}

/** Whatever the umask is. Only root gives a file to somebody else; whoever else writes one in its place owns that. */
async function likeBefore(
  file: FileHandle,
  mode: number,
  { gid, uid }: NonNullable<Replacing['owner']>,
): Promise<void> {
  if (process.getuid?.() === 0) await file.chown(uid, gid);
  await file.chmod(mode);
}

/**
 * Writes `data` over a file that stays the same file, for those who hold on to the file and not to its name:
 * a mount in a sandbox, which goes with the file. When that fails, `before` is put back. Whoever reads meanwhile, or finds
 * what a killed process has left, may see blank lines behind `data`, and no end of what was there.
 * @throws STARLING_STATE_UNUSABLE
 */
export async function writeFileInPlace(path: string, data: string, before: string): Promise<void> {
  try {
    const file = await open(path, 'r+');
    const put = async (text: string): Promise<void> => {
      const lengthBytes = Buffer.byteLength(text);
      const { size } = await file.stat();
      const bytes = Buffer.from(text + '\n'.repeat(Math.max(0, size - lengthBytes)));
      for (let at = 0; at < bytes.length;) {
        at += (await file.write(bytes, at, bytes.length - at, at)).bytesWritten;
      }
      await file.truncate(lengthBytes);
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
