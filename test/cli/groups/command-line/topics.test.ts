/** `starling help <topic>`: each page fits a terminal, and each command on it is an example that the tests run. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { buildProgram } from '../../../../src/cli/program.ts';
import { TOPICS } from '../../../../src/cli/groups/command-line/topics.ts';
import { run } from '../../support.ts';

const ROOT = resolve(import.meta.dirname, '../../../..');
/** A command without anything behind its name prints what there is, or its own help. */
const BARE = /^starling( [a-z-]+){1,2}( --node lab)?( --help)?$/;

function examplesOf(command: Command): readonly string[] {
  let text = '';
  command.configureOutput({ writeOut: (words) => void (text += words) }).outputHelp();
  const own = [...text.matchAll(/^ {2}\$ (.*)$/gm)].map(([, line = '']) => line);
  return [...own, ...command.commands.flatMap(examplesOf)];
}

const shown = new Set(examplesOf(buildProgram({ exitCode: 0 })));

describe.each(Object.entries(TOPICS))('starling help %s', (name, { paper, text }) => {
  it('is printed with the paper that says more', async () => {
    const { code, stdout } = await run('help', name);
    expect(code).toBe(0);
    expect(stdout).toContain(text.trim());
    expect(stdout.trimEnd().endsWith(paper)).toBe(true);
    expect(existsSync(resolve(ROOT, paper))).toBe(true);
  });

  it('fits a terminal of 80 columns and 40 lines', () => {
    const lines = text.split('\n');
    // A command stays one line, so that it can be copied.
    const prose = lines.filter((line) => !line.startsWith('  starling '));
    expect(prose.filter((line) => line.length > 78)).toEqual([]);
    expect(lines.length).toBeLessThan(40);
  });

  it('has commands that the examples of the help have', () => {
    const commands = [...text.matchAll(/^ {2}(starling .*)$/gm)].map(([, line = '']) => line);
    expect(commands.length).toBeGreaterThan(1);
    const unknown = commands.filter((line) => !shown.has(line) && !BARE.test(line));
    expect(unknown).toEqual([]);
  });
});

it('lists the topics in the help of starling, and helps with commands as before', async () => {
  expect((await run('--help')).stdout).toContain(Object.keys(TOPICS).join(' '));
  expect((await run('help', 'grant')).stdout).toMatch(/^Usage: starling grant/);
  expect(await run('help', 'toString')).toMatchObject({ code: 2 });
});

it('names the topics where a word is none, and no command', async () => {
  const { code, stderr } = await run('help', 'nonsense');
  expect(code).toBe(2);
  expect(stderr).toContain("unknown command 'nonsense', and no topic is called so");
  expect(stderr).toContain(`topics: ${Object.keys(TOPICS).join(', ')}`);
  expect((await run('help', 'budgts')).stderr).toContain('did you mean starling help budgets?');
  expect((await run('help', 'grnt')).stderr).toContain('did you mean starling help grant');
});
