/** Judges runs of the conformance suite and prints them as a table. */
import type { Requirements, Revision, ScenarioResult, SuiteRun } from './suite.ts';

/** What was run. */
export interface Run {
  readonly name: string;
  readonly revision: Revision;
  /** False: shown, and never a reason to fail. */
  readonly scored: boolean;
  readonly seconds: number;
}

/** One row of the table. */
export interface Row extends Run {
  readonly required: number;
  readonly passed: number;
  /** Why, by scenario. */
  readonly failed: ReadonlyMap<string, readonly string[]>;
  readonly warned: ReadonlyMap<string, readonly string[]>;
  /** Not required by the suite: `scenario (reason)`, by how it went. */
  readonly unscoredPassed: readonly string[];
  readonly unscoredFailed: ReadonlyMap<string, readonly string[]>;
  readonly isFine: boolean;
  /** Required scenarios that failed among others and passed alone. */
  readonly passedAlone: readonly string[];
  /** Scenarios that nobody requires and that were left out, with why. */
  readonly notRun: ReadonlyMap<string, string>;
}

/** Compares what was required with what was seen; a scenario that left no result has failed. */
export function judge(run: Run, requirements: Requirements, suite: SuiteRun): Row {
  const failed = new Map<string, readonly string[]>();
  const warned = new Map<string, readonly string[]>();
  const lost = suite.timedOut ? 'the run was ended by its timeout' : lastLine(suite.output);
  for (const scenario of requirements.required) {
    const result = suite.scenarios.get(scenario);
    if (result === undefined) failed.set(scenario, [`no result: ${lost}`]);
    else if (result.failures.length > 0) failed.set(scenario, result.failures);
    else if (result.warnings.length > 0) warned.set(scenario, result.warnings);
  }
  const unscoredPassed: string[] = [];
  const unscoredFailed = new Map<string, readonly string[]>();
  for (const [scenario, reason] of requirements.unscored) {
    const result = suite.scenarios.get(scenario);
    if (result === undefined) continue;
    if (result.failures.length === 0) unscoredPassed.push(scenario);
    else unscoredFailed.set(`${scenario} (${reason})`, result.failures);
  }
  const required = requirements.required.length;
  return {
    ...run,
    required,
    passed: required - failed.size,
    failed,
    warned,
    unscoredPassed,
    unscoredFailed,
    isFine: !run.scored || failed.size === 0,
    passedAlone: [],
    notRun: new Map(),
  };
}

/**
 * The row after its failed scenarios were run again, each alone: a machine that is busy breaks the
 * suite's short deadlines.
 */
export function rejudge(row: Row, alone: ReadonlyMap<string, ScenarioResult>): Row {
  const failed = new Map(row.failed);
  const warned = new Map(row.warned);
  const passedAlone: string[] = [];
  for (const [scenario, { failures, warnings }] of alone) {
    if (failures.length > 0) failed.set(scenario, failures);
    else {
      failed.delete(scenario);
      passedAlone.push(scenario);
      if (warnings.length > 0) warned.set(scenario, warnings);
    }
  }
  const passed = row.required - failed.size;
  return { ...row, passed, failed, warned, passedAlone, isFine: !row.scored || failed.size === 0 };
}

/** The table, the names of what failed, and the unscored scenarios apart. */
export function report(rows: readonly Row[], verbose: boolean): string {
  const lines = ['', line('target', 'set', 'passed', 'failed', 'seconds'), '-'.repeat(64)];
  for (const row of rows) {
    const counts = [`${row.passed}/${row.required}`, String(row.failed.size)] as const;
    const name = row.scored ? row.name : `${row.name} (bridge)`;
    lines.push(line(name, row.revision, ...counts, row.seconds.toFixed(1)));
  }
  for (const row of rows) {
    const title = `${row.name}, ${row.revision}`;
    lines.push(...listed(`${title}: failed`, row.failed, verbose));
    lines.push(...listed(`${title}: passed with warnings`, row.warned, verbose));
    if (row.passedAlone.length > 0) {
      lines.push('', `${title}: passed when run again, alone`, `  ${row.passedAlone.join(', ')}`);
    }
    lines.push(...listed(`${title}: not scored, failed`, row.unscoredFailed, verbose));
    const notRun = [...row.notRun].map(([name, reason]) => [name, [reason]] as const);
    lines.push(...listed(`${title}: not scored, not run`, new Map(notRun), verbose));
    if (row.unscoredPassed.length > 0) {
      lines.push('', `${title}: not scored, passed`, `  ${row.unscoredPassed.join(', ')}`);
    }
  }
  const bad = rows.filter((row) => !row.isFine).length;
  lines.push('', bad === 0 ? 'all required scenarios passed' : `${bad} rows failed`, '');
  return lines.join('\n');
}

function line(...cells: readonly [string, string, string, string, string]): string {
  const widths = [30, 12, 8, 8, 8];
  return cells
    .map((cell, index) => cell.padEnd(widths[index] ?? 0))
    .join('')
    .trimEnd();
}

function listed(
  title: string,
  scenarios: ReadonlyMap<string, readonly string[]>,
  verbose: boolean,
): string[] {
  if (scenarios.size === 0) return [];
  const names = [...scenarios].flatMap(([name, reasons]) =>
    verbose
      ? [`  ${name}`, ...reasons.map((reason) => `    ${reason.slice(0, 1000)}`)]
      : [`  ${name}: ${(reasons[0] ?? '').replaceAll(/\s+/g, ' ').slice(0, 120)}`],
  );
  return ['', title, ...names];
}

function lastLine(output: string): string {
  return output.trimEnd().split('\n').at(-1) ?? '';
}
