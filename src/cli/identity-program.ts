/** The commands `starling identity …`. Imports nothing heavy: each is loaded when it is run. */
import type { Command } from 'commander';
import { action, examples, ofNode, withJson } from './command-parts.ts';
import type { Outcome } from './command-parts.ts';

/** Adds `identity` and its commands. */
export function addIdentity(program: Command, outcome: Outcome): void {
  const identity = program
    .command('identity')
    .summary("this node's key")
    .description("Looks after this node's key, which is who it is in the mesh.");
  withJson(ofNode(identity.command('rotate')))
    .summary('give the node a new key')
    .description(
      'Gives the node a new key, which the old one signs, while the node is stopped. Peers follow when it is started again: its name, its membership and all grants go on, and the old key is good for nothing any more.',
    )
    .addHelpText('after', examples('starling identity rotate', 'starling identity rotate --json'))
    .action(action(outcome, () => import('./commands/identity-rotate.ts')));
}
