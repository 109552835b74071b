/**
 * Which process has the database open, for who finds it locked: LevelDB's lock ends with its process, but a machine
 * may take a moment for that.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const FILE = 'OWNER';
const MODE = 0o600;

/** Notes this process. @throws what the file system does */
export async function noteOwner(dir: string): Promise<void> {
  await writeFile(join(dir, FILE), `${process.pid}\n`, { mode: MODE });
}

/** Whether the process that had the database open last, by its own word, is there no more. */
export async function isOwnerGone(dir: string): Promise<boolean> {
  try {
    const pid = Number(await readFile(join(dir, FILE), 'utf8'));
    if (!Number.isSafeInteger(pid) || pid <= 0) return false;
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ESRCH';
  }
}
