/** The commands `starling budget …`. */
import type { Command } from 'commander';
import { action, collect, examples, ofNode, withJson } from '../command-line/define-command.ts';
import type { Outcome } from '../command-line/define-command.ts';
import { parseCount } from '../../options/parsers.ts';

const NAME = 'name or id of the budget, as starling budget list shows it';
const PEER = 'name, PeerId or did:key of the node';
const AMOUNT = "an amount in the budget's unit, like 5usd, 50000tokens or 100calls";

type Make = (usage: string, about: string) => Command;

/** Adds `starling budget` and its commands. */
export function addBudget(program: Command, outcome: Outcome): void {
  const budget = program
    .command('budget')
    .summary('limit what may be spent, also while nodes are cut off')
    .description(
      'A budget is so many tokens, calls or dollars that nodes may spend together. Each spends rights that it has, and no others, so that no cut cable lets anybody overspend.',
    )
    .addHelpText(
      'after',
      examples(
        'starling budget create research --limit 20usd --share laptop=5usd',
        'starling budget show research',
      ),
    );
  const command: Make = (usage, about) =>
    withJson(ofNode(budget.command(usage).description(about)));
  addCreate(command, outcome);
  addLooks(command, outcome);
  addMoves(command, outcome);
  addEnds(command, outcome);
}

function addCreate(command: Make, outcome: Outcome): void {
  command('create <name>', 'Makes a budget of this node.')
    .requiredOption(
      '--limit <amount>',
      "all that may be spent, like 20usd, 50000tokens, '$100/hour'",
    )
    .option('--share <peer=amount>', 'rights that a peer begins with (may be repeated)', collect)
    .option('--for <what>', 'what counts against it here, like client:claude or tool:search/web')
    .option('--every <duration>', 'the limit is for each such time, like 1h')
    .option('--parent <budget>', 'the budget from which its spending is taken as well')
    .option('--successor <peer>', 'who acts for this node once it is put out of the mesh')
    .addHelpText(
      'after',
      examples(
        'starling budget create research --limit 20usd --share laptop=5usd',
        "starling budget create claude --limit '$10/day' --for client:claude-code",
      ),
    )
    .action(action(outcome, () => import('../../commands/budget/create.ts')));
}

function addLooks(command: Make, outcome: Outcome): void {
  command('list', 'Lists the budgets that this node knows of.')
    .alias('ls')
    .option('--all', 'the closed ones, too')
    .addHelpText('after', examples('starling budget list'))
    .action(action(outcome, () => import('../../commands/budget/list.ts')));
  command('show', 'Shows what is spent, held and free, and the rights of each node.')
    .argument('<name>', NAME)
    .addHelpText('after', examples('starling budget show research'))
    .action(action(outcome, () => import('../../commands/budget/show.ts')));
  command('history', 'Shows what was decided on a budget here, and what was spent by whom.')
    .argument('<name>', NAME)
    .option('--limit <n>', 'entries at the most', parseCount, 50)
    .addHelpText('after', examples('starling budget history research'))
    .action(action(outcome, () => import('../../commands/budget/history.ts')));
}

function addMoves(command: Make, outcome: Outcome): void {
  const move = (name: 'grant' | 'request' | 'give' | 'rebalance' | 'close') =>
    action(outcome, async () => ({ run: (await import('../../commands/budget/change.ts'))[name] }));
  command('grant', 'Lets a node hold rights of a budget: it may ask the other owners for some.')
    .argument('<name>', NAME)
    .argument('<peer>', PEER)
    .argument('[amount]', 'what it gets at once')
    .addHelpText('after', examples('starling budget grant research laptop'))
    .action(move('grant'));
  command(
    'request',
    'Asks the other owners for rights; each gives at the most half of what it has.',
  )
    .argument('<name>', NAME)
    .argument('<amount>', AMOUNT)
    .addHelpText('after', examples('starling budget request research 1usd'))
    .action(move('request'));
  command('give', 'Gives rights that this node has to another owner.')
    .argument('<name>', NAME)
    .argument('<peer>', PEER)
    .argument('<amount>', AMOUNT)
    .addHelpText('after', examples('starling budget give research laptop 5usd'))
    .action(move('give'));
  command('rebalance', 'Gives to each owner that can be reached what it lacks of an equal part.')
    .argument('<name>', NAME)
    .addHelpText('after', examples('starling budget rebalance research'))
    .action(move('rebalance'));
  command('close', 'Ends a budget: nothing is spent of it any more.')
    .argument('<name>', NAME)
    .option('--forget', 'all nodes forget it, also what one that is away has not told yet')
    .addHelpText('after', examples('starling budget close research'))
    .action(move('close'));
}

function addEnds(command: Make, outcome: Outcome): void {
  command(
    'reclaim',
    'Takes back the rights of a node that was put out, or says what became of lost ones.',
  )
    .argument('<name>', NAME)
    .argument('[peer]', 'the node that was put out')
    .option('--yes', 'do not ask')
    .option('--reconcile <amount>', 'so much of what this node held when it was cut off was spent')
    .option(
      '--settle',
      'the node has said two things of what it spent: its later word counts again',
    )
    .addHelpText(
      'after',
      examples(
        'starling budget reclaim research laptop',
        'starling budget reclaim research --reconcile 0.10usd',
      ),
    )
    .action(action(outcome, () => import('../../commands/budget/reclaim.ts')));
}
