/** The commands `starling board …`. */
import type { Command } from 'commander';
import { action, examples, ofNode, withJson } from './define-command.ts';
import type { Outcome } from './define-command.ts';

/** Adds `starling board` and its commands. */
export function addBoard(program: Command, outcome: Outcome): void {
  const board = program
    .command('board')
    .summary('read and write the shared boards')
    .description(
      'Reads and writes the boards that all peers share: small notes that every node holds and that merge by themselves.',
    )
    .addHelpText(
      'after',
      examples('starling board set plan owner alice', 'starling board get plan owner'),
    );
  const command = (name: string, about: string, ...args: readonly string[]): Command => {
    const made = board.command(name).description(about);
    for (const arg of args) {
      if (arg === '[prefix]') made.argument(arg, 'only keys that start with this');
      else made.argument(arg);
    }
    return withJson(ofNode(made));
  };
  command('get', 'Prints one entry; exit code 1 when there is none.', '<board>', '<key>')
    .addHelpText('after', examples('starling board get plan owner'))
    .action(action(outcome, () => import('../commands/board/get.ts')));
  command(
    'set',
    'Writes one entry, which every peer gets. A value that is JSON is taken as JSON, anything else as text.',
    '<board>',
    '<key>',
    '<value>',
  )
    .option('--string', 'take the value as text, whatever it looks like')
    .addHelpText(
      'after',
      examples(
        'starling board set plan owner alice',
        `starling board set plan limits '{"cpu": 4}'`,
      ),
    )
    .action(action(outcome, () => import('../commands/board/set.ts')));
  command('delete', 'Deletes one entry, everywhere.', '<board>', '<key>')
    .addHelpText('after', examples('starling board delete plan owner'))
    .action(action(outcome, () => import('../commands/board/delete.ts')));
  command('list', 'Lists the boards, or the entries of one.', '[board]', '[prefix]')
    .addHelpText('after', examples('starling board list', 'starling board list plan task/'))
    .action(action(outcome, () => import('../commands/board/list.ts')));
  command('watch', 'Prints each change as it happens, until Ctrl-C.', '<board>', '[prefix]')
    .addHelpText('after', examples('starling board watch plan', 'starling board watch plan task/'))
    .action(action(outcome, () => import('../commands/board/watch.ts')));
}
