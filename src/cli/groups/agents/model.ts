/** The commands `starling model …` and `starling llm …`. Imports nothing heavy: each is loaded when it is run. */
import { Option } from 'commander';
import type { Command } from 'commander';
import { action, collect, examples, ofNode, withJson } from '../command-line/define-command.ts';
import type { Outcome } from '../command-line/define-command.ts';
import { parseCount } from '../../options/parsers.ts';
import { addLlmBatch } from './llm-batch.ts';

const MODEL = 'name of a model, like gpu/qwen3:8b: see starling model list';

/** Adds `starling model` and its commands. */
export function addModel(program: Command, outcome: Outcome): void {
  const model = program
    .command('model')
    .summary('share language models like tools')
    .description(
      "Providers of language models in this node's config file, and the models that this node brings to programs and peers.",
    )
    .addHelpText(
      'after',
      examples(
        'starling model add gpu --url http://127.0.0.1:11434',
        'starling model add anthropic --key-from secret:ANTHROPIC',
      ),
    );
  addModelAdd(model, outcome);
  withJson(ofNode(model.command('list').alias('ls')))
    .summary('list the models that may be used here')
    .description(
      'Lists the providers in the config file, and the models of this node and of peers if the node runs.',
    )
    .addHelpText('after', examples('starling model list', 'starling model list --json'))
    .action(action(outcome, () => import('../../commands/model/list.ts')));
  withJson(ofNode(model.command('test').argument('<name>', 'a provider, or one of its models')))
    .summary('see whether a provider or a model answers')
    .description(
      'Asks a provider for its models, which costs nothing; or a model, <provider>/<model>, one short question.',
    )
    .addHelpText('after', examples('starling model test gpu', 'starling model test gpu/qwen3:8b'))
    .action(action(outcome, () => import('../../commands/model/test.ts')));
  addStats(model, 'starling model stats', outcome);
  withJson(ofNode(model.command('remove').alias('rm').argument('<name>', 'the provider')))
    .summary('take a provider out of the config file')
    .description('Takes a provider of models out of the config file.')
    .addHelpText('after', examples('starling model remove gpu'))
    .action(action(outcome, () => import('../../commands/model/remove.ts')));
}

function addModelAdd(model: Command, outcome: Outcome): void {
  withJson(ofNode(model.command('add')))
    .summary('add a provider of models to the config file')
    .description(
      "Adds a provider of models to this node's config file: anything that speaks the OpenAI API (Ollama, llama.cpp, LM Studio, vLLM, OpenRouter), Anthropic, or Google. openai, anthropic, google, openrouter and ollama need no address. Its models are called <name>/<model>.",
    )
    .argument('<name>', 'what to call it: its models become <name>/<model>')
    .option('--url <address>', 'where it is, like http://127.0.0.1:11434')
    .option('--key-from <place>', 'where its key is: secret:NAME of this node, or env:NAME')
    .addOption(
      new Option('--api <kind>', 'the API it speaks; default as its name or address says').choices([
        'openai',
        'anthropic',
        'google',
      ]),
    )
    .option('--model <name>', 'the only model that is offered (may be repeated)', collect)
    .option('-f, --force', 'replace a provider of this name')
    .addHelpText(
      'after',
      examples(
        'starling model add gpu --url http://127.0.0.1:11434',
        'starling model add anthropic --key-from secret:ANTHROPIC',
      ),
    )
    .action(action(outcome, () => import('../../commands/model/add.ts')));
}

/** Adds `starling llm` and its commands. */
export function addLlm(program: Command, outcome: Outcome): void {
  const llm = program
    .command('llm')
    .summary('ask language models, and see what they took')
    .description('Asks the language models of this node and of peers, and shows what went through.')
    .addHelpText(
      'after',
      examples(
        "starling llm ask 'Why is the sky blue?' --model gpu/qwen3:8b",
        'starling llm stats',
      ),
    );
  withJson(ofNode(llm.command('ask').argument('<question>', 'what to ask; - reads standard input')))
    .summary('ask a model, and see the answer as it comes')
    .description('Asks a model. The answer is printed as it comes; with --json once it is whole.')
    .requiredOption('--model <name>', MODEL)
    .option('--system <text>', 'how the model is to behave')
    .option('--max-tokens <n>', 'longest answer, in tokens', parseCount)
    .option('--temperature <number>', 'from 0, the likeliest words, to 2', Number)
    .option(
      '--budget <name>',
      'what it counts against: research, or so much of one, research:0.50usd',
    )
    .addHelpText(
      'after',
      examples(
        "starling llm ask 'Why is the sky blue?' --model gpu/qwen3:8b",
        'git diff | starling llm ask - --model gpu/qwen3:8b',
        "starling llm ask 'What does this cost?' --model gpu/qwen3:8b --budget research",
      ),
    )
    .action(action(outcome, () => import('../../commands/llm/ask.ts')));
  addStats(llm, 'starling llm stats', outcome);
  addTranscripts(llm, outcome);
  addLlmBatch(llm, outcome);
  addReplay(llm, outcome);
}

/** Both of `model` and `llm`: whoever looks for what a model took looks at either. */
function addStats(parent: Command, example: string, outcome: Outcome): void {
  withJson(ofNode(parent.command('stats')))
    .summary('show what went through, by model and caller')
    .description(
      'Shows calls, tokens, costs and times by model, caller and task, since this node keeps counts.',
    )
    .option('--model <name>', 'only of this model or provider')
    .option('--limit <n>', 'rows at the most', parseCount, 50)
    .addHelpText('after', examples(example))
    .action(action(outcome, () => import('../../commands/llm/stats.ts')));
}

function addTranscripts(llm: Command, outcome: Outcome): void {
  withJson(ofNode(llm.command('transcripts')))
    .summary('show prompts and answers that are kept')
    .description(
      'Shows prompts and answers of the models that models.transcripts of the config file names, the newest first. Without that nothing is kept.',
    )
    .option('--model <name>', 'only of this model or provider')
    .option('--before <id>', 'only older ones than this: what a page before ended with')
    .option('--limit <n>', 'how many at the most, up to 200', parseCount, 20)
    .addHelpText(
      'after',
      examples('starling llm transcripts', 'starling llm transcripts --model gpu --limit 5'),
    )
    .action(action(outcome, () => import('../../commands/llm/transcripts.ts')));
}

function addReplay(llm: Command, outcome: Outcome): void {
  withJson(ofNode(llm.command('record')))
    .summary('record what several models answer, to see what a cheaper route would save')
    .description(
      'Asks each model each question of a file, and keeps questions and answers in a file that only you can read. Each answer costs what it costs, and counts against your budgets. docs/models.md says what the lines of the file are.',
    )
    .argument('<file>', 'questions, a line of JSON each: class, prompt or body, and expect')
    .requiredOption('--model <name>', 'a model, the smallest first (to be repeated)', collect)
    .requiredOption('--out <file>', 'where to keep what was answered')
    .option('-f, --force', 'replace that file')
    .addHelpText(
      'after',
      examples(
        'starling llm record questions.jsonl --model gpu/qwen3:8b --model anthropic/claude-opus-4-6 --out mix.jsonl',
      ),
    )
    .action(action(outcome, () => import('../../commands/llm/record.ts')));
  withJson(llm.command('replay'))
    .summary('see what a cheaper route would have cost, and how good its answers were')
    .description(
      'Replays recorded answers: for each class of questions the cheapest way that keeps the quality of the best model, chosen by one half of them and judged by the other. Asks nobody. Without a file, a mix that is made up.',
    )
    .argument('[file]', 'what starling llm record has kept; default: a mix that is made up')
    .option('--class <name>', 'only questions of this class (may be repeated)', collect)
    .addHelpText(
      'after',
      examples(
        'starling llm replay',
        'starling llm replay --class reason',
        'starling llm replay mix.jsonl',
      ),
    )
    .action(action(outcome, () => import('../../commands/llm/replay.ts')));
}
