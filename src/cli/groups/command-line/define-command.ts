/** What the definitions of commands are made of. Imports nothing heavy; see `program.ts`. */
import { Option } from 'commander';
import type { Command } from 'commander';
import { EXIT } from '../../../core/exit-codes.ts';
import type { ExitCode } from '../../../core/exit-codes.ts';

type Run = (...args: never[]) => Promise<ExitCode | void>;

/** What a parse leaves behind. */
export interface Outcome {
  exitCode: ExitCode;
}

/** Makes an action that runs a command and keeps its exit code; errors are told the one way. */
export function action(
  outcome: Outcome,
  load: () => Promise<{ run: Run }>,
): (...args: unknown[]) => Promise<void> {
  return async (...args) => {
    const given = args.at(-1) as Command;
    // Also what stands before the name of a subcommand: `mcp --state <folder> login <server>`.
    const options = given.optsWithGlobals<{ readonly json?: boolean }>();
    try {
      const command = await load();
      outcome.exitCode =
        (await command.run(...([...args.slice(0, -2), options] as never[]))) ?? EXIT.done;
    } catch (error) {
      const { printError } = await import('../../terminal/output.ts');
      outcome.exitCode = printError(error, options.json === true);
    }
  };
}

/** Which of several nodes on this machine is meant; before a command, too. */
export function nodeOption(): Option {
  return new Option(
    '--node <name>',
    'the node of this name on this machine: see starling nodes (or STARLING_NODE)',
  );
}

/** Options of every command that talks to a running node. */
export function ofNode(command: Command): Command {
  return command
    .addOption(nodeOption())
    .addOption(new Option('--state <folder>', "the node's state folder (or STARLING_STATE_DIR)"))
    .addOption(new Option('--config <file>', 'config file that names the state folder'));
}

/** The option of every command that prints data. */
export function withJson(command: Command): Command {
  return command.option('--json', 'print JSON');
}

/** Collects an option that may come more than once. */
export function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

/** Lines below a command's help. */
export function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ ${line}`).join('\n')}`;
}
