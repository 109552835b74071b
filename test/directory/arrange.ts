/** PeerCatalogs for tests. */
import type { JsonObject } from '../../src/core/index.ts';
import type { ServerCatalog, ServerItems } from '../../src/directory/index.ts';

/** A server that lists `items`, and declares what it lists. */
export function catalogOf(
  server: string,
  items: Partial<ServerItems> = {},
  capabilities: JsonObject = {},
): ServerCatalog {
  const { tools = [], resources = [], templates = [], prompts = [] } = items;
  return {
    server,
    serverInfo: { name: `the ${server}`, version: '1' },
    tools,
    resources,
    templates,
    prompts,
    capabilities: {
      ...(tools.length === 0 ? {} : { tools: {} }),
      ...(resources.length + templates.length === 0 ? {} : { resources: { subscribe: true } }),
      ...(prompts.length === 0 ? {} : { prompts: {} }),
      ...capabilities,
    },
  };
}
