/**
 * The command line: collects the commands, runs one, and tells wrong use. Imports nothing heavy: each
 * command is loaded when it is run, so that `--help` and `--version` answer at once.
 */
import { Command, CommanderError } from 'commander';
import { StarlingError } from '../core/errors.ts';
import { VERSION } from '../core/version.ts';
import { addApprovals } from './groups/approvals.ts';
import { addAudit } from './groups/audit.ts';
import { addBoard } from './groups/board.ts';
import { addConnect } from './groups/connect.ts';
import { addGrant } from './groups/grant.ts';
import { addIdentity } from './groups/identity.ts';
import { addKey } from './groups/key.ts';
import { addMcp } from './groups/mcp.ts';
import { addMembers } from './groups/members.ts';
import { addInvite, addLeave, addPeers, addPing } from './groups/mesh.ts';
import { addDoctor, addNodes, addStatus, addUp } from './groups/node.ts';
import { addPin } from './groups/pin.ts';
import { addPolicy } from './groups/policy.ts';
import { addService } from './groups/service.ts';
import { addSecret } from './groups/secret.ts';
import { addSim } from './groups/sim.ts';
import { addCall, addRequest, addTools } from './groups/tools.ts';
import { examples, nodeOption } from './groups/define-command.ts';
import { meantBy } from './groups/meant-commands.ts';
import { meantOption } from './groups/meant-options.ts';
import { isOwnWord } from './groups/own-words.ts';
import { slipsOf } from '../core/words/slips.ts';
import type { Outcome } from './groups/define-command.ts';
import type { Option } from 'commander';

/** The commands, in the order in which the help lists them. */
const IN_ORDER = [
  addUp,
  addStatus,
  addNodes,
  addPeers,
  addPing,
  addMembers,
  addTools,
  addCall,
  addRequest,
  addGrant,
  addApprovals,
  addPolicy,
  addIdentity,
  addKey,
  addPin,
  addAudit,
  addBoard,
  addInvite,
  addLeave,
  addSim,
  addService,
  addDoctor,
  addMcp,
  addSecret,
  addConnect,
] as const;

/**
 * Runs `starling` with `given`, the words after its name; gives the exit code: 0 done or help shown, 1 failed,
 * 2 wrong use. Never throws for what a user can get wrong.
 */
export async function runProgram(given: readonly string[]): Promise<number> {
  const outcome: Outcome = { exitCode: 0 };
  const program = buildProgram(outcome);
  const args = plainWords(given);
  try {
    refuseHelpOnNothing(program, withoutNode(args));
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    const asked = ['commander.helpDisplayed', 'commander.help', 'commander.version'];
    if (asked.includes(error.code)) return 0;
    const { printError } = await import('./terminal/output.ts');
    return printError(usageError(error, program, withoutNode(args)), args.includes('--json'));
  }
  return outcome.exitCode;
}

const HELP_COLUMNS = 80;

function columnsOf({
  isTTY,
  columns,
}: {
  readonly isTTY?: boolean;
  readonly columns?: number;
}): number {
  return isTTY === true ? (columns ?? HELP_COLUMNS) : HELP_COLUMNS;
}

/** The same request in commander's words: `help grant create`, `version` and `-V` as people type them. */
function plainWords(args: readonly string[]): readonly string[] {
  const [first, ...rest] = args;
  if (first === '--node' && args.length > 2) {
    return [...args.slice(0, 2), ...plainWords(args.slice(2))];
  }
  if (first === 'help') return [...rest, '--help'];
  if (first === 'version' || first === '-V') return ['--version', ...rest];
  return args;
}

/** The words without a `--node <name>` before the command, which says nothing about the command itself. */
function withoutNode(args: readonly string[]): readonly string[] {
  if (args[0] === '--node') return args.slice(2);
  return args[0]?.startsWith('--node=') === true ? args.slice(1) : args;
}

function commandOf(parent: Command, word: string): Command | undefined {
  return parent.commands.find((one) => one.name() === word || one.aliases().includes(word));
}

/** Commander answers `starling nonsense --help` with the help of `starling`, as if all were well. */
function refuseHelpOnNothing(program: Command, args: readonly string[]): void {
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

/** What commander found wrong, as a `StarlingError` with a hint. */
function usageError(
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
  const instead = TOO_MANY[path.join(' ')];
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

/** Options of the commands above that the command does not have itself. */
function onlyAbove(command: Command): Option[] {
  const above: Option[] = [];
  for (let at = command.parent; at !== null; at = at.parent) {
    above.push(...at.options.filter((option) => !option.hidden));
  }
  return above.filter(({ long }) => !command.options.some((option) => option.long === long));
}

/** All commands with their options and help; `outcome` takes the exit code of the one that is run. */
export function buildProgram(outcome: Outcome): Command {
  const program = new Command('starling')
    .description('A peer-to-peer mesh for AI agents and their tools.')
    .version(VERSION, '-v, --version', 'print the version')
    .addOption(nodeOption())
    .addHelpText('after', examples('starling up --config starling.json', 'starling doctor'))
    .configureHelp({ showGlobalOptions: true, visibleGlobalOptions: onlyAbove })
    // Else `mcp`, which has options and commands, would take the options of its commands.
    .enablePositionalOptions()
    // `usageError` prints the error, in the form that all errors have. Help that nobody asked for, as that of
    // `starling` alone, is help: on standard output, with exit code 0, as docker, gh and kubectl have it.
    .configureOutput({
      outputError: () => undefined,
      writeErr: (text) => void process.stdout.write(text),
      getErrHelpWidth: () => columnsOf(process.stdout),
      getErrHasColors: () => false,
    })
    .exitOverride();
  for (const add of IN_ORDER) add(program, outcome);
  return program;
}
