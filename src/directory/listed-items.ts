/** What a peer lists to all members, beside what it has granted to this node. Pure. */
import { isObject } from '../core/index.ts';
import type { JsonObject } from '../core/index.ts';
import type { ServerCatalog } from './types.ts';

/** Key in the `_meta` of an item, `false`: it is listed to all members, and this node has no grant for it. */
const GRANTED_META = 'starling/granted';

/** `granted`, and behind that what of `listed` is not in it. */
export function withListed(
  granted: readonly ServerCatalog[],
  listed: readonly ServerCatalog[],
): readonly ServerCatalog[] {
  if (listed.length === 0) return granted;
  const known = new Map(granted.map((catalog) => [catalog.server, catalog]));
  const names = new Set(listed.map(({ server }) => server));
  return [
    ...granted.filter(({ server }) => !names.has(server)),
    ...listed.map((catalog) => joined(known.get(catalog.server), catalog)),
  ];
}

function joined(granted: ServerCatalog | undefined, listed: ServerCatalog): ServerCatalog {
  const rest = <Item extends JsonObject>(
    kind: (catalog: ServerCatalog) => readonly Item[],
    key: string,
  ): readonly Item[] => {
    const own = granted === undefined ? [] : kind(granted);
    const names = new Set(own.map((item) => item[key]));
    // A hostile peer may have put anything into its list: what is no object is left out later, as it is.
    const others = kind(listed).filter((item) => !isObject(item) || !names.has(item[key]));
    return [...own, ...others.map(notGranted)];
  };
  return {
    ...(granted ?? listed),
    tools: rest(({ tools }) => tools, 'name'),
    resources: rest(({ resources }) => resources, 'uri'),
    templates: rest(({ templates }) => templates, 'uriTemplate'),
    prompts: rest(({ prompts }) => prompts, 'name'),
  };
}

function notGranted<Item extends JsonObject>(item: Item): Item {
  if (!isObject(item)) return item;
  const meta = item['_meta'];
  return { ...item, _meta: { ...(isObject(meta) ? meta : {}), [GRANTED_META]: false } };
}
