/** The commands `starling policy …`. */
import type { Command } from 'commander';
import { action, collect, examples, ofNode, withJson } from '../command-line/define-command.ts';
import type { Outcome } from '../command-line/define-command.ts';

/** Adds `starling policy` and its commands. */
export function addPolicy(program: Command, outcome: Outcome): void {
  const policy = program
    .command('policy')
    .summary('show and check the policy file, and explain decisions')
    .description(
      'The policy file says how far callers are trusted and what waits for an approval. A running node takes up a changed file by itself.',
    )
    .addHelpText(
      'after',
      examples(
        'starling policy show',
        'starling policy check',
        'starling policy explain --as bob --do tool/call --on tool:files/read_file',
      ),
    );
  withJson(ofNode(policy.command('show')))
    .summary('what is in force')
    .description(
      'Prints the policy in force, key by key: first what your file says, marked with +, then the shipped rest.',
    )
    .addHelpText('after', examples('starling policy show', 'starling policy show --json'))
    .action(action(outcome, () => import('../../commands/policy/show.ts')));
  withJson(
    ofNode(policy.command('check').argument('[file]', "default: the node's own policy file")),
  )
    .summary('does the file hold, and what would change')
    .description(
      'Reads a policy file without taking it up: says what is wrong with it, or in which keys it differs from the policy in force.',
    )
    .addHelpText('after', examples('starling policy check', 'starling policy check new.yaml'))
    .action(action(outcome, () => import('../../commands/policy/check.ts')));
  withJson(ofNode(policy.command('explain')))
    .summary('who may do what, and by which rule')
    .description(
      'Says whether somebody may do something on this node, and by which grant and rule.',
    )
    .requiredOption('--as <who>', 'operator, client:<key>, or a peer: alias, PeerId or did:key')
    .option('--for <whom>', 'the agent (did:key) or client (name) for whom the peer calls')
    .option('--do <ability>', 'like tool/call; default by what it is on')
    .requiredOption('--on <resource>', 'like tool:files/read_file')
    .option('--arg <name=value>', 'an argument of the call (may be repeated)', collect)
    .addHelpText(
      'after',
      examples(
        'starling policy explain --as bob --do tool/call --on tool:files/read_file',
        'starling policy explain --as client:ci --on files/write_file --arg path=/srv/a',
      ),
    )
    .action(action(outcome, () => import('../../commands/policy/explain.ts')));
}
