/** The path of an HTTP request, without its query. Each request is asked for it by several parts of the door. */
import type { IncomingMessage } from 'node:http';

/** What stands before the question mark; empty where the request names nothing. */
export function pathOf({ url = '' }: Pick<IncomingMessage, 'url'>): string {
  const end = url.indexOf('?');
  return end === -1 ? url : url.slice(0, end);
}
