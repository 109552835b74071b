/** The commands `starling agent …`. */
import { Option } from 'commander';
import type { Command } from 'commander';
import { action, collect, examples, ofNode, withJson } from '../command-line/define-command.ts';
import type { Outcome } from '../command-line/define-command.ts';
import { parseCount, parseDuration, parseReplicas } from '../../options/parsers.ts';

const AGENT = '<name>, <name>@<node> or its id, as starling agent list shows them';

/** Adds `starling agent` and its commands. */
export function addAgent(program: Command, outcome: Outcome): void {
  const agent = program
    .command('agent')
    .summary('see agents, and write to them')
    .description(
      'Agents are programs that have a name and read messages, here or at a peer. Whoever owns an agent says which peers may write to it: starling grant create <peer> --agent <name>.',
    )
    .addHelpText(
      'after',
      examples(
        'starling agent list',
        "starling agent message coder@bob 'what is your status?' --type query",
      ),
    );
  const command = (name: string, about: string, arg?: string, text?: string): Command => {
    const made = agent.command(name).description(about);
    return withJson(ofNode(arg === undefined ? made : made.argument(arg, text)));
  };
  addAnnounce(command, outcome);
  addRun(command, outcome);
  addHealer(agent, outcome);
  command(
    'add',
    'Makes an A2A agent elsewhere an agent of this node, after a look at its card.',
    '<card-url>',
    'its card, or the place below which that is',
  )
    .option('--name <name>', 'what it is called here (default: the name on its card)')
    .option('--secret <name>', 'the secret that its host gets as a token: starling secret set')
    .option('--listed', 'let every member see it, without a grant')
    .option('--yes', 'do not ask')
    .addHelpText('after', examples('starling agent add https://example.com/agents/planner'))
    .action(action(outcome, () => import('../../commands/agent/add.ts')));
  command('list', 'Lists the agents of this node and of its peers.')
    .alias('ls')
    .option('--online', 'only those whose program was heard of in the last minute')
    .option('--capability <name>', 'only those that have it')
    .addHelpText('after', examples('starling agent list', 'starling agent list --online'))
    .action(action(outcome, () => import('../../commands/agent/list.ts')));
  command('info', 'Shows all that is known of one agent.', '<agent>', AGENT)
    .addHelpText('after', examples('starling agent info coder@bob'))
    .action(action(outcome, () => import('../../commands/agent/info.ts')));
  addMessage(command, outcome);
  command('inbox', 'Prints the messages for an agent of yours, and takes them as read.', '<name>')
    .option('--wait <duration>', 'how long to wait for one (default: not at all)', parseDuration)
    .option('--limit <n>', 'messages at the most', parseCount, 20)
    .option('--history', 'what was read lately, of any agent here')
    .addHelpText(
      'after',
      examples(
        'starling agent inbox reviewer --wait 10s',
        'starling agent inbox reviewer --history',
      ),
    )
    .action(action(outcome, () => import('../../commands/agent/inbox.ts')));
  command(
    'stop',
    'Ends an agent that this node runs; any other takes no messages until it is announced again.',
    '<name>',
  )
    .addHelpText('after', examples('starling agent stop reviewer'))
    .action(
      action(outcome, async () => ({ run: (await import('../../commands/agent/end.ts')).stop })),
    );
  command('retire', 'Forgets an agent, and the messages that nobody has read.', '<name>')
    .addHelpText('after', examples('starling agent retire reviewer'))
    .action(
      action(outcome, async () => ({ run: (await import('../../commands/agent/end.ts')).retire })),
    );
}

type Make = (name: string, about: string, arg?: string, text?: string) => Command;

function addAnnounce(command: Make, outcome: Outcome): void {
  command(
    'announce',
    'Makes an agent that the operator answers for: its messages wait for starling agent inbox.',
    '<name>',
    '1 to 64 of A-Z a-z 0-9 . _ -',
  )
    .option('--capability <name>', 'what it can do (may be repeated)', collect)
    .option('--kind <kind>', 'what sort of agent it is')
    .option('--max-tasks <n>', 'how much it can do at one time', parseCount)
    .option('--listed', 'let every member see it, without a grant')
    .addHelpText('after', examples('starling agent announce reviewer --capability review'))
    .action(action(outcome, () => import('../../commands/agent/announce.ts')));
}

function addRun(command: Make, outcome: Outcome): void {
  command(
    'spawn',
    'Runs an agent on this node: a program that answers messages, or a language model that does.',
    '<kind>',
    'a kind of the config file (agents.kinds.<kind>); with --model coordinator, researcher or coder, too',
  )
    .option('--name <name>', 'its name (default: the kind)')
    .option(
      '--replicas <n>',
      'processes that it has, or like 1..5: as many as its queue needs (default: 1)',
      parseReplicas,
    )
    .option(
      '--on <node>',
      'a node that has a part of it, by its alias (may be repeated; each must let this one: starling grant create --spawn)',
      collect,
    )
    .option(
      '--model <name>',
      'the language model, or route, that it thinks with: starling model list',
    )
    .option(
      '--prompt <prompt>',
      'with a model: the prompt that says how it works, <server>/<prompt>',
    )
    .option('--tool <pattern>', 'what it may use, of what its kind may (may be repeated)', collect)
    .option('--cpu <cores>', 'cores that each process may use, like 2 or 2000m')
    .option('--memory <bytes>', 'memory that each process may use, like 512Mi')
    .option('--tell <json>', 'what the program is told, as AGENT_CONFIG')
    .option(
      '--budget <budget>',
      'what its calls count against: a budget, or so much of one, like research:5usd',
    )
    .addHelpText(
      'after',
      examples(
        'starling agent spawn echo',
        'starling agent spawn echo --name twins --replicas 2 --memory 512Mi',
        'starling agent spawn echo --name spread --replicas 4 --on alice --on bob',
        'starling agent spawn echo --name frugal --budget research:1usd',
        "starling agent spawn coder --model gpu/qwen3:8b --tool 'tool:files/*'",
      ),
    )
    .action(action(outcome, () => import('../../commands/agent/spawn.ts')));
  command('logs', 'Prints what an agent of this node has written.', '<name>')
    .option('-f, --follow', 'go on with what comes')
    .option('-n, --lines <n>', 'lines at the most', parseCount, 100)
    .addHelpText('after', examples('starling agent logs echo', 'starling agent logs echo --follow'))
    .action(action(outcome, () => import('../../commands/agent/logs.ts')));
}

function addHealer(agent: Command, outcome: Outcome): void {
  agent
    .command('healer')
    .summary('be the built-in healer: what a kind of agents starts')
    .description(
      'Is the built-in agent that looks after servers, by the line protocol, for the node that starts it as a kind of agents: docs/self-healing.md. What it looks after stands in AGENT_CONFIG (agent spawn --tell).',
    )
    .addHelpText(
      'after',
      examples(`starling agent spawn healer --tell '{"watch":[{"server":"files"}]}'`),
    )
    .action(action(outcome, () => import('../../commands/agent/healer.ts')));
}

function addMessage(command: Make, outcome: Outcome): void {
  command('message', 'Sends a message to an agent; a query prints its answer.', '<agent>', AGENT)
    .argument('<message>', 'JSON is taken as JSON, anything else as text')
    .addOption(
      new Option('--type <type>', 'what it is for').choices([
        'command',
        'query',
        'event',
        'response',
      ]),
    )
    .option('--from <name>', 'which agent of yours sends it')
    .option('--data <json>', 'goes along with the message')
    .addOption(
      new Option('--priority <priority>', 'how urgent it is').choices([
        'low',
        'medium',
        'normal',
        'high',
      ]),
    )
    .option('--timeout <duration>', 'how long a query waits (default: 30s)', parseDuration)
    .option('--ttl <duration>', 'how long it waits for a node that is away', parseDuration)
    .option(
      '--sealed',
      "close it for the key of the agent's node: whoever carries it can't read it",
    )
    .option('--session <name>', 'the conversation with an agent that thinks that this is part of')
    .option('--reply-to <id>', 'the query that this answers: its id')
    .addHelpText(
      'after',
      examples(
        "starling agent message coder@bob 'run the tests'",
        "starling agent message coder@bob 'what is your status?' --type query",
        "starling agent message clerk 'and yesterday?' --type query --session books",
      ),
    )
    .action(action(outcome, () => import('../../commands/agent/message.ts')));
}
