/** The commands `starling capability …`. */
import type { Command } from 'commander';
import { action, collect, examples, ofNode, withJson } from '../command-line/define-command.ts';
import type { Outcome } from '../command-line/define-command.ts';
import { parseDuration } from '../../options/parsers.ts';

/** Adds `starling capability` and its commands. */
export function addCapability(program: Command, outcome: Outcome): void {
  const capability = program
    .command('capability')
    .summary('see what agents can do, and have it done')
    .description('Has something done by any agent, here or at a peer, that can do it.')
    .addHelpText(
      'after',
      examples('starling capability list', "starling capability request review 'main.rs'"),
    );
  withJson(ofNode(capability.command('list').alias('ls')))
    .description('Lists what the agents that you may write to can do.')
    .addHelpText('after', examples('starling capability list'))
    .action(action(outcome, () => import('../../commands/capability/list.ts')));
  withJson(ofNode(capability.command('request').argument('[capability]')))
    .description('Asks an agent that can do it, and prints what it answers.')
    .argument('[parameters]', 'JSON is taken as JSON, anything else as text')
    .option(
      '--tag <tag>',
      "'+gpu' rather those with that tag, '-slow' rather not, 'eu' no others (may be repeated)",
      collect,
    )
    .option('--like <words>', 'in place of the capability: what is wanted, in words')
    .option('--affinity <key>', 'equal keys go to the same agent while that one lives')
    .option('--prefer <agent>', 'an agent or a node that is tried first')
    .option('--timeout <duration>', 'how long it may take (default: 30s)', parseDuration)
    .addHelpText(
      'after',
      examples(
        "starling capability request review 'main.rs'",
        "starling capability request --like 'review this code' 'main.rs'",
      ),
    )
    .action(action(outcome, () => import('../../commands/capability/request.ts')));
}
