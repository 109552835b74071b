/**
 * `npm run soak [-- --quick] [--json] [--record]`: exit code 1 when a check fails. `--quick` does a little
 * of everything in some seconds; `--record` writes what the whole printed to `sim/RESULTS.md`.
 */
import { createWorkProgress } from '../../src/cli/terminal/progress.ts';
import { readOptions } from '../command-options.ts';
import { recordResult } from '../results.ts';
import { FULL, HEADS, QUICK, renderChecks, soak } from './soak.ts';

const USAGE = `
npm run soak -- [options]: what a year brings, to nodes of this machine (minutes)

  --quick   a little of everything, in half a minute
  --json    print JSON
  --record  write what the whole printed to sim/RESULTS.md
`;

const { values } = readOptions({
  usage: USAGE,
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
  const progress = createWorkProgress();
  const print = (text: string): void => {
    printed.push(text);
    if (!values.json) progress.above(() => process.stdout.write(text));
  };
  print(HEADS);
  const size = values.quick ? QUICK : FULL;
  const report = await soak(size, print, (text, share) => progress.show(text, share)).finally(() =>
    progress.done(),
  );
  print(`\n${renderChecks(report.checks)}`);
  if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`);
  if (report.checks.some(({ pass }) => !pass)) process.exitCode = 1;
  if (values.record) {
    recordResult({ name: 'soak', command: 'npm run soak -- --record', text: printed.join('') });
  }
}
