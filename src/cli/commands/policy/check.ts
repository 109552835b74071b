/** `starling policy check` */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { ExitCode } from '../../../core/exit-codes.ts';
import type { PolicyCheckResult } from '../../../builtin/results.ts';
import { StarlingError, messageOf } from '../../../core/errors.ts';
import { paint, printData, safeLine } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

/** Checks `file`, or the node's own policy file; exit code 1 when something is wrong with it. */
export async function run(file: string | undefined, options: CommonOptions): Promise<ExitCode> {
  const text = file === undefined ? undefined : await read(file);
  const result = await check(text, options);
  const name = file === undefined ? result.file : resolve(file);
  printData({ ...result, file: name }, options.json === true, () => describe(name, result));
  return result.ok ? 0 : 1;
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new StarlingError('STARLING_USAGE', `${file} can't be read: ${messageOf(error)}`, {
      hint: 'name a policy file, or none for the one of the node',
      cause: error,
    });
  }
}

/** Compares with the policy in force; where no node runs, with the shipped policy. */
async function check(text: string | undefined, options: CommonOptions): Promise<PolicyCheckResult> {
  try {
    return await withNode(options, (node) =>
      node.builtin<PolicyCheckResult>('policy_check', text === undefined ? {} : { text }),
    );
  } catch (error) {
    if (!(error instanceof StarlingError) || error.code !== 'STARLING_NODE_UNREACHABLE')
      throw error;
  }
  const { loadConfig } = await import('../../../config/index.ts');
  const { createCurrentPolicy } = await import('../../../guard/index.ts');
  const { createHealth, silentLogger, systemClock } = await import('../../../core/index.ts');
  const { policy } = await loadConfig({
    ...(options.config === undefined ? {} : { file: options.config }),
    env: process.env,
    flags: {},
  });
  const book = createCurrentPolicy(
    { clock: systemClock, logger: silentLogger, health: createHealth() },
    { file: policy.file, mustExist: policy.named },
  );
  return { file: policy.file, ...(await book.check(text)) };
}

function describe(name: string, result: PolicyCheckResult): string {
  if (!result.ok) {
    const lines = result.problems.map((problem) => `  ${paint.red('✗')} ${safeLine(problem)}`);
    return [safeLine(`${name} can't be used:`), ...lines].join('\n');
  }
  const exists = result.exists
    ? `${name} holds`
    : `there is no ${name}: the shipped policy is in force`;
  const warnings = (result.warnings ?? []).map(
    (warning) => `  ${paint.yellow('!')} ${safeLine(warning)}`,
  );
  if (result.changes.length === 0) {
    return [safeLine(`${exists}; it changes nothing`), ...warnings].join('\n');
  }
  const lines = result.changes.map(({ key, from = '(none)', to = '(none)' }) =>
    safeLine(`  ${key}: ${from} → ${to}`),
  );
  return [safeLine(`${exists}; it would change:`), ...lines, ...warnings].join('\n');
}
