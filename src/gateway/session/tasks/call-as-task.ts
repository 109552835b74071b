/**
 * A call and MCP tasks: one that has no answer soon becomes a task of this node, a server may make a task of one, and a
 * request about either is a call as well. The call's own life, its answer and its end stay with the call.
 */
import type { JsonObject, StarlingError } from '../../../core/index.ts';
import type { GuardWanted, Principal } from '../../../guard/index.ts';
import type { CallTask, OpenTask } from '../../call-tasks/types.ts';
import type { Route } from '../../catalog/types.ts';
import type { RequestFrame, ResponseFrame } from '../../frame-types.ts';
import { declaresTasks, lacksTasks } from '../../wire/era.ts';
import type { Era } from '../../wire/era.ts';
import { idText } from '../../wire/frame-id.ts';
import { answerWithTask } from '../../wire/task-id.ts';
import { oddTask } from '../call/call-failures.ts';
import type { CallComponents, CallRequest } from '../call/call-types.ts';
import { LongCall, taskOwner } from './long-call.ts';
import { ownAnswer, routeOfTask } from './task-requests.ts';

/** A call, as far as a task may come of it. */
export interface TaskedCall {
  readonly request: RequestFrame;
  readonly era: Era;
  readonly principal: Principal;
  /** What the guard was asked about it; undefined before. */
  readonly wanted: GuardWanted | undefined;
  /** The task that it is already. */
  readonly task: OpenTask | undefined;
  /** Goes to the server of a task. */
  relay(routes: readonly Route[]): void;
  /** Is over, without a word to its caller: false when it was over already. */
  ended(): boolean;
  /** Gives its caller the answer, and is over. */
  answered(frame: ResponseFrame): void;
  /** Gives its caller these bytes, and is over. */
  answeredWith(message: Buffer): void;
  fail(error: unknown): void;
}

/** What becomes of a call that is a task, by the call itself. */
export interface LongCallHearer {
  recheck(): void;
  giveUp(reason: string): void;
  drop(error: StarlingError): void;
  /** Goes once more to its server, with the answers to what that has asked. */
  again(route: Route, request: RequestFrame): void;
  fail(error: StarlingError): void;
  /** Its caller has the task in place of an answer. */
  becameTask(): void;
}

/** The call as its task knows it. */
export function createLongCall(
  components: CallComponents,
  { principal, reply, request }: CallRequest,
  hearer: LongCallHearer,
): LongCall {
  return new LongCall(components, {
    principal,
    reply,
    request,
    call: {
      recheck: () => hearer.recheck(),
      cancel: () => hearer.giveUp('the caller wants the task no more'),
      drop: (error) => hearer.drop(error),
    },
    again: (route, next) => hearer.again(route, next),
    failed: (error) => hearer.fail(error),
    became: () => hearer.becameTask(),
  });
}

/** Answers a request about a task of the caller: here for a call that this node goes on with, else at the task's server. */
export function answerAbout(
  { clearance }: Pick<CallComponents, 'clearance'>,
  call: TaskedCall,
  task: CallTask,
): void {
  const { era, principal, request } = call;
  try {
    if (era === 'modern' && !declaresTasks(request)) throw lacksTasks();
    // Whoever may not make the call any more sees nothing of it.
    clearance.check(principal, task.row.wanted);
    if (!task.isOwn) return call.relay([routeOfTask(task)]);
  } catch (error) {
    return call.fail(error);
  }
  ownAnswer(task, request).then(
    (text) =>
      call.answeredWith(
        Buffer.from(`{"jsonrpc":"2.0","id":${idText(request.id)},"result":${text}}`),
      ),
    (error: unknown) => call.fail(error),
  );
  return undefined;
}

/** The server has made a task of the call: its caller knows it by an id of this node. */
export function carryTask(
  { callTasks }: Pick<CallComponents, 'callTasks'>,
  call: TaskedCall,
  {
    frame,
    made,
    route,
  }: {
    readonly frame: ResponseFrame;
    readonly made: JsonObject;
    readonly route: Route;
  },
): void {
  const { era, principal, request, task: open } = call;
  const { taskId } = made;
  const isWanted = era === 'legacy' || declaresTasks(request);
  if (typeof taskId !== 'string' || !isWanted) return call.fail(oddTask(request));
  const carried = { target: route.target, theirs: taskId, task: made, era };
  if (open !== undefined) {
    if (!call.ended()) return undefined;
    return open.carried(carried);
  }
  const owner = taskOwner(principal);
  callTasks.carry({ owner, wanted: call.wanted ?? route.wanted }, carried).then(
    ({ row }) => call.answered(answerWithTask(frame, taskId, row.id)),
    (error: unknown) => call.fail(error),
  );
  return undefined;
}

/** What a server says of a task, as the caller knows the task. */
export function answerOfTask(
  { method }: RequestFrame,
  task: CallTask,
  frame: ResponseFrame,
): ResponseFrame {
  const { id, theirs = '' } = task.row;
  if (method !== 'tasks/result') task.heard(frame.result ?? {});
  return answerWithTask(frame, theirs, id);
}
