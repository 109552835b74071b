/** What a newcomer sees first, `npm ci` and `npm run demo`: so many lines as can be read. */
import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { someOf } from '../long/extent.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const LINES_MAX = 100;
const exec = promisify(execFile);

/** An installed `starling` is what was built before, until the new one is whole. */
const WHOLE_BEFORE = "import { readFileSync } from 'node:fs'; readFileSync('dist/demo.js');";

/** The environment of a person who starts npm: without what npm hands on to its scripts, such as `--silent`. */
function withoutNpm(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.toLowerCase().startsWith('npm_')),
  );
}

/** The project's scripts in a folder of their own, where the tools that they name say much and do nothing. */
async function scriptsAlone(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'starling-scripts-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  await copyFile(join(ROOT, 'package.json'), join(folder, 'package.json'));
  const bin = join(folder, 'node_modules/.bin');
  await mkdir(bin, { recursive: true });
  for (const built of ['dist', 'dist.new']) await mkdir(join(folder, built));
  await writeFile(join(bin, 'rolldown'), '#!/bin/sh\nseq 1 200\necho a warning >&2\n');
  await writeFile(join(bin, 'tsc'), '#!/bin/sh\nexit 0\n');
  for (const tool of ['rolldown', 'tsc']) await chmod(join(bin, tool), 0o755);
  await writeFile(join(folder, 'dist/demo.js'), "console.log('the mesh of before')");
  await writeFile(join(folder, 'dist.new/write-compiled.js'), WHOLE_BEFORE);
  await writeFile(join(folder, 'dist.new/demo.js'), "console.log('the mesh')");
  return folder;
}

// Whoever prepares or shows the demo builds.
it.each(someOf(['build', 'prepare', 'demo'], (script) => script === 'demo'))(
  'npm run %s shows none of the chunks that it writes',
  async (script) => {
    const options = { cwd: await scriptsAlone(), env: withoutNpm() };
    const { stdout, stderr } = await exec('npm', ['run', script], options);
    const lines = `${stdout}${stderr}`.split('\n').filter((line) => line.trim() !== '');
    // npm names each script and its command; what goes wrong is shown.
    expect(lines.length).toBeLessThan(12);
    expect(stderr).toContain('a warning');
    expect(stdout).toContain(script === 'demo' ? 'the mesh\n' : 'rolldown -c');
  },
);

it('the demo runs to its end, on one screen or two', async () => {
  const demo = join(ROOT, 'dist/demo.js');
  const { stdout, stderr } = await exec(process.execPath, [demo], { timeout: 110_000 });
  expect(stderr).toBe('');
  expect(stdout.split('\n').length).toBeLessThan(LINES_MAX);
  expect(stdout).toContain('nobody leads the murmuration');
  expect(stdout).toContain('hello across two peers');
});
