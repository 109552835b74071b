/** The form of help, and where none is given. */
import { CommanderError, Help } from 'commander';
import type { Command, HelpConfiguration, Option } from 'commander';
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

/** Columns that a description has at least, beside the indents of its line: Commander wraps none that has fewer. */
const DESCRIPTION_COLUMNS = 40;
const INDENT = 2;
/** Shortest column of terms, in a terminal of few columns. */
const TERMS_MIN = 16;

/**
 * How help is laid out: as Commander does it, but that a term which is longer than the column of terms may be has its
 * description below it, so that no description goes over the edge or loses its column to the longest term.
 */
export const HELP_FORM: HelpConfiguration = {
  showGlobalOptions: true,
  visibleGlobalOptions: onlyAbove,
  padWidth(command, helper) {
    const most = (helper.helpWidth ?? HELP_COLUMNS) - DESCRIPTION_COLUMNS - 2 * INDENT;
    const longest = Help.prototype.padWidth.call(helper, command, helper);
    return Math.min(longest, Math.max(TERMS_MIN, most));
  },
  formatItem(term, termWidth, description, helper) {
    const item = (text: string): string =>
      Help.prototype.formatItem.call(helper, text, termWidth, description, helper);
    const isLong = helper.displayWidth(term) > termWidth && description !== '';
    return isLong ? `${' '.repeat(INDENT)}${term}\n${item('')}` : item(term);
  },
};

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
function onlyAbove(command: Command): Option[] {
  const above: Option[] = [];
  for (let at = command.parent; at !== null; at = at.parent) {
    above.push(...at.options.filter((option) => !option.hidden));
  }
  return above.filter(({ long }) => !command.options.some((option) => option.long === long));
}
