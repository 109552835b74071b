/** The command `starling demo`. */
import { Argument } from 'commander';
import type { Command } from 'commander';
import { action, examples } from '../command-line/define-command.ts';
import type { Outcome } from '../command-line/define-command.ts';

/** Adds `starling demo`. */
export function addDemo(program: Command, outcome: Outcome): void {
  program
    .command('demo')
    .summary('see agents at work on three nodes of this machine')
    .description(
      'Tells a story by three real nodes on this machine, in less than a minute, and takes them away again. self-heal: a server is killed, and an agent elsewhere mends it, with your approval. swarm: three agents vote, one lies, and a machine dies in the middle.',
    )
    .addArgument(new Argument('<story>', 'which').choices(['self-heal', 'swarm']))
    .addHelpText('after', examples('starling demo self-heal', 'starling demo swarm'))
    .action(action(outcome, () => import('../../commands/demo.ts')));
}
