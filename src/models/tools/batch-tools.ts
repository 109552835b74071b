/** The tools of batches: submitted, listed, their answers read, and stopped. */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { Funds } from '../../budget/index.ts';
import type { JsonObject } from '../../core/index.ts';
import { defineTool } from '../../gateway/index.ts';
import type { BuiltinTool } from '../../gateway/index.ts';
import type { Batches } from '../batches/batches.ts';
import { CUSTOM_ID_MAX, REQUESTS_MAX } from '../batches/limits.ts';
import { budgetText, modelName, taskId, withBudget } from './counted-input.ts';
import type { BatchListResult, BatchResult, BatchView } from '../types.ts';

/** What these tools need. */
export interface BatchToolComponents {
  readonly batches: Batches;
  /** Gives a batch the budget that it names. */
  readonly funds: Pick<Funds, 'of' | 'end'>;
}

const id = z
  .string()
  .min(1)
  .max(64)
  .describe('Its id, or the beginning of one: see llm_batch_list.');

/** `llm_batch_submit`, `llm_batch_list`, `llm_batch_result`, `llm_batch_cancel`. */
export function batchTools(components: BatchToolComponents): readonly BuiltinTool[] {
  return [
    submitTool(components),
    listTool(components),
    resultTool(components),
    cancelTool(components),
  ];
}

function submitTool({ batches, funds }: BatchToolComponents): BuiltinTool {
  return defineTool({
    name: 'llm_batch_submit',
    title: 'Submit a batch of requests to a language model',
    description:
      'Has the vendor of a model answer many requests within a day, for less: OpenAI and Anthropic take half. The most that all may cost is held of the budgets, and settled by what each answer took.',
    input: z.object({
      model: modelName.describe(
        "A model of this node's own providers: `anthropic/claude-haiku-4-5`.",
      ),
      requests: z
        .array(z.looseObject({ custom_id: z.string().min(1).max(CUSTOM_ID_MAX) }))
        .min(1)
        .max(REQUESTS_MAX)
        .describe(
          'Of each a `custom_id` of its own, and `body`, as OpenAI has it, with `url` where it is no chat, or `params`, as Anthropic has it.',
        ),
      task_id: taskId,
      budget: budgetText.describe('A budget that it counts against besides.'),
    }),
    hints: { destructiveHint: false },
    clients: 'yes',
    waits: true,
    async run(input, { principal }): Promise<BatchView> {
      const { budget, model, requests, task_id: task } = input;
      const given = requests as readonly JsonObject[];
      return withBudget(funds, { budget, principal, whom: `batch:${randomUUID()}` }, (fund) =>
        batches.submit({ model, requests: given, task, budgets: fund?.budgets }, principal),
      );
    },
  });
}

function listTool({ batches }: BatchToolComponents): BuiltinTool {
  return defineTool({
    name: 'llm_batch_list',
    title: 'List batches',
    description:
      "The caller's batches, the newest first, with how each is and what it did cost. The operator sees those of all, and no answers of others.",
    input: z.object({}),
    hints: { readOnlyHint: true },
    clients: 'yes',
    run: (_, { principal }): BatchListResult => batches.list(principal),
  });
}

function resultTool({ batches }: BatchToolComponents): BuiltinTool {
  return defineTool({
    name: 'llm_batch_result',
    title: 'Read the answers of a batch',
    description:
      'The answers of a batch that is over, in the order of its requests, each in the form of its request or with why there is none; to whoever has submitted it. By pages: `next` of one is `from` of the next one.',
    input: z.object({ id, from: z.number().int().min(0).max(REQUESTS_MAX).optional() }),
    hints: { readOnlyHint: true },
    clients: 'yes',
    dashboard: false,
    run: (input, { principal }): Promise<BatchResult> =>
      batches.result(input.id, input.from ?? 0, principal),
  });
}

function cancelTool({ batches }: BatchToolComponents): BuiltinTool {
  return defineTool({
    name: 'llm_batch_cancel',
    title: 'Stop a batch, or forget it',
    description:
      'Has the vendor stop a batch: what was answered until then is there, and paid. One that is over is forgotten with its answers, where `forget` says so.',
    input: z.object({ id, forget: z.boolean().optional() }),
    hints: { destructiveHint: true },
    clients: 'yes',
    waits: true,
    run: (input, { principal }): Promise<BatchView> =>
      batches.cancel(input.id, input.forget === true, principal),
  });
}
