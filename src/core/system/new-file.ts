/** Files that a command makes for a person at a place where nothing is: whole, or not there. */
import { randomBytes } from 'node:crypto';
import { link, lstat, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { StarlingError, messageOf } from '../errors.ts';
import { dropUnfinished, syncFolder } from './atomic-file.ts';
import { diskTroubleOf } from './disk-trouble.ts';

/** The rights of a file, and what a person can do who can not have it there. */
export interface NewFileInit {
  /** Permission bits. */
  readonly mode: number;
  /** What else the person can do where the file can't be made. */
  readonly hint: string;
}

/**
 * Makes the file `path` in one step: the file stands there once `fill` has added all of its text. When anything fails, or the
 * process is killed, nothing stands there. Gives what `fill` gives.
 * @throws STARLING_USAGE where something is there already or no file can be made, STARLING_STATE_UNUSABLE where the disk
 * refuses the text, and what `fill` throws
 */
export async function makeFile<T>(
  path: string,
  { mode, hint }: NewFileInit,
  fill: (add: (text: string) => Promise<void>) => Promise<T>,
): Promise<T> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}`);
  const told = (error: unknown): never => {
    throw refusal(path, error, hint);
  };
  await requireFree(path).catch(told);
  await dropUnfinished(path);
  try {
    const file = await open(temporary, 'wx', mode).catch(told);
    let filled: T;
    try {
      filled = await fill((text) => file.appendFile(text).catch(told));
      await file.sync().catch(told);
    } finally {
      await file.close();
    }
    await place(temporary, path).catch(told);
    return filled;
  } finally {
    // On a disk that is read-only by now this fails as well, and would hide why.
    await rm(temporary, { force: true }).catch(() => undefined);
  }
}

/** Takes nobody's place, also where somebody made a file of that name meanwhile. */
async function place(temporary: string, path: string): Promise<void> {
  try {
    await link(temporary, path);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') throw error;
    // Some file systems have no second names for a file.
    await requireFree(path);
    await rename(temporary, path);
  }
  await syncFolder(dirname(path));
}

async function requireFree(path: string): Promise<void> {
  const found = await lstat(path).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (found !== undefined) throw new Error('something is there already');
}

function refusal(path: string, error: unknown, hint: string): StarlingError {
  if (error instanceof StarlingError) return error;
  const trouble = diskTroubleOf(error);
  if (trouble === undefined || trouble.kind === 'denied') {
    const why = codeOf(error) === 'ENOENT' ? 'there is no such folder' : messageOf(error);
    return new StarlingError('STARLING_USAGE', `${path} can't be made: ${why}`, {
      hint,
      cause: error,
    });
  }
  return new StarlingError('STARLING_STATE_UNUSABLE', `${path} can't be written: ${trouble.text}`, {
    hint: trouble.hint,
    cause: error,
  });
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
