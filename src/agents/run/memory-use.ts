/** How much of its memory limit an agent that the node runs has taken. */
import { readFileSync } from 'node:fs';

/** Processes of one agent that are looked at; what forks more has other troubles. */
const LOOKED_AT_MAX = 64;

/**
 * The share of `limit` bytes that the fullest of these processes and their children has: what `RLIMIT_DATA` counts
 * (`proc_pid_status(5)`, VmData). Undefined where the system does not tell, as outside of Linux.
 */
export function memoryShare(pids: readonly number[], limit: number): number | undefined {
  const shares = familyOf(pids).flatMap((pid) => {
    const kib = /^VmData:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`))?.[1];
    return kib === undefined ? [] : [(Number(kib) * 1024) / limit];
  });
  return shares.length === 0 ? undefined : Math.max(...shares);
}

/** Processes with those that they have started: what stands around a program is its parent. */
function familyOf(pids: readonly number[]): readonly number[] {
  const found = [...pids];
  for (const pid of found) {
    if (found.length >= LOOKED_AT_MAX) break;
    const children = read(`/proc/${pid}/task/${pid}/children`).trim();
    if (children !== '') found.push(...children.split(' ').map(Number));
  }
  return found.slice(0, LOOKED_AT_MAX);
}

/** Nothing for a process that has ended, and where there is no such file. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
