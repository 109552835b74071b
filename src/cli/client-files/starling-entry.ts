/** The entry that `starling connect` writes into a client's file. */
import { StarlingError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json/json.ts';
import type { Launch } from './launcher.ts';
import type { McpClient } from './mcp-clients.ts';

/** How the client reaches the node. */
export type Way =
  | { readonly kind: 'stdio'; readonly launch: Launch }
  | { readonly kind: 'http'; readonly url: string; readonly key: string };

/** Keys of an entry that say how a server is reached: what an older entry had of them goes. */
const OF_THE_WAY = ['type', 'url', 'serverUrl', 'httpUrl', 'headers', 'command', 'args'];

/**
 * The entry for `client`; what its owner added to an older one is kept.
 * @throws STARLING_USAGE for a URL where the client's files have none
 */
export function entryFor(client: McpClient, way: Way, old: JsonObject): JsonObject {
  const kept = Object.fromEntries(Object.entries(old).filter(([key]) => !OF_THE_WAY.includes(key)));
  if (way.kind === 'stdio') return { ...(client.extra as JsonObject), ...kept, ...way.launch };
  if (client.http === undefined) {
    throw new StarlingError('STARLING_USAGE', `the file of ${client.title} takes no URL`, {
      hint: `connect it without --http: starling connect ${client.id}`,
    });
  }
  const { url, ...extra } = client.http;
  return {
    ...(extra as JsonObject),
    ...kept,
    [url]: way.url,
    headers: { Authorization: `Bearer ${way.key}` },
  };
}
