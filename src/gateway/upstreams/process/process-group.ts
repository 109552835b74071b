/** The processes that a server consists of: one group, with a sandbox around where there is one. */
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
