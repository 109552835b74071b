/** A disk of our own that is small, so that a test can fill it: a tmpfs, which only root can mount. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, rmdir, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A small disk. */
export interface SmallDisk {
  readonly path: string;
  /** Takes all room but `leaveBytes`. */
  fill(leaveBytes?: number): Promise<void>;
  /** Gives back what `fill` took. */
  free(): Promise<void>;
  /** Makes it read-only, or writable again. */
  remount(how: 'ro' | 'rw'): Promise<void>;
  remove(): Promise<void>;
}

/** Why this machine can't mount a small disk; undefined when it can. */
export async function smallDiskMissing(): Promise<string | undefined> {
  try {
    const disk = await createSmallDisk(1024 * 1024);
    await disk.remove();
    return undefined;
  } catch (error) {
    return `a small disk can't be mounted here: ${(error as Error).message.trim()}`;
  }
}

/** Mounts a disk of `sizeBytes`. */
export async function createSmallDisk(sizeBytes: number): Promise<SmallDisk> {
  const path = await mkdtemp(join(tmpdir(), 'starling-disk-'));
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes},mode=0700`, 'tmpfs', path]);
  } catch (error) {
    await rmdir(path);
    throw error;
  }
  const ballast = join(path, 'ballast');
  return {
    path,
    async fill(leaveBytes = 0) {
      const { bavail, bsize } = await statfs(path);
      const bytes = new Uint8Array(Math.max(0, bavail * bsize - leaveBytes));
      await writeFile(ballast, bytes, { flag: 'a' }).catch((error: unknown) => {
        // Somebody else has filled the disk meanwhile.
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      });
    },
    free: () => rm(ballast, { force: true }),
    remount: async (how) => void (await run('mount', ['-o', `remount,${how}`, path])),
    async remove() {
      await run('umount', ['--lazy', path]);
      await rmdir(path);
    },
  };
}
