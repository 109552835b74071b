/** Tasks of the node as MCP tasks (SEP-2663, the extension `io.modelcontextprotocol/tasks` of MCP 2026-07-28). */
import { StarlingError, isObject } from '../../core/index.ts';
import type { JsonObject } from '../../core/index.ts';
import type { BuiltinTasks } from '../../gateway/index.ts';
import { MCP_POLL_MS } from '../limits.ts';
import { answerIn, formOf } from './question-tools.ts';
import type { Tasks } from '../tasks.ts';
import type { TaskQuestion, TaskResult } from '../types.ts';

/** Makes the tasks as MCP clients see them. */
export function mcpTasks(tasks: Tasks): BuiltinTasks {
  return {
    get: async (id, { principal }) => mcpTask(await tasks.result(principal, id)),
    async update(id, responses, { principal }) {
      const { question } = await tasks.status(principal, id);
      if (question?.kind !== 'input' || !Object.hasOwn(responses, question.key)) return;
      const said = responses[question.key];
      const content = isObject(said) ? said['content'] : undefined;
      if (!isObject(said) || said['action'] !== 'accept' || !isObject(content)) return;
      const answer = answerIn(question, content);
      await tasks.answer(principal, id, { key: question.key, answer }).catch(unlessEnded);
    },
    async cancel(id, { principal }) {
      await tasks.cancel(principal, id).catch(unlessEnded);
    },
  };
}

/** What comes too late is acknowledged all the same. */
function unlessEnded(error: unknown): void {
  if (error instanceof StarlingError && error.code === 'STARLING_TASK_ENDED') return;
  throw error;
}

/** A task with what belongs to its status: its result, or what is asked. Pure. */
export function mcpTask(task: TaskResult): JsonObject {
  const about = statusOf(task);
  const { deadline, submittedAt, taskId } = task;
  return {
    taskId,
    ...about,
    createdAt: submittedAt,
    lastUpdatedAt: lastOf(task),
    ttlMs: Math.max(0, Date.parse(deadline) - Date.parse(submittedAt)),
    pollIntervalMs: MCP_POLL_MS,
  };
}

function statusOf(task: TaskResult): JsonObject {
  const { error, question, status } = task;
  // What another owner had been asked waits for its answer, whoever has the task now.
  if (error === undefined && task.endedAt === undefined && question?.kind === 'input') {
    return asking(question);
  }
  switch (status) {
    case 'done':
      return { status: 'completed', result: resultOf(task, false) };
    // `failed` is for errors of the protocol alone: the call has a result, and that says that it failed.
    case 'failed':
    case 'expired':
      return {
        status: 'completed',
        statusMessage: error?.message ?? `it is ${status}`,
        result: resultOf(task, true),
      };
    case 'cancelled':
      return { status: 'cancelled' };
    default:
      return { status: 'working', statusMessage: workText(task) };
  }
}

function asking(question: TaskQuestion): JsonObject {
  const { key, message } = question;
  const params = { mode: 'form', message, requestedSchema: formOf(question) };
  return {
    status: 'input_required',
    statusMessage: message,
    inputRequests: { [key]: { method: 'elicitation/create', params } },
  };
}

function workText({ attempts, progress, question, status, waitsFor }: TaskResult): string {
  if (question !== undefined) return `waits for ${question.message}`;
  if (progress?.text !== undefined) return progress.text;
  const agent = attempts.at(-1)?.agent;
  if (waitsFor !== undefined) return `waits: ${waitsFor}`;
  return agent === undefined ? status : `${status} at ${agent}`;
}

/** As `task_result` answers. */
function resultOf(task: TaskResult, isError: boolean): JsonObject {
  const content = JSON.parse(JSON.stringify(task)) as JsonObject;
  return {
    content: [{ type: 'text', text: JSON.stringify(content) }],
    structuredContent: content,
    isError,
  };
}

function lastOf({ attempts, endedAt, submittedAt }: TaskResult): string {
  const times = attempts.flatMap((one) => [one.startedAt, one.endedAt ?? '']);
  return [submittedAt, endedAt ?? '', ...times].toSorted().at(-1) ?? submittedAt;
}
