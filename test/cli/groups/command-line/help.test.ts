/** Help fits the terminal that it is read in. */
import type { Command } from 'commander';
import stringWidth from 'string-width';
import { expect, it } from 'vitest';
import { buildProgram } from '../../../../src/cli/program.ts';

/** Commands to be pasted, and all that a command takes, stand on one line. */
const TO_COPY = /^(?: {2}\$|Usage:) /;

function helpOf(command: Command, columns: number): string {
  let shown = '';
  command.configureOutput({
    writeOut: (text) => void (shown += text),
    getOutHelpWidth: () => columns,
    getOutHasColors: () => false,
  });
  command.outputHelp();
  return shown;
}

function all(
  command: Command,
  words: readonly string[] = [],
): readonly (readonly [string, Command])[] {
  const path = [...words, command.name()];
  return [
    [path.join(' '), command] as const,
    ...command.commands.flatMap((below) => all(below, path)),
  ];
}

const COMMANDS = all(buildProgram({ exitCode: 0 }));

it.each([80, 100])(
  'no line of any help is wider than %i columns, but for what is there to be pasted',
  (columns) => {
    const wide = COMMANDS.flatMap(([words, command]) =>
      helpOf(command, columns)
        .split('\n')
        .filter((line) => stringWidth(line) > columns && !TO_COPY.test(line))
        .map((line) => `${words}: ${line}`),
    );
    expect(COMMANDS.length).toBeGreaterThan(150);
    expect(wide).toEqual([]);
  },
);

it('a term that is longer than its column has its description below it, in the column of the others', () => {
  const board = COMMANDS.find(([words]) => words === 'starling board')?.[1];
  const lines = board === undefined ? [] : helpOf(board, 80).split('\n');
  const column = lines.find((line) => line.startsWith('  delete '))?.indexOf('Deletes') ?? 0;
  expect(column).toBe(40);
  const long = lines.flatMap((line, at) =>
    /^ {2}\S.{36,}$/.test(line) && !TO_COPY.test(line) ? [at] : [],
  );
  const alone = long.filter((at) => !/\S {2,}\S/.test(lines[at] ?? ''));
  expect(alone.length).toBeGreaterThan(0);
  expect(alone.map((at) => lines[at + 1]?.search(/\S/))).toEqual(alone.map(() => column));
});
