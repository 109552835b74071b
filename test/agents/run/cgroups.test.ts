/** Control groups: which there are, what is written into them, and that none is left. */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { findCgroups } from '../../../src/agents/run/cgroups.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'starling-cgroups-'));
});
afterEach(() => rm(root, { recursive: true, force: true, maxRetries: 5 }));

/** A folder as the system shows one. */
async function folder(path: string, files: Readonly<Record<string, string>> = {}): Promise<void> {
  await mkdir(join(root, path), { recursive: true });
  for (const [name, text] of Object.entries({ 'cgroup.procs': '', ...files })) {
    await writeFile(join(root, path, name), text);
  }
}

const OLD = '4:memory:/jobs/a\n3:cpu,cpuacct:/\n2:pids:/not/shown/here\n0::/\n';

it('version 1: each controller where this process is, or at its top inside of a container', async () => {
  for (const path of ['memory', 'memory/jobs/a', 'cpu', 'pids']) await folder(path);
  const cgroups = findCgroups(root, OLD);
  expect(cgroups).toMatchObject({ version: 'cgroup1', controllers: ['cpu', 'memory', 'pids'] });
  const group = cgroups?.open({ cpuMilli: 1500, memoryBytes: 1000, processes: 9 });
  const [name = ''] = (await readdir(join(root, 'pids'))).filter((one) => one.startsWith('star'));
  const at = (path: string): Promise<string> => readFile(join(root, path), 'utf8');
  expect(await at(`cpu/${name}/cpu.cfs_quota_us`)).toBe('150000');
  expect(await at(`cpu/${name}/cpu.cfs_period_us`)).toBe('100000');
  expect(await at(`memory/jobs/a/${name}/memory.limit_in_bytes`)).toBe('1000');
  expect(await at(`pids/${name}/pids.max`)).toBe('9');
  const folders = ['cpu', 'memory/jobs/a', 'pids'];
  expect(group?.within.slice(-4)).toEqual([
    ...folders.map((one) => join(root, one, name, 'cgroup.procs')),
    '--',
  ]);
});

it('version 2: the folder that hands controllers on, be it the one above', async () => {
  await folder('', { 'cgroup.controllers': 'cpu memory pids\n' });
  await folder('app', {
    'cgroup.controllers': 'memory pids io\n',
    'cgroup.subtree_control': 'memory pids\n',
  });
  const cgroups = findCgroups(root, '0::/app/node\n');
  expect(cgroups).toMatchObject({ version: 'cgroup2', controllers: ['memory', 'pids'] });
  const group = cgroups?.open({ memoryBytes: 1000, processes: 9, cpuMilli: 500 });
  const [name = ''] = (await readdir(join(root, 'app'))).filter((one) => one.startsWith('star'));
  await expect(readFile(join(root, 'app', name, 'memory.max'), 'utf8')).resolves.toBe('1000');
  await expect(readFile(join(root, 'app', name, 'pids.max'), 'utf8')).resolves.toBe('9');
  expect(existsSync(join(root, 'app', name, 'cpu.max')), 'nobody hands that on').toBe(false);
  await writeFile(join(root, 'app', name, 'memory.current'), '512\n');
  expect(group?.usedBytes()).toBe(512);
});

it('none where there is nothing to write to, and none of a node that is gone is left', async () => {
  expect(findCgroups(root, OLD)).toBeUndefined();
  await folder('pids');
  await mkdir(join(root, 'pids', 'starling-4194304-7'));
  await mkdir(join(root, 'pids', `starling-${process.pid}-7`));
  expect(findCgroups(root, OLD)?.controllers).toEqual(['pids']);
  expect(existsSync(join(root, 'pids', 'starling-4194304-7'))).toBe(false);
  expect(existsSync(join(root, 'pids', `starling-${process.pid}-7`))).toBe(true);
});

it('a bound that the system does not take is one clear error, and nothing is left', async () => {
  await folder('pids');
  const cgroups = findCgroups(root, OLD);
  await rm(join(root, 'pids'), { recursive: true });
  expect(() => cgroups?.open({ processes: 5 })).toThrow(/bounds of an agent can't be set/);
});
