/** Requests of one session's client about tasks: of which task they are, and the list of them. */
import { BUILTIN_SERVER } from '../../../core/index.ts';
import type { JsonObject } from '../../../core/index.ts';
import type { Principal } from '../../../guard/index.ts';
import { isCallTask } from '../../call-tasks/call-tasks.ts';
import type { CallTask, CallTasks } from '../../call-tasks/types.ts';
import type { Route } from '../../catalog/types.ts';
import { modernMeta } from '../../wire/client-handshake.ts';
import { TASKS_EXTENSION } from '../../wire/era.ts';
import { requestBytes } from '../../wire/frame.ts';
import { answerWithTask, noTask } from '../../wire/task-id.ts';
import type { ClientFacts } from '../../channel-types.ts';
import type { RequestFrame, ResponseFrame } from '../../frame-types.ts';
import type { ChannelTable } from '../channel-table.ts';
import { requestOf } from '../input-retry.ts';
import { taskOwner } from './long-call.ts';
import { isOwnTask } from '../request-target.ts';

/** Requests about one task, of both eras. */
const ABOUT_ONE: readonly string[] = ['tasks/get', 'tasks/result', 'tasks/update', 'tasks/cancel'];
/** Tasks in one list of the legacy era: each is a question to its server. */
const LISTED_MAX = 50;
/** What a client that this node is itself can do. */
const DECLARES: ClientFacts = {
  capabilities: { extensions: { [TASKS_EXTENSION]: {} } },
  clientInfo: {},
};

/**
 * The task that a request is about; undefined where it is about none, or about one that agents do. No server is asked
 * for a task by an id that was not given to this caller. @throws STARLING_TASK_UNKNOWN
 */
export function taskOf(
  callTasks: CallTasks,
  { method, params }: RequestFrame,
  principal: Principal,
): CallTask | undefined {
  if (!ABOUT_ONE.includes(method)) return undefined;
  const { taskId } = params;
  if (isOwnTask(taskId)) return undefined;
  const found = callTasks.find(taskId, taskOwner(principal));
  if (found === undefined) throw noTask();
  return found;
}

/** The way to what a task is of: to the server that has made it, or to this node. @throws STARLING_PEER_UNKNOWN */
export function routeOfTask(task: CallTask): Route {
  const { theirs = '', wanted } = task.row;
  if (task.isOwn) return { target: { server: BUILTIN_SERVER }, wanted, isCleared: true };
  return { target: task.target(), wanted, isCleared: true, edits: { taskId: theirs }, task };
}

/** Does what a request asks of a call that this node goes on with; the text of the result. @throws STARLING_TASK_UNKNOWN */
export async function ownAnswer(task: CallTask, { method, params }: RequestFrame): Promise<string> {
  if (method === 'tasks/get') return task.shown();
  if (method === 'tasks/cancel') task.cancel();
  else if (method === 'tasks/update') {
    const { inputResponses } = params;
    task.answer(typeof inputResponses === 'object' ? (inputResponses as JsonObject) : {});
  } else throw noTask();
  return JSON.stringify({ resultType: 'complete' });
}

/** The tasks that servers have made for the caller, as `tasks/list` of the legacy era shows them, the newest first. */
export async function listTasks(
  callTasks: CallTasks,
  channels: Pick<ChannelTable, 'get'>,
  principal: Principal,
): Promise<JsonObject> {
  const newest = callTasks.carriedOf(taskOwner(principal)).slice(0, LISTED_MAX);
  const shown = await Promise.all(
    newest.map((task) =>
      askServer(task, channels, principal).then(
        ({ result }) => result,
        // Whose server is away is in no list until it is back.
        () => undefined,
      ),
    ),
  );
  return { tasks: shown.filter((one) => one !== undefined) };
}

/**
 * How a task of a server is now, with the id by which the caller knows it.
 * @throws what the way to the server says; STARLING_PEER_UNKNOWN
 */
export async function askServer(
  task: CallTask,
  channels: Pick<ChannelTable, 'get'>,
  principal: Principal,
): Promise<ResponseFrame> {
  const { era, id, theirs = '' } = task.row;
  const meta = era === 'modern' ? { _meta: modernMeta(DECLARES) } : {};
  const request = requestOf(requestBytes(1, 'tasks/get', { taskId: theirs, ...meta }));
  const channel = await channels.get(task.target());
  const frame = await new Promise<ResponseFrame>((resolve, reject) => {
    channel.relay({
      request,
      principal,
      response: resolve,
      progress: () => undefined,
      notification: () => undefined,
      failed: reject,
    });
  });
  task.heard(frame.result ?? {});
  return answerWithTask(frame, theirs, id);
}

/** Whether an id is one of which a client may hear by `subscriptions/listen`. */
export function isTaskId(id: unknown): id is string {
  return isOwnTask(id) || isCallTask(id);
}
