/** The tools of tasks: `agent_task` gives one, `task_status`, `task_result`, `task_list` look, `task_cancel`, `task_retry` change. */
import { z } from 'zod';
import type { JsonObject } from '../../core/index.ts';
import { BUILTIN_SERVER } from '../../core/index.ts';
import { anyJson, defineTool } from '../../gateway/index.ts';
import type { BuiltinContext, BuiltinTool } from '../../gateway/index.ts';
import { toolResource } from '../../grants/index.ts';
import { attemptTool } from './attempt-tool.ts';
import { questionTools, resultWithForms } from './question-tools.ts';
import {
  ATTEMPT_MAX_MS,
  BATCH_MAX,
  DEADLINE_MAX_MS,
  LIST_MAX,
  PROGRESS_WAIT_MAX_S,
  TASK_WAIT_MAX_S,
  WORDS_MAX,
} from '../limits.ts';
import { RETRY_POLICIES, TASK_PRIORITIES, TASK_STATES } from '../types.ts';
import type {
  SubmitInit,
  TaskBatch,
  TaskListResult,
  TaskResult,
  TaskState,
  TaskView,
} from '../types.ts';
import type { Tasks } from '../tasks.ts';

/** What these tools need. */
export interface TaskToolComponents {
  readonly tasks: Tasks;
}

/**
 * What whoever has proven who it is may call: who may see a task is decided by the task, and to begin with an attempt takes
 * the right to write to its agent.
 */
export const OPEN_TASK_TOOLS: readonly string[] = [
  'task_status',
  'task_result',
  'task_attempt',
].map((tool) => toolResource(BUILTIN_SERVER, tool));

const LIST_DEFAULT = 50;
const text = z.string().min(1).max(128);
const taskId = text.describe('As agent_task gave it.');
const waitS = z.number().min(0).max(TASK_WAIT_MAX_S);
const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

/** `agent_task`, `task_status`, `task_result`, `task_list`, `task_cancel`, `task_retry`, `task_progress`, `task_attempt`. */
export function taskTools({ tasks }: TaskToolComponents): readonly BuiltinTool[] {
  return [
    submitTool(tasks),
    statusTool(tasks),
    resultTool(tasks),
    listTool(tasks),
    changeTool(tasks, 'cancel'),
    changeTool(tasks, 'retry'),
    progressTool(tasks),
    ...questionTools(tasks),
    attemptTool(tasks),
  ];
}

const SUBMIT = z.object({
  capability: text
    .optional()
    .describe(
      'What an agent must be able to do; or a queue, tasks.<name>, of which one worker takes it.',
    ),
  agentId: text.optional().describe('In place of a capability: this agent, and no other.'),
  input: anyJson.optional().describe('What the agent gets as message.'),
  inputs: z
    .array(anyJson)
    .min(1)
    .max(BATCH_MAX)
    .optional()
    .describe(
      'In place of one input: a task for each, given together or not at all. The answer has `taskIds`, and `counts` of their states.',
    ),
  data: anyJson.optional().describe('The same as input.'),
  type: text.optional().describe('Without a capability: the queue tasks.<type>.'),
  id: text.optional().describe("The caller's own id: the same one twice is one task."),
  priority: z.enum(TASK_PRIORITIES).optional(),
  retryPolicy: z
    .enum(RETRY_POLICIES)
    .optional()
    .describe(
      '`lost` (default) has another agent do it where one was lost, `exponential_backoff` also where one failed, `none` never.',
    ),
  tags: z.array(z.string().min(1).max(64)).max(16).optional().describe('As in capability_request.'),
  prefer: text.optional().describe('An agent or a node that is tried first.'),
  timeout: z.number().positive().max(DEADLINE_MAX_MS).optional().describe('The same as timeoutMs.'),
  timeoutMs: z
    .number()
    .positive()
    .max(DEADLINE_MAX_MS)
    .optional()
    .describe('When it ends as expired, in ms from now; default a day.'),
  attemptMs: z
    .number()
    .positive()
    .max(ATTEMPT_MAX_MS)
    .optional()
    .describe('How long one agent may take; default five minutes.'),
  requester: z.string().max(128).optional().describe('Given back as it came.'),
  requiresAI: z.boolean().optional().describe('Given back as it came.'),
  metadata: z.record(z.string().max(128), anyJson).optional().describe('Given back as it came.'),
  durable: z
    .enum(['mesh'])
    .optional()
    .describe(
      '`mesh`: three nodes keep it, and another one goes on with it when this node is gone. Costs two writes to a majority of them.',
    ),
  budget: text
    .optional()
    .describe(
      'What it counts against: a budget, or so much of one: research, research:0.50usd; all of `inputs` together.',
    ),
  wait_s: waitS.optional().describe('How long to wait for its end; default not at all.'),
});

function submitTool(tasks: Tasks): BuiltinTool {
  return defineTool({
    name: 'agent_task',
    title: 'Give a task',
    description:
      'Has something done by an agent that can do it, here or at a peer. The task is on the disk when this answers; it goes on while the caller is away, is given to another agent where one is lost, and ends once.',
    input: SUBMIT,
    hints: { destructiveHint: false },
    clients: 'yes',
    onTop: true,
    waits: true,
    givesTask: true,
    async run({ wait_s: wait = 0, inputs, ...input }, context): Promise<TaskResult | TaskBatch> {
      const { principal, session } = context;
      if (inputs !== undefined) {
        const inits = inputs.map((one, at) => ({ ...initOf(partOf(input, one, at)), session }));
        return submitBatch(tasks, { inits, waitMs: wait * 1000 }, context);
      }
      const view = await tasks.submit(principal, { ...initOf(input), session });
      return wait === 0 ? view : resultWithForms(tasks, view.taskId, wait * 1000, context);
    },
  });
}

type SubmitInput = Omit<z.infer<typeof SUBMIT>, 'wait_s' | 'inputs'>;

/** One task of many; the caller's own id names all of them. */
function partOf(input: SubmitInput, one: SubmitInput['input'], at: number): SubmitInput {
  const { id } = input;
  return { ...input, input: one, ...(id === undefined ? {} : { id: `${id}/${at}` }) };
}

/** Gives all, and waits for all to end. */
async function submitBatch(
  tasks: Tasks,
  { inits, waitMs }: { readonly inits: readonly SubmitInit[]; readonly waitMs: number },
  { principal, signal }: BuiltinContext,
): Promise<TaskBatch> {
  const taskIds = await tasks.submitAll(principal, inits);
  const counts: Partial<Record<TaskState, number>> = {};
  const left = tasks.countdown(waitMs);
  const wait = { waitMs, signal: AbortSignal.any([signal, left.signal]) };
  try {
    for (const taskId of taskIds) {
      const status = await tasks.stateAfter(principal, taskId, wait);
      counts[status] = (counts[status] ?? 0) + 1;
    }
  } finally {
    left.stop();
  }
  return { taskIds, counts };
}

/** The guide's TaskMessage is a task of the queue that its type names. */
function initOf(input: SubmitInput): SubmitInit {
  const { capability, agentId, type, id, requester, requiresAI, metadata } = input;
  const queue = agentId === undefined && type !== undefined ? `tasks.${type}` : undefined;
  const said = Object.fromEntries(
    Object.entries({ id, type, requester, requiresAI, metadata }).filter(
      ([, value]) => value !== undefined,
    ),
  ) as JsonObject;
  return {
    capability: capability ?? queue,
    agentId,
    input: input.input ?? input.data ?? null,
    priority: input.priority,
    retryPolicy: input.retryPolicy,
    tags: input.tags,
    prefer: input.prefer,
    timeoutMs: input.timeoutMs ?? input.timeout,
    attemptMs: input.attemptMs,
    durable: input.durable,
    budget: input.budget,
    ...(Object.keys(said).length === 0 ? {} : { said }),
  };
}

function statusTool(tasks: Tasks): BuiltinTool {
  return defineTool({
    name: 'task_status',
    title: 'How a task goes',
    description:
      'Where a task is, who has it or had it, and why it waits. With the version of the answer before it waits for a change.',
    input: z.object({
      taskId,
      version: count.optional().describe('That of the answer before.'),
      timeout_s: waitS.optional().describe('How long to wait for a change; default not at all.'),
    }),
    hints: { readOnlyHint: true },
    clients: 'yes',
    peers: 'granted',
    onTop: true,
    waits: true,
    run: (input, { principal, signal }): Promise<TaskView> => {
      const { version, timeout_s: wait = 0 } = input;
      const look = { seen: version ?? -1, waitMs: wait * 1000, signal };
      return tasks.status(principal, input.taskId, version === undefined ? undefined : look);
    },
  });
}

function resultTool(tasks: Tasks): BuiltinTool {
  return defineTool({
    name: 'task_result',
    title: 'The result of a task',
    description:
      'The result of a task that is done, or how it stands; waits for its end. What its agent asks meanwhile is asked of the person before the client, where that shows forms.',
    input: z.object({
      taskId,
      timeout_s: waitS.optional().describe('How long to wait for its end; default not at all.'),
    }),
    hints: { readOnlyHint: true },
    clients: 'yes',
    peers: 'granted',
    onTop: true,
    waits: true,
    run: (input, context): Promise<TaskResult> =>
      resultWithForms(tasks, input.taskId, (input.timeout_s ?? 0) * 1000, context),
  });
}

function listTool(tasks: Tasks): BuiltinTool {
  return defineTool({
    name: 'task_list',
    title: 'List tasks',
    description:
      'The tasks that the caller has submitted or worked on, and all for the operator; the newest first.',
    input: z.object({
      status: z.array(z.enum(TASK_STATES)).max(TASK_STATES.length).optional(),
      limit: z.number().int().min(1).max(LIST_MAX).optional().describe(`Default ${LIST_DEFAULT}.`),
    }),
    hints: { readOnlyHint: true },
    clients: 'yes',
    onTop: true,
    run: async ({ status, limit }, { principal }): Promise<TaskListResult> =>
      tasks.list(principal, { states: status, limit: limit ?? LIST_DEFAULT }),
  });
}

function changeTool(tasks: Tasks, what: 'cancel' | 'retry'): BuiltinTool {
  const isCancel = what === 'cancel';
  return defineTool({
    name: `task_${what}`,
    title: isCancel ? 'Cancel a task' : 'Try a task again',
    description: isCancel
      ? 'Ends a task that has not ended; whoever has it is told to stop.'
      : 'Has a task that failed, was cancelled or has expired done after all, with as much time as it had.',
    input: z.object({ taskId }),
    hints: { destructiveHint: isCancel },
    clients: 'yes',
    onTop: true,
    run: (input, { principal }): Promise<TaskView> => tasks[what](principal, input.taskId),
  });
}

function progressTool(tasks: Tasks): BuiltinTool {
  return defineTool({
    name: 'task_progress',
    title: 'Tell of progress',
    description:
      'An agent of the caller tells how far it is with a task that it has: id and token are in the metadata of the message. From then on it must tell again within 15 s. `wanted: false` says that nobody waits for it any more.',
    input: z.object({
      taskId,
      token: count,
      progress: z.number().min(0).max(1).optional().describe('From 0 to 1.'),
      message: z.string().max(WORDS_MAX).optional(),
      timeout_s: z
        .number()
        .min(0)
        .max(PROGRESS_WAIT_MAX_S)
        .optional()
        .describe(
          'How long to wait for the word that nobody wants it any more; default not at all.',
        ),
    }),
    hints: { destructiveHint: false, idempotentHint: true },
    clients: 'yes',
    onTop: true,
    waits: true,
    run: async (input, { principal, signal }): Promise<{ readonly wanted: boolean }> => {
      const { progress: part, message, timeout_s: wait, token } = input;
      const progress = {
        ...(part === undefined ? {} : { part }),
        ...(message === undefined ? {} : { text: message }),
      };
      const name = { taskId: input.taskId, token, progress };
      const look = wait === undefined ? undefined : { waitMs: wait * 1000, signal };
      return { wanted: await tasks.work.progress(principal, name, look) };
    },
  });
}
