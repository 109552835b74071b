/** The form of help, and where none is given. */
import { CommanderError } from 'commander';
import type { Command, Option } from 'commander';
import { commandOf } from './typed-words.ts';

/** Columns of help that is no terminal's. */
const HELP_COLUMNS = 80;

/** Columns that help has: those of the terminal, or {@link HELP_COLUMNS}. */
export function helpColumns({
  isTTY,
  columns,
}: {
  readonly isTTY?: boolean;
  readonly columns?: number;
}): number {
  return isTTY === true ? (columns ?? HELP_COLUMNS) : HELP_COLUMNS;
}

/**
 * Commander answers `starling nonsense --help` with the help of `starling`, as if all were well.
 * @throws CommanderError as for an unknown command
 */
export function refuseHelpOnNothing(program: Command, args: readonly string[]): void {
  if (!args.includes('--help') && !args.includes('-h')) return;
  let at = program;
  for (const word of args) {
    if (word.startsWith('-') || at.commands.length === 0) return;
    const below = commandOf(at, word);
    if (below === undefined) {
      if (at.registeredArguments.length > 0) return;
      throw new CommanderError(2, 'commander.unknownCommand', `error: unknown command '${word}'`);
    }
    at = below;
  }
}

/** Options of the commands above that the command does not have itself. */
export function onlyAbove(command: Command): Option[] {
  const above: Option[] = [];
  for (let at = command.parent; at !== null; at = at.parent) {
    above.push(...at.options.filter((option) => !option.hidden));
  }
  return above.filter(({ long }) => !command.options.some((option) => option.long === long));
}
