/**
 * All scenarios, each in a process of its own and a few at a time: with one seed what the tests of a commit run, with
 * ten the long form. `npm run sim -- all [--seeds 10] [--record]`.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WorkProgress } from '../../src/cli/terminal/progress.ts';
import { table } from '../bench/bars.ts';
import { builtFile } from '../project-root.ts';
import { loadScenario, scenarioNames } from './read.ts';
import { round } from './report.ts';
import type { RunReport } from './report.ts';

/** They wait more than they compute. */
const AT_ONCE = 3;
/** Of one scenario with one seed, on a slow machine. */
const TIMEOUT_MS = 300_000;
const OUTPUT_MAX_BYTES = 256 * 1024 * 1024;

/** What is run. */
export interface AllInit {
  readonly seeds: number;
  readonly print: (text: string) => void;
  readonly progress: WorkProgress;
}

interface Row {
  readonly name: string;
  readonly reports: readonly RunReport[];
  readonly seconds: number;
  /** Why there is no report. */
  readonly error: string;
}

/** Runs them; true when all claims of all of them held. */
export async function runAll({ seeds, print, progress }: AllInit): Promise<boolean> {
  const waiting = [...scenarioNames()];
  const rows: Row[] = [];
  const all = waiting.length;
  const show = (): void =>
    progress.show(`${rows.length} of ${all} scenarios`, rows.length / Math.max(1, all));
  show();
  const work = async (): Promise<void> => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      const row = await runOne(name, seeds);
      rows.push(row);
      show();
      for (const line of faultsOf(row)) print(`${line}\n`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work)).finally(() => progress.done());
  print(renderRows(rows.toSorted((a, b) => (a.name < b.name ? -1 : 1))));
  return rows.every((row) => row.error === '' && row.reports.every(({ pass }) => pass));
}

async function runOne(name: string, seeds: number): Promise<Row> {
  const out = await mkdtemp(join(tmpdir(), 'starling-all-'));
  const args = [
    builtFile('sim-command.js'),
    name,
    '--seeds',
    String(seeds),
    '--json',
    '--out',
    out,
  ];
  const from = performance.now();
  const { text, error } = await new Promise<{ text: string; error: string }>((resolve) => {
    const options = { timeout: TIMEOUT_MS * seeds, maxBuffer: OUTPUT_MAX_BYTES };
    execFile(process.execPath, args, options, (_, stdout, stderr) =>
      resolve({ text: stdout, error: stderr }),
    );
  });
  await rm(out, { recursive: true, force: true });
  const seconds = (performance.now() - from) / 1000;
  try {
    return { name, seconds, reports: JSON.parse(text) as readonly RunReport[], error: '' };
  } catch {
    return { name, seconds, reports: [], error: error.trim() || 'it ended without a report' };
  }
}

function faultsOf({ name, reports, error }: Row): readonly string[] {
  if (error !== '') return [`${name}: ${error}`];
  return reports
    .filter(({ pass }) => !pass)
    .flatMap(({ replay, verdicts }) => [
      `${name}: FAILED; to run it again: ${replay}`,
      ...verdicts
        .filter(({ pass }) => !pass)
        .map(
          ({ claim, measured, limit, detail }) =>
            `  ${claim} ${measured === undefined ? '' : round(measured)} of ${limit ?? ''} ${detail ?? ''}`,
        ),
    ]);
}

function renderRows(rows: readonly Row[]): string {
  return table(
    ['scenario', 'engine', 'nodes', 'seeds', 'passed', 'calls', 'own answer', 'lost', 'seconds'],
    rows.map(({ name, reports, seconds }) => {
      const scenario = loadScenario(name);
      const sum = (pick: (calls: NonNullable<RunReport['calls']>) => number): number =>
        reports.reduce((all, { calls }) => all + (calls === undefined ? 0 : pick(calls)), 0);
      return [
        name,
        reports[0]?.engine ?? scenario.engines[0] ?? '',
        String(scenario.nodes.count),
        String(reports.length),
        String(reports.filter(({ pass }) => pass).length),
        String(sum(({ sent }) => sent)),
        String(sum(({ answered }) => answered)),
        String(sum(({ silent, wrong, strays }) => silent + wrong + strays)),
        seconds.toFixed(0),
      ];
    }),
  );
}
