/** The commands `starling grant …`. Imports nothing heavy: each is loaded when it is run. */
import type { Command } from 'commander';
import { action, collect, examples, ofNode, withJson } from '../command-line/define-command.ts';
import type { Outcome } from '../command-line/define-command.ts';
import { parseCount, parseDepth, parseDuration, parseRate } from '../../options/parsers.ts';

/** Adds `grant` and its commands. */
export function addGrant(program: Command, outcome: Outcome): void {
  const grant = program
    .command('grant')
    .summary('say who may call what')
    .description(
      'Says which peers may call which tools of this node. Without a grant they see none of them.',
    )
    .addHelpText(
      'after',
      examples("starling grant create bob --tool 'files/*'", 'starling grant list'),
    );
  addCreate(grant, outcome);
  withJson(
    ofNode(grant.command('propose').argument('<sentence>', 'who is to get what, in plain words')),
  )
    .summary('say in plain words what to grant')
    .description(
      'Has a language model turn one sentence into a grant, and shows in our words what that gives. It is granted when you say yes, and never without.',
    )
    .option('--model <name>', 'the model to ask; default the first of this node')
    .addHelpText(
      'after',
      examples("starling grant propose 'let bob read my files until friday' --model gpu/qwen3:8b"),
    )
    .action(action(outcome, () => import('../../commands/grant/propose.ts')));
  withJson(
    ofNode(grant.command('list').alias('ls').argument('[peer]', 'only those to and from it')),
  )
    .summary('show grants')
    .description(
      'Shows the grants that this node gave and got: who may call what, and how long. Who belongs to the mesh, and open tickets, show by: starling members',
    )
    .option('--all', 'also memberships and tickets that this node gave')
    .option('--wide', 'show abilities and resources as they stand in the grants')
    .addHelpText(
      'after',
      examples(
        'starling grant list',
        'starling grant list laptop',
        'starling grant list --all --wide',
      ),
    )
    .action(action(outcome, () => import('../../commands/grant/list.ts')));
  withJson(ofNode(grant.command('show').argument('<id>', ID)))
    .summary('show one grant and all that it stands on')
    .description(
      'Draws the chain of a grant: who gave what to whom, what each link narrows, and when it ends.',
    )
    .addHelpText('after', examples('starling grant show 3f9c2a7e'))
    .action(action(outcome, () => import('../../commands/grant/show.ts')));
  addDelegate(grant, outcome);
  withJson(
    ofNode(
      grant
        .command('revoke')
        .aliases(['rm', 'delete'])
        .summary('end a grant')
        .description(
          'Ends a grant at once, in open sessions too. Revoking a membership puts its holder out.',
        )
        .argument('<id>', ID)
        .option('--reason <text>', 'why'),
    ),
  )
    .addHelpText('after', examples("starling grant revoke 3f9c2a7e --reason 'laptop was lost'"))
    .action(action(outcome, () => import('../../commands/grant/revoke.ts')));
  addByHand(grant, outcome);
}

const ID = 'id of the grant, or its first characters';
const TOKENS = 'grants as text; - reads them from standard input';

function addCreate(grant: Command, outcome: Outcome): void {
  const create = grant
    .command('create')
    .summary('let a peer use servers')
    .description(
      'Lets a peer use tools, resources and prompts of this node, until the grant ends or is revoked. Without --expires it lasts a day, and is renewed as long as the peer is there.',
    )
    .argument('<peer>', 'alias, PeerId or did:key');
  create
    .option('--board <name>', 'a board that is not open, and nothing else')
    .option('--may <right>', 'with --board: read, write or admin; default read');
  withJson(ofNode(conditions(things(create))))
    .addHelpText(
      'after',
      examples(
        "starling grant create bob --tool 'files/*'",
        "starling grant create bob --tool 'files/read_*' --expires 8h",
        "starling grant create bob --tool files/read_file --arg 'path=/srv/docs/**' --rate 5/s",
        'starling grant create bob --tool files/write_file --uses 3 --needs-approval',
        'starling grant create bob --server git',
        'starling grant create bob --agent reviewer',
        "starling grant create bob --model 'gpu/*'",
        'starling grant create bob --board plan --may write',
      ),
    )
    .action(action(outcome, () => import('../../commands/grant/create.ts')));
}

function addDelegate(grant: Command, outcome: Outcome): void {
  const delegate = grant
    .command('delegate')
    .summary('hand on a grant that this node got')
    .description(
      'Gives what this node received, or a part of it, to somebody else. It can only be narrower, and ends with what it stands on.',
    )
    .argument('<id>', ID)
    .argument('<peer>', 'alias, PeerId or did:key of who gets it');
  withJson(ofNode(conditions(things(delegate))))
    .addHelpText(
      'after',
      examples(
        'starling grant delegate 3f9c2a7e carol',
        "starling grant delegate 3f9c2a7e carol --tool files/read_file --arg 'path=/srv/docs/**' --uses 10",
      ),
    )
    .action(action(outcome, () => import('../../commands/grant/delegate.ts')));
}

function addByHand(grant: Command, outcome: Outcome): void {
  withJson(grant.command('verify').argument('<grant...>', TOKENS))
    .summary('check a grant, without a node')
    .description(
      'Says whether a grant holds, or exactly which rule fails. Needs no node and no network: give it the grant and all that it stands on. What was revoked, it can not know.',
    )
    .addHelpText('after', examples('starling grant export 3f9c2a7e | starling grant verify -'))
    .action(action(outcome, () => import('../../commands/grant/verify.ts')));
  withJson(ofNode(grant.command('export').argument('<id>', ID)))
    .summary('print a grant, to carry it by hand')
    .description(
      'Prints a grant and all that it stands on, one a line. Nobody but its holder can use it.',
    )
    .addHelpText('after', examples('starling grant export 3f9c2a7e > grant.txt'))
    .action(action(outcome, () => import('../../commands/grant/export.ts')));
  withJson(ofNode(grant.command('import').argument('<grant...>', TOKENS)))
    .summary('take in a grant that came by hand')
    .description('Keeps grants for this node, given with all that they stand on.')
    .addHelpText('after', examples('starling grant import - < grant.txt'))
    .action(action(outcome, () => import('../../commands/grant/import.ts')));
}

function things(command: Command): Command {
  return command
    .option(
      '--tool <pattern>',
      "<server>/<tool>, with * as wildcard, like 'files/*' (may be repeated)",
      collect,
    )
    .option(
      '--resource <pattern>',
      "<server>/<uri>, like 'files/file:///srv/docs/**' (may be repeated)",
      collect,
    )
    .option('--prompt <pattern>', "<server>/<prompt>, like 'git/*' (may be repeated)", collect)
    .option('--server <name>', 'everything of this server (may be repeated)', collect)
    .option(
      '--agent <name>',
      "to write to this agent, like coder or 'team-*' (may be repeated)",
      collect,
    )
    .option(
      '--spawn <kind>',
      "to run agents of this kind here, like coder or 'team-*' (may be repeated)",
      collect,
    )
    .option(
      '--model <pattern>',
      "language models, <provider>/<model>, like 'gpu/*' (may be repeated)",
      collect,
    );
}

function conditions(command: Command): Command {
  return command
    .option('--expires <duration>', 'how long it holds, without being renewed', parseDuration)
    .option('--uses <count>', 'how many calls in all', parseCount)
    .option('--rate <rate>', 'how many calls, like 5/s, 100/m or 10/h', parseRate)
    .option(
      '--arg <rule>',
      "what an argument must be: 'path=/srv/docs/**', mode=read, 'count<=10', 'branch^=feature-' (may be repeated; the same name again is another choice)",
      collect,
    )
    .option('--hours <times>', "when it counts, like '08:00-18:00' or 'mon-fri 08:00-18:00'")
    .option('--budget <budget>', 'each call counts against this budget of yours')
    .option('--needs-approval', 'somebody here must say yes to each call')
    .option(
      '--max-depth <hands>',
      'through how many further hands it may go (default: 0)',
      parseDepth,
    );
}
