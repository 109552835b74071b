/**
 * A JSON file of a person, that the CLI edits: read whole, written whole or not at all, with its mode,
 * and through a symbolic link rather than over it.
 */
import { constants } from 'node:fs';
import { copyFile, mkdir, readFile, readdir, readlink, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { changeInPlace } from '../../config/unfinished-change.ts';
import { dropUnfinished, writeFileAtomic } from '../../core/system/atomic-file.ts';
import { StarlingError, messageOf } from '../../core/errors.ts';

/** A file as it was when it was read. */
export interface JsonFile {
  readonly path: string;
  /** Without a byte order mark; `{}` when the file is missing or empty. */
  readonly text: string;
  readonly exists: boolean;
}

/** How a file is written. */
export interface WriteInit {
  /** Of a new file. */
  readonly mode: number;
  /** Default: false. */
  readonly isSecret?: boolean;
  /** True: what is there stays the same file, with its mode, and is a config file. Default: false. */
  readonly inPlace?: boolean;
}

/** Claude Code keeps its history in the file with its servers, so it may be large. */
const SIZE_BYTES_MAX = 64 * 1024 * 1024;
const BACKUP = '.starling-backup-';
/** More copies of one file are not looked for. */
const BACKUPS_MAX = 50;
const MODE_BITS = 0o777;
const OWN_BITS = 0o700;
const MARK = '\uFEFF';
/** Links that lead to one another; the system follows no more. */
const LINKS_MAX = 40;

/** Reads the file. @throws STARLING_CONFIG_INVALID when it is there but can't be read */
export async function readJsonFile(path: string): Promise<JsonFile> {
  try {
    const { size } = await stat(path);
    if (size > SIZE_BYTES_MAX) throw new Error('it is over 64 MiB');
    const text = (await readFile(path, 'utf8')).replace(MARK, '');
    return { path, text: text.trim() === '' ? '{}' : text, exists: true };
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      return { path, text: '{}', exists: false };
    }
    throw new StarlingError(
      'STARLING_CONFIG_INVALID',
      `${path} can't be read: ${messageOf(error)}`,
      {
        hint: 'check the path, and who owns the file',
        cause: error,
      },
    );
  }
}

/**
 * Replaces the file by `text`, unless somebody else has changed it since `before` was read. A new file
 * gets `mode`, one with a secret in it is closed to others, and folders that are missing are made so that only their owner enters when
 * the file is private.
 * @throws STARLING_CONFIG_INVALID when it was changed, STARLING_STATE_UNUSABLE when it can't be written
 */
export async function writeJsonFile(
  before: JsonFile,
  text: string,
  init: WriteInit,
): Promise<void> {
  // Two commands may have read the same file: the later one finds what the other has written.
  const check = (): Promise<void> => requireUnchanged(before);
  await check();
  if (!before.exists) return writeNew(await meantBy(before.path), text, init.mode, check);
  const target = await realpath(before.path);
  if (init.inPlace === true) {
    const change = { path: target, before: await readFile(target, 'utf8'), after: text };
    return changeInPlace(change, process.env);
  }
  await dropUnfinished(target);
  const { gid, mode, uid } = await stat(target);
  const bits = mode & (init.isSecret === true ? OWN_BITS : MODE_BITS);
  return writeFileAtomic(target, text, bits, { owner: { uid, gid }, check });
}

/** @throws STARLING_CONFIG_INVALID */
async function requireUnchanged({ exists, path, text }: JsonFile): Promise<void> {
  const now = await readJsonFile(path);
  if (now.text === text && now.exists === exists) return;
  throw new StarlingError('STARLING_CONFIG_INVALID', `${path} was changed in the meantime`, {
    hint: 'run the command again; nothing was changed by it',
  });
}

async function writeNew(
  path: string,
  text: string,
  mode: number,
  check: () => Promise<void>,
): Promise<void> {
  try {
    const isPrivate = (mode & 0o077) === 0;
    await mkdir(dirname(path), { recursive: true, mode: isPrivate ? 0o700 : 0o777 });
  } catch (error) {
    throw new StarlingError(
      'STARLING_STATE_UNUSABLE',
      `the folder of ${path} can't be made: ${messageOf(error)}`,
      { hint: 'check who owns the folders above it', cause: error },
    );
  }
  return writeFileAtomic(path, text, mode, { check });
}

/** Where a path leads to nothing yet: behind a link, where that points, so that the link stays. */
async function meantBy(path: string): Promise<string> {
  let meant = path;
  for (let links = 0; links < LINKS_MAX; links += 1) {
    const link = await linkAt(meant);
    if (link === undefined) return meant;
    meant = resolve(await realpath(dirname(meant)), link);
  }
  return meant;
}

/** Undefined for what is no link, or not there. */
async function linkAt(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch {
    // Whatever else is wrong with it, writing there says so.
    return undefined;
  }
}

/** Copies the file beside itself, mode and all; gives the copy's path. @throws STARLING_STATE_UNUSABLE */
export async function backUp(path: string, now: Date): Promise<string> {
  const copy = `${path}${BACKUP}${now.toISOString().replaceAll(/[:.]/g, '-')}`;
  try {
    await copyFile(path, copy, constants.COPYFILE_EXCL);
    return copy;
  } catch (error) {
    throw new StarlingError(
      'STARLING_STATE_UNUSABLE',
      `no backup of ${path} could be made: ${messageOf(error)}`,
      { hint: 'check the free space and who owns the folder; nothing was changed', cause: error },
    );
  }
}

/** The last copies of `path` that {@link backUp} made, the newest first. */
export async function backupsOf(path: string): Promise<readonly string[]> {
  const names = await readdir(dirname(path)).catch(() => []);
  return names
    .filter((name) => name.startsWith(`${basename(path)}${BACKUP}`))
    .toSorted()
    .toReversed()
    .slice(0, BACKUPS_MAX)
    .map((name) => join(dirname(path), name));
}
