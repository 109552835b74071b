/** What is said of a command line that names no command, or not all that one needs. Pure. */
import type { Command, CommanderError } from 'commander';
import { StarlingError } from '../../../core/errors.ts';
import { slipsOf } from '../../../core/words/slips.ts';
import { meantBy, sameVerb } from './meant-commands.ts';
import { meantOption } from './meant-options.ts';
import { isOwnWord } from './own-words.ts';
import { commandOf } from './typed-words.ts';

/** What commander found wrong, as a `StarlingError` with a hint. */
export function usageError(
  error: CommanderError,
  program: Command,
  args: readonly string[],
): StarlingError {
  const [first = '', ...rest] = error.message.replace(/^error: /, '').split('\n');
  const path: string[] = [];
  let at: Command = program;
  for (const word of args) {
    const below = commandOf(at, word);
    if (below === undefined) break;
    at = below;
    path.push(at.name());
  }
  const meant = meantBy(args.filter((word) => !word.startsWith('-')));
  if (meant !== undefined && WRONG_WORDS.includes(error.code)) {
    return new StarlingError('STARLING_USAGE', first, { hint: meant, cause: error });
  }
  const verb = WRONG_WORDS.includes(error.code)
    ? verbMeant(at, args[path.length] ?? '')
    : undefined;
  if (verb !== undefined) {
    const words = ['starling', ...path, verb].join(' ');
    const hint = `that is: ${words} (see: ${words} --help)`;
    return new StarlingError('STARLING_USAGE', first, { hint, cause: error });
  }
  const isTorn = path.join(' ') === 'up' && args.some((word) => /^--join(?:=|$)/.test(word));
  const instead = isTorn ? TORN_TICKET : TOO_MANY[path.join(' ')];
  if (error.code === 'commander.excessArguments' && instead !== undefined) {
    return new StarlingError('STARLING_USAGE', first, { hint: instead, cause: error });
  }
  const known = [at, program].flatMap((one) => one.options.map(({ long }) => long ?? ''));
  const option = unknownOptionIn(error, first, args, known);
  const suggestion =
    meantOption(path.join(' '), option, known) ?? suggestionIn(first, rest.join(' '));
  const help = `see: ${['starling', ...path, '--help'].join(' ')}`;
  if (MISSING.includes(error.code) && meantOption(path.join(' '), option, known) === undefined) {
    const hint = `${usageOf(['starling', ...path], at)} (${help})`;
    return new StarlingError('STARLING_USAGE', first, { hint, cause: error });
  }
  if (error.code === 'commander.excessArguments' && path.join(' ') === 'mcp') {
    // `mcp` takes no arguments: the word that stands there was meant as one of its commands.
    const hint = `its commands are add, remove, list and import (${help})`;
    return new StarlingError('STARLING_USAGE', 'starling mcp has no such command', {
      hint,
      cause: error,
    });
  }
  if (error.code === 'commander.unknownOption' && path.join(' ') === 'mcp add') {
    const hint = `options of the server's command go after --, like: starling mcp add x -- npx -y x (${help})`;
    return new StarlingError('STARLING_USAGE', first, { hint, cause: error });
  }
  return new StarlingError('STARLING_USAGE', first, {
    hint: suggestion === '' ? help : `${suggestion} (${help})`,
    cause: error,
  });
}

/** The command of a group that does what the word does in other groups. */
function verbMeant(group: Command, word: string): string | undefined {
  if (group.parent === null || group.commands.length === 0) return undefined;
  return sameVerb(
    word,
    group.commands.map((one) => one.name()),
  );
}

/** The option that the command does not have; empty where the fault is another. */
function unknownOptionIn(
  error: CommanderError,
  message: string,
  args: readonly string[],
  known: readonly string[],
): string {
  if (error.code === 'commander.unknownOption') return /'([^']+)'$/.exec(message)?.[1] ?? '';
  // Commander looks for what is missing first: the person may have given just that under another name.
  const isMissing = error.code === 'commander.missingMandatoryOptionValue';
  return (
    (isMissing ? args.find((word) => word.startsWith('--') && !known.includes(word)) : '') ?? ''
  );
}

/** What commander suggests for the word that it does not know, as far as that word is a slip of it. */
function suggestionIn(message: string, said: string): string {
  const [, word = ''] = /'([^']+)'$/.exec(message) ?? [];
  if (isOwnWord(word)) return '';
  const [, list = ''] = /Did you mean (?:one of )?([^?]+)\?/.exec(said) ?? [];
  const meant = slipsOf(word, list === '' ? [] : list.split(', '));
  return meant.length === 0 ? '' : `Did you mean ${meant.join(' or ')}?`;
}

/** The word more is the end of a ticket that a mail or a chat has broken. */
const TORN_TICKET =
  'a ticket is one word: paste it without the spaces and line ends that came into it: starling up --join <ticket>';

/** What was meant by a word more than the command takes. */
const TOO_MANY: Readonly<Record<string, string>> = {
  up: 'a ticket follows --join: starling up --join <ticket>',
  'secret set': 'its value is asked for, or read from standard input: starling secret set <name>',
  peers: 'all that is known of one peer: starling peers show <peer>',
  'grant create':
    "what is granted follows an option: starling grant create <peer> --tool '<server>/*'",
};

/** Errors of commander about something that a command can't do without. */
const MISSING = ['commander.missingArgument', 'commander.missingMandatoryOptionValue'];

/** The command with all that it can't do without: `starling request <resource> --because <text>`. */
function usageOf(path: readonly string[], command: Command): string {
  const words = command.registeredArguments.map((argument) =>
    argument.required ? `<${argument.name()}>` : `[${argument.name()}]`,
  );
  const options = command.options.filter(({ mandatory }) => mandatory).map(({ flags }) => flags);
  return [...path, ...words, ...options].join(' ');
}

/** Errors of commander about a word in a place where only a command can stand. */
const WRONG_WORDS = ['commander.unknownCommand', 'commander.excessArguments'];
