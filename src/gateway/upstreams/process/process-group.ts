/**
 * The processes that a server consists of: one group, with a sandbox around where there is one. Outside of a
 * sandbox what a server starts may leave the group (`setsid(2)`), so that all carry a mark in their environment.
 */
import { readFileSync, readdirSync } from 'node:fs';

/** Signals all processes of the group `leader`. @throws ESRCH when there is none */
export function signalGroup(leader: number, signal: NodeJS.Signals): void {
  process.kill(-leader, signal);
}

/**
 * Signals what runs in the sandbox that `leader` keeps, and not the keeper: its end would end all the
 * others before they have heard the signal.
 */
export function signalWithin(leader: number, signal: NodeJS.Signals): void {
  for (const pid of membersOf(leader)) {
    if (pid === leader) continue;
    try {
      process.kill(pid, signal);
    } catch {
      // The process has ended since, as it was going to be told.
      continue;
    }
  }
}

/** The variable by which the processes of a server are known. Not ours by its prefix: a server may be a node. */
export const MARK_VARIABLE = '_STARLING_SERVER';

/** Signals all processes that were started with `mark`, in whatever group and session; none on a system without `/proc`. */
export function signalMarked(mark: string, signal: NodeJS.Signals): void {
  for (const pid of markedBy(mark)) {
    try {
      process.kill(pid, signal);
    } catch {
      // The process has ended since, as it was going to be told.
      continue;
    }
  }
}

/** On Linux alone, by the environment of processes; elsewhere always false. */
export function isMarkAlive(mark: string): boolean {
  return markedBy(mark).length > 0;
}

/** Environments of other users can't be read, and zombies have none. */
function markedBy(mark: string): readonly number[] {
  if (process.platform !== 'linux') return [];
  const entry = `${MARK_VARIABLE}=${mark}`;
  return readdirSync('/proc').flatMap((name) => {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) return [];
    try {
      return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(entry) ? [pid] : [];
    } catch {
      // Another user's process, or one that has ended.
      return [];
    }
  });
}

/** The processes of a group (Linux). */
function membersOf(group: number): readonly number[] {
  return readdirSync('/proc').flatMap((name) => {
    const pid = Number(name);
    return Number.isInteger(pid) && statOf(pid)?.group === group ? [pid] : [];
  });
}

/** Facts of a process from `/proc/<pid>/stat` (`proc_pid_stat(5)`); undefined when there is none. */
export function statOf(
  pid: number,
): { readonly group: number; readonly startedAt: string } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may hold anything, parentheses too.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    // Fields 5 and 22 of the whole line, counted from 1; the third is the first after the name.
    const [group, startedAt] = [fields[2], fields[19]];
    if (group === undefined || startedAt === undefined) return undefined;
    return { group: Number(group), startedAt };
  } catch {
    return undefined;
  }
}
