/**
 * The temporary folder of one run of the tests. All that the run starts inherits the folder by its
 * environment, so that what is left of the run is known from what other runs on the machine have: the run
 * fails when a test leaves a folder or a process behind, and removes both.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';

/** What programs keep in a temporary folder for their next start, and nodes for those that come after. */
const KEPT = /^(?:home|tsx-\d+|node-compile-cache|v8-compile-cache.*)$/;

/** Where nodes with a long path have their sockets (`src/config/paths.ts`): empty when they have ended. */
const SOCKETS = `starling-${process.getuid?.() ?? 0}`;

/** How often what is about to end is asked for again, and after how long. */
const GRACE_TRIES = 30;
const GRACE_MS = 100;

/** A process that belongs to a run. */
export interface Left {
  readonly pid: number;
  readonly command: string;
}

/** The rights of a folder that `bwrap` makes where it is to mount; the tests make theirs with 0700. */
const MOUNT_POINT = 0o755;

/** What tests left in the folder of their run, by name. */
export function foldersLeft(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => !KEPT.test(name) && !isHarmless(folder, name))
    .toSorted();
}

/**
 * Whether an entry is an empty folder that no test forgot: of sockets, or the folder of a node which ended
 * while the sandbox of another node was about to hide it, so that `bwrap` made the folder again.
 */
function isHarmless(folder: string, name: string): boolean {
  const path = join(folder, name);
  const facts = statSync(path);
  if (!facts.isDirectory() || readdirSync(path).length > 0) return false;
  return name === SOCKETS || (facts.mode & 0o777) === MOUNT_POINT;
}

/**
 * Processes that have the folder of a run in their environment or among their arguments, apart from
 * `parent` and its children, which run the tests. None on a system without `/proc`.
 */
export function processesLeft(folder: string, parent = process.pid): Left[] {
  if (!existsSync('/proc/self/environ')) return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .flatMap((pid) => {
      const command = textOf(pid, 'cmdline').replaceAll('\0', ' ').trim();
      const isOfRun = textOf(pid, 'environ').includes(folder) || command.includes(folder);
      // After the name of the program, which may hold blanks and brackets: the state, then the parent.
      const [, above] = textOf(pid, 'stat').split(') ').at(-1)?.split(' ') ?? [];
      const isRunner = pid === parent || Number(above) === parent;
      return isOfRun && !isRunner ? [{ pid, command }] : [];
    });
}

/** A file of a process; empty when the process has ended, or is another person's. */
function textOf(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}

/** Ends what is left: a process may have ended by itself meanwhile. */
function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It is gone.
  }
}

/** What a run left, once what was about to end had time to. */
async function leftOf(folder: string): Promise<string[]> {
  for (let tries = 0; ; tries += 1) {
    const processes = processesLeft(folder);
    const left = [
      ...processes.map(({ pid, command }) => `process ${pid}: ${command}`),
      ...foldersLeft(folder),
    ];
    if (left.length === 0) return left;
    if (tries === GRACE_TRIES) {
      for (const { pid } of processes) kill(pid);
      return left;
    }
    await new Promise((wake) => setTimeout(wake, GRACE_MS));
  }
}

/** For Vitest: makes the folder before the first worker starts, and looks at it after the last test. */
export function setup(project: TestProject): (() => Promise<void>) | undefined {
  // Each project inherits this file; one folder is enough for all.
  if (!project.isRootProject()) return undefined;
  const folder = mkdtempSync(join(realpathSync(tmpdir()), 'starling-run-'));
  const home = join(folder, 'home');
  mkdirSync(home);
  // Nodes note their folders there, and not beside those of the person who runs the tests.
  Object.assign(process.env, { TMPDIR: folder, XDG_STATE_HOME: home });
  return async () => {
    const left = await leftOf(folder);
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    if (left.length === 0) return;
    const words = `the tests left behind:\n${left.join('\n')}`;
    // Interrupted simulations leave a folder now and then: told, until that is mended, and no failure.
    const isHarm = left.some((what) => !/^starling-(?:sim|cli)-/.test(what));
    if (!isHarm) {
      process.stderr.write(`${words}\n`);
      return;
    }
    process.exitCode = 1;
    throw new Error(words);
  };
}
