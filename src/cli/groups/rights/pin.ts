/** The commands `starling pin …`. */
import type { Command } from 'commander';
import { action, examples, ofNode, withJson } from '../command-line/define-command.ts';
import type { Outcome } from '../command-line/define-command.ts';

/** Adds `starling pin` and its commands. */
export function addPin(program: Command, outcome: Outcome): void {
  const pin = program
    .command('pin')
    .summary('see and approve tools that have changed')
    .description(
      'Tools are pinned as they are first seen. One that changes later is quarantined, neither listed nor callable, until it is approved here.',
    )
    .addHelpText('after', examples('starling pin list', 'starling pin approve files'));
  withJson(
    ofNode(
      pin
        .command('list')
        .alias('ls')
        .summary('show what is quarantined')
        .description('Shows what is quarantined, why, and how it differs from what was pinned.')
        .argument('[filter]', 'only names that contain this'),
    ),
  )
    .addHelpText('after', examples('starling pin list', 'starling pin list files/'))
    .action(action(outcome, () => import('../../commands/pin/list.ts')));
  withJson(
    ofNode(
      pin
        .command('approve')
        .summary('accept what has changed')
        .description('Pins what is offered now, so that it is listed and callable again.')
        .argument('[name]', '[peer/]server[/tool], as starling pin list shows it')
        .option('--all', 'everything that is quarantined'),
    ),
  )
    .addHelpText(
      'after',
      examples('starling pin approve alice/files/read_file', 'starling pin approve files'),
    )
    .action(action(outcome, () => import('../../commands/pin/approve.ts')));
}
