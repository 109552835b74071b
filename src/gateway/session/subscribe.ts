/** Subscribes a session to resources by itself, and ends that. */
import type { Json } from '../../core/index.ts';
import { LISTENER_META } from '../wire/era.ts';
import { StarlingError } from '../../core/index.ts';
import { errorFrom } from '../wire/frame.ts';
import type { ChannelTable } from './channel-table.ts';
import type { Route, View } from '../catalog/types.ts';
import type { Subscriptions } from './subscriptions.ts';
import { targetOf } from '../catalog/sources.ts';
import type { ListKind } from '../catalog/lists.ts';

const KINDS: readonly ListKind[] = ['tools', 'resources', 'templates', 'prompts'];
const TIMEOUT_MS = 30_000;

/** What a subscription is made with. */
export interface SubscribeComponents {
  readonly view: View;
  readonly channels: ChannelTable;
  readonly subscriptions: Subscriptions;
  /** @throws STARLING_CALL_REFUSED where the caller may not subscribe */
  readonly permit: (route: Route) => void;
}

/**
 * Subscribes to `uri` where the view leads; `capabilities` are those of a client that listens by
 * `subscriptions/listen`. @throws STARLING_CALL_REFUSED, STARLING_PEER_UNREACHABLE, …
 */
export async function subscribe(
  { view, channels, subscriptions, permit }: SubscribeComponents,
  uri: string,
  capabilities?: Json,
): Promise<void> {
  const [route] = view.resource(uri, 'resource/subscribe');
  if (route === undefined) return;
  permit(route);
  const theirs = route.edits?.uri ?? uri;
  if (!subscriptions.know(uri, channels.nameOf(route.target), theirs)) return;
  const channel = await channels.get(route.target);
  const listener = capabilities === undefined ? {} : { _meta: { [LISTENER_META]: capabilities } };
  const params = { uri: theirs, ...listener };
  const { error } = await channel.request('resources/subscribe', params, { timeoutMs: TIMEOUT_MS });
  if (error !== undefined) throw errorFrom(error);
}

/** Ends the subscription to `uri`. @throws as {@link subscribe} */
export async function unsubscribe(view: View, channels: ChannelTable, uri: string): Promise<void> {
  const [route] = view.resource(uri, 'resource/read');
  if (route === undefined) return;
  const channel = await channels.get(route.target);
  const params = { uri: route.edits?.uri ?? uri };
  await channel.request('resources/unsubscribe', params, { timeoutMs: TIMEOUT_MS });
}

/** Ends what the caller may not hear of any more. */
export function dropRefused(
  view: View,
  subscriptions: Subscriptions,
  permit: SubscribeComponents['permit'],
): void {
  for (const uri of subscriptions.uris()) {
    if (!hears(view, uri, permit)) subscriptions.drop(uri);
  }
}

/**
 * Closes the channels to servers of which the caller may use nothing any more: these could still log to
 * it. Those in `busy` stay, since something allowed is under way there.
 */
export function dropChannels(
  view: View,
  channels: ChannelTable,
  subscriptions: Subscriptions,
  busy: ReadonlySet<string | undefined>,
): void {
  const open = channels.names().filter((name) => !busy.has(name) && !subscriptions.isOn(name));
  if (open.length === 0) return;
  const seen = serversOf(view, channels);
  for (const name of open) if (!seen.has(name)) channels.drop(name);
}

/** Servers of which the view shows something, by what their channels are called. */
function serversOf({ lists }: View, channels: ChannelTable): ReadonlySet<string> {
  const locations = KINDS.flatMap((kind) =>
    lists.names(kind).flatMap((name) => {
      const location = lists.locate(kind, name);
      return location === undefined ? [] : [location, ...(location.others ?? [])];
    }),
  );
  const sources = new Set(locations.map(({ source }) => source));
  return new Set([...sources].map((source) => channels.nameOf(targetOf(source))));
}

function hears(view: View, uri: string, permit: SubscribeComponents['permit']): boolean {
  try {
    const [route] = view.resource(uri, 'resource/subscribe');
    if (route === undefined) return false;
    permit(route);
    return true;
  } catch (error) {
    if (error instanceof StarlingError) return false;
    throw error;
  }
}
