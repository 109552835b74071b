/**
 * Tools that their servers do as tasks only (MCP 2025-11-25, `execution.taskSupport: required`), for callers that ask for
 * no task: the node asks for the task, and for its result, and the caller has a call like any other.
 */
import { messageOf } from '../../../core/index.ts';
import type { Logger } from '../../../core/index.ts';
import { taskMadeIn } from '../../wire/task-id.ts';
import { objectOf } from '../../wire/era.ts';
import type { ServerCatalog } from '../../../directory/index.ts';
import type { ChannelCall, RelayedCall } from '../../channel-types.ts';
import type { Instance } from '../instances/instance.ts';
import type { ServerInstances } from '../instances/server-instances-types.ts';
import { asUpstreamError } from '../upstream-errors.ts';
import { relayedWith } from './relayed-call.ts';

/** How long such a task may take: what a call may in all, where nothing else is said. */
const TASK_MS = 3_600_000;
const CANCEL_MS = 10_000;

/** Names of the tools of a catalog that are task-only; lists stay as they are until they are read anew. */
const known = new WeakMap<ServerCatalog, ReadonlySet<string>>();

/** Whether a server does this tool as a task only. */
export function isTaskOnly(catalog: ServerCatalog, tool: unknown): boolean {
  const names = known.get(catalog) ?? taskOnlyIn(catalog);
  return typeof tool === 'string' && names.has(tool);
}

function taskOnlyIn(catalog: ServerCatalog): ReadonlySet<string> {
  const tools = catalog.tools.filter(
    (tool) => objectOf(tool['execution'])['taskSupport'] === 'required',
  );
  const names = new Set(tools.map(({ name }) => name));
  known.set(catalog, names);
  return names;
}

/** Whether a call is of such a tool, and does not ask for a task itself. */
export function isOfTaskOnly(
  { edits, request }: Pick<RelayedCall, 'edits' | 'request'>,
  upstream: Pick<ServerInstances, 'isTaskOnly'>,
): boolean {
  const { method, params } = request;
  if (method !== 'tools/call' || params['task'] !== undefined) return false;
  return upstream.isTaskOnly(edits?.name ?? params['name']);
}

/** What such a call goes by. */
export interface TaskOnlyInit {
  readonly instance: Instance;
  readonly call: RelayedCall;
  readonly server: string;
  readonly logger: Logger;
}

/** Relays the call as a task; its answer is the result of that. */
export function relayAsTask({ instance, call, server, logger }: TaskOnlyInit): ChannelCall {
  const { channel } = instance;
  let isOver = false;
  let taskId: string | undefined;
  const asked = { ...call.request.params, task: {} };
  const sent = channel.relay({
    ...relayedWith(call),
    edits: { ...call.edits, params: { ...call.edits?.params, task: {} } },
    response(frame) {
      const made = taskMadeIn({ ...call.request, params: asked }, frame.result)?.['taskId'];
      if (typeof made !== 'string') return call.response(frame);
      taskId = made;
      // This waits for the end, and is what questions of the task come by.
      channel.request('tasks/result', { taskId }, { timeoutMs: TASK_MS }).then(
        (end) => {
          if (!isOver) call.response(end);
        },
        (error: unknown) => {
          if (!isOver) call.failed(asUpstreamError(error, server));
        },
      );
      return undefined;
    },
  });
  return {
    cancel(reason) {
      isOver = true;
      if (taskId === undefined) return sent.cancel(reason);
      channel.request('tasks/cancel', { taskId }, { timeoutMs: CANCEL_MS }).catch(
        // It may have ended meanwhile.
        (error: unknown) => logger.debug({ server, error: messageOf(error) }, 'task not cancelled'),
      );
      return undefined;
    },
  };
}
