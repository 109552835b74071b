/** The commands `starling learn …`. */
import { Argument, Option } from 'commander';
import type { Command } from 'commander';
import { action, examples, ofNode, withJson } from '../command-line/define-command.ts';
import type { Outcome } from '../command-line/define-command.ts';

const AGENT = 'its name, as starling agent list shows it';

/** Adds `starling learn` and its commands. */
export function addLearn(program: Command, outcome: Outcome): void {
  const learn = program
    .command('learn')
    .summary('what agents with a model have learned')
    .description(
      'What agents with a model have learned of their work, where their kind says that they do: which of its ways does a work best, and what came of what they did. Only what was measured counts, and nothing of it is a right.',
    )
    .addHelpText('after', examples('starling learn stats'));
  const command = (name: string, about: string): Command =>
    withJson(ofNode(learn.command(name).description(about)));
  command('stats', 'Shows how often each way was taken, and how well it did.')
    .argument('[agent]', `only of this one, and what it remembers: ${AGENT}`)
    .addHelpText('after', examples('starling learn stats', 'starling learn stats clerk'))
    .action(action(outcome, () => import('../../commands/learn/stats.ts')));
  command(
    'grade',
    'Says how something that an agent did went: a word of yours outweighs five checks.',
  )
    .argument('<agent>', AGENT)
    .argument('<id>', 'the id of the message, of the task, or of the experience')
    .addArgument(new Argument('<outcome>', 'how it went').choices(['success', 'failure']))
    .option('--feedback <text>', 'what there is to say of it, which the agent is reminded of')
    .addOption(
      new Option('--update <what>', 'which way is taken, what is remembered, or both')
        .choices(['strategy', 'experience', 'both'])
        .default('both'),
    )
    .addHelpText(
      'after',
      examples(
        'starling learn grade clerk msg_1790000000000_k3x9q2c1d success',
        "starling learn grade clerk msg_1790000000000_k3x9q2c1d failure --feedback 'the sum was wrong'",
      ),
    )
    .action(action(outcome, () => import('../../commands/learn/grade.ts')));
  command('forget', 'Has an agent forget all that it has learned, or a part of that.')
    .argument('<agent>', AGENT)
    .option('--experience <id>', 'only this experience')
    .option('--work <name>', 'only what it has learned of this work')
    .addHelpText(
      'after',
      examples('starling learn forget clerk --work message', 'starling learn forget clerk'),
    )
    .action(action(outcome, () => import('../../commands/learn/forget.ts')));
}
