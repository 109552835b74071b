/** The simulation, as a user runs it. */
import { readdir } from 'node:fs/promises';
import { expect, it } from 'vitest';
import type { SimReport } from '../../sim/report.ts';
import { useWorld } from './support.ts';
import { upTo } from '../long/extent.ts';
import { temporaryFolder } from '../cli/support.ts';
import { CTRL_C, hasTerminals, startOnTerminal } from '../cli/terminal/on-terminal.ts';

const world = useWorld();

it('runs real nodes, and every node calls a tool of another and writes to one board', async () => {
  const nodes = upTo(2, 3);
  const result = await world.cli(['sim', '--nodes', `${nodes}`, '--calls', '5', '--json']);
  expect(result.code, result.stderr).toBe(0);
  const report = JSON.parse(result.stdout) as SimReport;
  expect(report).toMatchObject({ nodes, servers: 2, calls: 5 * nodes, failures: [] });
  expect(report.p50Ms).toBeGreaterThan(0);
  expect(report.p99Ms).toBeGreaterThanOrEqual(report.p50Ms);
});

it('refuses a number of nodes that it can not run', async () => {
  const result = await world.cli(['sim', '--nodes', '1']);
  expect(result.code).toBe(2);
  expect(result.stderr).toContain('2 to 50');
});

it('names its scenarios, and refuses what an engine can not do before anything starts', async () => {
  const list = await world.cli(['sim', '--list']);
  expect(list.code, list.stderr).toBe(0);
  for (const name of ['first-mesh', 'partition-heal', 'hostile-peer', 'scale-model']) {
    expect(list.stdout).toContain(name);
  }
  expect(list.stdout.trimEnd().split('\n')).toHaveLength(20);
  const refused = await world.cli(['sim', 'disk-full', '--engine', 'inproc']);
  expect(refused.code).toBe(2);
  expect(refused.stderr).toContain("event 2 (disk): it can't do 'disk'");
  expect(refused.stderr).toContain('who can: netns');
});

it('reckons a scenario by the model, and is quiet but for the result where nobody looks', async () => {
  const out = await temporaryFolder();
  const nodes = `${upTo(500, 2000)}`;
  const result = await world.cli(['sim', 'scale-model', '--nodes', nodes, '--out', out]);
  expect(result.code, result.stderr).toBe(0);
  expect(result.stdout).toContain(`scale-model: ${nodes} nodes, engine model, seed 1`);
  expect(result.stderr).toBe('runs scale-model; Ctrl-C ends it\n');
  expect((await readdir(out)).toSorted()).toEqual(['report.html', 'report.json']);
});

it.runIf(await hasTerminals())(
  'says on a terminal what it does, is ended by Ctrl-C, and keeps neither its folder nor its servers',
  async () => {
    const folder = await temporaryFolder();
    const sim = startOnTerminal(['sim', '--nodes', '2', '--calls', '100000'], {
      env: { TMPDIR: folder },
    });
    // Nodes and servers run by then; what was over within a second before was shown to nobody.
    await sim.shows('calling tools');
    sim.type(CTRL_C);
    expect((await sim.ended()).code).toBe(130);
    expect((await readdir(folder)).filter((name) => name.startsWith('starling-sim-'))).toEqual([]);
  },
);
