/** Finds programs of the machine that a test or a benchmark may use. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The file of a program in the `PATH`; undefined where there is none. */
export function hasProgram(name: string): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  return folders.map((folder) => join(folder, name)).find((path) => isProgram(path));
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
