/**
 * Names that are in no list while lists are on their way: a call of one waits for these, for a short time. So whoever knows
 * two machines by name can call what both offer under one name, and whoever calls right after a start is not told that
 * there is no such thing. It is waited before the guard is asked, and alike for every name that the caller does not see:
 * how long an answer takes does not tell what exists.
 */
import { StarlingError } from '../../../core/index.ts';
import type { Clock } from '../../../core/index.ts';
import type { Route, View, Views } from '../../catalog/types.ts';
import type { RequestFrame } from '../../frame-types.ts';

/** How long a call waits for lists. Longer serves who calls while many peers come; shorter tells sooner of a slip. */
const LATE_MAX_MS = 5000;
/** How often it is looked whether anything comes still: a list that brings nothing new is no event. */
const LATE_LOOK_MS = 250;

/** What waiting works with. */
export interface LateNamesComponents {
  readonly views: Pick<Views, 'awaitsLists' | 'events'>;
  readonly clock: Clock;
}

/** The way of `request`, or undefined where its name is in no list so far. @throws what the view throws besides */
export function routesOfKnown(
  view: View,
  request: RequestFrame,
  find: (view: View) => readonly Route[],
): readonly Route[] | undefined {
  try {
    const routes = find(view);
    return routes[0]?.isUnknown === true ? undefined : routes;
  } catch (error) {
    if (isUnlisted(view, request) && isUsage(error)) return undefined;
    throw error;
  }
}

/** Resolves when `isFound` says so, when no list comes any more, after 5 s, or when `signal` is aborted. Never rejects. */
export function untilListed(
  { clock, views }: LateNamesComponents,
  isFound: () => boolean,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve) => {
    let looksLeft = LATE_MAX_MS / LATE_LOOK_MS;
    let cancel: () => void = () => undefined;
    const end = (): void => {
      cancel();
      views.events.off('change', look);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const look = (): void => {
      if (isFound() || !views.awaitsLists()) end();
    };
    const lookLater = (): void => {
      cancel = clock.schedule(LATE_LOOK_MS, () => {
        looksLeft -= 1;
        // Whatever may have brought the name was a change.
        if (looksLeft <= 0 || !views.awaitsLists()) end();
        else lookLater();
      });
    };
    views.events.on('change', look);
    signal.addEventListener('abort', end, { once: true });
    if (signal.aborted) end();
    else lookLater();
  });
}

/** Whether the request is about a prompt or a resource that no list of the view has. */
function isUnlisted({ lists }: View, { method, params }: RequestFrame): boolean {
  const { name, uri } = params;
  if (method === 'prompts/get') {
    return typeof name === 'string' && lists.locate('prompts', name) === undefined;
  }
  const isOfResource = method === 'resources/read' || method === 'resources/subscribe';
  return isOfResource && typeof uri === 'string' && lists.locate('resources', uri) === undefined;
}

function isUsage(error: unknown): boolean {
  return error instanceof StarlingError && error.code === 'STARLING_USAGE';
}
