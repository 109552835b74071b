/**
 * The suite's client scenarios: it plays a server, and a node that has this server as its upstream
 * plays the client, driven by `client.ts`. One process of the suite for each scenario, two at once.
 */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CLI, TSX } from './mesh.ts';
import { judge } from './report.ts';
import type { Row } from './report.ts';
import { readRequirements, runSuite } from './suite.ts';
import type { Revision, ScenarioResult } from './suite.ts';

const AT_ONCE = 2;
const SCENARIO_TIMEOUT_MS = 30_000;
const RUN_TIMEOUT_MS = 45_000;
const DRIVER = join(import.meta.dirname, 'client.ts');

/** Runs every scenario that `revision` lists for clients. */
export async function runClientScenarios(
  revision: Revision,
  folder: string,
  signal: AbortSignal,
): Promise<Row> {
  const requirements = readRequirements(revision, 'client');
  const waiting = [...requirements.required, ...requirements.unscored.keys()];
  const scenarios = new Map<string, ScenarioResult>();
  const started = performance.now();
  const worker = async (): Promise<void> => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      const results = join(folder, `client-${revision}`, name.replaceAll('/', '-'));
      await rm(results, { recursive: true, force: true });
      await mkdir(results, { recursive: true });
      const result = await runScenario(name, revision, results, signal);
      scenarios.set(name, result);
      const how = result.failures.length === 0 ? 'passed' : 'failed';
      process.stderr.write(`client, ${revision}: ${name} ${how}\n`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  const seconds = (performance.now() - started) / 1000;
  const run = { scenarios, output: '', timedOut: false };
  return judge({ name: 'client', revision, scored: true, seconds }, requirements, run);
}

async function runScenario(
  name: string,
  revision: Revision,
  folder: string,
  signal: AbortSignal,
): Promise<ScenarioResult> {
  const command = [process.execPath, '--import', TSX, DRIVER, CLI].join(' ');
  const args = ['client', '--command', command, '--scenario', name, '--spec-version', revision];
  args.push('--timeout', String(SCENARIO_TIMEOUT_MS));
  if (name.startsWith('auth/')) args.push('--force');
  const run = await runSuite(args, folder, RUN_TIMEOUT_MS, signal);
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
