/** The commands `starling swarm …`. */
import { Option } from 'commander';
import type { Command } from 'commander';
import { action, collect, examples, ofNode, withJson } from '../command-line/define-command.ts';
import type { Outcome } from '../command-line/define-command.ts';
import { parseCount, parseShare } from '../../options/parsers.ts';

const ID = 'its name or id, as starling swarm list shows it';
const AGENT = 'an agent: <name> of this node, or <name>@<node>';

/** Adds `starling swarm` and its commands. */
export function addSwarm(program: Command, outcome: Outcome): void {
  const swarm = program
    .command('swarm')
    .summary('put agents together')
    .description(
      'A swarm is agents, here and at peers, that work together: by its topology each may write to others of them, and to no more.',
    )
    .addHelpText(
      'after',
      examples(
        'starling swarm create fix --topology star --agent coder --agent reviewer@laptop',
        'starling swarm status fix',
      ),
    );
  const command = (name: string, about: string, arg?: string, text?: string): Command => {
    const made = swarm.command(name).description(about);
    return withJson(ofNode(arg === undefined ? made : made.argument(arg, text)));
  };
  addCreate(command, outcome);
  command('list', 'Lists the swarms that this node knows.')
    .alias('ls')
    .addHelpText('after', examples('starling swarm list'))
    .action(action(outcome, () => import('../../commands/swarm/list.ts')));
  command('status', 'Shows the agents of a swarm, and how its tasks went.', '<swarm>', ID)
    .option('--edges', 'also who may write to whom, by which grant')
    .addHelpText(
      'after',
      examples('starling swarm status fix', 'starling swarm status fix --edges'),
    )
    .action(action(outcome, () => import('../../commands/swarm/status.ts')));
  command('watch', 'Shows a swarm each time that it changes, until Ctrl-C.', '<swarm>', ID)
    .addHelpText('after', examples('starling swarm watch fix'))
    .action(action(outcome, () => import('../../commands/swarm/watch.ts')));
  addMembers(command, outcome);
  command('dissolve', 'Ends a swarm: its grants end at all nodes.', '<swarm>', ID)
    .addHelpText('after', examples('starling swarm dissolve fix'))
    .action(
      action(outcome, async () => ({
        run: (await import('../../commands/swarm/change.ts')).dissolve,
      })),
    );
}

type Make = (name: string, about: string, arg?: string, text?: string) => Command;

function addCreate(command: Make, outcome: Outcome): void {
  command(
    'create',
    'Makes a swarm. Agents of peers are in it when their operators agree: starling swarm join.',
    '<name>',
    'what it is called',
  )
    .addOption(
      new Option('--topology <topology>', 'who may write to whom')
        .choices(['mesh', 'hierarchical', 'star', 'ring'])
        .default('mesh'),
    )
    .option(
      '--budget <budget>',
      "what its members' work counts against: a budget, or so much of one, like research:5usd",
    )
    .option('--agent <agent>', `${AGENT} (may be repeated)`, collect)
    .option(
      '--coordinator <agent>',
      'an agent that is the hub, or the root (may be repeated)',
      collect,
    )
    .option(
      '--validator <agent>',
      'an agent that checks what others did (may be repeated)',
      collect,
    )
    .option('--threshold <share>', 'of the votes of all who are asked, like 0.7', parseShare)
    .option('--max <n>', 'agents at the most (default: 20)', parseCount)
    .addHelpText(
      'after',
      examples(
        'starling swarm create fix --topology star --coordinator coder --agent reviewer@laptop --threshold 0.7',
      ),
    )
    .action(action(outcome, () => import('../../commands/swarm/create.ts')));
}

function addMembers(command: Make, outcome: Outcome): void {
  command(
    'join',
    'Adds an agent to a swarm; at the node of an agent that was named elsewhere, agrees to it.',
    '<swarm>',
    ID,
  )
    .requiredOption('--agent <agent>', AGENT)
    .addOption(
      new Option('--role <role>', 'what it does').choices(['coordinator', 'worker', 'validator']),
    )
    .addHelpText('after', examples('starling swarm join fix --agent reviewer'))
    .action(
      action(outcome, async () => ({ run: (await import('../../commands/swarm/change.ts')).join })),
    );
  command('leave', 'Takes an agent out of a swarm.', '<swarm>', ID)
    .requiredOption('--agent <agent>', AGENT)
    .addHelpText('after', examples('starling swarm leave fix --agent reviewer'))
    .action(
      action(outcome, async () => ({
        run: (await import('../../commands/swarm/change.ts')).leave,
      })),
    );
}
