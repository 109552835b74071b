/**
 * The temporary folder of one run of the tests. All that the run starts inherits the folder by its
 * environment, so that what is left of the run is known from what other runs on the machine have: the run
 * fails when a test leaves a folder or a process behind, and removes both.
 */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What programs keep in a temporary folder for their next start, and nodes for those that come after. */
const KEPT = /^(?:home|tsx-\d+|node-compile-cache|v8-compile-cache.*)$/;

/** Where nodes with a long path have their sockets (`src/config/paths.ts`): empty when they have ended. */
const SOCKETS = `starling-${process.getuid?.() ?? 0}`;

/** How often what is about to end is asked for again, and after how long: a busy machine takes its time. */
const GRACE_TRIES = 300;
const GRACE_MS = 100;

/** A process that belongs to a run. */
export interface Left {
  readonly pid: number;
  readonly command: string;
}

/** The rights of what `bwrap` makes where it is to mount; tests and nodes make their folders with 0700. */
const MOUNT_POINT = { folder: 0o755, file: 0o444 };

/** How many lines tell what is inside of a folder that was left. */
const INSIDE_MAX = 12;

/** What tests left in the folder of their run, by name. */
export function foldersLeft(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => !KEPT.test(name) && !isHarmless(folder, name))
    .toSorted();
}

/**
 * Whether no test forgot an entry: an empty folder, as that of sockets is, or one in which the sandbox of another node made
 * a policy file while it was removed; or the folder of a node which ended while the sandbox of another node was about to
 * hide it, so that `bwrap` made it again as a place to mount at.
 */
function isHarmless(folder: string, name: string): boolean {
  const path = join(folder, name);
  const isFolder = lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  if (isFolder && readdirSync(path).length === 0) return true;
  return name !== SOCKETS && isMountPoint(path);
}

/** Whether a path is a folder, or an empty file, that `bwrap` made, with nothing but such in it. */
function isMountPoint(path: string): boolean {
  const facts = lstatSync(path, { throwIfNoEntry: false });
  // The entry has gone since the folder was read.
  if (facts === undefined) return true;
  const rights = facts.mode & 0o777;
  if (!facts.isDirectory()) return rights === MOUNT_POINT.file && facts.size === 0;
  return (
    rights === MOUNT_POINT.folder &&
    readdirSync(path).every((name) => isMountPoint(join(path, name)))
  );
}

/** An entry that was left, with what is in it: who made it is known by that. */
function described(folder: string, name: string): string {
  const facts = (path: string): string => {
    const { mode = 0, size = 0, mtime } = lstatSync(path, { throwIfNoEntry: false }) ?? {};
    return `${(mode & 0o777).toString(8)} ${size} B ${mtime?.toISOString() ?? 'gone since'}`;
  };
  const path = join(folder, name);
  const inside = lstatSync(path).isDirectory()
    ? readdirSync(path, { recursive: true }).map(String).toSorted().slice(0, INSIDE_MAX)
    : [];
  return [
    `${name} ${facts(path)}`,
    ...inside.map((entry) => `  ${entry} ${facts(join(path, entry))}`),
  ].join('\n');
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
    const names = foldersLeft(folder);
    if (processes.length + names.length === 0) return [];
    if (tries === GRACE_TRIES) {
      for (const { pid } of processes) kill(pid);
      return [
        ...processes.map(({ pid, command }) => `process ${pid}: ${command}`),
        ...names.map((name) => described(folder, name)),
      ];
    }
    await new Promise((wake) => setTimeout(wake, GRACE_MS));
  }
}

/** For Vitest: makes the folder before the first worker starts, and looks at it after the last test. */
export function setup(): () => Promise<void> {
  const folder = mkdtempSync(join(realpathSync(tmpdir()), 'starling-run-'));
  const home = join(folder, 'home');
  mkdirSync(home);
  // Nodes note their folders there, and not beside those of the person who runs the tests.
  Object.assign(process.env, { TMPDIR: folder, XDG_STATE_HOME: home });
  // Nothing outside of this machine is asked, and each process that has TLS would read all these certificates.
  delete process.env['NODE_EXTRA_CA_CERTS'];
  return async () => {
    const left = await leftOf(folder);
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    if (left.length === 0) return;
    process.exitCode = 1;
    throw new Error(`the tests left behind:\n${left.join('\n')}`);
  };
}
