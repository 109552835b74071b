/** The command `starling sim`. */
import type { Command } from 'commander';
import { action, examples, withJson } from './define-command.ts';
import type { Outcome } from './define-command.ts';

/** Adds `starling sim`. */
export function addSim(program: Command, outcome: Outcome): void {
  withJson(
    program
      .command('sim')
      .summary('run a mesh in one process and measure it')
      .description(
        'Starts real nodes in one process over loopback, makes them work, and prints what it took: shows in seconds whether Starling does well on this machine.',
      )
      .option('--nodes <n>', 'how many, 2 to 50', '10')
      .option('--calls <n>', 'tool calls of each node', '20')
      .option('--seed <n>', 'seed of who calls whom', '1'),
  )
    .addHelpText('after', examples('starling sim --nodes 25'))
    .action(action(outcome, () => import('../commands/sim.ts')));
}
