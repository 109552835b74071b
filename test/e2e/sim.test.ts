/** The simulation, as a user runs it. */
import { expect, it } from 'vitest';
import type { SimReport } from '../../sim/report.ts';
import { useWorld } from './support.ts';

const world = useWorld();

it('runs three real nodes, and every node calls a tool of another and writes to one board', async () => {
  const result = await world.cli(['sim', '--nodes', '3', '--calls', '5', '--json']);
  expect(result.code, result.stderr).toBe(0);
  const report = JSON.parse(result.stdout) as SimReport;
  expect(report).toMatchObject({ nodes: 3, servers: 2, calls: 15, failures: [] });
  expect(report.p50Ms).toBeGreaterThan(0);
  expect(report.p99Ms).toBeGreaterThanOrEqual(report.p50Ms);
});

it('prints a table for people', async () => {
  const result = await world.cli(['sim', '--nodes', '2', '--calls', '1']);
  expect(result.code, result.stderr).toBe(0);
  expect(result.stdout).toMatch(/full membership +\d/);
  expect(result.stdout).toMatch(/failures +0/);
});

it('refuses a number of nodes that it can not run', async () => {
  const result = await world.cli(['sim', '--nodes', '1']);
  expect(result.code).toBe(2);
  expect(result.stderr).toContain('2 to 50');
});
