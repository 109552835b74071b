/**
 * Tries the mutants of one file in processes that may hang, crash or be left in disorder by a mutant:
 * then a new process goes on with those that are left.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { JOB_VARIABLE } from './job.ts';
import type { Job, Report } from './job.ts';

const ROOT = resolve(import.meta.dirname, '../..');
/** A mutant in which nothing happens for so long has blocked its process. */
const SILENCE_MS = 30_000;
/** The same before the first test has run: on a busy machine Vitest takes a minute to load, and that is nobody's fault. */
const LOADING_MS = 180_000;

/** A file, its tests, and the mutants to try. */
export interface Trial {
  readonly source: string;
  readonly tests: readonly string[];
  readonly ids: readonly number[];
}

/** What became of them: whoever is not among `killed` survived. */
export interface Verdict {
  readonly killed: ReadonlySet<number>;
}

/**
 * Tries all mutants in as few processes as possible, then whoever survived in a process of its own,
 * where no module keeps what it made without the mutant; `hopeless` ones get no second try.
 * @throws Error when the tests fail without a mutant
 */
export async function tryMutants(
  trial: Trial,
  hopeless: ReadonlySet<number> = new Set(),
): Promise<Verdict> {
  const killed = new Set<number>();
  let careful = false;
  for (;;) {
    const ids = trial.ids.filter((id) => !killed.has(id));
    const reports = await runJob({ ...trial, ids, alwaysOn: 0, careful });
    const last = reports.at(-1);
    const covered = reports.find((report) => report.kind === 'covered');
    if (covered === undefined) {
      throw new Error(
        last === undefined
          ? `no test of ${trial.source} has run within ${LOADING_MS / 1000} s`
          : `the tests of ${trial.source} fail without a mutant: ${JSON.stringify(last)}`,
      );
    }
    const sound = careful ? reports : soundPart(reports);
    for (const report of sound) if (report.kind === 'killed') killed.add(report.id);
    if (last?.kind === 'done') {
      for (const id of trial.ids) {
        const tests = covered.tests[id] ?? (covered.loading.includes(id) ? 'all' : undefined);
        if (killed.has(id) || hopeless.has(id) || tests === undefined) continue;
        if (await diesAlone(trial, id, tests)) killed.add(id);
      }
      return { killed };
    }
    const begun = reports.findLast((report) => report.kind === 'begin')?.id;
    if (last?.kind === 'unsound' && !careful) careful = true;
    // It blocked, crashed, or left something behind that a test sees: that is a failure too.
    else if (begun !== undefined) killed.add(begun);
    else throw new Error(`nothing comes of ${trial.source}: ${JSON.stringify(last)}`);
  }
}

/** How long nothing may happen in a process that has reported this so far. */
export function patienceMs(reported: string): number {
  return reported === '' ? LOADING_MS : SILENCE_MS;
}

/** Up to the last test that still passed without a mutant. */
function soundPart(reports: readonly Report[]): readonly Report[] {
  const isEnded = reports.at(-1)?.kind === 'done';
  const last = reports.findLastIndex((report) => report.kind === 'sound');
  return isEnded ? reports : reports.slice(0, last + 1);
}

async function diesAlone(
  trial: Trial,
  id: number,
  tests: readonly number[] | 'all',
): Promise<boolean> {
  const only = tests === 'all' ? {} : { only: tests };
  const reports = await runJob({ ...trial, ids: [], alwaysOn: id, careful: false, ...only });
  return !reports.some((report) => report.kind === 'done');
}

async function runJob(job: Omit<Job, 'reportTo'>): Promise<readonly Report[]> {
  const folder = mkdtempSync(join(tmpdir(), 'starling-mutants-'));
  const reportTo = join(folder, 'report');
  writeFileSync(reportTo, '');
  const read = (): string => readFileSync(reportTo, 'utf8');
  try {
    await runVitest({ ...job, reportTo }, read);
    return read()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Report);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Resolves when Vitest has ended, or was ended because nothing happened any more. */
function runVitest(job: Job, read: () => string): Promise<void> {
  const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs');
  const config = join(import.meta.dirname, 'vitest.config.ts');
  const child = spawn(process.execPath, [vitest, 'run', '--config', config], {
    cwd: ROOT,
    env: { ...process.env, [JOB_VARIABLE]: JSON.stringify(job) },
    // A group of its own, so that its workers end with it.
    detached: true,
    stdio: process.env['STARLING_MUTATION_SHOW'] === undefined ? 'ignore' : 'inherit',
  });
  let seen = '';
  let seenAt = performance.now();
  const watch = setInterval(() => {
    const now = read();
    if (now !== seen) [seen, seenAt] = [now, performance.now()];
    else if (performance.now() - seenAt > patienceMs(seen) && child.pid !== undefined) {
      process.kill(-child.pid, 'SIGKILL');
    }
  }, 1000);
  return new Promise((settle, reject) => {
    child.on('error', reject);
    child.on('close', () => {
      clearInterval(watch);
      settle();
    });
  });
}
