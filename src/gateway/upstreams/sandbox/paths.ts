/** Paths as the sandbox needs them: real, compared by folder, ordered from the root outwards. */
import { realpath } from 'node:fs/promises';
import { dirname } from 'node:path';

/** True when `path` is `folder`, or lies below it. Both are absolute and normal. */
export function isInside(path: string, folder: string): boolean {
  return folder === '/' || path === folder || path.startsWith(`${folder}/`);
}

/** The paths that are there, without symbolic links, each once. */
export async function realPaths(paths: readonly string[]): Promise<readonly string[]> {
  const found = await Promise.all(paths.map((path) => realPathOf(path)));
  return [...new Set(found.filter((path) => path !== undefined))];
}

/** The path without symbolic links; undefined where nothing is, or nothing that this user can find. */
export async function realPathOf(path: string): Promise<string | undefined> {
  try {
    return await realpath(path);
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
