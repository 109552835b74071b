/** The commands `starling board …`. */
import type { Command } from 'commander';
import { action, examples, ofNode, withJson } from '../command-line/define-command.ts';
import type { Outcome } from '../command-line/define-command.ts';
import { parseDuration } from '../../options/parsers.ts';

const REQUEST =
  'on a strong board: what this request is called, so that it is done once however often it is tried';
const SEEN =
  'the token of an earlier answer (--json) of any node: this one waits until it has seen as much';

/** Adds `starling board` and its commands. */
export function addBoard(program: Command, outcome: Outcome): void {
  const board = program
    .command('board')
    .summary('read and write the shared boards')
    .description(
      'Reads and writes the boards that all peers share: small notes that every node holds and that merge by themselves.',
    )
    .addHelpText(
      'after',
      examples('starling board set plan owner alice --create', 'starling board get plan owner'),
    );
  const command = (name: string, about: string, ...args: readonly string[]): Command => {
    const made = board.command(name).description(about);
    for (const arg of args) {
      if (arg === '[prefix]') made.argument(arg, 'only keys that start with this');
      else made.argument(arg);
    }
    return withJson(ofNode(made));
  };
  addRights(command, outcome);
  command('get', 'Prints one entry; exit code 1 when there is none.', '<board>', '<key>')
    .option('--seen <token>', SEEN)
    .option('--consistency <kind>', 'of a strong board: eventual reads what this node knows')
    .addHelpText('after', examples('starling board get plan owner'))
    .action(action(outcome, () => import('../../commands/board/get.ts')));
  command(
    'set',
    'Writes one entry, which every peer gets. A value that is JSON is taken as JSON, anything else as text.',
    '<board>',
    '<key>',
    '<value>',
  )
    .option('--string', 'take the value as text, whatever it looks like')
    .option('--create', 'make the board where there is none of this name')
    .option('--open', 'with --create: all members may read and write the board')
    .option('--ttl <duration>', 'after how long the entry ends by itself', parseDuration)
    .option('--seen <token>', SEEN)
    .option('--request <id>', REQUEST)
    .addHelpText(
      'after',
      examples(
        'starling board set plan owner alice --create',
        `starling board set plan limits '{"cpu": 4}'`,
      ),
    )
    .action(action(outcome, () => import('../../commands/board/set.ts')));
  addStrong(command, outcome);
  command('delete', 'Deletes one entry, everywhere.', '<board>', '<key>')
    .option('--request <id>', REQUEST)
    .addHelpText('after', examples('starling board delete plan owner'))
    .action(action(outcome, () => import('../../commands/board/delete.ts')));
  command('list', 'Lists the boards, or the entries of one.', '[board]', '[prefix]')
    .addHelpText('after', examples('starling board list', 'starling board list plan task/'))
    .action(action(outcome, () => import('../../commands/board/list.ts')));
  command('info', 'Shows what a board holds, and who wrote how often.', '<board>')
    .addHelpText('after', examples('starling board info plan'))
    .action(action(outcome, () => import('../../commands/board/info.ts')));
  addPast(command, outcome);
  command('drop', 'Deletes all entries of a board, everywhere, and the board with them.', '<board>')
    .addHelpText('after', examples('starling board drop plan'))
    .action(action(outcome, () => import('../../commands/board/drop.ts')));
  command('watch', 'Prints each change as it happens, until Ctrl-C.', '<board>', '[prefix]')
    .addHelpText('after', examples('starling board watch plan', 'starling board watch plan task/'))
    .action(action(outcome, () => import('../../commands/board/watch.ts')));
}

/** The commands of strong boards. */
function addStrong(
  command: (name: string, about: string, ...args: string[]) => Command,
  outcome: Outcome,
): void {
  command(
    'cas',
    'Writes an entry of a strong board if it is as expected (without options: if it is not there); exit code 1 when it is not.',
    '<board>',
    '<key>',
    '<value>',
  )
    .option('--expect <value>', 'the value that must be there')
    .option('--at <version>', 'the version that it must have, as get --json says')
    .option('--string', 'take both values as text, whatever they look like')
    .option('--request <id>', REQUEST)
    .addHelpText('after', examples('starling board cas jobs leader alice --expect bob'))
    .action(action(outcome, () => import('../../commands/board/cas.ts')));
  command(
    'lease',
    'Takes the lease of a key of a strong board, or renews it; exit code 1 when somebody else has it.',
    '<board>',
    '<key>',
  )
    .option('--holder <name>', 'who shall have it; default: this node')
    .option('--ttl <duration>', 'when it ends unless renewed; default 30s', parseDuration)
    .option('--release', 'give it back')
    .option('--request <id>', REQUEST)
    .addHelpText(
      'after',
      examples(
        'starling board lease jobs printer --ttl 1m',
        'starling board lease jobs printer --release',
      ),
    )
    .action(action(outcome, () => import('../../commands/board/lease.ts')));
  command(
    'replicas',
    'Shows who keeps a strong board, or changes that: every key is on the new ones then.',
    '<board>',
  )
    .option('--add <peers>', 'who keeps it from now on, or has lost the disk; commas between')
    .option('--remove <peers>', 'who keeps it no more')
    .addHelpText(
      'after',
      examples(
        'starling board replicas jobs',
        'starling board replicas jobs --add dave --remove bob',
      ),
    )
    .action(action(outcome, () => import('../../commands/board/replicas.ts')));
}

/** The commands that make boards, and say who may do what on them. */
function addRights(
  command: (name: string, about: string, ...args: string[]) => Command,
  outcome: Outcome,
): void {
  command(
    'create',
    "Makes a board: in a private mesh it is this node's until you grant others a right, in an open one everybody's.",
    '<board>',
  )
    .option('--open', 'all members may read and write it')
    .option('--signed', "each entry carries its writer's signature, whoever passes it on")
    .option(
      '--hold <who>',
      'which nodes hold its entries: all, listed (those with a right), or on-demand (of these only the ones at which somebody uses it)',
    )
    .option(
      '--strong [peers]',
      'its keys change one change after the other; these peers keep it, with commas between (default: this node and up to four others)',
    )
    .addHelpText(
      'after',
      examples(
        'starling board create plan',
        'starling board create notes --open',
        'starling board create archive --hold on-demand',
        'starling board create jobs --strong',
      ),
    )
    .action(action(outcome, () => import('../../commands/board/create.ts')));
  command(
    'grant',
    'Lets a peer, or a client of this node, read, write or administer a board that is not open.',
    '<board>',
    '<peer|client:name>',
    '<read|write|admin>',
  )
    .option('--prefix <prefix>', 'only keys that start with this may be written')
    .addHelpText(
      'after',
      examples(
        'starling board grant plan bob read',
        'starling board grant plan bob write --prefix tasks/bob/',
        'starling board grant plan client:cursor write',
      ),
    )
    .action(action(outcome, () => import('../../commands/board/grant.ts')));
  command(
    'revoke',
    'Takes all rights of a peer or a client back: what it wrote so far stays, what it writes from now on counts nowhere.',
    '<board>',
    '<peer|client:name>',
  )
    .addHelpText('after', examples('starling board revoke plan bob'))
    .action(action(outcome, () => import('../../commands/board/revoke.ts')));
}

/** The commands about what was, and what is kept elsewhere. */
function addPast(
  command: (name: string, about: string, ...args: string[]) => Command,
  outcome: Outcome,
): void {
  command('history', 'Prints who changed what when, the oldest first.', '<board>', '[key]')
    .option('--from <position>', 'only what came after this position, of --json')
    .addHelpText(
      'after',
      examples('starling board history plan', 'starling board history plan owner'),
    )
    .action(action(outcome, () => import('../../commands/board/history.ts')));
  command(
    'undo',
    "Writes again what was there before this node's last write of the key; refused when somebody wrote since.",
    '<board>',
    '<key>',
  )
    .addHelpText('after', examples('starling board undo plan owner'))
    .action(action(outcome, () => import('../../commands/board/undo.ts')));
  command('export', 'Prints the entries as JSON Lines.', '<board>', '[prefix]')
    .addHelpText('after', examples('starling board export plan > plan.jsonl'))
    .action(action(outcome, () => import('../../commands/board/export.ts')));
  command(
    'import',
    'Writes the entries of a file of JSON Lines, as `board export` prints them; - reads from the standard input.',
    '<board>',
    '<file>',
  )
    .option('--dry-run', 'only say what would be written')
    .option('--create', 'make the board where there is none of this name')
    .addHelpText('after', examples('starling board import plan plan.jsonl --dry-run'))
    .action(action(outcome, () => import('../../commands/board/import.ts')));
}
