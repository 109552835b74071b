/**
 * Limits of a process: enforced, or refused with what can be. Whole cores by affinity (`taskset(1)`), parts of cores by a
 * control group; memory by a control group with all that the process starts, else by the limit of data of each process
 * (`prlimit(1)`, RLIMIT_DATA of `getrlimit(2)`); how many processes and threads by a control group. As far as this machine
 * has them.
 */
import { StarlingError, printable } from '../../core/index.ts';
import type { AppliedResources } from '../types.ts';
import type { Cgroups, Controller, Group, GroupBounds } from './cgroups.ts';

/** What somebody wants a process to be bounded by; VisionFlow's words. */
export interface ResourcesInit {
  readonly cpuLimit?: string | number | undefined;
  readonly memoryLimit?: string | number | undefined;
  readonly gpuAccess?: boolean | undefined;
  /** What nobody here knows how to enforce. */
  readonly [other: string]: unknown;
}

/** What this machine can bound processes by. */
export interface LimitMeans {
  /** Cores that the node may use, by number. */
  readonly cores: readonly number[];
  /** Path of `taskset`. */
  readonly taskset?: string;
  /** Path of `prlimit`. */
  readonly prlimit?: string;
  readonly cgroups?: Cgroups;
}

/** How a process is bounded. */
export interface LimitPlan {
  /** Programs with their arguments that start the command. */
  readonly within: readonly string[];
  readonly applied: AppliedResources;
  /** Makes the control group of one process; absent where none bounds it. @throws STARLING_AGENT_FAILED */
  readonly openGroup?: () => Group;
}

const UNITS: Readonly<Record<string, number>> = {
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 1024,
  Mi: 1024 ** 2,
  Gi: 1024 ** 3,
  Ti: 1024 ** 4,
};
const KNOWN: readonly string[] = ['cpuLimit', 'memoryLimit', 'gpuAccess'];
const MILLI = 1000;
/** Less than this no program starts with. */
const MEMORY_MIN = 16 * 1024 ** 2;

/** Reads cores: `2`, `2000m`, 0.5. In thousandths; undefined for what is none. */
export function readCpu(text: string | number): number | undefined {
  const [, digits = '', unit] = /^(\d{1,6}(?:\.\d{1,3})?)(m?)$/.exec(String(text)) ?? [];
  const value = Math.round(Number(digits) * (unit === 'm' ? 1 : MILLI));
  return digits === '' || value <= 0 ? undefined : value;
}

/** Reads bytes: `512Mi`, `4Gi`, 1000000; undefined for what is none. */
export function readMemory(text: string | number): number | undefined {
  const [, digits = '', unit = ''] = /^(\d{1,12})(Ki|Mi|Gi|Ti|k|M|G|T)?$/.exec(String(text)) ?? [];
  const bytes = Number(digits) * (UNITS[unit] ?? 1);
  return digits === '' || bytes <= 0 || !Number.isSafeInteger(bytes) ? undefined : bytes;
}

/**
 * How `wanted`, and the bounds of the kind that it may only narrow, are enforced. `turn` spreads agents over the cores.
 * @throws STARLING_AGENT_FAILED with `data.reason` `resources`, what is refused, and what can be enforced
 */
export function planLimits(
  wanted: ResourcesInit,
  kind: { readonly cpu?: string; readonly memory?: string; readonly processes?: number },
  means: LimitMeans,
  turn: number,
): LimitPlan {
  const refusals: string[] = [];
  if (wanted.gpuAccess === true) {
    refusals.push('gpuAccess can not be enforced here: leave it out');
  }
  for (const key of Object.keys(wanted)) {
    if (!KNOWN.includes(key)) refusals.push(`${printable(key)} can not be enforced here`);
  }
  const cpu = cpuOf(wanted.cpuLimit, kind.cpu, means, refusals);
  const memory = memoryOf(wanted.memoryLimit, kind.memory, means, refusals);
  if (refusals.length > 0) throw refused(refusals, means);
  const isPart = cpu !== undefined && cpu.milli % MILLI !== 0 && hasGroup(means, 'cpu');
  const affinity = cpu === undefined || isPart ? [] : affinityOf(cpu.milli, means, turn);
  const isGrouped = memory !== undefined && hasGroup(means, 'memory');
  const data =
    memory === undefined || isGrouped ? [] : [means.prlimit ?? '', `--data=${memory.bytes}`, '--'];
  const bounds: GroupBounds = {
    ...(isPart ? { cpuMilli: cpu.milli } : {}),
    ...(isGrouped ? { memoryBytes: memory.bytes } : {}),
    ...(kind.processes !== undefined && hasGroup(means, 'pids')
      ? { processes: kind.processes }
      : {}),
  };
  const { cgroups } = means;
  const version = cgroups?.version ?? 'machine';
  return {
    within: [...data, ...affinity],
    ...(cgroups === undefined || Object.keys(bounds).length === 0
      ? {}
      : { openGroup: () => cgroups.open(bounds) }),
    applied: {
      ...(cpu === undefined ? {} : { cpu: cpu.text }),
      ...(memory === undefined ? {} : { memory: memory.text }),
      enforcedBy: {
        ...(cpu === undefined
          ? {}
          : { cpu: isPart ? version : affinity.length === 0 ? 'machine' : 'affinity' }),
        ...(memory === undefined ? {} : { memory: isGrouped ? version : 'rlimit' }),
        ...(bounds.processes === undefined ? {} : { processes: version }),
      },
    },
  };
}

function cpuOf(
  asked: string | number | undefined,
  most: string | undefined,
  means: LimitMeans,
  refusals: string[],
): { readonly text: string; readonly milli: number } | undefined {
  const given = asked ?? most;
  if (given === undefined) return undefined;
  const text = String(given);
  const milli = readCpu(given);
  const bound = most === undefined ? Infinity : (readCpu(most) ?? 0);
  if (milli === undefined) refusals.push(`cpuLimit '${text.slice(0, 32)}' is no number of cores`);
  else if (milli > bound) refusals.push(`cpuLimit ${text} is more than the ${most} of its kind`);
  else if (milli >= means.cores.length * MILLI) return { text, milli };
  else if (milli % MILLI !== 0 && hasGroup(means, 'cpu')) return { text, milli };
  else if (means.taskset === undefined) refusals.push(`cpuLimit ${text}: taskset is not installed`);
  else if (milli % MILLI !== 0) refusals.push(`cpuLimit ${text}: only whole cores can be enforced`);
  else return { text, milli };
  return undefined;
}

function memoryOf(
  asked: string | number | undefined,
  most: string | undefined,
  means: LimitMeans,
  refusals: string[],
): { readonly text: string; readonly bytes: number } | undefined {
  const given = asked ?? most;
  if (given === undefined) return undefined;
  const text = String(given);
  const bytes = readMemory(given);
  const bound = most === undefined ? Infinity : (readMemory(most) ?? 0);
  if (bytes === undefined)
    refusals.push(`memoryLimit '${text.slice(0, 32)}' is no number of bytes`);
  else if (bytes > bound) refusals.push(`memoryLimit ${text} is more than the ${most} of its kind`);
  else if (means.prlimit === undefined && !hasGroup(means, 'memory')) {
    refusals.push(`memoryLimit ${text}: prlimit is not installed`);
  } else if (bytes < MEMORY_MIN) {
    refusals.push(`memoryLimit ${text}: nothing starts with less than 16Mi`);
  } else return { text, bytes };
  return undefined;
}

function hasGroup({ cgroups }: LimitMeans, controller: Controller): boolean {
  return cgroups?.controllers.includes(controller) === true;
}

/** So many of the node's cores, each agent from another one on. */
function affinityOf(milli: number, { cores, taskset }: LimitMeans, turn: number): string[] {
  const many = milli / MILLI;
  if (many >= cores.length || taskset === undefined) return [];
  const from = turn % cores.length;
  const chosen = [...cores.slice(from), ...cores.slice(0, from)].slice(0, many);
  return [taskset, '-c', chosen.join(',')];
}

function refused(refusals: readonly string[], means: LimitMeans): StarlingError {
  const can = [
    ...(means.taskset === undefined
      ? []
      : [`cpuLimit in whole cores up to ${means.cores.length * MILLI}m`]),
    ...(hasGroup(means, 'cpu') ? ['cpuLimit in parts of a core'] : []),
    ...(means.prlimit === undefined && !hasGroup(means, 'memory') ? [] : ['memoryLimit from 16Mi']),
  ];
  const what = can.length === 0 ? 'nothing' : can.join(', ');
  return new StarlingError('STARLING_AGENT_FAILED', `not spawned: ${refusals.join('; ')}`, {
    hint: `what can be enforced on this machine: ${what}`,
    data: { reason: 'resources', refused: [...refusals], enforceable: can },
  });
}
