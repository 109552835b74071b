/** A sandbox as arguments of bubblewrap (`bwrap(1)`, 0.4 and newer). */
import { foldersAbove, isInside } from './paths.ts';

/** What a sandboxed process may see and do. All paths are real paths that exist. */
export interface SandboxPlan {
  /** The node runs as root, whose processes keep a few of its capabilities: see {@link ROOT_KEEPS}. */
  readonly isRoot: boolean;
  readonly network: boolean;
  /** Absent: the whole file system, as the node sees it. */
  readonly only?: { readonly write: readonly string[]; readonly read: readonly string[] };
  readonly home: string;
  /** Folders that show as empty. */
  readonly hiddenFolders: readonly string[];
  /** Files and sockets that can't be opened. */
  readonly hiddenFiles: readonly string[];
  /** Files and folders that can be read only. */
  readonly readOnly: readonly string[];
  /** True for a folder in which the node's user may rename and remove. */
  canChange(folder: string): boolean;
}

/**
 * Devices that stay, where the machine has them, besides those of every program: graphics, sound, video,
 * virtual machines. Disks and memory are devices, too, and root reads every file through them.
 */
const DEVICES = ['/dev/shm', '/dev/dri', '/dev/kfd', '/dev/snd', '/dev/kvm'];
/** Where any user keeps files that another one finds there: in memory. */
const SHARED_MEMORY = '/dev/shm';
/** What bwrap lays anew: what the machine has there is not in the sandbox, but for the devices that are let through. */
const LAID = ['/dev', '/proc'];
const NUMBERED_DEVICES = /^(nvidia.*|video\d+|media\d+|ttyUSB\d+|ttyACM\d+)$/;

/** What programs are made of. */
export const SYSTEM_PATHS: readonly string[] = [
  '/usr',
  '/bin',
  '/sbin',
  '/lib',
  '/lib32',
  '/lib64',
  '/libx32',
  '/etc',
  '/opt',
  '/nix',
  '/gnu',
  '/run/current-system',
  '/sys',
];

/**
 * What root keeps: rights over files, users and low ports, which a server may need. Without the others
 * root can neither mount nor trace nor read past a mount (`open_by_handle_at`), nor listen to loopback.
 */
const ROOT_KEEPS = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_NET_BIND_SERVICE',
];

/** The process ends with the node, sees its own processes only, and has no rights but its user's. */
const CONFINED = ['--die-with-parent', '--unshare-pid', '--cap-drop', 'ALL'];
const DEVICES_AND_PROCESSES = ['--dev', '/dev', '--proc', '/proc'];
/**
 * User 0 may write the kernel's settings without any capability, and any user ends or freezes what is in the control
 * groups that are given to that user (`cgroup.kill`), the node among them: both are mounted to be read.
 */
const KERNEL = ['--ro-bind', '/proc/sys', '/proc/sys', '--ro-bind-try', '/sys', '/sys'];

type Step = readonly [path: string, ...args: readonly string[]];

/** The devices of the list in `/dev` that are let through. */
export function devicesAmong(names: readonly string[]): readonly string[] {
  return [
    ...DEVICES,
    ...names.filter((name) => NUMBERED_DEVICES.test(name)).map((name) => `/dev/${name}`),
  ];
}

/** The arguments, without the command that is to be run. */
export function bwrapArguments(plan: SandboxPlan, devices: readonly string[]): readonly string[] {
  return [
    ...CONFINED,
    ...(plan.isRoot ? ROOT_KEEPS.flatMap((name) => ['--cap-add', name]) : []),
    ...(plan.network ? [] : ['--unshare-net']),
    ...baseOf(plan),
    ...DEVICES_AND_PROCESSES,
    ...KERNEL,
    ...devices.flatMap((path) => ['--dev-bind-try', path, path]),
    ...ordered([...grantedOf(plan), ...protectedOf(plan)]),
    ...ordered(hiddenOf(plan)),
  ];
}

function baseOf({ only, home }: SandboxPlan): readonly string[] {
  if (only === undefined) return ['--bind', '/', '/'];
  return [
    ...SYSTEM_PATHS.flatMap((path) => ['--ro-bind-try', path, path]),
    '--tmpfs',
    '/tmp',
    '--dir',
    home,
  ];
}

function grantedOf({ only }: SandboxPlan): readonly Step[] {
  if (only === undefined) return [];
  return [
    ...only.read.map((path): Step => [path, '--ro-bind', path, path]),
    ...only.write.map((path): Step => [path, '--bind', path, path]),
  ];
}

/**
 * What can be read only, and what must stay in its place: a folder that holds something hidden or
 * protected could be renamed, and another one be made where the node looks. A mount can't be renamed.
 */
function protectedOf(plan: SandboxPlan): readonly Step[] {
  const { hiddenFolders, hiddenFiles, readOnly } = plan;
  const seen = readOnly.filter((path) => isShown(plan, path));
  const above = [...hiddenFolders, ...hiddenFiles, ...seen]
    .flatMap((path) =>
      foldersAbove(path).map((folder, index, all) => ({ folder, in: all[index - 1] ?? '/' })),
    )
    .filter((one) => isWritable(plan, one.folder) && plan.canChange(one.in) && !isLaid(one.folder));
  // A folder above may be gone by the time of the mount: what was hidden below it tells.
  return [
    ...[...new Set(above.map(({ folder }) => folder))].map((path): Step => [
      path,
      '--bind-try',
      path,
      path,
    ]),
    ...seen.map((path): Step => [path, '--ro-bind-try', path, path]),
  ];
}

/**
 * Where nothing is any more, bwrap makes what it is to cover, on the disk: a folder of another node that was removed since
 * the look at it would be there again, empty. So each is mounted on itself right before, which fails where it is gone.
 */
function hiddenOf(plan: SandboxPlan): readonly Step[] {
  const itself = (path: string): readonly string[] => ['--ro-bind', path, path];
  return [
    ...plan.hiddenFolders
      .filter((path) => isShown(plan, path))
      .map((path): Step => [path, ...itself(path), '--tmpfs', path, '--remount-ro', path]),
    ...plan.hiddenFiles
      .filter((path) => isShown(plan, path))
      .map((path): Step => [path, ...itself(path), '--ro-bind', '/dev/null', path]),
  ];
}

/**
 * True for what bwrap has laid before: were it bound from the machine once more, devices would be none there any more
 * (`nodev`), and no program could open `/dev/null`. The shared memory is a mount already, which can't be renamed.
 */
function isLaid(path: string): boolean {
  if (path === SHARED_MEMORY) return true;
  return !isInside(path, SHARED_MEMORY) && LAID.some((laid) => isInside(path, laid));
}

/** True for a path that the plan would show if nothing were hidden. */
export function isShown({ only }: Pick<SandboxPlan, 'only'>, path: string): boolean {
  if (isLaid(path)) return false;
  if (only === undefined || isInside(path, SHARED_MEMORY)) return true;
  return [...only.read, ...only.write, ...SYSTEM_PATHS].some((shown) => isInside(path, shown));
}

function isWritable({ only }: SandboxPlan, path: string): boolean {
  if (only === undefined || isInside(path, SHARED_MEMORY)) return true;
  return only.write.some((shown) => path !== shown && isInside(path, shown));
}

/** Outer folders first, because a mount covers what was mounted below it before. */
function ordered(steps: readonly Step[]): readonly string[] {
  const depth = ([path]: Step): number => path.split('/').length;
  return steps.toSorted((one, other) => depth(one) - depth(other)).flatMap(([, ...args]) => args);
}
