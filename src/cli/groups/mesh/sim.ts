/** The command `starling sim`. */
import type { Command } from 'commander';
import { action, examples, withJson } from '../command-line/define-command.ts';
import type { Outcome } from '../command-line/define-command.ts';

/** Adds `starling sim`. */
export function addSim(program: Command, outcome: Outcome): void {
  withJson(
    program
      .command('sim')
      .summary('run a mesh on this machine: measure it, or see it through a scenario')
      .description(
        'Starts real nodes in one process over loopback, makes them work, and prints what it took: shows in seconds whether Starling does well on this machine. With the name of a scenario, or a file with one, it sees a mesh through what the scenario says (partitions, churn, loss, liars), holds the claims of the scenario, and writes a report with plots.',
      )
      .argument('[scenario]', 'a scenario of --list, or a file like ./mine.yaml')
      .option('--list', 'name the scenarios')
      .option(
        '--nodes <n>',
        'how many, 2 to 50 (default: 10); of a scenario as many as the engine can, several with commas between',
      )
      .option('--calls <n>', 'tool calls of each node, without a scenario (default: 20)')
      .option('--seed <n>', 'seed of all chance (default: 1)')
      .option('--seeds <n>', 'run a scenario with so many seeds in a row')
      .option(
        '--engine <name>',
        'inproc, netns or model; default: the first that the scenario names',
      )
      .option('--out <folder>', 'where the report of a scenario goes'),
  )
    .addHelpText(
      'after',
      examples(
        'starling sim --nodes 25',
        'starling sim partition-heal',
        'starling sim churn --nodes 5,10,20 --seeds 3',
      ),
    )
    .action(action(outcome, () => import('../../commands/sim.ts')));
}
