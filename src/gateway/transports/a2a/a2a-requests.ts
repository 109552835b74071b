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
import { contextOf, eventsOf, isAtRest, isOf, taskKey, taskOf } from './a2a-tasks.ts';

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
    const isWaiting = request.configuration?.returnImmediately !== true;
    const task = await this.#begun(received, { isWaiting, mayBeMessage: isWaiting });
    if (task === undefined) return this.#asked(received);
    return taskOf(isWaiting ? await this.#rested(task) : task);
  }

  async *sendMessageStream(request: SendMessageRequest): AsyncGenerator<StreamResponse, void> {
    const received = receivedOf(request, randomUUID);
    const task = await this.#begun(received, { isWaiting: false, mayBeMessage: true });
    if (task !== undefined) yield* this.#followed(task, isAtRest);
    else yield { payload: { $case: 'message', value: await this.#asked(received) } };
  }

  /**
   * The task that a message begins, or goes on with; undefined where its sender may write to the agent and give no tasks, and
   * can be answered by a message. A task whose sender waits for it has as long as an answer.
   */
  async #begun(
    received: Received,
    { isWaiting, mayBeMessage }: { readonly isWaiting: boolean; readonly mayBeMessage: boolean },
  ): Promise<JsonObject | undefined> {
    const { taskId } = received;
    if (taskId !== undefined) return this.#answered(taskId, received);
    try {
      return await this.#given(received, isWaiting ? { timeoutMs: ANSWER_MS } : {});
    } catch (error) {
      if (mayBeMessage && isRefusal(error)) return undefined;
      throw error;
    }
  }

  async #asked({ contextId, message, metadata }: Received): Promise<Message> {
    const query = { agentId: this.#name, type: 'query', message, metadata, timeoutMs: ANSWER_MS };
    const { response = null } = await this.#answer('agent_message', query);
    return answerOf(response, { contextId, messageId: randomUUID() });
  }

  /** A task for this agent. @throws A2AError */
  #given({ message, messageId, metadata }: Received, more: JsonObject = {}): Promise<JsonObject> {
    const id = taskKey(this.#name, messageId);
    const order = { agentId: this.#name, input: message, id, metadata, ...more };
    return this.#answer('agent_task', order);
  }

  /**
   * The task, once a message has answered what it asks. @throws UnsupportedOperationError where it asks nothing,
   * RequestMalformedError where the message is of another conversation
   */
  async #answered(taskId: string, { message, namedContextId }: Received): Promise<JsonObject> {
    const view = await this.#task(taskId);
    if (namedContextId !== undefined && namedContextId !== contextOf(view)) {
      const text =
        'the task is of another conversation: leave contextId out, or send the one that it has';
      throw new RequestMalformedError({ message: text });
    }
    if (!isAtRest(view) || view['endedAt'] !== undefined) {
      throw new UnsupportedOperationError({ message: 'the task asks for no message' });
    }
    const { key } = objectOf(view['question']);
    const now = await this.#answer('task_answer', { taskId, answer: message });
    const { question, ...gone } = now;
    // What is answered is told until the agent has gone on by it.
    return objectOf(question)['key'] === key ? gone : now;
  }

  /** A task once it has ended, or asks something. */
  async #rested(from: JsonObject): Promise<JsonObject> {
    let task = from;
    while (!isAtRest(task)) task = await this.#next(task);
    // What was given before, and is given once more, may be done already.
    return this.#whole(task);
  }

  /** A task as it is, and what comes of it until it is as `isOver` says. */
  async *#followed(
    from: JsonObject,
    isOver: (task: JsonObject) => boolean,
  ): AsyncGenerator<StreamResponse, void> {
    let before = await this.#whole(from);
    yield { payload: { $case: 'task', value: taskOf(before) } };
    while (!isOver(before)) {
      const now = await this.#next(before);
      yield* eventsOf(now, before);
      before = now;
    }
  }

  /** A task after its next change, or as it was where none came within {@link LOOK_S}; with its result where it is done. */
  async #next({ taskId = '', version = 0 }: JsonObject): Promise<JsonObject> {
    const look = { taskId, version, timeout_s: LOOK_S };
    return this.#whole(await this.#answer('task_status', look));
  }

  /** The task with its result, where it is done. */
  async #whole(task: JsonObject): Promise<JsonObject> {
    const { result, status, taskId = '' } = task;
    if (status !== 'done' || result !== undefined) return task;
    return this.#answer('task_result', { taskId });
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

  /**
   * The one that has changed last comes first; the token of a page is the place of the task before it.
   * @throws RequestMalformedError for a token of no page, or a time that is none
   */
  async listTasks(request: ListTasksRequest): Promise<{
    tasks: Task[];
    nextPageToken: string;
    pageSize: number;
    totalSize: number;
  }> {
    const { contextId, includeArtifacts, pageSize = PAGE_DEFAULT, pageToken, status } = request;
    const sinceMs = sinceOf(request);
    const { tasks = [] } = await this.#answer('task_list', { limit: LIST_MAX });
    const views = (Array.isArray(tasks) ? tasks : []).map((one) => objectOf(one));
    const own = views
      .filter((view) => isOf(view, this.#name))
      .map((view) => taskOf(view))
      .toSorted((one, other) => changedMs(other) - changedMs(one));
    const asked = own.filter(
      (task) =>
        (contextId === '' || task.contextId === contextId) &&
        (status === TaskState.TASK_STATE_UNSPECIFIED || task.status?.state === status) &&
        changedMs(task) >= sinceMs,
    );
    const left = asked.slice(firstAfter(asked, pageToken));
    const page = left.slice(0, Math.min(PAGE_MAX, Math.max(1, pageSize)));
    const last = page.at(-1);
    const nextPageToken = page.length < left.length && last !== undefined ? placeOf(last) : '';
    const shown =
      includeArtifacts === true
        ? await Promise.all(page.map((task) => this.getTask({ tenant: '', id: task.id })))
        : page;
    return { tasks: shown, nextPageToken, pageSize: page.length, totalSize: asked.length };
  }

  async *resubscribe({ id }: SubscribeToTaskRequest): AsyncGenerator<StreamResponse, void> {
    const view = await this.#task(id);
    if (view['endedAt'] !== undefined) {
      throw new UnsupportedOperationError({ message: 'the task has ended' });
    }
    yield* this.#followed(view, ({ endedAt }) => endedAt !== undefined);
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

/** When the task came into the state that it has, ms since the epoch; 0 where that is not known. */
function changedMs({ status }: Task): number {
  return Date.parse(status?.timestamp ?? '') || 0;
}

/** From when on tasks are asked for, ms since the epoch. @throws RequestMalformedError */
function sinceOf({ statusTimestampAfter }: ListTasksRequest): number {
  if (statusTimestampAfter === undefined) return Number.NEGATIVE_INFINITY;
  const ms = Date.parse(statusTimestampAfter);
  if (!Number.isNaN(ms)) return ms;
  throw new RequestMalformedError({ message: 'statusTimestampAfter is no time (ISO 8601)' });
}

/** The place of a task in a list: by its change, and, among those of one moment, by its id. */
function placeOf(task: Task): string {
  return `${changedMs(task)} ${task.id}`;
}

const PLACE = /^(\d{1,16}) (\S{1,256})$/;

/**
 * Where the page after `pageToken` begins. A task that has changed since is before all that this page may have, and one that
 * is there no more leaves its time. @throws RequestMalformedError
 */
function firstAfter(tasks: readonly Task[], pageToken: string): number {
  if (pageToken === '') return 0;
  const [, ms, id] = PLACE.exec(pageToken) ?? [];
  if (ms === undefined || id === undefined) {
    throw new RequestMalformedError({ message: 'this pageToken is of no page, ask without one' });
  }
  const before = tasks.findIndex((task) => placeOf(task) === pageToken);
  if (before !== -1) return before + 1;
  const after = tasks.findIndex((task) => changedMs(task) <= Number(ms));
  return after === -1 ? tasks.length : after;
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
