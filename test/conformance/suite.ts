/**
 * Runs the public conformance suite as a process and reads what it wrote: one `checks.json` for
 * each scenario, and the frozen list of scenarios that a revision of the specification requires.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';

const require = createRequire(import.meta.url);
const HOME = dirname(require.resolve('@modelcontextprotocol/conformance/package.json'));
const HOOK = pathToFileURL(join(import.meta.dirname, 'hook.mjs')).href;

/** The two revisions that have a list of requirements. */
export const REVISIONS = ['2025-11-25', '2026-07-28'] as const;

/** A revision of the specification. */
export type Revision = (typeof REVISIONS)[number];

/** What a revision asks of one side. */
export interface Requirements {
  readonly required: readonly string[];
  /** Run and shown, never counted; with the suite's reason. */
  readonly unscored: ReadonlyMap<string, string>;
}

/** How one scenario went. */
export interface ScenarioResult {
  readonly passed: number;
  readonly failures: readonly string[];
  readonly warnings: readonly string[];
}

/** What a run of the suite gave. */
export interface SuiteRun {
  readonly scenarios: ReadonlyMap<string, ScenarioResult>;
  /** What the suite printed. */
  readonly output: string;
  readonly timedOut: boolean;
}

interface Check {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly status: 'SUCCESS' | 'FAILURE' | 'WARNING' | 'INFO' | 'SKIPPED';
  readonly errorMessage?: string;
}

/** Reads the list that comes with the suite: flat lists of names, and entries of three keys. */
export function readRequirements(revision: Revision, leg: 'server' | 'client'): Requirements {
  const lines = readFileSync(join(HOME, 'requirements', `${revision}.yaml`), 'utf8').split('\n');
  const required: string[] = [];
  const unscored = new Map<string, string>();
  let section = '';
  let scenario = '';
  let entryLeg = '';
  for (const line of lines) {
    const [, key, value = ''] = /^\s*(?:- )?(?:(\w+): ?)?(.*)$/.exec(line) ?? [];
    if (/^\w/.test(line)) section = key ?? '';
    else if (section === leg && /^ {2}- /.test(line)) required.push(value);
    else if (section === 'not_scored') {
      if (key === 'scenario') scenario = value;
      if (key === 'leg') entryLeg = value;
      if (key === 'reason' && entryLeg === leg) unscored.set(scenario, value);
    }
  }
  if (required.length === 0) throw new Error(`${revision} requires nothing of a ${leg}`);
  return { required, unscored };
}

/**
 * Runs the suite with `args`; what it wrote stays in `folder`, emptied before. Killed after `timeoutMs`, or when
 * `signal` says so, which rejects.
 */
export async function runSuite(
  args: readonly string[],
  folder: string,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<SuiteRun> {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  await mkdir(folder, { recursive: true });
  const child = spawn(
    process.execPath,
    ['--import', HOOK, join(HOME, 'dist/index.js'), ...args, '--output-dir', folder],
    { stdio: ['ignore', 'pipe', 'pipe'], ...(signal !== undefined && { signal }) },
  );
  const output: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => output.push(chunk));
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    child.kill('SIGKILL');
  }, timeoutMs);
  await once(child, 'close');
  clearTimeout(timer);
  return {
    scenarios: readResults(folder),
    output: Buffer.concat(output).toString('utf8'),
    timedOut,
  };
}

/** Folders are `[server-]<scenario>-<time>`; a scenario's name may hold a slash. */
function readResults(folder: string): Map<string, ScenarioResult> {
  const results = new Map<string, ScenarioResult>();
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (entry.name !== 'checks.json') continue;
    const scenario = relative(folder, entry.parentPath)
      .replaceAll('\\', '/')
      .replace(/^server-(?=.*-\d{4}-\d\d-\d\dT)/, '')
      .replace(/-\d{4}-\d\d-\d\dT[\d-]+Z$/, '');
    const text = readFileSync(join(entry.parentPath, entry.name), 'utf8');
    results.set(scenario, summarise(JSON.parse(text) as Check[]));
  }
  return results;
}

function summarise(checks: readonly Check[]): ScenarioResult {
  const messages = (status: Check['status']): string[] =>
    checks
      .filter((check) => check.status === status)
      .map((check) => `${check.name} (${check.id}): ${check.errorMessage ?? check.description}`);
  return {
    passed: checks.filter((check) => check.status === 'SUCCESS').length,
    failures: messages('FAILURE'),
    warnings: messages('WARNING'),
  };
}
