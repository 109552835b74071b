/** The commands `starling llm batch …`. Imports nothing heavy: each is loaded when it is run. */
import type { Command } from 'commander';
import { action, examples, ofNode, withJson } from '../command-line/define-command.ts';
import type { Outcome } from '../command-line/define-command.ts';

const ID = 'its id, or the beginning of one: see starling llm batch list';

/** Adds `starling llm batch` and its commands. */
export function addLlmBatch(llm: Command, outcome: Outcome): void {
  const batch = llm
    .command('batch')
    .summary('have many requests answered within a day, for half the price')
    .description(
      'Batches of requests to one model, which its vendor answers when it has time: OpenAI and Anthropic take half the price. docs/models.md says what the lines of the file are.',
    )
    .addHelpText(
      'after',
      examples(
        'starling llm batch submit requests.jsonl --model anthropic/claude-haiku-4-5',
        'starling llm batch list',
      ),
    );
  withJson(ofNode(batch.command('submit')))
    .summary('submit the requests of a file')
    .description(
      "Submits the requests of a file to the vendor of a model of this node's own providers. The most that all may cost is held of your budgets, and settled by what each answer took.",
    )
    .argument('<file>', 'a line of JSON each: custom_id, and body (OpenAI) or params (Anthropic)')
    .requiredOption('--model <name>', 'the model that answers all of them')
    .option(
      '--budget <name>',
      'what it counts against: research, or so much of one, research:0.50usd',
    )
    .addHelpText(
      'after',
      examples(
        'starling llm batch submit requests.jsonl --model anthropic/claude-haiku-4-5',
        'starling llm batch submit requests.jsonl --model openai/gpt-5-mini --budget research',
      ),
    )
    .action(action(outcome, () => import('../../commands/llm/batch/submit.ts')));
  withJson(ofNode(batch.command('list').alias('ls')))
    .summary('list batches, and how each is')
    .description('Lists the batches of this node, the newest first, with what each did cost.')
    .addHelpText('after', examples('starling llm batch list'))
    .action(action(outcome, () => import('../../commands/llm/batch/list.ts')));
  withJson(ofNode(batch.command('result').argument('<id>', ID)))
    .summary('read the answers of a batch that is over')
    .description(
      'Prints the answers of a batch in the order of its requests, a line of JSON each: custom_id, and response or error. Answers are kept for 30 days.',
    )
    .option('--out <file>', 'write them to a new file that only you can read')
    .addHelpText(
      'after',
      examples(
        'starling llm batch result 3kXq81bZ',
        'starling llm batch result 3kXq81bZ --out answers.jsonl',
      ),
    )
    .action(action(outcome, () => import('../../commands/llm/batch/result.ts')));
  withJson(ofNode(batch.command('cancel').argument('<id>', ID)))
    .summary('stop a batch, or forget one that is over')
    .description(
      'Has the vendor stop a batch: what was answered until then is there, and paid. With --forget one that is over is forgotten, with its answers.',
    )
    .option('--forget', 'forget one that is over, with its answers')
    .addHelpText(
      'after',
      examples('starling llm batch cancel 3kXq81bZ', 'starling llm batch cancel 3kXq81bZ --forget'),
    )
    .action(action(outcome, () => import('../../commands/llm/batch/cancel.ts')));
}
