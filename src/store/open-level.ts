/** Opens LevelDB, and says in words why the database can't be opened, read or written. */
import { ClassicLevel } from 'classic-level';
import { StarlingError, diskText, diskTroubleOf } from '../core/index.ts';

/** One write of the database, as LevelDB takes it. */
export type LevelWrite =
  | { readonly type: 'put'; readonly key: string; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: string };

/** An open LevelDB, as far as the store uses one. */
export interface Level {
  get(key: string): Promise<Uint8Array | undefined>;
  batch(writes: LevelWrite[], options: { readonly sync: boolean }): Promise<void>;
  iterator(range: { readonly gte: string }): LevelIterator;
  close(): Promise<void>;
}

/** Entries from a snapshot. */
export interface LevelIterator {
  next(): Promise<[string, Uint8Array] | undefined>;
  close(): Promise<void>;
}

/** Opens the database in a folder; tests put a failing disk here. */
export type OpenLevel = (dir: string) => Promise<Level>;

/** {@link OpenLevel} of the real disk. */
export const openLevel: OpenLevel = async (dir) => {
  const level = new ClassicLevel<string, Uint8Array>(dir, {
    keyEncoding: 'utf8',
    valueEncoding: 'view',
  });
  await level.open();
  return {
    get: (key) => level.get(key),
    // Write by write: what LevelDB does with an array of them costs twice as much for each.
    async batch(writes, options) {
      const batch = level.batch();
      for (const one of writes) {
        if (one.type === 'put') batch.put(one.key, one.value);
        else batch.del(one.key);
      }
      await batch.write(options);
    },
    iterator: (range) => level.iterator(range),
    close: () => level.close(),
  };
};

/** Whether somebody else has the database open. */
export function isLocked(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && 'code' in cause && cause.code === 'LEVEL_LOCKED';
}

const RESTORE = 'restore the folder from a backup, or move it away to start anew';

/** Why the database in `dir` could not be opened. */
export function openFailed(error: unknown, dir: string): StarlingError {
  const cause = error instanceof Error ? error.cause : undefined;
  if (isLocked(error)) {
    return new StarlingError('STARLING_STATE_LOCKED', `another node uses ${dir}`, {
      hint: 'see it with `starling status`, or give this one its own folder with --state',
      cause: error,
    });
  }
  return unusable(dir, 'opened', cause ?? error, RESTORE);
}

/** Why the open database in `dir` could not be read. */
export function readFailed(error: unknown, dir: string): StarlingError {
  return unusable(dir, 'read', error, RESTORE);
}

/** Why the open database in `dir` could not be written. */
export function writeFailed(error: unknown, dir: string): StarlingError {
  return unusable(
    dir,
    'written',
    error,
    'check the free space and the permissions of the state folder',
  );
}

function unusable(
  dir: string,
  what: 'opened' | 'read' | 'written',
  error: unknown,
  hint: string,
): StarlingError {
  const trouble = diskTroubleOf(error);
  return new StarlingError(
    'STARLING_STATE_UNUSABLE',
    `the database in ${dir} can't be ${what}: ${diskText(error)}`,
    { hint: trouble?.hint ?? hint, cause: error },
  );
}
