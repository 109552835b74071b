/** Leads what servers say by themselves to where the client of one session hears it. */
import type { Active } from './call.ts';
import { META, isLogLevel, metaOf, reaches } from '../wire/era.ts';
import type { ClientQuestions } from './client-questions.ts';
import type { Subscriptions } from './subscriptions.ts';
import type { ChannelListener, NotificationFrame, RelayedCall } from '../types.ts';

/** What the hearing works with. */
export interface ServerNoticesComponents {
  readonly questions: ClientQuestions;
  readonly subscriptions: Subscriptions;
  /** The session's requests that are under way. */
  active(): Iterable<Active>;
  /** The least severe log messages that the client wants; `undefined`: all; `none`: it has no session. */
  logLevel(): string | undefined;
  push(message: Buffer): void;
}

/** Makes the ears for the channel to `server`, which is what the session calls it. */
export function createServerNotices(
  components: ServerNoticesComponents,
): (server: string) => ChannelListener {
  const { questions, subscriptions } = components;
  const push = (message: Buffer): void => components.push(message);
  return (server) => ({
    notification(frame, related) {
      if (frame.method.endsWith('/list_changed')) return;
      if (frame.method === 'notifications/resources/updated') {
        subscriptions.updated(server, frame, push);
      } else if (frame.method === 'notifications/cancelled') {
        questions.cancelled(server, frame, push);
      } else if (frame.method === 'notifications/message') {
        logged(components, server, frame, related);
      } else {
        const active = activeOn(components, server, related);
        if (active === undefined) push(frame.bytes);
        else active.reply.interim(frame.bytes);
      }
    },
    request(frame, answer, related) {
      const active = activeOn(components, server, related);
      questions.ask(server, frame, answer, (message) => {
        if (active === undefined) push(message);
        else active.reply.urgent(message);
      });
    },
  });
}

function logged(
  components: ServerNoticesComponents,
  server: string,
  frame: NotificationFrame,
  related: RelayedCall | undefined,
): void {
  const { level } = frame.params;
  const wants = ({ request }: Active): boolean => {
    const wanted = metaOf(request.params)[META.logLevel];
    return isLogLevel(wanted) && reaches(level, wanted);
  };
  const active = activeOn(components, server, related, wants);
  if (active?.era === 'modern') {
    if (wants(active)) active.reply.interim(frame.bytes);
    return;
  }
  const wanted = components.logLevel();
  if (wanted === 'none' || (wanted !== undefined && !reaches(level, wanted))) return;
  if (active === undefined) components.push(frame.bytes);
  else active.reply.interim(frame.bytes);
}

/** The call that something of a server belongs to: the one named, else the latest that fits best. */
function activeOn(
  components: ServerNoticesComponents,
  server: string,
  related: RelayedCall | undefined,
  prefers: (active: Active) => boolean = () => false,
): Active | undefined {
  let latest: Active | undefined;
  let preferred: Active | undefined;
  for (const active of components.active()) {
    if (active.server !== server || active.listener !== undefined) continue;
    if (related !== undefined && active.relayed?.request === related.request) return active;
    latest = active;
    if (prefers(active)) preferred = active;
  }
  return preferred ?? latest;
}
