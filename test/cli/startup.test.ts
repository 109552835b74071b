/** What the built CLI loads before it knows which command it runs: next to nothing. */
import { execFile } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { runCli } from '../../sim/process.ts';

const CLI = resolve(import.meta.dirname, '../../dist/cli.js');

const PROGRAM = resolve(import.meta.dirname, '../../dist/program.cjs');

/** The files that are loaded with `file`: what it requires before it does anything else. */
function loadedWith(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  const text = readFileSync(file, 'utf8');
  for (const match of text.matchAll(/^(?:const [^()\n]*)?require\("(\.[^"]+)"\)/gm)) {
    loadedWith(resolve(dirname(file), match[1] ?? ''), seen);
  }
  return seen;
}

/** The file of `starling up`, which is loaded for that command only. */
function chunkOfUp(): string {
  const found = /require\("(\.\/chunks\/up-[^"]+)"\)/.exec(readFileSync(PROGRAM, 'utf8'));
  return resolve(dirname(PROGRAM), found?.[1] ?? '');
}

it('stays a program after each build, since an installed `starling` links to it', () => {
  expect(statSync(CLI).mode & 0o111).toBe(0o111);
});

it('--help and --version load no libp2p, Yjs, zod, pino or MCP SDK', () => {
  const loaded = [...loadedWith(PROGRAM)];
  const text = loaded.map((file) => readFileSync(file, 'utf8')).join('\n');
  expect(text).toContain('commander.helpDisplayed');
  for (const mark of [
    'createLibp2p',
    'YMap',
    'ZodType',
    'node_modules/@modelcontextprotocol',
    'pinoPretty',
    'classic-level',
  ]) {
    expect(text, mark).not.toContain(mark);
  }
  expect(text.length).toBeLessThan(300_000);
});

it('the node itself is found by the same search, so that the search can fail', () => {
  const text = [...loadedWith(chunkOfUp())].map((file) => readFileSync(file, 'utf8'));
  expect(text.join('\n')).toContain('createLibp2p');
});

it('the build keeps the compiled code of what a node and the usual commands load', async () => {
  const files = [...loadedWith(chunkOfUp(), loadedWith(PROGRAM))];
  // In a process of its own: V8 compares its flags, and another test may have set some here.
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', REFUSED_OF, ...files]);
  expect(JSON.parse(stdout)).toEqual([]);
});

/** Prints the chunks, of those in the arguments, whose compiled code V8 refuses. */
const REFUSED_OF = `
  const { readFileSync } = require('node:fs');
  const { Script } = require('node:vm');
  const isRefused = (file) => {
    const chunk = readFileSync(file, 'utf8');
    const text = '(function (exports, require, module, __filename, __dirname) {' + chunk + '\\n})';
    const cachedData = readFileSync(file + '.v8');
    return new Script(text, { filename: file, cachedData }).cachedDataRejected !== false;
  };
  console.log(JSON.stringify(process.argv.slice(1).filter(isRefused)));
`;

it.each([
  [['--version'], 0, /^\d+\.\d+\.\d+$/m],
  [['--help'], 0, /starling/],
  [['grant', 'create', '--help'], 0, /--tool/],
  [['grant', 'create', 'bob'], 2, /--tool/],
  [['statsu'], 2, /Did you mean status/],
  [['board', 'get', 'one'], 2, /key/],
  [['call', 'x', '--timeout', 'soon'], 2, /90s/],
])('starling %j ends with %i', async (args, code, says) => {
  const result = await runCli(CLI, args);
  expect(result.code).toBe(code);
  expect(result.stdout + result.stderr).toMatch(says);
});
