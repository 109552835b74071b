/** The commands `starling context …`. */
import { Option } from 'commander';
import type { Command } from 'commander';
import { action, examples, ofNode, withJson } from '../command-line/define-command.ts';
import type { Outcome } from '../command-line/define-command.ts';
import { parseCount } from '../../options/parsers.ts';

const ID = 'its id, as starling context list shows it';

/** Adds `starling context` and its commands. */
export function addContext(program: Command, outcome: Outcome): void {
  const context = program
    .command('context')
    .summary('conversations of agents')
    .description(
      'What an agent with a model and somebody have said to each other, under the name that a message gives: starling agent message --session.',
    )
    .addHelpText('after', examples('starling context list'));
  const command = (name: string, about: string, arg?: string, text?: string): Command => {
    const made = context.command(name).description(about);
    return withJson(ofNode(arg === undefined ? made : made.argument(arg, text)));
  };
  command(
    'list',
    'Lists the conversations that are kept here, and those that peers show this node.',
  )
    .alias('ls')
    .addHelpText('after', examples('starling context list'))
    .action(action(outcome, () => import('../../commands/context/list.ts')));
  command('show', 'Prints a conversation.', '<id>', ID)
    .addHelpText('after', examples('starling context show ctx_0123456789abcdef'))
    .action(action(outcome, () => import('../../commands/context/show.ts')));
  addShare(command, outcome);
  command('summarise', 'Has a model write what stands for the lines so far.', '<id>', ID)
    .requiredOption('--model <model>', 'which model writes it')
    .addHelpText(
      'after',
      examples('starling context summarise ctx_0123456789abcdef --model gpu/qwen3:8b'),
    )
    .action(
      action(outcome, async () => ({
        run: (await import('../../commands/context/change.ts')).summarise,
      })),
    );
  command(
    'delete',
    'Deletes a conversation, here and at all nodes that it is shown to.',
    '<id>',
    ID,
  )
    .option('--yes', 'do not ask')
    .addHelpText('after', examples('starling context delete ctx_0123456789abcdef --yes'))
    .action(
      action(outcome, async () => ({
        run: (await import('../../commands/context/change.ts')).end,
      })),
    );
}

type Make = (name: string, about: string, arg?: string, text?: string) => Command;

function addShare(command: Make, outcome: Outcome): void {
  command(
    'share',
    'Shows a conversation to a peer or a client of this node from now on.',
    '<id>',
    ID,
  )
    .argument(
      '<to>',
      'alias, PeerId or did:key of a peer; client:<name> or agent:<name> of this node',
    )
    .addOption(
      new Option('--view <view>', 'all of it, its last lines, its summary alone, or no more')
        .choices(['full', 'last', 'summary', 'none'])
        .default('full'),
    )
    .option('--lines <n>', 'how many lines, with --view last (default: 20)', parseCount)
    .addHelpText(
      'after',
      examples(
        'starling context share ctx_0123456789abcdef bob --view last --lines 10',
        'starling context share ctx_0123456789abcdef client:cursor --view summary',
        'starling context share ctx_0123456789abcdef bob --view none',
      ),
    )
    .action(
      action(outcome, async () => ({
        run: (await import('../../commands/context/change.ts')).share,
      })),
    );
}
