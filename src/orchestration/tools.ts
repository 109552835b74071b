/** `task_orchestrate`, and how the tools of tasks answer about plans, too. */
import { z } from 'zod';
import { StarlingError } from '../core/index.ts';
import type { JsonObject } from '../core/index.ts';
import { defineTool } from '../gateway/index.ts';
import type { BuiltinContext, BuiltinTool } from '../gateway/index.ts';
import { worstTaint } from '../guard/index.ts';
import { TASK_PRIORITIES } from '../tasks/index.ts';
import type { TaskBatch } from '../tasks/index.ts';
import {
  DEADLINE_MAX_MS,
  DESCRIPTION_MAX,
  INPUTS_MAX,
  PARALLEL_MAX,
  PHASES_MAX,
} from './limits.ts';
import type { OrchestrateInit } from './order.ts';
import type { Orchestrations } from './orchestrations.ts';
import { AGGREGATIONS, RESOLUTIONS, STRATEGIES } from './types.ts';
import type { OrchestrateResult, PlanView } from './types.ts';

const text = z.string().min(1).max(128);
const PHASE = z.object({
  name: text,
  capability: text,
  dependencies: z.array(text).max(PHASES_MAX).optional(),
  role: z.enum(['worker', 'validator']).optional(),
  copies: z.number().int().min(1).max(PARALLEL_MAX).optional(),
});
const TASK = z.object({
  description: z.string().min(1).max(DESCRIPTION_MAX),
  priority: z.enum(TASK_PRIORITIES).optional(),
  strategy: z
    .enum(STRATEGIES)
    .optional()
    .describe('Default adaptive: at once what waits for nothing, and anew what was found wanting.'),
  timeout: z
    .number()
    .positive()
    .max(DEADLINE_MAX_MS / 1000)
    .optional()
    .describe('Seconds until it ends as expired; default an hour.'),
  requiredCapabilities: z
    .array(text)
    .max(PHASES_MAX)
    .optional()
    .describe(
      'A phase for each; one that is called review, check, test or verify comes last, as a check.',
    ),
  phases: z
    .array(PHASE)
    .max(PHASES_MAX)
    .optional()
    .describe('In place of that: the plan itself, which is checked.'),
  model: text
    .optional()
    .describe(
      'A model of the caller that proposes the plan, of what members can do; it is checked as any other.',
    ),
  parallelism: z
    .number()
    .int()
    .min(1)
    .max(PARALLEL_MAX)
    .optional()
    .describe('Agents that do a phase, each for itself; phases that go on at once.'),
  consensusRequired: z.boolean().optional().describe('The same as majority_vote.'),
});
const EXECUTION = z.object({
  mode: z.enum(['distributed', 'local']).optional().describe('Members are where they are.'),
  retryPolicy: z.enum(['none', 'exponential_backoff']).optional(),
  resultAggregation: z.enum(AGGREGATIONS).optional(),
  failureThreshold: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe('Share of the agents of a phase that may fail; default all but one.'),
  conflictResolution: z.enum(RESOLUTIONS).optional().describe('Default expert_priority.'),
});

/** `task_orchestrate`. */
export function orchestrationTools({
  orchestrations,
}: {
  readonly orchestrations: Orchestrations;
}): readonly BuiltinTool[] {
  return [
    defineTool({
      name: 'task_orchestrate',
      title: 'Have a swarm do something',
      description:
        'Plans phases by what is needed, gives them to members of the swarm, counts their votes, and plans anew what fails. It is on the disk when this answers, and goes on while the caller is away: task_status, task_result, task_cancel.',
      input: z.object({
        swarmId: text,
        task: TASK,
        execution: EXECUTION.optional(),
        inputs: z
          .array(z.json())
          .min(1)
          .max(INPUTS_MAX)
          .optional()
          .describe(
            'The same is wanted of each: a plan for each, given together or not at all. The answer has `taskIds`, and `counts` of their states.',
          ),
        budget: text
          .optional()
          .describe('What it counts against: a budget, or so much of one: research:0.50usd.'),
        plan: z.boolean().optional().describe('Only shows the plan.'),
      }),
      hints: { destructiveHint: false },
      clients: 'yes',
      onTop: true,
      async run(
        { budget, execution = {}, inputs, plan, swarmId, task },
        { principal, signal },
      ): Promise<OrchestrateResult | TaskBatch> {
        const { consensusRequired, requiredCapabilities: capabilities = [], timeout } = task;
        const voted = consensusRequired === true ? ('majority_vote' as const) : undefined;
        const init: OrchestrateInit = {
          swarmId,
          description: task.description,
          capabilities,
          phases: task.phases,
          model: task.model,
          signal,
          priority: task.priority,
          strategy: task.strategy,
          parallelism: task.parallelism,
          aggregation: execution.resultAggregation ?? voted,
          resolution: execution.conflictResolution,
          retry: execution.retryPolicy,
          failureThreshold: execution.failureThreshold,
          timeoutMs: timeout === undefined ? undefined : timeout * 1000,
          budget,
          isDry: plan,
        };
        if (inputs !== undefined)
          return batchOf(await orchestrations.orchestrateAll(principal, init, inputs));
        const view = await orchestrations.orchestrate(principal, init);
        return { ...view, status: plan === true ? 'planned' : 'orchestrating' };
      },
    }),
  ];
}

function batchOf(views: readonly PlanView[]): TaskBatch {
  const counts: Record<string, number> = {};
  for (const { status } of views) counts[status] = (counts[status] ?? 0) + 1;
  return { taskIds: views.map(({ taskId }) => taskId), counts };
}

/** The tools of tasks, of which those that look at a task or end it know plans, too. */
export function withPlans(
  tools: readonly BuiltinTool[],
  orchestrations: Orchestrations,
): readonly BuiltinTool[] {
  const ways: Readonly<
    Record<string, (args: JsonObject, context: BuiltinContext) => Promise<PlanView>>
  > = {
    task_status: (args, { principal, signal }) => {
      const { version, timeout_s: wait } = args;
      const waitMs = typeof wait === 'number' ? wait * 1000 : 0;
      const look = typeof version === 'number' ? { seen: version, waitMs, signal } : undefined;
      return orchestrations.view(principal, String(args['taskId']), look);
    },
    task_result: (args, { principal, signal }) => {
      const { timeout_s: wait } = args;
      const look = typeof wait === 'number' ? { waitMs: wait * 1000, signal } : undefined;
      return orchestrations.view(principal, String(args['taskId']), look);
    },
    task_retry: async (args, { principal }) => {
      const { taskId } = await orchestrations.view(principal, String(args['taskId']));
      throw new StarlingError('STARLING_USAGE', `${taskId} is a plan of a swarm, not one task`, {
        hint: `see what was wanted, and want it again: starling task info ${taskId}`,
      });
    },
    task_cancel: (args, { principal }) => orchestrations.cancel(principal, String(args['taskId'])),
  };
  return tools.map((tool) => {
    const way = ways[tool.definition.name];
    const isList = tool.definition.name === 'task_list';
    if (way === undefined && !isList) return tool;
    return {
      ...tool,
      async call(args, context) {
        const { taskId } = args;
        if (way !== undefined && typeof taskId === 'string' && orchestrations.has(taskId)) {
          return (await way(args, context)) as unknown as JsonObject;
        }
        const answer = await tool.call(args, context);
        return isList
          ? withListed(answer, args, await orchestrations.list(context.principal))
          : answer;
      },
    };
  });
}

/** A list of tasks with the plans in it, in the order of their submissions. */
function withListed(answer: JsonObject, args: JsonObject, plans: readonly PlanView[]): JsonObject {
  const { counts, tasks } = answer as unknown as {
    readonly counts: Readonly<Record<string, number>>;
    readonly tasks: readonly PlanView[];
  };
  const { limit, status } = args;
  const wanted = Array.isArray(status) ? plans.filter((one) => status.includes(one.status)) : plans;
  const added: Record<string, number> = { ...counts };
  for (const plan of plans) added[plan.status] = (added[plan.status] ?? 0) + 1;
  const all = [...tasks, ...wanted].toSorted((one, other) =>
    one.submittedAt < other.submittedAt ? 1 : -1,
  );
  const most = typeof limit === 'number' ? limit : 50;
  const shown = all.slice(0, most);
  const taint = worstTaint(...shown.map((one) => one.taint));
  const { taint: _, ...rest } = answer;
  return {
    ...rest,
    counts: added,
    tasks: shown,
    ...(taint === undefined ? {} : { taint }),
  } as unknown as JsonObject;
}
