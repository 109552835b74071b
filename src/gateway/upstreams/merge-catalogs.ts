/** What a server lists, in one instance or in several. */
import type { JsonObject } from '../../core/index.ts';
import type { ServerCatalog, ServerItems } from '../../directory/index.ts';

/** The catalog of a server that has said nothing yet. */
export function emptyCatalog(server: string): ServerCatalog {
  return {
    server,
    capabilities: {},
    serverInfo: {},
    tools: [],
    resources: [],
    templates: [],
    prompts: [],
  };
}

/** `base` with what `others` have besides, at most `itemsMax` of each kind. Of items with one name the first counts. */
export function mergeItems(
  base: ServerCatalog,
  others: Iterable<ServerItems>,
  itemsMax: number,
): ServerCatalog {
  const lists: readonly ServerItems[] = [base, ...others];
  if (lists.length === 1) return base;
  const all = <Item extends JsonObject>(
    kind: (items: ServerItems) => readonly Item[],
    name: string,
  ): readonly Item[] => {
    const found = new Map<unknown, Item>();
    for (const item of lists.flatMap(kind)) if (!found.has(item[name])) found.set(item[name], item);
    return [...found.values()].slice(0, itemsMax);
  };
  return {
    ...base,
    tools: all(({ tools }) => tools, 'name'),
    resources: all(({ resources }) => resources, 'uri'),
    templates: all(({ templates }) => templates, 'uriTemplate'),
    prompts: all(({ prompts }) => prompts, 'name'),
  };
}
