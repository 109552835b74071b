/** The tools of language models: which there are, whether one answers, a question to one, and what went through. */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { Funds } from '../../budget/index.ts';
import type { Clock } from '../../core/index.ts';
import { defineTool } from '../../gateway/index.ts';
import type { BuiltinTool } from '../../gateway/index.ts';
import type { Models } from '../models.ts';
import { budgetText, modelName, taskId, withBudget } from './counted-input.ts';
import { firstOwnModel } from './first-model.ts';
import { askQuery } from './query.ts';
import { QUERY_TYPES, askTyped } from './typed-query.ts';
import type {
  AiQueryResult,
  LlmGradeResult,
  LlmStatsResult,
  ModelListResult,
  ModelTestResult,
} from '../types.ts';

/** What these tools need. */
export interface ModelToolComponents {
  readonly models: Models;
  /** Gives a question the budget that it names. */
  readonly funds: Pick<Funds, 'of' | 'end'>;
  readonly clock: Clock;
}

const QUERY_MAX = 4_000_000;
const TEST_QUERY = 'Answer with the one word ready.';
/** Thinking models spend some before the first word. */
const TEST_TOKENS = 256;
/** Functions that one question may offer. */
const FUNCTIONS_MAX = 128;
/** Grades that are told at a time. */
const GRADES_MAX = 1000;

const QUERY_INPUT = z.object({
  query: z.string().min(1).max(QUERY_MAX).describe('The question.'),
  type: z
    .enum(QUERY_TYPES)
    .optional()
    .describe(
      '`completion` (default): a text. `function_call`: which of `functions` to call with what; nobody here calls it. `embedding`: the vector of the query. `moderation`: whether the query is objectionable.',
    ),
  functions: z
    .array(
      z.object({
        name: z.string().regex(/^[\w-]{1,64}$/),
        description: z.string().max(4096).optional(),
        parameters: z.record(z.string(), z.json()).optional(),
      }),
    )
    .max(FUNCTIONS_MAX)
    .optional()
    .describe('For `function_call`: functions of the caller, their arguments by JSON Schema.'),
  model: modelName
    .optional()
    .describe('As model_list names it: `gpu/qwen`. Default: the first of this node.'),
  system: z.string().max(QUERY_MAX).optional().describe('How the model is to behave.'),
  context: z
    .record(z.string(), z.json())
    .optional()
    .describe('Data for the question, which the model is told is none of its instructions.'),
  temperature: z.number().min(0).max(2).optional(),
  max_tokens: z.number().int().min(1).max(10_000_000).optional(),
  task_id: taskId,
  budget: budgetText.describe(
    'What it counts against besides: a budget, or so much of one: research, research:0.50usd.',
  ),
});

/** `model_list`, `model_test`, `ai_query`, `llm_stats`, `llm_grade`; `messageBytes` bounds an answer. */
export function modelTools(
  components: ModelToolComponents,
  init: { readonly messageBytes: number },
): readonly BuiltinTool[] {
  return [
    listTool(components),
    testTool(components, init.messageBytes),
    queryTool(components, init.messageBytes),
    statsTool(components),
    gradeTool(components),
  ];
}

function listTool({ models }: ModelToolComponents): BuiltinTool {
  return defineTool({
    name: 'model_list',
    title: 'List language models',
    description:
      'The language models that the caller may use, of this node and of peers, and which providers and peers did not answer.',
    input: z.object({}),
    hints: { readOnlyHint: true },
    clients: 'yes',
    waits: true,
    async run(_, { principal, signal }): Promise<ModelListResult> {
      const listed = await models.list(principal, signal);
      if (principal.kind !== 'operator') return listed;
      const namesOf = (provider: string): readonly string[] =>
        listed.models
          .filter(({ name, peer }) => peer === undefined && name.startsWith(`${provider}/`))
          .map(({ name }) => name.slice(provider.length + 1));
      const providers = models
        .providers()
        .map((one) => ({ ...one, models: one.models.length > 0 ? one.models : namesOf(one.name) }));
      return { ...listed, providers };
    },
  });
}

function testTool({ models, clock }: ModelToolComponents, messageBytes: number): BuiltinTool {
  return defineTool({
    name: 'model_test',
    title: 'Test a provider or a model',
    description:
      'Of a provider: asks it for its models, which costs nothing. Of a model, `<provider>/<model>`: asks it one short question, which may cost something.',
    input: z.object({ name: modelName.describe('`gpu`, or `gpu/qwen`.') }),
    hints: { destructiveHint: false },
    clients: 'no',
    waits: true,
    async run(input, { principal, signal }): Promise<ModelTestResult> {
      const begunAt = clock.now();
      const took = (): number => clock.now() - begunAt;
      if (!input.name.includes('/')) {
        const found = await models.probe(input.name, signal);
        return { name: input.name, tookMs: took(), models: found };
      }
      const { response } = await askQuery(
        { query: TEST_QUERY, model: input.name, maxTokens: TEST_TOKENS },
        { models, principal, signal, messageBytes, clock },
      );
      return { name: input.name, tookMs: took(), response };
    },
  });
}

function queryTool(
  { funds, models, clock }: ModelToolComponents,
  messageBytes: number,
): BuiltinTool {
  return defineTool({
    name: 'ai_query',
    title: 'Ask a language model',
    description:
      'Asks a language model that the caller may use, and gives its answer: a text, or what `type` says. A caller that asks for progress is told the text as it comes.',
    input: QUERY_INPUT,
    hints: { destructiveHint: false },
    clients: 'yes',
    onTop: true,
    waits: true,
    async run(input, call): Promise<AiQueryResult> {
      const { principal, signal } = call;
      const { max_tokens: maxTokens, task_id: task, budget, context, ...asked } = input;
      const model = asked.model ?? (await firstOwnModel(models, principal, signal));
      let length = 0;
      const said = (text: string): void => {
        length += text.length;
        call.progress?.(length, text);
      };
      return withBudget(funds, { budget, principal, whom: `question:${randomUUID()}` }, (fund) =>
        askTyped(
          { ...asked, model, context, maxTokens, task, budgets: fund?.budgets },
          { models, principal, signal, messageBytes, clock, said },
        ),
      );
    },
  });
}

function statsTool({ models }: ModelToolComponents): BuiltinTool {
  return defineTool({
    name: 'llm_stats',
    title: 'What went through to models',
    description:
      'Calls, failures, tokens, costs, times and quality, where that was measured, by model, caller and task, since counts are kept; the last used first.',
    input: z.object({
      model: modelName.optional().describe('Only of this one, or of this provider.'),
      limit: z.number().int().min(1).max(2000).optional(),
    }),
    hints: { readOnlyHint: true },
    clients: 'no',
    async run(input): Promise<LlmStatsResult> {
      const wanted = input.model;
      const stats = models
        .stats()
        .filter(
          ({ model }) => wanted === undefined || model === wanted || model.startsWith(`${wanted}/`),
        )
        .toSorted((one, other) => other.lastAt - one.lastAt);
      return { stats: stats.slice(0, input.limit ?? 2000) };
    },
  });
}

function gradeTool({ models }: ModelToolComponents): BuiltinTool {
  return defineTool({
    name: 'llm_grade',
    title: 'Note how good answers were',
    description:
      'Counts grades of answers that a program has held against what was expected, 0 to 1 each, by the model that gave them: llm_stats has them as quality.',
    input: z.object({
      grades: z
        .array(z.object({ model: modelName, score: z.number().min(0).max(1) }))
        .max(GRADES_MAX),
    }),
    hints: { destructiveHint: false },
    clients: 'no',
    async run({ grades }, { principal }): Promise<LlmGradeResult> {
      for (const { model, score } of grades) models.grade(model, principal, score);
      return { counted: grades.length };
    },
  });
}
