/** The commands that use tools: `starling tools`, `call` and `trace`. */
import type { Command } from 'commander';
import { action, collect, examples, ofNode, withJson } from '../command-line/define-command.ts';
import type { Outcome } from '../command-line/define-command.ts';
import { parseCount, parseTimeout } from '../../options/parsers.ts';

/** Adds `starling tools`. */
export function addTools(program: Command, outcome: Outcome): void {
  const tools = withJson(
    ofNode(program.command('tools')).argument(
      '[filter]',
      'only those of this peer or server; else names that contain this',
    ),
  )
    .summary('list the tools that you can call')
    .description(
      "Lists this node's tools and those that peers have granted to it. The whole name of one tool shows all about it.",
    )
    .addHelpText('after', examples('starling tools', 'starling tools files'))
    .action(action(outcome, () => import('../../commands/tools/list.ts')));
  withJson(ofNode(tools.command('show').argument('<tool>', 'its name, as starling tools shows it')))
    .summary('show what one tool does and takes')
    .description(
      'Prints the whole text of a tool, each argument with its type and whether it is needed, and an example.',
    )
    .addHelpText('after', examples('starling tools show alice__files__read_text_file'))
    .action(action(outcome, () => import('../../commands/tools/show.ts')));
}

/** Adds `starling call`. */
export function addCall(program: Command, outcome: Outcome): void {
  withJson(
    ofNode(
      program
        .command('call')
        .summary('call a tool')
        .description(
          'Calls a tool, here or at a peer, and prints its result: what an MCP client does, from the shell. Ctrl-C cancels the call.',
        )
        .argument('<tool>', 'its name, as starling tools shows it')
        .argument('[arguments...]', 'name=value, name=@file or name:=json, as with --arg')
        .option(
          '--arg <name=value>',
          'an argument; name=@file reads a file, name:=json gives JSON (may be repeated)',
          collect,
        )
        .option('--args <json>', 'all arguments as one JSON object; - reads it from standard input')
        .option(
          '--timeout <duration>',
          'stop waiting after this, like 30s; longer than the limits of the nodes on the way never holds',
          parseTimeout,
        )
        .option('--raw', 'print text exactly as it came; not for a terminal')
        .option(
          '--ask',
          "answer in the terminal what the tool's server asks while it works; the server starts anew for that",
        ),
    ),
  )
    .addHelpText(
      'after',
      examples(
        'starling call alice__files__read_text_file path=/srv/docs/a.txt',
        'starling call sums__add --arg a=1 --arg b=2',
        `starling call sums__add --args '{"a": 1, "b": 2}'`,
      ),
    )
    .action(action(outcome, () => import('../../commands/call.ts')));
}

/** Adds `starling ask`. */
export function addAsk(program: Command, outcome: Outcome): void {
  withJson(
    ofNode(
      program
        .command('ask')
        .summary('have a model answer with your tools')
        .description(
          'Has a language model answer a question with the tools that you have. First it shows what it means to do and by which tools; it calls those, and no others, once you agree. What the policy asks approval for waits, and is answered with: starling approvals approve <id>.',
        )
        .argument('<question>', 'what to ask; - reads standard input')
        .requiredOption('--model <name>', 'a model or route, as starling model list shows it')
        .option('--plan', 'only show what it would do')
        .option(
          '--steps <n>',
          'how often the model is asked, at the most (default: 12)',
          parseCount,
        )
        .option('--yes', 'agree beforehand to the tools that it plans'),
    ),
  )
    .addHelpText(
      'after',
      examples(
        "starling ask 'Which of my notes are about herons?' --model gpu/qwen3:8b",
        "starling ask 'Which of my notes are about herons?' --model gpu/qwen3:8b --plan",
      ),
    )
    .action(action(outcome, () => import('../../commands/ask.ts')));
}

/** Adds `starling trace`. */
export function addTrace(program: Command, outcome: Outcome): void {
  withJson(
    ofNode(
      program
        .command('trace')
        .summary('see where the time of a call goes')
        .description(
          'Calls a tool as starling call does, and shows in place of its result what each part of the way took: this node, the link to the peer (direct or relayed), the node of the peer, and the server.',
        )
        .argument('<tool>', 'its name, as starling tools shows it')
        .argument('[arguments...]', 'name=value, name=@file or name:=json')
        .option('--args <json>', 'all arguments as one JSON object; - reads it from standard input')
        .option('--timeout <duration>', 'stop waiting after this, like 30s', parseTimeout),
    ),
  )
    .addHelpText('after', examples('starling trace alice__files__list_directory path=/srv/docs'))
    .action(action(outcome, () => import('../../commands/trace.ts')));
}

/** Adds `starling request`. */
export function addRequest(program: Command, outcome: Outcome): void {
  withJson(
    ofNode(
      program
        .command('request')
        .summary('ask a peer for a right')
        .description(
          'Asks the guardian of a peer for what you name, and waits for its answer, or for that of a person there. A yes is a grant to this node.',
        )
        .argument('<resource>', "peer and pattern: 'alice/files/read_*', 'alice/resource:files/**'")
        .requiredOption(
          '--because <text>',
          'what you need it for, and which file or thing, in more than 20 letters',
        )
        .option('--as <agent>', 'who needs it, as the person there reads it', 'operator')
        .option('--type <type>', 'its resource type in the policy of the peer', 'EXTERNAL_SERVICE')
        .option('--timeout <duration>', 'how long to wait (default: 10m)', parseTimeout),
    ),
  )
    .addHelpText(
      'after',
      examples(
        "starling request 'alice/files/read_text_file' --as researcher --because 'to read the plan for the launch on Friday'",
      ),
    )
    .action(action(outcome, () => import('../../commands/request.ts')));
}
