/** Paths as the sandbox needs them: real, compared by folder, ordered from the root outwards. */
import { realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/** True when `path` is `folder`, or lies below it. Both are absolute and normal. */
export function isInside(path: string, folder: string): boolean {
  return folder === '/' || path === folder || path.startsWith(`${folder}/`);
}

/** The paths that are there, without symbolic links, each once. */
export function realPaths(paths: readonly string[]): readonly string[] {
  return [...new Set(paths.map(realPathOf).filter((path) => path !== undefined))];
}

/**
 * The path without symbolic links; undefined where nothing is, or nothing that this user can find. At once,
 * because a start asks for dozens of them and each costs a few µs, where a promise costs ten times as much.
 */
export function realPathOf(path: string): string | undefined {
  try {
    return realpathSync.native(path);
  } catch {
    // What this user can't find, a process of this user can't find either.
    return undefined;
  }
}

/** The folders above `path`, from the root's children downwards, without the path itself. */
export function foldersAbove(path: string): readonly string[] {
  const folders: string[] = [];
  for (let folder = dirname(path); folder !== dirname(folder); folder = dirname(folder)) {
    folders.unshift(folder);
  }
  return folders;
}

/** Those that lie in no other one of the list, nearest to the root first. */
export function outermost(paths: readonly string[]): readonly string[] {
  const sorted = [...new Set(paths)].toSorted((one, other) => one.length - other.length);
  return sorted.filter(
    (path, index) => !sorted.slice(0, index).some((above) => isInside(path, above)),
  );
}

/** Tells what is at `path` from what comes there after it. A number of a file is used again, so that its birth counts, too. */
export function markOf(path: string): string {
  try {
    const { dev, ino, birthtimeNs } = statSync(path, { bigint: true });
    return `${dev}:${ino}:${birthtimeNs}`;
  } catch {
    // Not there, or out of reach: whatever comes there is another file.
    return 'none';
  }
}
