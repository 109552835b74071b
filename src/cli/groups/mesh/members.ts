/** The commands `starling members …`. */
import type { Command } from 'commander';
import { action, examples, ofNode, withJson } from '../command-line/define-command.ts';
import type { Outcome } from '../command-line/define-command.ts';

/** Adds `starling members` and its commands. */
export function addMembers(program: Command, outcome: Outcome): void {
  const members = withJson(ofNode(program.command('members')))
    .summary('show who belongs to the mesh, who asks to join, and open tickets')
    .description(
      'Shows who is a member of the mesh, who let each in, and who was put out by whom; the tickets that can still let somebody in; and the nodes of this network that ask to be let in.',
    )
    .enablePositionalOptions()
    .addHelpText('after', examples('starling members', 'starling members admit laptop'))
    .action(action(outcome, () => import('../../commands/members/list.ts')));
  addAnswers(members, outcome);
}

/** Adds `admit` and `refuse`, for nodes that knock. */
function addAnswers(members: Command, outcome: Outcome): void {
  const who = 'its name, its four words, or the end of its PeerId';
  withJson(ofNode(members.command('admit').argument('<who...>', who)))
    .summary('let in a node that asks to join')
    .description(
      'Lets in a node that asks with starling up --knock. Compare its four words with those that the other machine shows first.',
    )
    .option('--no-invite', 'it may not invite others')
    .addHelpText(
      'after',
      examples('starling members admit laptop', 'starling members admit laptop --no-invite'),
    )
    .action(
      action(outcome, async () => ({
        run: (await import('../../commands/members/answer.ts')).admit,
      })),
    );
  withJson(ofNode(members.command('refuse').argument('<who...>', who)))
    .summary('refuse a node that asks to join')
    .description(
      'Refuses a node that asks to join. It is told so, and its next knocks are not told to you.',
    )
    .addHelpText('after', examples('starling members refuse laptop'))
    .action(
      action(outcome, async () => ({
        run: (await import('../../commands/members/answer.ts')).refuse,
      })),
    );
}
