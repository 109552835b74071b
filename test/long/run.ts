/**
 * `npm run long [-- --record] [-- <part of a path> …]`: the long form of the tests that have one, which are the files
 * that ask `extent.ts` how far to go or have tests by `long-it.ts`, and those that `files.ts` names. Needs a build. Exit
 * code 1 when a test failed. `--record` writes how many tests of each file passed, and in what time, to `sim/RESULTS.md`;
 * only a run over all files that passed is recorded.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { readOptions } from '../../sim/command-options.ts';
import { recordResult } from '../../sim/results.ts';
import { EXTENT } from './extent.ts';
import { LONG_FILES } from './files.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const VITEST = resolve(ROOT, 'node_modules/vitest/vitest.mjs');
const ASKS = /from '(?:\.\.\/)+long\/(?:extent|long-it)\.ts'/;

/** What Vitest writes of a run, as far as it is read here. */
interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly startTime: number;
    readonly endTime: number;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

/** Test files with a long form, by their paths from the root, in the order of the alphabet. */
async function filesWithLongForm(): Promise<readonly string[]> {
  const names = await readdir(join(ROOT, 'test'), { recursive: true });
  const paths = names.filter((name) => name.endsWith('.test.ts')).map((name) => join('test', name));
  const texts = await Promise.all(paths.map((path) => readFile(join(ROOT, path), 'utf8')));
  const named = Object.keys(LONG_FILES).map((name) => join('test', `${name}.test.ts`));
  return paths
    .filter((path, index) => ASKS.test(texts[index] ?? '') || named.includes(path))
    .toSorted();
}

/** Runs Vitest over files in their long form; its exit code, and a line for each file and for all. */
async function runLong(
  files: readonly string[],
): Promise<{ readonly code: number; readonly lines: readonly string[] }> {
  const folder = await mkdtemp(join(tmpdir(), 'starling-long-'));
  try {
    const output = join(folder, 'report.json');
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile=${output}`];
    const child = spawn(process.execPath, [VITEST, 'run', ...reporters, ...files], {
      cwd: ROOT,
      env: { ...process.env, [EXTENT]: 'long' },
      stdio: 'inherit',
    });
    const [code] = (await once(child, 'exit')) as [number | null];
    const { testResults } = JSON.parse(await readFile(output, 'utf8')) as Report;
    return { code: code ?? 1, lines: linesOf(testResults) };
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

function linesOf(results: Report['testResults']): readonly string[] {
  const rows = results
    .map(({ name, startTime, endTime, assertionResults }) => ({
      file: relative(ROOT, name),
      passed: assertionResults.filter(({ status }) => status === 'passed').length,
      seconds: (endTime - startTime) / 1000,
    }))
    .toSorted((a, b) => (a.file < b.file ? -1 : 1));
  const passed = rows.reduce((sum, row) => sum + row.passed, 0);
  return [
    ...rows.map(
      (row) =>
        `${String(row.passed).padStart(5)} passed ${row.seconds.toFixed(1).padStart(6)} s  ${row.file}`,
    ),
    `${String(passed).padStart(5)} passed in ${rows.length} files, side by side`,
  ];
}

const USAGE = `
npm run long -- [part of a path …] [options]: the long form of the tests that have one (many minutes)

  e2e/interop  only files that have this in their paths
  --record     write how many passed to sim/RESULTS.md (a whole run that passed)
`;

const { values, positionals } = readOptions({
  usage: USAGE,
  options: { record: { type: 'boolean', default: false } },
});
const isWanted = (path: string): boolean =>
  positionals.length === 0 || positionals.some((part) => path.includes(part));
const files = (await filesWithLongForm()).filter(isWanted);
if (files.length === 0) {
  process.stderr.write(
    `no test file with a long form has ${positionals.join(' or ')} in its path\n`,
  );
  process.exitCode = 2;
} else {
  const { code, lines } = await runLong(files);
  process.stdout.write(`${lines.join('\n')}\n`);
  if (code === 0 && values.record && positionals.length === 0) {
    recordResult({ name: 'long', command: 'npm run long -- --record', text: lines.join('\n') });
  }
  process.exitCode = code;
}
