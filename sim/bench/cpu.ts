/** CPU time of processes from Linux's /proc, children excluded. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

/** Linux counts a process's CPU time in ticks of 10 ms. */
const TICK_US = 10_000;

/**
 * User and system time of `pids` together so far, in µs (proc(5), fields 14 and 15 of stat).
 * Undefined where there is no /proc, and for no processes.
 */
export function cpuUs(pids: readonly number[]): number | undefined {
  if (pids.length === 0 || !existsSync('/proc/self/stat')) return undefined;
  let ticks = 0;
  for (const pid of pids) {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // Counted from after the parenthesised command name, which may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks * TICK_US;
}

/** Memory of a process that is in RAM now, MiB (proc(5), VmRSS of status); NaN where there is no /proc. */
export function rssMiB(pid: number): number {
  if (!existsSync('/proc/self/status')) return Number.NaN;
  const kib = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib) / 1024;
}

/** Begins a new peak of a process's memory (proc(5), clear_refs); does nothing where there is no /proc. */
export function beginPeak(pid: number): void {
  if (existsSync('/proc/self/clear_refs')) writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

/** The most memory that a process had in RAM since then, MiB (VmHWM); NaN where there is no /proc. */
export function peakMiB(pid: number): number {
  if (!existsSync('/proc/self/status')) return Number.NaN;
  const kib = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib) / 1024;
}
