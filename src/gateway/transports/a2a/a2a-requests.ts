/**
 * What an agent of this node answers to the methods of A2A: a message is a query of `agent_message`, and one whose sender
 * does not wait, or hears how it goes by a stream, is a task of `agent_task`; both by the road and with the rights of all
 * calls. Push notifications are not served.
 */
import { randomUUID } from 'node:crypto';
import { TaskState } from '@a2a-js/sdk';
import type {
  CancelTaskRequest,
  GetTaskRequest,
  ListTasksRequest,
  Message,
  SendMessageRequest,
  StreamResponse,
  SubscribeToTaskRequest,
  Task,
} from '@a2a-js/sdk';
import {
  A2AError,
  ExtendedAgentCardNotConfiguredError,
  PushNotificationNotSupportedError,
  RequestMalformedError,
  TaskNotCancelableError,
  TaskNotFoundError,
  UnsupportedOperationError,
} from '@a2a-js/sdk/errors';
import type { A2ARequestHandler } from '@a2a-js/sdk/server';
import type { Json, JsonObject } from '../../../core/index.ts';
import { objectOf } from '../../wire/era.ts';
import { answerOf, receivedOf } from './a2a-messages.ts';
import type { Received } from './a2a-messages.ts';
import { eventsOf, isAtRest, isOf, taskKey, taskOf } from './a2a-tasks.ts';

/** How long an agent has for its answer: as long as any query may wait. */
const ANSWER_MS = 300_000;

/** How long one look at a task waits for news, s. */
const LOOK_S = 25;
/** Tasks on one page, and how many of the caller's are looked through for those of one agent. */
const PAGE_DEFAULT = 50;
const PAGE_MAX = 100;
const LIST_MAX = 1000;

/** Calls a built-in tool as the caller, and gives its result or its error as in JSON-RPC. */
export type CallTool = (
  tool: string,
  args: JsonObject,
) => Promise<{ readonly result: JsonObject } | { readonly error: JsonObject }>;

/** Makes the answers of the agent called `name` to one caller. */
export function createA2aRequests(name: string, call: CallTool): A2ARequestHandler {
  return new AgentRequests(name, call);
}

class AgentRequests implements A2ARequestHandler {
  readonly #name: string;
  readonly #call: CallTool;

  constructor(name: string, call: CallTool) {
    this.#name = name;
    this.#call = call;
  }

  async sendMessage(request: SendMessageRequest): Promise<Message | Task> {
    const received = receivedOf(request, randomUUID);
    const { taskId } = received;
    if (taskId !== undefined) return taskOf(await this.#answered(taskId, received));
    if (request.configuration?.returnImmediately === true) {
      return taskOf(await this.#given(received));
    }
    return this.#asked(received);
  }

  async *sendMessageStream(request: SendMessageRequest): AsyncGenerator<StreamResponse, void> {
    const received = receivedOf(request, randomUUID);
    const { taskId } = received;
    let task: JsonObject;
    try {
      task = await (taskId === undefined
        ? this.#given(received)
        : this.#answered(taskId, received));
    } catch (error) {
      // Whoever may write to the agent, and give no tasks, is answered all the same.
      if (taskId !== undefined || !isRefusal(error)) throw error;
      yield { payload: { $case: 'message', value: await this.#asked(received) } };
      return;
    }
    yield* this.#followed(task);
  }

  async #asked({ contextId, message, metadata }: Received): Promise<Message> {
    const query = { agentId: this.#name, type: 'query', message, metadata, timeoutMs: ANSWER_MS };
    const { response = null } = await this.#answer('agent_message', query);
    return answerOf(response, { contextId, messageId: randomUUID() });
  }

  /** A task for this agent. @throws A2AError */
  #given({ message, messageId, metadata }: Received): Promise<JsonObject> {
    const id = taskKey(this.#name, messageId);
    return this.#answer('agent_task', { agentId: this.#name, input: message, id, metadata });
  }

  /** The task, once a message has answered what it asks. @throws UnsupportedOperationError where it asks nothing */
  async #answered(taskId: string, { message }: Received): Promise<JsonObject> {
    const view = await this.#task(taskId);
    if (!isAtRest(view) || view['endedAt'] !== undefined) {
      throw new UnsupportedOperationError({ message: 'the task asks for no message' });
    }
    return this.#answer('task_answer', { taskId, answer: message });
  }

  /** A task as it is, and what comes of it until it has ended, or asks something. */
  async *#followed(from: JsonObject): AsyncGenerator<StreamResponse, void> {
    yield { payload: { $case: 'task', value: taskOf(from) } };
    let before = from;
    while (!isAtRest(before)) {
      const { taskId, version = 0 } = before;
      const look = { taskId: taskId ?? '', version, timeout_s: LOOK_S };
      const status = await this.#answer('task_status', look);
      const isDone = status['status'] === 'done';
      const now = isDone ? await this.#answer('task_result', { taskId: taskId ?? '' }) : status;
      yield* eventsOf(now, before);
      before = now;
    }
  }

  /** A task of this agent that the caller has given. @throws TaskNotFoundError */
  async #task(taskId: string): Promise<JsonObject> {
    const view = await this.#answer('task_result', { taskId });
    if (!isOf(view, this.#name)) throw noTask();
    return view;
  }

  /** What a tool answers. @throws A2AError */
  async #answer(tool: string, args: JsonObject): Promise<JsonObject> {
    const answer = await this.#call(tool, args);
    if ('error' in answer) throw errorIn(answer.error);
    return objectOf(answer.result['structuredContent']);
  }

  async getAgentCard(): Promise<never> {
    throw new UnsupportedOperationError();
  }

  async getAuthenticatedExtendedAgentCard(): Promise<never> {
    throw new ExtendedAgentCardNotConfiguredError();
  }

  async getTask({ id }: GetTaskRequest): Promise<Task> {
    return taskOf(await this.#task(id));
  }

  async cancelTask({ id }: CancelTaskRequest): Promise<Task> {
    await this.#task(id);
    return taskOf(await this.#answer('task_cancel', { taskId: id }));
  }

  /** The newest first; the token of a page is the task before it. @throws RequestMalformedError for a token of no page */
  async listTasks(request: ListTasksRequest): Promise<{
    tasks: Task[];
    nextPageToken: string;
    pageSize: number;
    totalSize: number;
  }> {
    const { contextId, pageSize = PAGE_DEFAULT, pageToken, status } = request;
    const { tasks = [] } = await this.#answer('task_list', { limit: LIST_MAX });
    const views = (Array.isArray(tasks) ? tasks : []).map((one) => objectOf(one));
    const own = views.filter((view) => isOf(view, this.#name)).map((view) => taskOf(view));
    const asked = own.filter(
      (task) =>
        (contextId === '' || task.contextId === contextId) &&
        (status === TaskState.TASK_STATE_UNSPECIFIED || task.status?.state === status),
    );
    // A task that has changed since may be in the list no more: its place is known by all of them.
    const before = own.findIndex(({ id }) => id === pageToken);
    if (pageToken !== '' && before === -1) {
      throw new RequestMalformedError({ message: 'this pageToken is of no page, ask without one' });
    }
    const after = new Set(own.slice(before + 1));
    const left = asked.filter((task) => after.has(task));
    const page = left.slice(0, Math.min(PAGE_MAX, Math.max(1, pageSize)));
    const nextPageToken = page.length < left.length ? (page.at(-1)?.id ?? '') : '';
    return { tasks: page, nextPageToken, pageSize: page.length, totalSize: asked.length };
  }

  async *resubscribe({ id }: SubscribeToTaskRequest): AsyncGenerator<StreamResponse, void> {
    const view = await this.#task(id);
    if (view['endedAt'] !== undefined) {
      throw new UnsupportedOperationError({ message: 'the task has ended' });
    }
    yield* this.#followed(view);
  }

  async createTaskPushNotificationConfig(): Promise<never> {
    throw new PushNotificationNotSupportedError();
  }

  async getTaskPushNotificationConfig(): Promise<never> {
    throw new PushNotificationNotSupportedError();
  }

  async listTaskPushNotificationConfigs(): Promise<never> {
    throw new PushNotificationNotSupportedError();
  }

  async deleteTaskPushNotificationConfig(): Promise<never> {
    throw new PushNotificationNotSupportedError();
  }
}

function noTask(): TaskNotFoundError {
  return new TaskNotFoundError({ message: 'there is no such task' });
}

/** An error of ours as A2A has them: its stable code stands in the metadata. */
function errorIn(error: JsonObject): A2AError {
  const { code } = objectOf(error['data']);
  const message = textOf(error['message']) ?? 'the agent could not be asked';
  const metadata = typeof code === 'string' ? { metadata: { code } } : {};
  if (code === 'STARLING_TASK_UNKNOWN') return noTask();
  if (code === 'STARLING_TASK_ENDED') return new TaskNotCancelableError({ message, ...metadata });
  const isMalformed = code === 'STARLING_USAGE' || code === 'STARLING_LIMIT_EXCEEDED';
  return isMalformed
    ? new RequestMalformedError({ message, ...metadata })
    : new A2AError({ message, ...metadata });
}

function isRefusal(error: unknown): boolean {
  return error instanceof A2AError && error.metadata?.['code'] === 'STARLING_CALL_REFUSED';
}

function textOf(value: Json | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
