/** The commands `starling secret …`. Imports nothing heavy: each is loaded when it is run. */
import type { Command } from 'commander';
import { action, examples, ofNode, withJson } from '../command-line/define-command.ts';
import type { Outcome } from '../command-line/define-command.ts';

/** Adds `secret` and its commands. */
export function addSecret(program: Command, outcome: Outcome): void {
  const secret = program
    .command('secret')
    .summary('keep secrets of MCP servers')
    .description(
      "Keeps secrets, encrypted, that the config file names as ${secret:NAME}: in a server's env and headers, and as its oauth.clientSecret and tls.key.",
    )
    .addHelpText('after', examples('starling secret set GITHUB_TOKEN', 'starling secret list'));
  const name = 'like GITHUB_TOKEN: A-Z, 0-9 and _';
  withJson(ofNode(secret.command('set').argument('<name>', name)))
    .summary('set a secret')
    .description(
      'Sets a secret. Its value is asked for on a terminal, or read from standard input or a file; it is never an argument. Servers that are started afterwards get it.',
    )
    .option('--file <file>', 'read the value from this file')
    .addHelpText(
      'after',
      examples(
        'starling secret set GITHUB_TOKEN',
        'pass show github | starling secret set GITHUB_TOKEN',
        "starling mcp add -e 'GITHUB_TOKEN=${secret:GITHUB_TOKEN}' github -- github-mcp-server stdio",
      ),
    )
    .action(action(outcome, () => import('../../commands/secret/set.ts')));
  withJson(ofNode(secret.command('list').alias('ls')))
    .summary('show secrets, without their values')
    .description('Shows the secrets by name: when each was set, and which servers use it.')
    .addHelpText('after', examples('starling secret list'))
    .action(action(outcome, () => import('../../commands/secret/list.ts')));
  withJson(ofNode(secret.command('remove').alias('rm').argument('<name>', name)))
    .summary('forget a secret')
    .description('Forgets a secret. Servers that run keep it until they end.')
    .addHelpText('after', examples('starling secret remove GITHUB_TOKEN'))
    .action(action(outcome, () => import('../../commands/secret/remove.ts')));
}
