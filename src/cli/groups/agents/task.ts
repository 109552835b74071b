/** The commands `starling task …`. */
import { Option } from 'commander';
import type { Command } from 'commander';
import { action, collect, examples, ofNode, withJson } from '../command-line/define-command.ts';
import type { Outcome } from '../command-line/define-command.ts';
import { parseCount, parseDuration } from '../../options/parsers.ts';

const ID = 'as starling task run and starling task list show it';

/** Adds `starling task` and its commands. */
export function addTask(program: Command, outcome: Outcome): void {
  const task = program
    .command('task')
    .summary('have work done that ends once')
    .description(
      'A task is done by an agent, here or at a peer, that can do it; it goes on while you are away, and goes to another agent where one is lost.',
    )
    .addHelpText(
      'after',
      examples("starling task run 'main.rs' --need review", 'starling task list'),
    );
  const command = (name: string, about: string, arg?: string, text?: string): Command => {
    const made = task.command(name).description(about);
    return withJson(ofNode(arg === undefined ? made : made.argument(arg, text)));
  };
  addRun(command, outcome);
  command('list', 'Lists tasks, the newest first.')
    .alias('ls')
    .option('--status <status>', 'only those in it, like running (may be repeated)', collect)
    .option('--limit <n>', 'tasks at the most', parseCount, 50)
    .addHelpText('after', examples('starling task list', 'starling task list --status failed'))
    .action(action(outcome, () => import('../../commands/task/list.ts')));
  command('info', 'Shows where a task is, and who has it or had it.', '<id>', ID)
    .addHelpText('after', examples('starling task info task_1790000000000_k3x9q2c1d'))
    .action(action(outcome, () => import('../../commands/task/info.ts')));
  command('result', 'Prints the result of a task that is done.', '<id>', ID)
    .option('--wait <duration>', 'how long to wait for it (default: not at all)', parseDuration)
    .addHelpText('after', examples('starling task result task_1790000000000_k3x9q2c1d'))
    .action(action(outcome, () => import('../../commands/task/result.ts')));
  command('watch', 'Shows how a task goes until it ends, and prints its result.', '<id>', ID)
    .addHelpText('after', examples('starling task watch task_1790000000000_k3x9q2c1d'))
    .action(action(outcome, () => import('../../commands/task/watch.ts')));
  command('answer', 'Tells the agent of a task what it has asked.', '<id>', ID)
    .argument('<answer>', 'JSON is taken as JSON, anything else as text')
    .addHelpText('after', examples('starling task answer task_1790000000000_k3x9q2c1d yes'))
    .action(action(outcome, () => import('../../commands/task/answer.ts')));
  command('cancel', 'Ends a task; whoever has it is told to stop.', '<id>', ID)
    .addHelpText('after', examples('starling task cancel task_1790000000000_k3x9q2c1d'))
    .action(
      action(outcome, async () => ({
        run: (await import('../../commands/task/change.ts')).cancel,
      })),
    );
  command('retry', 'Has a task that was not done done after all.', '<id>', ID)
    .addHelpText('after', examples('starling task retry task_1790000000000_k3x9q2c1d'))
    .action(
      action(outcome, async () => ({ run: (await import('../../commands/task/change.ts')).retry })),
    );
}

type Make = (name: string, about: string, arg?: string, text?: string) => Command;

function addRun(command: Make, outcome: Outcome): void {
  command(
    'run',
    'Gives a task, shows how it goes, and prints its result. Ctrl-C leaves it running.',
    '<input>',
    'what the agent is given: JSON is taken as JSON, anything else as text',
  )
    .option(
      '--need <capability>',
      'what an agent must be able to do, or a queue: tasks.<name>; with --swarm several: code,security',
    )
    .option('--agent <agent>', 'in place of that: this agent, and no other')
    .addOption(
      new Option('--priority <priority>', 'how urgent it is').choices(['low', 'normal', 'high']),
    )
    .addOption(
      new Option('--retry <when>', 'when it is tried again (default: lost)').choices([
        'none',
        'lost',
        'exponential_backoff',
      ]),
    )
    .option('--tag <tag>', 'as in starling capability request (may be repeated)', collect)
    .option('--prefer <agent>', 'an agent or a node that is tried first')
    .option('--timeout <duration>', 'when it expires (default: 24h, of a swarm 1h)', parseDuration)
    .option('--attempt <duration>', 'how long one agent may take (default: 5m)', parseDuration)
    .addOption(
      new Option(
        '--durable <where>',
        'mesh: three nodes keep it, and another one goes on with it when this node is gone',
      ).choices(['mesh']),
    )
    .option(
      '--budget <budget>',
      'what it counts against: a budget, or so much of one, like research:0.50usd',
    )
    .option('--swarm <swarm>', 'a swarm does it, by a plan with a phase for each --need')
    .option('--parallel <n>', 'phases at once; with --vote or --merge, members of each', parseCount)
    .option('--vote', 'of what they say, that counts on which enough of them agree')
    .addOption(
      new Option('--merge <how>', 'what is made of what they say (default: first)').choices([
        'majority_vote',
        'first',
        'merge',
        'all',
      ]),
    )
    .addOption(
      new Option('--strategy <how>', 'in which order phases are done (default: adaptive)').choices([
        'adaptive',
        'parallel',
        'sequential',
      ]),
    )
    .option('--plan', 'only show the plan of the swarm')
    .option('--detach', 'do not wait: print its id')
    .addHelpText(
      'after',
      examples(
        "starling task run 'main.rs' --need review",
        "starling task run 'main.rs' --agent reviewer@bob --timeout 10m --detach",
        "starling task run 'main.rs' --need review --durable mesh",
        "starling task run 'main.rs' --need review --budget research:0.50usd",
        "starling task run 'Find security holes in auth.ts' --swarm fix --need code,security --parallel 3 --vote --timeout 5m",
      ),
    )
    .action(action(outcome, () => import('../../commands/task/run.ts')));
}
