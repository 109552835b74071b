/**
 * What must not come back. LevelDB may have put a write into its log that it then reported as failed, and
 * finds the write there when it is opened again. So what the keys of refused writes held before is
 * written into a file of its own before the database is closed, and put back when it is open again.
 */
import { readFile, readdir, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { decode, encode } from 'cborg';
import { StarlingError, isObject, syncFolder, writeFileAtomic } from '../core/index.ts';
import type { LevelWrite } from './open-level.ts';

const FILE = 'REFUSED';
const MODE = 0o600;
/** What opening the database anew needs besides a copy of its log. */
const REOPEN_BYTES = 1024 * 1024;

/** Keeps what is to be put back, on disk. @throws STARLING_STATE_UNUSABLE */
export async function writeRefused(dir: string, before: readonly LevelWrite[]): Promise<void> {
  const rows = before.map((one) => (one.type === 'put' ? [one.key, one.value] : [one.key]));
  await writeFileAtomic(join(dir, FILE), encode({ version: 1, rows }), MODE);
}

/** What is to be put back; empty when nothing is. @throws STARLING_STATE_UNUSABLE when it is damaged */
export async function readRefused(dir: string): Promise<readonly LevelWrite[]> {
  const path = join(dir, FILE);
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
  const value: unknown = decode(bytes);
  const rows = isObject(value) ? value['rows'] : undefined;
  if (!Array.isArray(rows)) {
    throw new StarlingError('STARLING_STATE_UNUSABLE', `${path} is damaged`, {
      hint: 'remove it: writes that were refused before may then be there again',
    });
  }
  return (rows as readonly [string, Uint8Array?][]).map(([key, before]) =>
    before === undefined ? { type: 'del', key } : { type: 'put', key, value: before },
  );
}

/** Forgets what was to be put back: it is. */
export async function removeRefused(dir: string): Promise<void> {
  await rm(join(dir, FILE), { force: true });
  await syncFolder(dir);
}

/** Whether the disk has what opening the database in `dir` anew needs: its log is copied. */
export async function hasRoomToReopen(dir: string): Promise<boolean> {
  const { bavail, bsize } = await statfs(dir);
  let needed = REOPEN_BYTES;
  for (const name of await readdir(dir)) {
    if (name.endsWith('.log')) needed += (await stat(join(dir, name))).size;
  }
  return bavail * bsize >= needed;
}
