/**
 * The suite's client scenarios: it plays a server, and a node that has this server as its upstream
 * plays the client, driven by `client.ts`. One process of the suite for each scenario, some at once.
 */
import { join } from 'node:path';
import { CLI } from './mesh.ts';
import { judge, rejudge } from './report.ts';
import type { Row } from './report.ts';
import { readRequirements, runSuite } from './suite.ts';
import type { Revision, ScenarioResult } from './suite.ts';

const AT_ONCE = 2;
const SCENARIO_TIMEOUT_MS = 30_000;
const RUN_TIMEOUT_MS = 45_000;
/** Extensions that the suite does not require either, and why the node has none of them. */
const NOT_OURS: ReadonlyMap<string, string> = new Map([
  ['auth/client-credentials-jwt', 'keys instead of client secrets can not be configured'],
  ['auth/enterprise-managed-authorization', 'the node has no identity provider to ask'],
  ['auth/wif-jwt-bearer', 'the node has no workload identity to show'],
  ['auth/dpop', 'the SDK that does our OAuth has no DPoP'],
  ['auth/dpop-nonce', 'the SDK that does our OAuth has no DPoP'],
]);

/** What the client scenarios are run with. */
export interface ClientLeg {
  /** The built driver. */
  readonly driver: string;
  /** What the suite writes goes here. */
  readonly folder: string;
  readonly signal: AbortSignal;
}

/** Runs every scenario that `revision` lists for clients, and that is ours. */
export async function runClientScenarios(leg: ClientLeg, revision: Revision): Promise<Row> {
  const requirements = readRequirements(revision, 'client');
  const unscored = [...requirements.unscored.keys()].filter((name) => !NOT_OURS.has(name));
  const waiting = [...requirements.required, ...unscored];
  const scenarios = new Map<string, ScenarioResult>();
  const started = performance.now();
  const worker = async (): Promise<void> => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      scenarios.set(name, await runScenario(leg, revision, name));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  const run = { scenarios, output: '', timedOut: false };
  const seconds = (performance.now() - started) / 1000;
  const row = judge({ name: 'client', revision, scored: true, seconds }, requirements, run);
  return { ...row, notRun: NOT_OURS };
}

/** Runs the scenarios that failed once more; nothing else may run meanwhile. */
export async function runFailedClientScenarios(leg: ClientLeg, row: Row): Promise<Row> {
  const alone = new Map<string, ScenarioResult>();
  for (const name of row.failed.keys()) alone.set(name, await runScenario(leg, row.revision, name));
  return rejudge(row, alone);
}

async function runScenario(
  { driver, folder, signal }: ClientLeg,
  revision: Revision,
  name: string,
): Promise<ScenarioResult> {
  const command = [process.execPath, driver, CLI].join(' ');
  const args = ['client', '--command', command, '--scenario', name, '--spec-version', revision];
  args.push('--timeout', String(SCENARIO_TIMEOUT_MS));
  if (name.startsWith('auth/')) args.push('--force');
  const results = join(folder, `client-${revision}`, name.replaceAll('/', '-'));
  const run = await runSuite(args, results, RUN_TIMEOUT_MS, signal);
  const result = [...run.scenarios.values()][0];
  if (result === undefined) {
    return { passed: 0, warnings: [], failures: [run.output.trimEnd().slice(-300)] };
  }
  const trouble = /(?:CLIENT TIMED OUT|CLIENT EXITED WITH ERROR).*/.exec(run.output)?.[0];
  const judged = result.failures.length + result.warnings.length > 0;
  if (judged || trouble === undefined || !run.output.includes('OVERALL: FAILED')) return result;
  const said = /Stderr:\n([^]*?)\nResults saved/.exec(run.output)?.[1] ?? '';
  return { ...result, failures: [`${trouble}: ${said.trim().slice(0, 600)}`] };
}
