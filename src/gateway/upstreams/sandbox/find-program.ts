/** Finds the file of a command, as the system will find it. */
import { access, constants, stat } from 'node:fs/promises';
import { delimiter, join, resolve } from 'node:path';

const SET_ID = 0o6000;

/** Where a command is looked for. */
export interface Surroundings {
  readonly path: string;
  readonly cwd: string;
}

/** The file that `command` names; undefined when there is none that may be run. */
export async function programOf(
  command: string,
  around: Surroundings,
): Promise<string | undefined> {
  const candidates = command.includes('/')
    ? [resolve(around.cwd, command)]
    : around.path.split(delimiter).map((folder) => resolve(around.cwd, join(folder, command)));
  for (const candidate of candidates) {
    if (await canRun(candidate)) return candidate;
  }
  return undefined;
}

/** True for a program that takes the rights of its file's owner or group, which no sandboxed process can. */
export async function takesRights(program: string): Promise<boolean> {
  try {
    return ((await stat(program)).mode & SET_ID) !== 0;
  } catch {
    // A program that is gone takes nothing.
    return false;
  }
}

async function canRun(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    // The next folder may have the program.
    return false;
  }
}
