/** The commands of the audit log; see `program.ts`. */
import { Option } from 'commander';
import type { Command } from 'commander';
import { ENTRY_KINDS, ENTRY_OUTCOMES } from '../../../core/words/audit-words.ts';
import { action, examples, ofNode, withJson } from '../command-line/define-command.ts';
import type { Outcome } from '../command-line/define-command.ts';
import { parseCount, parseTime } from '../../options/parsers.ts';

/** Adds `starling audit tail|query|verify|export`. */
export function addAudit(program: Command, outcome: Outcome): void {
  const audit = program
    .command('audit')
    .summary('see who did what, and whether the record holds')
    .description(
      'Every decision and every call of this node is recorded in a chain of entries that the node signs. These look into that record, and find whatever was changed in it.',
    )
    .addHelpText(
      'after',
      examples('starling audit tail', 'starling audit query --outcome denied --since 1d'),
    );
  withJson(ofNode(filtered(audit.command('tail'))))
    .summary('follow the record')
    .description('Prints the last entries, and each new one as it comes, until Ctrl-C.')
    .option('-n, --lines <n>', 'entries to begin with', parseCount, 10)
    .addHelpText('after', examples('starling audit tail', 'starling audit tail --outcome denied'))
    .action(action(outcome, () => import('../../commands/audit/tail.ts')));
  withJson(ofNode(timed(filtered(audit.command('query')))))
    .summary('look into the past')
    .description('Prints what was decided and done, newest first.')
    .option('--limit <n>', 'entries at the most', parseCount, 50)
    .addHelpText(
      'after',
      examples(
        'starling audit query --outcome denied --since 1d',
        'starling audit query --who laptop --what files/',
      ),
    )
    .action(action(outcome, () => import('../../commands/audit/query.ts')));
  withJson(ofNode(audit.command('verify')))
    .summary('find out whether the record was changed')
    .description(
      'Looks for edits, deletions, reordering and truncation in the record, and says where they are; exit code 1 when there are any. Asks the running node, which also knows what its peers have seen; without one it reads the files.',
    )
    .option('--folder <folder>', 'verify the files in this folder, like a copy')
    .option('--did <did>', "whose record it is (default: the key's in the state folder)")
    .addHelpText(
      'after',
      examples(
        'starling audit verify',
        'starling audit verify --folder /backup/audit --did did:key:z6Mk…',
      ),
    )
    .action(action(outcome, () => import('../../commands/audit/verify.ts')));
  withJson(ofNode(timed(filtered(audit.command('export')))))
    .summary('print the record as JSON Lines')
    .description(
      'Prints the record as JSON Lines, oldest first, each line as it is in the files. Needs no running node.',
    )
    .option('--folder <folder>', 'the files in this folder, like a copy')
    .addHelpText('after', examples('starling audit export --since 2026-05-01 > may.jsonl'))
    .action(action(outcome, () => import('../../commands/audit/export.ts')));
}

function filtered(command: Command): Command {
  return command
    .option(
      '--who <text>',
      'only where who acted, or on whose behalf, contains this; tail and query know peers by their names, too',
    )
    .option('--what <text>', "only where '<ability> <resource>' contains this")
    .addOption(new Option('--kind <kind>', 'only this kind').choices(ENTRY_KINDS))
    .addOption(new Option('--outcome <outcome>', 'only what ended so').choices(ENTRY_OUTCOMES));
}

function timed(command: Command): Command {
  return command
    .option('--since <when>', 'how long ago (2h), or a date', parseTime)
    .option('--until <when>', 'how long ago (2h), or a date', parseTime);
}
