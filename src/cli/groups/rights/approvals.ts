/** The commands `starling approvals …`. */
import type { Command } from 'commander';
import { action, examples, ofNode, withJson } from '../command-line/define-command.ts';
import type { Outcome } from '../command-line/define-command.ts';

/** Adds `starling approvals` and its commands. */
export function addApprovals(program: Command, outcome: Outcome): void {
  const approvals = withJson(ofNode(program.command('approvals')))
    .summary('see and answer what waits for a person')
    .description(
      'Shows the calls and requests that wait for your approval. One that nobody answers in time is refused.',
    )
    .option('--all', 'also those that are over')
    .enablePositionalOptions()
    .addHelpText(
      'after',
      examples(
        'starling approvals',
        "starling approvals approve 8fK2 --reason 'once, for the audit'",
      ),
    )
    .action(action(outcome, () => import('../../commands/approvals/list.ts')));
  withJson(ofNode(approvals.command('approve').argument('<id>', 'as starling approvals shows it')))
    .summary('let it go on')
    .description('Approves one of them: the call runs once, or the grant is made.')
    .option('--reason <text>', 'told to who asked, and kept')
    .addHelpText('after', examples('starling approvals approve 8fK2'))
    .action(
      action(outcome, async () => ({
        run: (await import('../../commands/approvals/answer.ts')).approve,
      })),
    );
  withJson(ofNode(approvals.command('deny').argument('<id>', 'as starling approvals shows it')))
    .summary('refuse it')
    .description('Denies one of them: the call is refused, or no grant is made.')
    .option('--reason <text>', 'told to who asked, and kept')
    .addHelpText('after', examples("starling approvals deny 8fK2 --reason 'ask Anna first'"))
    .action(
      action(outcome, async () => ({
        run: (await import('../../commands/approvals/answer.ts')).deny,
      })),
    );
}
