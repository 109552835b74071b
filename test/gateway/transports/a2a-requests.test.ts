/** What an agent's A2A endpoint makes of messages and tasks, of a caller whose tools are played by the test. */
import { Part, SendMessageRequest, TaskState } from '@a2a-js/sdk';
import type { Task } from '@a2a-js/sdk';
import { describe, expect, it } from 'vitest';
import type { Json, JsonObject } from '../../../src/core/index.ts';
import { partsOf } from '../../../src/gateway/transports/a2a/a2a-messages.ts';
import { createA2aRequests } from '../../../src/gateway/transports/a2a/a2a-requests.ts';
import type { CallTool } from '../../../src/gateway/transports/a2a/a2a-requests.ts';

const NO_CONTEXT = undefined as never;
const CONTEXT = { message: { metadata: { a2a: { contextId: 'mine' } } } };
const view = (status: string, more: JsonObject = {}): JsonObject => ({
  taskId: 'task-1',
  agentId: 'coder',
  status,
  version: 1,
  ...CONTEXT,
  ...more,
});
const ENDED = { endedAt: '2026-01-01T00:00:00.000Z' };
const ASKS = view('running', { question: { kind: 'input', key: 'depth', message: 'How deep?' } });

/** A caller whose calls are answered in this order; what it has called is kept. */
function playing(...answers: readonly (JsonObject | 'refused')[]) {
  const called: string[] = [];
  const left = [...answers];
  const call: CallTool = async (tool, args) => {
    called.push(tool);
    const answer = left.shift() ?? expect.fail(`no answer to ${tool} ${JSON.stringify(args)}`);
    return answer === 'refused'
      ? { error: { message: 'no', data: { code: 'STARLING_CALL_REFUSED' } } }
      : { result: { structuredContent: answer } };
  };
  return { requests: createA2aRequests('coder', call), called };
}

const send = (message: object, configuration: object = {}) =>
  SendMessageRequest.fromJSON({
    message: { messageId: 'm-1', role: 'ROLE_USER', parts: [{ text: 'dig' }], ...message },
    configuration,
  });

describe('a message whose sender waits', () => {
  it('is a task that has ended, or asks something, where its sender may give tasks', async () => {
    const done = view('done', { ...ENDED, result: 'dug' });
    const { called, requests } = playing(view('submitted'), view('running'), view('done'), done);
    const task = (await requests.sendMessage(send({}), NO_CONTEXT)) as Task;
    expect(task.status?.state).toBe(TaskState.TASK_STATE_COMPLETED);
    expect(task.artifacts[0]?.parts[0]?.content?.value).toBe('dug');
    expect(called).toEqual(['agent_task', 'task_status', 'task_status', 'task_result']);

    const asking = playing(view('submitted'), ASKS);
    const asked = (await asking.requests.sendMessage(send({}), NO_CONTEXT)) as Task;
    expect(asked.status?.state).toBe(TaskState.TASK_STATE_INPUT_REQUIRED);
  });

  it('has the result of a task that was done before', async () => {
    const done = view('done', { ...ENDED, result: 'dug' });
    const { requests } = playing(view('done', ENDED), done);
    const task = (await requests.sendMessage(send({}), NO_CONTEXT)) as Task;
    expect(task.artifacts[0]?.parts[0]?.content?.value).toBe('dug');
  });

  it('is answered by a message where its sender may give none, and is asked once', async () => {
    const { called, requests } = playing('refused', { response: 'dug' });
    expect(await requests.sendMessage(send({}), NO_CONTEXT)).toMatchObject({
      parts: [{ content: { value: 'dug' } }],
    });
    expect(called).toEqual(['agent_task', 'agent_message']);
    const unwaited = playing('refused');
    const request = send({}, { returnImmediately: true });
    await expect(unwaited.requests.sendMessage(request, NO_CONTEXT)).rejects.toThrow('no');
  });

  it('goes on with the task that it names, of its own conversation alone', async () => {
    const done = view('done', { ...ENDED, result: 3 });
    // The question is told until the agent has gone on.
    const { called, requests } = playing(ASKS, ASKS, done);
    const message = { taskId: 'task-1', contextId: 'mine' };
    const task = (await requests.sendMessage(send(message), NO_CONTEXT)) as Task;
    expect(task.contextId).toBe('mine');
    expect(called).toEqual(['task_result', 'task_answer', 'task_status']);

    const other = playing(ASKS);
    const mismatched = send({ taskId: 'task-1', contextId: 'another' });
    await expect(other.requests.sendMessage(mismatched, NO_CONTEXT)).rejects.toThrow(
      'of another conversation',
    );
    expect(other.called).toEqual(['task_result']);
  });
});

it('whoever subscribes hears on while the task asks, until it has ended', async () => {
  const done = view('done', { ...ENDED, result: 'dug', version: 3 });
  const { requests } = playing(ASKS, view('running', { version: 2 }), done);
  const states: unknown[] = [];
  const events = requests.resubscribe({ tenant: '', id: 'task-1' }, NO_CONTEXT);
  for await (const { payload } of events) {
    if (payload?.$case === 'task' || payload?.$case === 'statusUpdate') {
      states.push(payload.value.status?.state);
    }
  }
  expect(states).toEqual([
    TaskState.TASK_STATE_INPUT_REQUIRED,
    TaskState.TASK_STATE_WORKING,
    TaskState.TASK_STATE_COMPLETED,
  ]);
});

it.each([
  [{ text: 'x', mediaType: 'text/markdown' }, true],
  [{ text: 'x', mediaType: 'Text/Plain; charset=utf-8' }, true],
  [{ data: 1, mediaType: 'application/json' }, true],
  [{ raw: 'eA==', mediaType: 'text/plain', filename: 'x.txt' }, true],
  [{ raw: 'eA==' }, true],
  [{ raw: 'eA==', mediaType: 'image/png' }, false],
  [{ url: 'https://example.com/x', mediaType: 'application/x-unknown' }, false],
  [{ raw: 'eA==', mediaType: 'text/markdown' }, false],
] as const)('a part that is %j is taken: %s', async (part, isTaken) => {
  const { requests } = playing('refused', { response: 'read' });
  const sent = requests.sendMessage(send({ parts: [{ text: 'look' }, part] }), NO_CONTEXT);
  if (isTaken) expect(await sent).toMatchObject({ parts: [{ content: { value: 'read' } }] });
  else await expect(sent).rejects.toThrow('takes text/plain and application/json');
});

it.each<readonly [Json, Json[]]>([
  ['dug', [{ text: 'dug' }]],
  [{ a: 1 }, [{ data: { a: 1 } }]],
  [null, [{ data: null }]],
  [{ parts: [{ text: 'a' }, { data: 2 }] }, [{ text: 'a' }, { data: 2 }]],
  [
    { parts: [{ raw: 'eA==', filename: 'x.txt', mediaType: 'text/plain' }] },
    [{ raw: 'eA==', filename: 'x.txt', mediaType: 'text/plain' }],
  ],
  ...[
    { parts: [] },
    { parts: 'a' },
    { parts: [{ text: 1 }] },
    { parts: [{ text: 'a', data: 2 }] },
    { parts: [{ text: 'a', filename: 7 }] },
    { parts: [{}] },
    { parts: [{ text: 'a' }], more: 1 },
  ].map((value): [Json, Json[]] => [value, [{ data: value }]]),
])('what an agent gives, %j, is these parts', (value, parts) => {
  expect(partsOf(value)).toEqual(parts);
  // Whatever they are, they can be sent.
  for (const part of partsOf(value)) Part.toJSON(Part.fromJSON(part));
});
