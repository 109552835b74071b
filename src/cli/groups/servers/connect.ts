/** The command `starling connect`. */
import { Option } from 'commander';
import type { Command } from 'commander';
import { action, collect, examples, ofNode, withJson } from '../command-line/define-command.ts';
import type { Outcome } from '../command-line/define-command.ts';
import { CLIENTS } from '../command-line/client-names.ts';

/** Adds `starling connect`. */
export function addConnect(program: Command, outcome: Outcome): void {
  withJson(ofNode(program.command('connect').argument('<client>', CLIENTS)))
    .summary('make an MCP client use Starling')
    .description(
      "Writes an entry that starts `starling mcp`, under a name of the client's own, into an MCP client's file: shows what will change, asks, keeps a copy of the file beside it. Comments and everything else in the file stay.",
    )
    .option('--name <name>', 'what the entry is called', 'starling')
    .option(
      '--as <name>',
      "what you call the client: client:<name> in the policy (default: the client's)",
    )
    .option('--http', 'write the URL and an API key of its own, in place of the command')
    .addOption(
      new Option(
        '--scope <pattern>',
        'with --http: what its key covers (may be repeated)',
      ).argParser(collect),
    )
    .option(
      '--operator',
      'the client, and its model, may do all that you may: rights, keys, approvals',
    )
    .option('--project', "the client's file in this folder, instead of your own")
    .option('--remove', 'take the entry out again')
    .option('--dry-run', 'only show what would change')
    .option('-y, --yes', 'do not ask')
    .addHelpText(
      'after',
      examples(
        'starling connect claude-desktop',
        'starling connect vscode --project --dry-run',
        'starling connect cursor --http --as work',
        'starling connect cursor --remove --yes',
      ),
    )
    .action(action(outcome, () => import('../../commands/connect.ts')));
}
