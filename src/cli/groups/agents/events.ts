/** The commands `starling broadcast` and `starling events`. */
import type { Command } from 'commander';
import { action, collect, examples, ofNode, withJson } from '../command-line/define-command.ts';
import type { Outcome } from '../command-line/define-command.ts';
import { parseCount, parseTime } from '../../options/parsers.ts';

/** Adds `starling broadcast`. */
export function addBroadcast(program: Command, outcome: Outcome): void {
  withJson(ofNode(program.command('broadcast').argument('<message>')))
    .description('Tells all members of the mesh something: who is away misses it.')
    .summary('tell all members of the mesh something')
    .option('--subject <subject>', 'what it is about (default: broadcast)')
    .option('--from <name>', 'which agent of yours tells it')
    .addHelpText('after', examples("starling broadcast 'lunch is ready'"))
    .action(action(outcome, () => import('../../commands/broadcast.ts')));
}

/** Adds `starling events`. */
export function addEvents(program: Command, outcome: Outcome): void {
  withJson(ofNode(program.command('events')))
    .description('Prints what members of the mesh have told to all lately.')
    .summary('print what members have told to all lately')
    .option(
      '--topic <pattern>',
      "subjects, with * for one word and > for the rest: 'agent.*.events'",
    )
    .option(
      '--arg <rule>',
      "only messages whose member is so: level=error, 'count>=10', 'name^=build-' (may be repeated)",
      collect,
    )
    .option('-f, --follow', 'go on with what comes')
    .option(
      '--since <when>',
      'how long ago (2h), or a date: also what was told while nobody here heard it',
      parseTime,
    )
    .option('-n, --lines <n>', 'events at the most', parseCount, 100)
    .addHelpText(
      'after',
      examples(
        'starling events',
        "starling events --topic 'agent.*.events' --follow",
        'starling events --arg level=error',
        'starling events --since 2h',
      ),
    )
    .action(action(outcome, () => import('../../commands/events.ts')));
}
