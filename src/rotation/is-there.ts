/** Whether a file is there. */
import { access } from 'node:fs/promises';

/** @throws when that can't be found out */
export async function isThere(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
    throw error;
  }
}
