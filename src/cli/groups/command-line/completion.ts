/** `starling completion`: reads the words that shells complete from the commands themselves. */
import { Argument } from 'commander';
import type { Command } from 'commander';
import { action, examples } from './define-command.ts';
import type { Outcome } from './define-command.ts';

/** Shells that there are scripts for; those of `commands/completion.ts`. */
const SHELLS = ['bash', 'zsh', 'fish'];

/** Adds `starling completion`. */
export function addCompletion(program: Command, outcome: Outcome): void {
  program
    .command('completion')
    .summary('complete commands in your shell')
    .description(
      'Prints a script by which your shell completes the commands and options of starling: put it where the shell reads such scripts.',
    )
    .addArgument(new Argument('<shell>', 'which shell').choices(SHELLS))
    .addHelpText('after', examples('starling completion bash'))
    .action(async (shell: string, options: object, command: Command) =>
      action(outcome, async () => {
        const { run } = await import('../../commands/completion.ts');
        return { run: () => run(shell, placesOf(program)) };
      })(shell, options, command),
    );
}

/** What may follow the words of a command: `path` is without `starling`. */
interface Place {
  readonly path: string;
  readonly words: readonly { readonly word: string; readonly text: string }[];
}

function placesOf(command: Command, before: readonly string[] = []): readonly Place[] {
  const below = command.commands.map((one) => ({
    word: one.name(),
    text: one.summary() || one.description(),
  }));
  const options = command.options
    .filter(({ hidden, long }) => !hidden && typeof long === 'string')
    .map(({ long, description }) => ({ word: long ?? '', text: description }));
  const given = command.registeredArguments.flatMap(({ argChoices = [] }) =>
    argChoices.map((word) => ({ word, text: '' })),
  );
  const help = { word: '--help', text: 'what the command does' };
  return [
    { path: before.join(' '), words: [...below, ...given, ...options, help] },
    ...command.commands.flatMap((one) => placesOf(one, [...before, one.name()])),
  ];
}
