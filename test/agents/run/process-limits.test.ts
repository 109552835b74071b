/** Limits of a process: by what they are enforced, and what is refused. */
import { expect, it } from 'vitest';
import { planLimits, readCpu, readMemory } from '../../../src/agents/run/process-limits.ts';
import type { LimitMeans, ResourcesInit } from '../../../src/agents/run/process-limits.ts';

const FULL: LimitMeans = {
  cores: [0, 1, 2, 3],
  taskset: '/usr/bin/taskset',
  prlimit: '/usr/bin/prlimit',
};
const BARE: LimitMeans = { cores: [0, 1, 2, 3] };

const refusal = (
  wanted: ResourcesInit,
  means = FULL,
  kind: { cpu?: string; memory?: string } = {},
) => {
  try {
    planLimits(wanted, kind, means, 0);
    return undefined;
  } catch (error) {
    return error;
  }
};

it('reads cores and bytes as people write them, and nothing else', () => {
  expect([readCpu('2000m'), readCpu('2'), readCpu(0.5), readCpu('250m')]).toEqual([
    2000, 2000, 500, 250,
  ]);
  expect([readMemory('4Gi'), readMemory('512Mi'), readMemory('1G'), readMemory(1000)]).toEqual([
    4 * 1024 ** 3,
    512 * 1024 ** 2,
    1e9,
    1000,
  ]);
  for (const odd of ['', '0', '-1', '1e3', 'two', '1 Gi', '4gi', '9999999999999Ti']) {
    expect(readMemory(odd), odd).toBeUndefined();
  }
  for (const odd of ['', '0m', 'm', '1.5.5', '-2', '2k']) expect(readCpu(odd), odd).toBeUndefined();
});

it('cores are enforced by affinity and memory by the limit of data; the answer says so', () => {
  const plan = planLimits({ cpuLimit: '2000m', memoryLimit: '512Mi' }, {}, FULL, 3);
  expect(plan.within).toEqual([
    '/usr/bin/prlimit',
    `--data=${512 * 1024 ** 2}`,
    '--',
    '/usr/bin/taskset',
    '-c',
    '3,0',
  ]);
  expect(plan.applied).toEqual({
    cpu: '2000m',
    memory: '512Mi',
    enforcedBy: { cpu: 'affinity', memory: 'rlimit' },
  });
  // More cores than there are bound nothing, and nothing has to be done for that.
  expect(planLimits({ cpuLimit: '8' }, {}, BARE, 0)).toMatchObject({
    within: [],
    applied: { enforcedBy: { cpu: 'machine' } },
  });
  expect(planLimits({}, {}, BARE, 0)).toEqual({ within: [], applied: { enforcedBy: {} } });
});

it("VisionFlow's resources are refused by name where they can't be enforced, with what can be", () => {
  const written = { cpuLimit: '2000m', memoryLimit: '4Gi', gpuAccess: true };
  expect(refusal(written)).toMatchObject({
    code: 'STARLING_AGENT_FAILED',
    message: expect.stringContaining('gpuAccess') as string,
    data: {
      reason: 'resources',
      enforceable: ['cpuLimit in whole cores up to 4000m', 'memoryLimit from 16Mi'],
    },
  });
  expect(refusal({ ...written, gpuAccess: false })).toBeUndefined();
  expect(refusal({ diskLimit: '1Gi' })).toMatchObject({
    message: expect.stringContaining('diskLimit') as string,
  });
  expect(refusal({ cpuLimit: '500m' })).toMatchObject({
    message: expect.stringContaining('whole cores') as string,
  });
  expect(refusal({ cpuLimit: '1' }, BARE)).toMatchObject({
    message: expect.stringContaining('taskset') as string,
    hint: expect.stringContaining('nothing') as string,
  });
  expect(refusal({ memoryLimit: '1Gi' }, BARE)).toBeDefined();
  expect(refusal({ memoryLimit: '1Ki' })).toBeDefined();
  expect(refusal({ memoryLimit: 'much' })).toBeDefined();
});

it('whoever spawns may only narrow the bounds of the kind, which hold where nobody asks', () => {
  const kind = { cpu: '2', memory: '1Gi' };
  expect(planLimits({}, kind, FULL, 0).applied).toMatchObject({ cpu: '2', memory: '1Gi' });
  expect(planLimits({ memoryLimit: '512Mi' }, kind, FULL, 0).applied.memory).toBe('512Mi');
  expect(refusal({ memoryLimit: '2Gi' }, FULL, kind)).toBeDefined();
  expect(refusal({ cpuLimit: '3' }, FULL, kind)).toBeDefined();
});

const GROUPS: LimitMeans = {
  ...FULL,
  cgroups: {
    version: 'cgroup1',
    controllers: ['cpu', 'memory', 'pids'],
    open: (bounds) => ({
      within: [JSON.stringify(bounds)],
      usedBytes: () => undefined,
      remove: () => true,
    }),
  },
};

it('where there are control groups they bound parts of cores, memory and processes, and the answer says so', () => {
  const wanted = { cpuLimit: '500m', memoryLimit: '256Mi' };
  const plan = planLimits(wanted, { processes: 64 }, GROUPS, 0);
  expect(plan.within).toEqual([]);
  expect(JSON.parse(plan.openGroup?.().within[0] ?? '')).toEqual({
    cpuMilli: 500,
    memoryBytes: 256 * 1024 ** 2,
    processes: 64,
  });
  expect(plan.applied).toEqual({
    cpu: '500m',
    memory: '256Mi',
    enforcedBy: { cpu: 'cgroup1', memory: 'cgroup1', processes: 'cgroup1' },
  });
  // A program sees whole cores, and so they are given by affinity.
  expect(planLimits({ cpuLimit: '1' }, {}, GROUPS, 0)).toMatchObject({
    within: ['/usr/bin/taskset', '-c', '0'],
    applied: { enforcedBy: { cpu: 'affinity' } },
  });
  expect(refusal({ cpuLimit: '500m' }, FULL)).toMatchObject({ data: { reason: 'resources' } });
  const noMemory = { ...BARE, cgroups: { ...GROUPS.cgroups, controllers: ['pids'] } } as LimitMeans;
  expect(refusal({ memoryLimit: '256Mi' }, noMemory)).toMatchObject({
    data: { reason: 'resources' },
  });
});
