/** Scenarios on real nodes in this process, with the fewest nodes that say something; `sim all` runs each of ours. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { runScenario } from '../../../sim/scenario/run.ts';
import { createWorkProgress } from '../../../src/cli/terminal/progress.ts';
import type { RunReport } from '../../../sim/scenario/report.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'starling-scenario-'));
  cleanups.push(() => rm(path, { recursive: true, force: true, maxRetries: 5 }));
  return path;
}

interface RunOf {
  readonly report: RunReport;
  readonly said: string;
  readonly out: string;
  /** The shares of its bar, in the order in which they were shown. */
  readonly shares: readonly number[];
}

async function run(given: string): Promise<RunOf> {
  const out = await folder();
  let said = '';
  const print = (text: string): void => void (said += text);
  const progress = createWorkProgress({ screen: { write: print } });
  const shares: number[] = [];
  const show = (_: string, share = Number.NaN): void => void shares.push(share);
  const { reports } = await runScenario({
    given,
    out,
    json: false,
    print,
    progress: { ...progress, show },
  });
  return { report: reports[0] as RunReport, said, out, shares };
}

describe('the engine inproc', () => {
  it('sees a mesh through its first calls, and writes a report', async () => {
    const { report, said, out } = await run('first-mesh');
    expect(report.pass, said).toBe(true);
    expect(report.calls).toMatchObject({ sent: 40, answered: 40, silent: 0, wrong: 0, strays: 0 });
    expect(JSON.parse(await readFile(join(out, 'report.json'), 'utf8'))).toEqual([report]);
    expect(await readFile(join(out, 'report.html'), 'utf8')).toContain('first-mesh: passed');
  });

  it('says which claim did not hold, and how to run it again', async () => {
    const path = join(await folder(), 'wrong.yaml');
    const text = `name: wrong
about: Claims that somebody dies who lives.
engines: [inproc]
nodes: { count: 2 }
settle: 60s
events: [{ at: 0s, do: clock, nodes: last, by: +1h }]
during: [{ never: missed, of: all }]
after: [{ expect: dead, of: last, within: 500ms }]
`;
    await writeFile(path, text);
    const { report, said, shares } = await run(path);
    expect(report.pass).toBe(false);
    expect(said).toContain('✗ n2 dead for n1, n2, ms');
    expect(said).toContain('n1 has n2 as alive');
    expect(said).toContain(
      `FAILED; to run it again: starling sim ${path} --engine inproc --nodes 2 --seed 1`,
    );
    // Its bar goes on from the settled mesh with each step, and never back.
    expect(shares).toEqual(shares.toSorted((one, other) => one - other));
    expect(shares.filter((share) => share >= 0.55 && share < 0.9)).not.toEqual([]);
  });
});
