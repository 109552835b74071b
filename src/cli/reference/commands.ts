/** `docs/reference/commands.md`: every command with its arguments, options and examples. */
import type { Argument, Command, Option } from 'commander';
import { EXIT } from '../../core/exit-codes.ts';
import { buildProgram } from '../program.ts';
import { code, page, sentence, table } from './markdown.ts';

const COLUMNS = 100;
const COMMON = ['--state <folder>', '--config <file>', '--json'];

/** `docs/reference/commands.md`, from the help of every command. */
export function commandsPage(): string {
  const program = buildProgram({ exitCode: EXIT.done });
  const all = program.commands.flatMap((command) => withBelow(command, ['starling']));
  return page(
    'Commands',
    [
      'Exit codes: [README](../../README.md#when-something-is-wrong) has all. Data goes to standard output,',
      'everything else to standard error. A command is followed by `--help` for its help in the terminal.',
    ].join('\n'),
    [
      table(
        ['command', 'what it does'],
        all.map(({ words, command }) => [
          code(words),
          sentence(command.summary() || firstOf(command)),
        ]),
      ),
      '## Options that many commands have',
      table(
        ['option', 'what it does'],
        [
          [
            code('--json'),
            'Print JSON, for programs: one value, or one a line where the command goes on.',
          ],
          [
            code('--state <folder>'),
            'The state folder of the node that is meant (or `STARLING_STATE_DIR`).',
          ],
          [
            code('--config <file>'),
            'The config file that names the state folder (or `STARLING_CONFIG`).',
          ],
        ],
      ),
      ...all.flatMap(({ words, command }) => sectionOf(words, command)),
    ],
  );
}

interface Named {
  readonly words: string;
  readonly command: Command;
}

function withBelow(command: Command, before: readonly string[]): readonly Named[] {
  const words = [...before, command.name()];
  return [
    { words: words.join(' '), command },
    ...command.commands.flatMap((below) => withBelow(below, words)),
  ];
}

function sectionOf(words: string, command: Command): readonly string[] {
  const given = command.registeredArguments.map(nameOf).join(' ');
  const options = command.options.filter(({ flags }) => !COMMON.includes(flags) || isUp(command));
  const common = command.options.filter((option) => !options.includes(option));
  const also = common.map(({ flags }) => code(flags)).join(', ');
  const explained = command.registeredArguments.filter(({ description }) => description !== '');
  return [
    `## ${words}`,
    code([words, given, command.options.length > 0 ? '[options]' : ''].filter(Boolean).join(' ')),
    command.description(),
    ...(explained.length === 0
      ? []
      : [
          table(
            ['argument', ''],
            explained.map((one) => [code(nameOf(one)), sentence(one.description)]),
          ),
        ]),
    ...(options.length === 0
      ? []
      : [
          table(
            ['option', ''],
            options.map((option) => [code(option.flags), aboutOf(option)]),
          ),
        ]),
    ...(also === '' ? [] : [`Also: ${also}.`]),
    ...examplesOf(command),
  ];
}

/** `up` explains the common options itself: there they mean more. */
function isUp(command: Command): boolean {
  return command.name() === 'up';
}

function nameOf(argument: Argument): string {
  const name = `${argument.name()}${argument.variadic ? '...' : ''}`;
  return argument.required ? `<${name}>` : `[${name}]`;
}

function aboutOf(option: Option): string {
  const choices = option.argChoices ?? [];
  const defaults = option.defaultValue as unknown;
  const isSaid = option.negate || defaults === undefined || /default/.test(option.description);
  return [
    sentence(option.description),
    ...(choices.length === 0 ? [] : [`One of: ${choices.map(code).join(', ')}.`]),
    ...(option.mandatory ? ['Must be given.'] : []),
    ...(isSaid ? [] : [`Default: ${code(String(defaults))}.`]),
  ].join(' ');
}

/** The examples, which commander knows only as text that it prints after the help. */
function examplesOf(command: Command): readonly string[] {
  let printed = '';
  command
    .configureOutput({ writeOut: (text) => (printed += text), getOutHelpWidth: () => COLUMNS })
    .outputHelp();
  const lines = printed.split('\n').filter((line) => line.startsWith('  $ '));
  return lines.length === 0
    ? []
    : [['```sh', ...lines.map((line) => line.slice('  $ '.length)), '```'].join('\n')];
}

function firstOf(command: Command): string {
  return (
    command
      .description()
      .split(/(?<=[.:;]) /)[0]
      ?.replace(/[;:]$/, '') ?? ''
  );
}
