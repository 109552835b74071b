/** Leads what servers say by themselves to where the client of one session hears it. */
import { META, isLogLevel, metaOf, reaches } from '../wire/era.ts';
import type { Principal } from '../../guard/index.ts';
import type { CallTask, CallTasks } from '../call-tasks/types.ts';
import { noticeWithTask, taskNamedIn } from '../wire/task-id.ts';
import type { Call } from './call/call.ts';
import type { ClientQuestions } from './client-questions.ts';
import { taskOwner } from './tasks/long-call.ts';
import type { NodeSampling } from './node-sampling.ts';
import type { Subscriptions } from './subscriptions.ts';
import type { ChannelListener, ClientFacts, RelayedCall, ServerTarget } from '../channel-types.ts';
import type { NotificationFrame, RequestFrame } from '../frame-types.ts';

/** By which a server of the legacy era tells of a task (MCP 2025-11-25 `basic/utilities/tasks`). */
const TASK_STATUS = 'notifications/tasks/status';

/** What the notices of a session go by. */
export interface ServerNoticesComponents {
  readonly questions: ClientQuestions;
  readonly subscriptions: Subscriptions;
  readonly sampling: NodeSampling;
  /** Tasks that servers have made, which their callers know by other ids. */
  readonly callTasks: Pick<CallTasks, 'named'>;
  /** Whose session it is, and what its client says of itself. */
  caller(): { readonly principal: Principal; readonly client: ClientFacts };
  /** The session's requests that are under way. */
  calls(): Iterable<Call>;
  /** The least severe log messages that the client wants; `undefined`: all; `none`: it has no session. */
  logLevel(): string | undefined;
  /** Sends what belongs to no call. */
  push(message: Buffer): void;
}

/** Makes the listener for the channel to `target`; `server` is the channel's name in the session's table. */
export function createServerNotices(
  components: ServerNoticesComponents,
): (server: string, target: ServerTarget) => ChannelListener {
  const { questions, sampling, subscriptions } = components;
  const push = (message: Buffer): void => components.push(message);
  return (server, target) => ({
    notification(frame, related) {
      // The session itself compares lists, and tells of its own.
      if (frame.method.endsWith('/list_changed')) return;
      if (frame.method === 'notifications/resources/updated') {
        subscriptions.updated(server, frame, push);
      } else if (frame.method === TASK_STATUS) {
        // Of a task that nobody here has a client hears nothing.
        const task = taskOf(components, target, frame);
        task?.heard(frame.params);
        if (task !== undefined) push(renamed(frame, task).bytes);
      } else if (frame.method === 'notifications/cancelled') {
        questions.cancelled(server, frame);
        sampling.cancelled(server, frame);
      } else if (frame.method === 'notifications/message') {
        logged(components, server, frame, related);
      } else {
        const call = callOn(components, server, related);
        if (call === undefined) push(frame.bytes);
        else call.reply.interim(frame.bytes);
      }
    },
    request(asking, answer, related) {
      const task = taskOf(components, target, asking);
      const frame = task === undefined ? asking : renamed(asking, task);
      const call = callOn(components, server, related, ({ isSent }) => isSent);
      // A call that waits for a person is none that the server could work for.
      const working = call?.isSent === true ? call : undefined;
      const asked = { ...components.caller(), channel: server, target, frame, call: working };
      if (sampling.answers(asked, answer)) return;
      questions.ask(server, frame, answer, (message) => {
        if (call === undefined) push(message);
        else call.reply.urgent(message);
      });
    },
  });
}

/** The caller's task that something of a server belongs to. */
function taskOf(
  components: ServerNoticesComponents,
  target: ServerTarget,
  frame: NotificationFrame | RequestFrame,
): CallTask | undefined {
  const theirs = taskNamedIn(frame);
  if (theirs === undefined) return undefined;
  const { principal } = components.caller();
  return components.callTasks.named(target, theirs, taskOwner(principal));
}

function renamed<T extends NotificationFrame | RequestFrame>(frame: T, { row }: CallTask): T {
  return noticeWithTask(frame, row.theirs ?? '', row.id);
}

function logged(
  components: ServerNoticesComponents,
  server: string,
  frame: NotificationFrame,
  related: RelayedCall | undefined,
): void {
  const { level } = frame.params;
  const wants = ({ request }: Call): boolean => {
    const wanted = metaOf(request.params)[META.logLevel];
    return isLogLevel(wanted) && reaches(level, wanted);
  };
  const call = callOn(components, server, related, wants);
  if (call?.era === 'modern') {
    if (wants(call)) call.reply.interim(frame.bytes);
    return;
  }
  const wanted = components.logLevel();
  if (wanted === 'none' || (wanted !== undefined && !reaches(level, wanted))) return;
  if (call === undefined) components.push(frame.bytes);
  else call.reply.interim(frame.bytes);
}

/** The call that something of a server belongs to: the one named, else the latest that fits best. */
function callOn(
  components: ServerNoticesComponents,
  server: string,
  related: RelayedCall | undefined,
  prefers: (call: Call) => boolean = () => false,
): Call | undefined {
  let latest: Call | undefined;
  let preferred: Call | undefined;
  for (const call of components.calls()) {
    if (call.server !== server || call.isListener) continue;
    if (related !== undefined && call.request === related.request) return call;
    latest = call;
    if (prefers(call)) preferred = call;
  }
  return preferred ?? latest;
}
