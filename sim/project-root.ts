/** Where the project lies: above this file, or above the built one. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder with the manifest. */
export function projectRoot(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  let folder = here;
  while (!existsSync(join(folder, 'package.json'))) {
    const above = dirname(folder);
    if (above === folder) throw new Error(`no package.json above ${here}`);
    folder = above;
  }
  return folder;
}

/** A program of `dist/`, for a process of its own. */
export function builtFile(name: string): string {
  return join(projectRoot(), 'dist', name);
}
