/** What A2A calls a task, made of what the tools of tasks answer. Pure. */
import { createHash } from 'node:crypto';
import { Task } from '@a2a-js/sdk';
import type { StreamResponse } from '@a2a-js/sdk';
import type { Json, JsonObject } from '../../../core/index.ts';
import { objectOf } from '../../wire/era.ts';
import { partsOf } from './a2a-messages.ts';

/** States of ours as A2A has them; what is not here is worked on. */
const STATES: Readonly<Record<string, string>> = {
  submitted: 'TASK_STATE_SUBMITTED',
  planned: 'TASK_STATE_SUBMITTED',
  bidding: 'TASK_STATE_SUBMITTED',
  done: 'TASK_STATE_COMPLETED',
  failed: 'TASK_STATE_FAILED',
  expired: 'TASK_STATE_FAILED',
  cancelled: 'TASK_STATE_CANCELED',
};
const WORKING = 'TASK_STATE_WORKING';
const ASKING = 'TASK_STATE_INPUT_REQUIRED';

/** The same message of the same caller to the same agent is the same task. */
export function taskKey(agent: string, messageId: string): string {
  return createHash('sha256').update(`${agent} ${messageId}`).digest('hex');
}

/** Whether nothing more comes: it has ended, or waits for its submitter, which ends a stream. */
export function isAtRest(view: JsonObject): boolean {
  return view['endedAt'] !== undefined || stateOf(view) === ASKING;
}

/** A task as A2A has it; `view` is what `task_status` or `task_result` says. */
export function taskOf(view: JsonObject): Task {
  return Task.fromJSON({
    id: view['taskId'],
    contextId: contextOf(view),
    status: statusOf(view),
    artifacts: artifactsOf(view),
    history: [],
  });
}

/** The events from one look at a task to the next; none where A2A sees no difference. */
export function eventsOf(view: JsonObject, before: JsonObject): readonly StreamResponse[] {
  const { artifacts, id: taskId, contextId, status } = taskOf(view);
  const isSame = JSON.stringify(saidOf(view)) === JSON.stringify(saidOf(before));
  if (isSame) return [];
  const given = artifacts.map((artifact): StreamResponse => {
    const value = { taskId, contextId, artifact, append: false, lastChunk: true };
    return { payload: { $case: 'artifactUpdate', value: { ...value, metadata: undefined } } };
  });
  const value = { taskId, contextId, status, metadata: undefined };
  return [...given, { payload: { $case: 'statusUpdate', value } }];
}

/** Whether the task is one of this agent, and came by A2A. */
export function isOf(view: JsonObject, agent: string): boolean {
  return view['agentId'] === agent && contextOf(view) !== '';
}

function stateOf(view: JsonObject): string {
  const { kind } = objectOf(view['question']);
  if (view['endedAt'] === undefined && kind === 'input') return ASKING;
  return STATES[String(view['status'])] ?? WORKING;
}

/** What of a view is told. */
function saidOf(view: JsonObject): Json {
  const state = stateOf(view);
  return [state, wordsOf(view, state)];
}

function statusOf(view: JsonObject): JsonObject {
  const state = stateOf(view);
  const text = wordsOf(view, state);
  const attempts = view['attempts'];
  const last = Array.isArray(attempts) ? objectOf(attempts.at(-1)) : {};
  const times = [view['endedAt'], last['startedAt'], view['submittedAt']];
  const timestamp = times.find((one) => typeof one === 'string');
  const id = `${String(view['taskId'])}/${String(view['version'])}`;
  const message = { messageId: id, role: 'ROLE_AGENT', parts: [{ text }] };
  return {
    state,
    ...(timestamp === undefined ? {} : { timestamp }),
    ...(text === '' ? {} : { message: { ...message, contextId: contextOf(view) } }),
  };
}

function wordsOf(view: JsonObject, state: string): string {
  const { message: asked } = objectOf(view['question']);
  if (state === ASKING && typeof asked === 'string') return asked;
  const { message: why } = objectOf(view['error']);
  if (typeof why === 'string') return why;
  const { text } = objectOf(view['progress']);
  return typeof text === 'string' && state === WORKING ? text : '';
}

function artifactsOf(view: JsonObject): Json[] {
  const { result, status } = view;
  if (status !== 'done' || result === undefined) return [];
  return [{ artifactId: 'result', parts: partsOf(result) }];
}

/** The conversation, as the task was given; empty for one that came by another road. */
export function contextOf(view: JsonObject): string {
  const { contextId } = objectOf(objectOf(objectOf(view['message'])['metadata'])['a2a']);
  return typeof contextId === 'string' ? contextId : '';
}
