/**
 * Control groups of Linux (`cgroups(7)`), version 2 or 1, as far as this process may make some: bounds for a process and all
 * that it starts. A process enters its group before the sandbox is put around it, so that it can't leave.
 */
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { StarlingError, messageOf } from '../../core/index.ts';

/** What a group can bound. */
export type Controller = 'cpu' | 'memory' | 'pids';

/** What a process may take with all that it starts. */
export interface GroupBounds {
  /** Thousandths of a core. */
  readonly cpuMilli?: number;
  readonly memoryBytes?: number;
  /** Processes and threads. */
  readonly processes?: number;
}

/** The group of one process and all that it starts. */
export interface Group {
  /** A program with its arguments that enters the group and starts the command. */
  readonly within: readonly string[];
  /** Memory that the group has, bytes; undefined where nothing bounds that. */
  usedBytes(): number | undefined;
  /** Ends the group; false while a process is in it. */
  remove(): boolean;
}

/** The groups that this process can make. */
export interface Cgroups {
  readonly version: 'cgroup1' | 'cgroup2';
  readonly controllers: readonly Controller[];
  /** @throws STARLING_AGENT_FAILED when the system does not take a bound */
  open(bounds: GroupBounds): Group;
}

const ALL: readonly Controller[] = ['cpu', 'memory', 'pids'];
const ROOT = '/sys/fs/cgroup';
const PERIOD_US = 100_000;
/** Enters the groups that come before `--`, then becomes what comes after it. */
const ENTER = 'while [ "$1" != -- ]; do echo $$ > "$1" || exit 125; shift; done; shift; exec "$@"';
const OWN_NAME = /^starling-(\d+)-\d+$/;
let count = 0;

/** Looks which groups can be made; undefined for none. `own` is the text of `/proc/self/cgroup`. */
export function findCgroups(
  root: string = ROOT,
  own: string = textOf('/proc/self/cgroup'),
): Cgroups | undefined {
  const places = own.split('\n').map((line) => line.split(':'));
  const modern =
    places
      .find(([id]) => id === '0')
      ?.slice(2)
      .join(':') ?? '/';
  if (existsSync(`${root}/cgroup.controllers`)) return findModern(root, modern);
  const folders = new Map<Controller, string>();
  for (const controller of ALL) {
    const place = places.find(([, names = '']) => names.split(',').includes(controller));
    const path = place?.slice(2).join(':') ?? '/';
    // Inside of a container the path may be that of the machine around it.
    const folder = [`${root}/${controller}${path}`, `${root}/${controller}`]
      .map((one) => one.replace(/\/$/, ''))
      .find((one) => existsSync(`${one}/cgroup.procs`));
    if (folder !== undefined && canMake(folder)) folders.set(controller, folder);
  }
  return folders.size === 0 ? undefined : cgroupsOf('cgroup1', folders);
}

/** The folder of this process, or the one above it (`DelegateSubgroup=` of systemd), where groups have controllers. */
function findModern(root: string, path: string): Cgroups | undefined {
  for (const place of [path, path.replace(/\/[^/]*$/, '')]) {
    const folder = `${root}${place}`.replace(/\/$/, '');
    const given = wordsOf(`${folder}/cgroup.controllers`);
    const had = wordsOf(`${folder}/cgroup.subtree_control`);
    for (const controller of ALL.filter((one) => given.includes(one) && !had.includes(one))) {
      attempt(() => writeFileSync(`${folder}/cgroup.subtree_control`, `+${controller}`));
    }
    const handedOn = wordsOf(`${folder}/cgroup.subtree_control`);
    const controllers = ALL.filter((one) => handedOn.includes(one));
    if (controllers.length > 0 && canMake(folder)) {
      return cgroupsOf('cgroup2', new Map(controllers.map((one) => [one, folder])));
    }
  }
  return undefined;
}

function cgroupsOf(version: Cgroups['version'], folders: ReadonlyMap<Controller, string>): Cgroups {
  for (const folder of new Set(folders.values())) removeLeft(folder);
  return {
    version,
    controllers: [...folders.keys()],
    open(bounds) {
      count += 1;
      const name = `starling-${process.pid}-${count}`;
      const settings = settingsOf(version, bounds).filter(([controller]) =>
        folders.has(controller),
      );
      const made = new Set(settings.map(([one]) => `${folders.get(one) ?? ''}/${name}`));
      const remove = (): boolean => [...made].every((folder) => attempt(() => rmdirSync(folder)));
      try {
        for (const folder of made) mkdirSync(folder);
        for (const [controller, file, value] of settings) {
          const path = `${folders.get(controller) ?? ''}/${name}/${file}`;
          // Swap is not counted everywhere.
          if (file === SWAP[version] && !existsSync(path)) continue;
          writeFileSync(path, value);
        }
      } catch (error) {
        remove();
        throw notTaken(error);
      }
      const memory = folders.get('memory');
      const used = version === 'cgroup1' ? 'memory.usage_in_bytes' : 'memory.current';
      return {
        within: ['/bin/sh', '-c', ENTER, 'starling', ...[...made].map(procsIn), '--'],
        usedBytes: () =>
          bounds.memoryBytes === undefined || memory === undefined
            ? undefined
            : Number(textOf(`${memory}/${name}/${used}`)),
        remove,
      };
    },
  };
}

const SWAP = { cgroup1: 'memory.memsw.limit_in_bytes', cgroup2: 'memory.swap.max' } as const;

/** What is written into which file, in this order. */
function settingsOf(
  version: Cgroups['version'],
  { cpuMilli, memoryBytes, processes }: GroupBounds,
): readonly (readonly [Controller, string, string])[] {
  const isOld = version === 'cgroup1';
  const settings: [Controller, string, string][] = [];
  if (cpuMilli !== undefined) {
    const quota = String(Math.round((cpuMilli * PERIOD_US) / 1000));
    if (isOld) settings.push(['cpu', 'cpu.cfs_period_us', String(PERIOD_US)]);
    settings.push(
      isOld ? ['cpu', 'cpu.cfs_quota_us', quota] : ['cpu', 'cpu.max', `${quota} ${PERIOD_US}`],
    );
  }
  if (memoryBytes !== undefined) {
    const limit = String(memoryBytes);
    settings.push(['memory', isOld ? 'memory.limit_in_bytes' : 'memory.max', limit]);
    settings.push(['memory', SWAP[version], isOld ? limit : '0']);
  }
  if (processes !== undefined) settings.push(['pids', 'pids.max', String(processes)]);
  return settings;
}

/** Groups of a node that was killed: nothing is in them any more. */
function removeLeft(folder: string): void {
  for (const name of attemptOf(() => readdirSync(folder)) ?? []) {
    const pid = Number(OWN_NAME.exec(name)?.[1]);
    if (pid > 0 && !existsSync(`/proc/${pid}`)) attempt(() => rmdirSync(`${folder}/${name}`));
  }
}

function canMake(folder: string): boolean {
  const probe = `${folder}/starling-${process.pid}-0`;
  return attempt(() => mkdirSync(probe)) && attempt(() => rmdirSync(probe));
}

function procsIn(folder: string): string {
  return `${folder}/cgroup.procs`;
}

function wordsOf(path: string): readonly string[] {
  return textOf(path).split(/\s+/);
}

/** Nothing where there is no such file. */
function textOf(path: string): string {
  return attemptOf(() => readFileSync(path, 'utf8')) ?? '';
}

function attempt(work: () => unknown): boolean {
  return attemptOf(() => [work()]) !== undefined;
}

/** What `work` gives; undefined where the system refuses. */
function attemptOf<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

function notTaken(error: unknown): StarlingError {
  return new StarlingError(
    'STARLING_AGENT_FAILED',
    `the bounds of an agent can't be set: ${messageOf(error)}`,
    { hint: 'may the node still write to /sys/fs/cgroup?', data: { reason: 'resources' } },
  );
}
