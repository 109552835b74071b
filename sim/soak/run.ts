/**
 * `npm run soak [-- --quick] [--json] [--record]`: exit code 1 when a check fails. `--quick` does a little
 * of everything in some seconds; `--record` writes what the whole printed to `sim/RESULTS.md`.
 */
import { parseArgs } from 'node:util';
import { recordResult } from '../results.ts';
import { FULL, HEADS, QUICK, renderChecks, soak } from './soak.ts';

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    record: { type: 'boolean', default: false },
  },
});
if (values.record && values.quick) {
  process.stderr.write('only the whole soak is recorded: leave out --quick\n');
  process.exitCode = 2;
} else await run();

async function run(): Promise<void> {
  const printed: string[] = [];
  const print = (text: string): void => {
    printed.push(text);
    if (!values.json) process.stdout.write(text);
  };
  print(HEADS);
  const report = await soak(values.quick ? QUICK : FULL, print);
  print(`\n${renderChecks(report.checks)}`);
  if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`);
  if (report.checks.some(({ pass }) => !pass)) process.exitCode = 1;
  if (values.record) {
    recordResult({ name: 'soak', command: 'npm run soak -- --record', text: printed.join('') });
  }
}
