/**
 * `npm run soak [-- --quick] [--json]`: exit code 1 when a check fails. `--quick` does a little of
 * everything in some seconds.
 */
import { parseArgs } from 'node:util';
import { FULL, HEADS, QUICK, renderChecks, soak } from './soak.ts';

const { values } = parseArgs({
  options: { quick: { type: 'boolean' }, json: { type: 'boolean' } },
});
const print = (text: string): void => {
  if (values.json !== true) process.stdout.write(text);
};
print(HEADS);
const report = await soak(values.quick === true ? QUICK : FULL, print);
print(`\n${renderChecks(report.checks)}`);
if (values.json === true) process.stdout.write(`${JSON.stringify(report)}\n`);
if (report.checks.some(({ pass }) => !pass)) process.exitCode = 1;
