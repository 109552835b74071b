/** `starling doctor` */
import type { ExitCode } from '../../core/exit-codes.ts';
import type { Finding } from '../checks/check.ts';
import { runChecks } from '../checks/run-checks.ts';
import { whileShown } from '../terminal/progress.ts';
import { asSentence, paint, printData, safe, safeLine, sentence } from '../terminal/output.ts';
import type { CommonOptions } from '../options/common-options.ts';

/** Runs all checks side by side; exit code 1 when one failed. */
export async function run(options: CommonOptions): Promise<ExitCode> {
  const found = await whileShown('looking at this machine and its node', () => runChecks(options));
  printData({ findings: found }, options.json === true, () => found.map(show).join('\n'));
  return found.some(({ result }) => result === 'fail') ? 1 : 0;
}

function show({ check, result, text, hint }: Finding): string {
  const mark = { ok: paint.green('✓'), warn: paint.yellow('!'), fail: paint.red('✗') }[result];
  const next = hint === undefined ? '' : `\n${asSentence(`    → ${hint}`)}`;
  // Only our own words on the configuration may take more lines than one.
  const words = check === 'config' ? safe(text) : safeLine(text);
  return `${sentence(`${mark} ${check.padEnd(9)} `, words)}${next}`;
}
