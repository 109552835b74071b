/** The commands `starling key …`. */
import type { Command } from 'commander';
import { action, collect, examples, ofNode, withJson } from '../command-line/define-command.ts';
import type { Outcome } from '../command-line/define-command.ts';
import { parseDuration } from '../../options/parsers.ts';

/** Adds `starling key` and its commands. */
export function addKey(program: Command, outcome: Outcome): void {
  const key = program
    .command('key')
    .summary('give HTTP clients keys of their own')
    .description(
      'Gives HTTP clients named keys, each with the scopes that you choose. Whoever has the token of the node is its operator; a key is for everybody else.',
    )
    .addHelpText(
      'after',
      examples(
        "starling key create ci --scope 'tool:files/read_*' --expires 90d",
        'starling key list',
      ),
    );
  withJson(
    ofNode(
      key
        .command('create')
        .summary('make a key')
        .description('Makes a key and prints it, this once: only its hash is kept.')
        .argument('<name>', 'what it is called: a-z, 0-9 and -')
        .option(
          '--scope <pattern>',
          "what it may use, like 'tool:files/*' or 'resource:files/**' (may be repeated; default: '*', all but the server starling)",
          collect,
        )
        .option(
          '--expires <duration>',
          'how long it holds (default: until revoked)',
          parseDuration,
        ),
    ),
  )
    .addHelpText(
      'after',
      examples(
        "starling key create ci --scope 'tool:files/read_*' --expires 90d",
        "starling key create editor --scope 'tool:@alice/git/*' --scope 'prompt:files/*'",
      ),
    )
    .action(action(outcome, () => import('../../commands/key/create.ts')));
  withJson(ofNode(key.command('rotate-token')))
    .summary("replace the node's own token")
    .description(
      "Replaces the node's own token: copies of it, in clients' files or elsewhere, are worthless at once, and sessions that came in by it end. Keys stay.",
    )
    .addHelpText('after', examples('starling key rotate-token'))
    .action(action(outcome, () => import('../../commands/key/rotate-token.ts')));
  withJson(ofNode(key.command('list').alias('ls')))
    .summary('show keys')
    .description('Shows the keys by name: what they may use, and when they were used last.')
    .addHelpText('after', examples('starling key list'))
    .action(action(outcome, () => import('../../commands/key/list.ts')));
  withJson(ofNode(key.command('revoke').alias('rm').argument('<key>', 'its name or id')))
    .summary('end a key')
    .description('Ends a key at once: whoever holds it stays outside from then on.')
    .addHelpText('after', examples('starling key revoke ci'))
    .action(action(outcome, () => import('../../commands/key/revoke.ts')));
}
