/** What this machine can bound processes by: see `resources.ts`. */
import { accessSync, constants, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { findCgroups } from './cgroups.ts';
import type { LimitMeans } from './process-limits.ts';

/** Only those of the system: in a folder of PATH a program may have been put that a process could write. */
const FOLDERS = ['/usr/bin', '/bin'];

/** Looks at the machine: nothing but the cores outside of Linux. */
export function findLimitMeans(): LimitMeans {
  if (process.platform !== 'linux') return { cores: cpus().map((_, index) => index) };
  const taskset = programAt('taskset');
  const prlimit = programAt('prlimit');
  const cgroups = findCgroups();
  return {
    cores: allowedCores(),
    ...(taskset === undefined ? {} : { taskset }),
    ...(prlimit === undefined ? {} : { prlimit }),
    ...(cgroups === undefined ? {} : { cgroups }),
  };
}

function programAt(name: string): string | undefined {
  return FOLDERS.map((folder) => `${folder}/${name}`).find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      // Not in this folder.
      return false;
    }
  });
}

/** The cores that this process may run on (`proc_pid_status(5)`, Cpus_allowed_list). */
function allowedCores(): readonly number[] {
  const all = cpus().map((_, index) => index);
  try {
    const status = readFileSync('/proc/self/status', 'utf8');
    const [, list = ''] = /^Cpus_allowed_list:\s*(\S+)$/m.exec(status) ?? [];
    const cores = list.split(',').flatMap((part) => {
      const [from = 0, to = from] = part.split('-').map(Number);
      return Array.from({ length: to - from + 1 }, (_, index) => from + index);
    });
    return list === '' || cores.length === 0 ? all : cores;
  } catch {
    // Without /proc: as many as the system names.
    return all;
  }
}
