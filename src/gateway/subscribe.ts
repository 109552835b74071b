/** Subscribes a session's `subscriptions/listen` to resources, and ends that. */
import type { LinkTable } from './link-table.ts';
import type { View } from './router.ts';
import type { Subscriptions } from './subscriptions.ts';

const TIMEOUT_MS = 30_000;

/** Subscribes to `uri` where the view leads. @throws STARLING_CALL_REFUSED, STARLING_USAGE, … */
export async function subscribe(
  view: View,
  links: LinkTable,
  subscriptions: Subscriptions,
  uri: string,
): Promise<void> {
  const [route] = view.resource(uri, 'resource/subscribe');
  if (route === undefined) return;
  const theirs = route.edits?.uri ?? uri;
  if (!subscriptions.know(uri, links.nameOf(route.target), theirs)) return;
  const link = await links.get(route.target);
  await link.request('resources/subscribe', { uri: theirs }, { timeoutMs: TIMEOUT_MS });
}

/** Ends the subscription to `uri`. @throws as {@link subscribe} */
export async function unsubscribe(view: View, links: LinkTable, uri: string): Promise<void> {
  const [route] = view.resource(uri, 'resource/read');
  if (route === undefined) return;
  const link = await links.get(route.target);
  const params = { uri: route.edits?.uri ?? uri };
  await link.request('resources/unsubscribe', params, { timeoutMs: TIMEOUT_MS });
}
