/** A client that listens to a call that is a task (`subscriptions/listen` with `taskIds`, SEP-2663) hears of each change. */
import { createScope, sleep } from '../../../core/index.ts';
import type { Clock, Scope } from '../../../core/index.ts';
import { LISTEN_POLL_MAX_MS, LISTEN_POLL_MIN_MS } from '../../call-tasks/limits.ts';
import type { CallTask } from '../../call-tasks/types.ts';
import type { Route } from '../../catalog/types.ts';
import type { Principal } from '../../../guard/index.ts';
import { spansOf } from '../../wire/frame.ts';
import type { ChannelTable } from '../channel-table.ts';
import type { Listener, Subscriptions } from '../subscriptions.ts';
import { askServer, routeOfTask } from './task-requests.ts';

const OVER: readonly string[] = ['completed', 'failed', 'cancelled'];

/** What watching works with. */
export interface TaskWatchComponents {
  readonly channels: Pick<ChannelTable, 'get'>;
  readonly subscriptions: Pick<Subscriptions, 'taskChanged' | 'whenClosed'>;
  /** @throws STARLING_CALL_REFUSED where the caller may not make the call any more */
  readonly permit: (route: Route) => void;
  /** By whose rights the server is asked. */
  readonly principal: () => Principal;
  readonly clock: Clock;
}

/**
 * Tells how the task is now, and of each change until it has ended or the listener is closed. A task of a server is asked
 * for as often as its server says: so it is heard of over peers, too. @throws what the last look throws
 */
export async function watchCallTask(
  task: CallTask,
  listener: Listener,
  { channels, clock, permit, principal, subscriptions }: TaskWatchComponents,
): Promise<void> {
  const scope = createScope(clock);
  subscriptions.whenClosed(listener, () => scope.close());
  const told = (text: string): void => {
    permit(routeOfTask(task));
    subscriptions.taskChanged(listener, text);
  };
  try {
    await (task.isOwn
      ? watchOwn(task, scope, told)
      : pollCarried(task, { scope, told, channels, principal }));
  } finally {
    scope.close();
  }
}

async function watchOwn(task: CallTask, scope: Scope, told: (text: string) => void): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const tell = coalesced(async () => {
      told(await task.shown());
      if (OVER.includes(task.row.status)) resolve();
    }, reject);
    const unwatch = task.watch(tell);
    scope.signal.addEventListener(
      'abort',
      () => {
        unwatch();
        resolve();
      },
      { once: true },
    );
    tell();
  });
}

async function pollCarried(
  task: CallTask,
  {
    channels,
    principal,
    scope,
    told,
  }: Pick<TaskWatchComponents, 'channels' | 'principal'> & {
    readonly scope: Scope;
    readonly told: (text: string) => void;
  },
): Promise<void> {
  let last: string | undefined;
  while (!scope.closed) {
    const renamed = await askServer(task, channels, principal());
    if (renamed.result === undefined) return;
    const place = spansOf(renamed).result;
    const text = renamed.bytes.toString('utf8', place?.start, place?.end);
    if (text !== last) told(text);
    last = text;
    if (OVER.includes(String(renamed.result['status']))) return;
    const pollMs = task.row.pollMs ?? LISTEN_POLL_MIN_MS;
    await sleep(scope, Math.min(LISTEN_POLL_MAX_MS, Math.max(LISTEN_POLL_MIN_MS, pollMs)));
  }
}

/** Runs `tell` once more where it is asked for while it runs, and no oftener. */
export function coalesced(
  tell: () => Promise<void>,
  failed: (error: unknown, what: string) => void,
): () => void {
  let runs = false;
  let again = false;
  const run = async (): Promise<void> => {
    runs = true;
    try {
      do {
        again = false;
        await tell();
      } while (again);
    } finally {
      runs = false;
    }
  };
  return () => {
    if (runs) again = true;
    else run().catch((error: unknown) => failed(error, 'a change of a task was not told'));
  };
}
