/** The commands `starling proposals …`. */
import type { Command } from 'commander';
import { action, examples, ofNode, withJson } from '../command-line/define-command.ts';
import type { Outcome } from '../command-line/define-command.ts';

const ID = 'as starling proposals shows it';

/** Adds `starling proposals` and its commands. */
export function addProposals(program: Command, outcome: Outcome): void {
  const proposals = withJson(ofNode(program.command('proposals')))
    .summary('see and answer what agents propose to run')
    .description(
      'Shows the servers and kinds of agents that agents with a model propose. Nothing of them runs before you approve it.',
    )
    .option('--all', 'also those that are over')
    .enablePositionalOptions()
    .addHelpText('after', examples('starling proposals', 'starling proposals show 7Qm4'))
    .action(action(outcome, () => import('../../commands/proposals/list.ts')));
  withJson(ofNode(proposals.command('show').argument('<id>', ID)))
    .summary('show what one would change')
    .description(
      'Shows what would stand in the config file, each file of it, and what came of its trial.',
    )
    .addHelpText('after', examples('starling proposals show 7Qm4'))
    .action(
      action(outcome, async () => ({
        run: (await import('../../commands/proposals/show.ts')).show,
      })),
    );
  withJson(ofNode(proposals.command('try').argument('<id>', ID)))
    .summary('run it on trial in a sandbox')
    .description(
      'Runs it in a sandbox without a network, asks it for its tools, shows them, and ends it.',
    )
    .addHelpText('after', examples('starling proposals try 7Qm4'))
    .action(
      action(outcome, async () => ({
        run: (await import('../../commands/proposals/show.ts')).tryOut,
      })),
    );
  withJson(ofNode(proposals.command('approve').argument('<id>', ID)))
    .summary('let it run')
    .description(
      'Shows the difference, asks, puts the files into a folder of their own, and adds the entry to the config file. It must have run on trial.',
    )
    .option('--digest <hex>', 'agree without being asked, to the program with this digest')
    .addHelpText('after', examples('starling proposals approve 7Qm4 --digest 3f2a9c01b7d44e60'))
    .action(
      action(outcome, async () => ({
        run: (await import('../../commands/proposals/answer.ts')).approve,
      })),
    );
  withJson(ofNode(proposals.command('deny').argument('<id>', ID)))
    .summary('refuse it')
    .description('Refuses it; the agent that proposes the same again is told so.')
    .option('--reason <text>', 'told to the agent, and kept')
    .addHelpText('after', examples("starling proposals deny 7Qm4 --reason 'use the one we have'"))
    .action(
      action(outcome, async () => ({
        run: (await import('../../commands/proposals/answer.ts')).deny,
      })),
    );
}
