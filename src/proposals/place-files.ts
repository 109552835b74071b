/**
 * Puts the files of a proposed program into a folder of their own: all of them or none, whatever ends in between, and never
 * over or through anything that is there. Imports nothing heavy, because a command does it.
 */
import { randomBytes } from 'node:crypto';
import { lstat, mkdir, open, readFile, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { StarlingError, messageOf } from '../core/errors.ts';
import { syncFolder } from '../core/system/atomic-file.ts';
import type { ProposedFile } from './types.ts';

const PRIVATE_FOLDER = 0o700;
const PRIVATE_FILE = 0o600;
const UNFINISHED = '.unfinished-';
/** More entries than any proposal has: such a folder is somebody else's. */
const ENTRIES_MAX = 200;

/** The files, and the folder in which the program may write, which is empty at first. */
export interface PlacedFiles {
  readonly files: readonly ProposedFile[];
  readonly data?: string | undefined;
}

/**
 * Makes `folder` with the files; where it is there with just these, nothing is done: a command that was killed is run again.
 * @throws STARLING_STATE_UNUSABLE where something else is there, or nothing can be written
 */
export async function placeFiles(folder: string, init: PlacedFiles): Promise<void> {
  const parent = dirname(folder);
  try {
    await mkdir(parent, { recursive: true, mode: PRIVATE_FOLDER });
    if (!(await lstat(parent)).isDirectory()) throw new Error(`${parent} is no folder`);
    await dropUnfinished(folder);
    if (await isThere(folder)) {
      await requireSame(folder, init);
      return;
    }
    const unfinished = join(
      parent,
      `${UNFINISHED}${basename(folder)}-${randomBytes(6).toString('hex')}`,
    );
    try {
      await fill(unfinished, folder, init);
      await rename(unfinished, folder);
    } catch (error) {
      await rm(unfinished, { recursive: true, force: true });
      throw error;
    }
    await syncFolder(parent);
  } catch (error) {
    throw new StarlingError(
      'STARLING_STATE_UNUSABLE',
      `the files can't be put into ${folder}: ${messageOf(error)}`,
      { hint: 'look what is there, and take it away; nothing else was changed', cause: error },
    );
  }
}

async function fill(unfinished: string, folder: string, init: PlacedFiles): Promise<void> {
  await mkdir(unfinished, { mode: PRIVATE_FOLDER });
  const folders = new Set([unfinished]);
  for (const { path, text } of init.files) {
    const target = join(unfinished, path);
    // The form of a proposal says so, too; what writes files trusts nobody.
    if (relative(unfinished, target).split(/[/\\]/).includes('..'))
      throw new Error(`${path} leads out`);
    await mkdir(dirname(target), { recursive: true, mode: PRIVATE_FOLDER });
    folders.add(dirname(target));
    const file = await open(target, 'wx', PRIVATE_FILE);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
  }
  if (init.data !== undefined) {
    await mkdir(join(unfinished, relative(folder, init.data)), { mode: PRIVATE_FOLDER });
  }
  for (const made of folders) await syncFolder(made);
}

async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
    throw error;
  }
}

/** Just these files, and none of them a link. What the program has written itself is its own. */
async function requireSame(folder: string, { files, data }: PlacedFiles): Promise<void> {
  if (!(await lstat(folder)).isDirectory()) throw new Error('something else has its name');
  const kept = data === undefined ? undefined : relative(folder, data);
  const found: string[] = [];
  await walk(folder, '', found, kept);
  const wanted = files.map(({ path }) => path).toSorted();
  if (found.toSorted().join('\n') !== wanted.join('\n')) throw new Error('other files are there');
  for (const { path, text } of files) {
    if ((await readFile(join(folder, path), 'utf8')) !== text) {
      throw new Error(`${path} is another one there`);
    }
  }
}

async function walk(
  folder: string,
  below: string,
  found: string[],
  kept: string | undefined,
): Promise<void> {
  for (const entry of await readdir(join(folder, below), { withFileTypes: true })) {
    const path = below === '' ? entry.name : `${below}/${entry.name}`;
    if (path === kept && entry.isDirectory()) continue;
    if (entry.isDirectory()) await walk(folder, path, found, kept);
    else if (entry.isFile()) found.push(path);
    else throw new Error(`${path} is no file`);
    if (found.length > ENTRIES_MAX) throw new Error('other files are there');
  }
}

/** What a run that was killed has left. */
async function dropUnfinished(folder: string): Promise<void> {
  const parent = dirname(folder);
  const begun = `${UNFINISHED}${basename(folder)}-`;
  for (const name of await readdir(parent)) {
    if (name.startsWith(begun)) await rm(join(parent, name), { recursive: true, force: true });
  }
}
