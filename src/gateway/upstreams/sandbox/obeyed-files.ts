/**
 * Files that a node obeys: its configuration and its policy. A sandbox shows them to be read only, by a
 * mount on the file. The mount goes when somebody outside replaces or removes the file, as editors do: from
 * then on the processes that run could write what the node reads next.
 */
import { existsSync, lstatSync, mkdirSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { isInside, markOf, realPathOf } from './paths.ts';

/** Starling's own folders are called so. */
const OWN_FOLDER = 'starling';
/** There where `sshd` is installed. */
const LOGIN_DAEMON = '/etc/ssh/sshd_config';
/** Holds as an empty file does: the shipped policy is in force. */
const PLACEHOLDER = `# No policy of your own yet: the one that Starling comes with is in force.
# Starling made this file so that none of its servers can. What you write here is taken up at once.
`;

/**
 * What is protected of a file: the whole folder where that is Starling's own, so that no file can be added;
 * any other folder is a person's. A link's target is protected by itself.
 */
export function protectedParts(file: string): readonly string[] {
  const folder = dirname(file);
  if (basename(folder) !== OWN_FOLDER) return [file];
  const [realFolder, target] = [realPathOf(folder), realPathOf(file)];
  if (realFolder === undefined || target === undefined || isInside(target, realFolder)) {
    return [folder];
  }
  return [folder, target];
}

/** Makes what a process could make otherwise: policy files that are not there, and Starling's own folders. Never throws. */
export function occupyPlaces(policies: readonly string[]): void {
  for (const file of policies) {
    try {
      if (basename(dirname(file)) === OWN_FOLDER) {
        // Not recursive: nobody's home is made anew.
        for (const folder of [dirname(dirname(file)), dirname(file)]) {
          if (!existsSync(folder)) mkdirSync(folder, { mode: 0o700 });
        }
      } else if (lstatSync(file, { throwIfNoEntry: false }) === undefined) {
        writeFileSync(file, PLACEHOLDER, { mode: 0o600, flag: 'wx' });
      }
    } catch {
      // Where the node can't write, or there is no such folder; what comes there later is held back.
      continue;
    }
  }
}

/**
 * Files by which one logs in at this machine as the user of the node (`sshd(8)`): a server that could add a key of its
 * own would come back by the network, outside of its sandbox. Made where they are missing and the daemon is there.
 */
export function loginKeys(env: NodeJS.ProcessEnv): readonly string[] {
  const folder = join(env['HOME'] || homedir(), '.ssh');
  const files = ['authorized_keys', 'authorized_keys2'].map((name) => join(folder, name));
  try {
    if (existsSync(LOGIN_DAEMON)) makeEmpty(folder, files);
    // A link can be replaced whatever its target is.
    const isLink = (file: string): boolean =>
      lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() === true;
    return files.some(isLink) ? [folder, ...files] : files;
  } catch {
    // Where the node can't write, a server can't either, or there is no home.
    return files;
  }
}

function makeEmpty(folder: string, files: readonly string[]): void {
  if (!existsSync(folder)) mkdirSync(folder, { mode: 0o700 });
  for (const file of files) {
    if (lstatSync(file, { throwIfNoEntry: false }) === undefined) {
      writeFileSync(file, '', { mode: 0o600, flag: 'wx' });
    }
  }
}

/** Which files the processes of a node might have written by now. */
export class ObeyedFiles {
  readonly #files: readonly string[];
  readonly #seen = new Map<string, Set<string>>();

  constructor(files: readonly string[]) {
    this.#files = files;
  }

  /** A process is about to start, behind mounts on the files as they are now. */
  launching(): void {
    for (const file of this.#files) {
      const marks = this.#seen.get(file) ?? new Set<string>();
      marks.add(marksOf(file));
      this.#seen.set(file, marks);
    }
  }

  /** True when the file is another one than it was at the start of some process. */
  isExposed(file: string): boolean {
    const marks = this.#seen.get(file);
    if (marks === undefined) return false;
    const now = marksOf(file);
    return [...marks].some((mark) => mark !== now);
  }
}

/** Tells what is mounted on from what comes after it. */
function marksOf(file: string): string {
  return protectedParts(file).map(markOf).join(' ');
}
