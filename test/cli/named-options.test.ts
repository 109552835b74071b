/** Every option that a message, a hint or a page names is an option of the program. */
import type { Command } from 'commander';
import { readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { buildProgram } from '../../src/cli/program.ts';

const ROOT = resolve(import.meta.dirname, '../..');

function optionsOf(command: Command): readonly string[] {
  return [
    ...command.options.flatMap(({ long, short }) => [long ?? '', short ?? '']),
    ...command.commands.flatMap(optionsOf),
  ];
}

/** Of other programs, and of Node: not ours to know. */
const FOREIGN = new Set([
  '--disable',
  '--fast',
  '--import',
  '--inspect',
  '--experimental-strip-types',
]);
/** Files with options of bwrap, systemctl and other programs. */
const FOREIGN_FILES = new Set([
  join('gateway', 'upstreams', 'sandbox', 'bwrap.ts'),
  join('cli', 'node', 'service-manager.ts'),
  join('cli', 'commands', 'service', 'install.ts'),
  // What people type in place of ours; `hints.test.ts` looks at the answers.
  join('cli', 'groups', 'command-line', 'meant-options.ts'),
]);

function named(file: string): readonly string[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  // Not the decrement, a rule of dashes, or a word of CSS and SQL.
  return [...text.matchAll(/(?<![\w-])--[a-z][a-z-]*[a-z]\b/g)].map(([option]) => option);
}

it('so that nobody is sent to an option that does not exist', () => {
  const known = new Set([...optionsOf(buildProgram({ exitCode: 0 })), '--help', '--version']);
  const files = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !FOREIGN_FILES.has(name))
    .map((name) => join('src', name));
  expect(known.has('--state')).toBe(true);
  const unknown = files.flatMap((file) =>
    named(file)
      .filter((option) => !known.has(option) && !FOREIGN.has(option))
      .map((option) => `${file}: ${option}`),
  );
  expect(unknown).toEqual([]);
});
