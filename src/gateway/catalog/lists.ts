/**
 * What one kind of caller sees: lists of tools, resources, templates and prompts, serialised once, when
 * somebody lists them, and cut into pages, and where each name and URI leads. Lists are asked for far more often than they
 * change, and the same ones serve every session that sees them.
 */
import { createHash } from 'node:crypto';
import type { JsonObject } from '../../core/index.ts';
import type { ListedTool, ServerItems } from '../../directory/index.ts';
import { objectOf } from '../wire/era.ts';
import { META_TOOLS } from './search/meta-tool-definitions.ts';
import { SEPARATOR, assignNames } from './tool-names.ts';
import type { NameStyle, Named } from './tool-names.ts';
import type { Quarantined } from '../pins/quarantine.ts';
import { aliasOf } from './resource-uris.ts';
import type { Source } from './sources.ts';
import { mergeTools } from './tool-merge.ts';
import type { ToolSelection } from './tool-selection.ts';
import { isReadOnly } from './guard-resource.ts';

/** Items on one page: most clients never ask for a second page. */
const PAGE_ITEMS_MAX = 1000;
/** Bytes on one page: a page stays far below what clients take as one message. */
const PAGE_BYTES_MAX = 4 * 1024 * 1024;
/** Keys in the `_meta` of a peer's item: the PeerId of the peer, and the name of its server. */
const PEER_META = 'starling/peer';
const SERVER_META = 'starling/server';

/** The lists of MCP. */
export type ListKind = keyof ServerItems;

/** Where an item is: the server that lists it, and what it is called there. */
export interface ItemLocation {
  readonly source: Source;
  /** The item's name or URI at its server. */
  readonly name: string;
  /** Why the item is not offered; absent for what is. */
  readonly quarantined?: Quarantined;
  /** The pinned definition of the tool says that it only reads. */
  readonly isReadOnly?: boolean;
  /** Other peers that have the very same tool. */
  readonly others?: readonly ItemLocation[];
}

/** The lists of one caller, as they are now: what is made later is made of what there was then. */
export interface Lists {
  /** Equal digests mean equal lists. */
  digest(kind: ListKind): string;
  /** The members of a list result without its braces; undefined past the last page. */
  page(kind: ListKind, index: number): Buffer | undefined;
  /** The items as they are listed. */
  items(kind: ListKind): readonly JsonObject[];
  /** The item that is called `name` here, as it is listed. */
  item(kind: ListKind, name: string): JsonObject | undefined;
  /** What the items are called here: names, URIs, URI templates. */
  names(kind: ListKind): readonly string[];
  /** Where what is called `name` here leads, listed or quarantined. */
  locate(kind: ListKind, name: string): ItemLocation | undefined;
}

/** How things are called towards a caller, and which are shown. */
export interface ListsInit {
  /** `plain`: as their server calls them, for one server alone; else with prefixes, by `tool-names.ts`. */
  readonly naming: 'plain' | 'prefixed';
  readonly style?: NameStyle;
  readonly merge?: boolean | readonly string[];
  readonly select?: ToolSelection;
}

/** By kind of list: the member that names an item, and the member of a result that holds the list. */
export const KINDS: Readonly<Record<ListKind, { readonly key: string; readonly list: string }>> = {
  tools: { key: 'name', list: 'tools' },
  resources: { key: 'uri', list: 'resources' },
  templates: { key: 'uriTemplate', list: 'resourceTemplates' },
  prompts: { key: 'name', list: 'prompts' },
};

/** Makes the lists of `sources`. Each kind is made when it is first asked for. */
export function createLists(sources: readonly Source[], init: ListsInit): Lists {
  const made = new Map<ListKind, List>();
  const listOf = (kind: ListKind): List => {
    const known = made.get(kind);
    if (known !== undefined) return known;
    const table =
      init.naming === 'plain' ? plainTable(sources, kind) : prefixedTable(sources, kind, init);
    const list = new List(kind, table, init.naming);
    made.set(kind, list);
    return list;
  };
  return {
    digest: (kind) => listOf(kind).written.digest,
    page: (kind, index) => listOf(kind).written.pages[index],
    items: (kind) => listOf(kind).items(),
    item: (kind, name) => listOf(kind).item(name),
    names: (kind) => listOf(kind).names(),
    locate: (kind, name) => listOf(kind).table.get(name)?.location,
  };
}

interface Entry {
  readonly location: ItemLocation;
  readonly item: JsonObject;
}

/** A list as it is sent. */
interface WrittenList {
  readonly digest: string;
  readonly pages: readonly Buffer[];
}

/** What can be quarantined, as pins name it. */
const PIN_KINDS: Readonly<Partial<Record<ListKind, string>>> = {
  tools: 'tool',
  prompts: 'prompt',
};

function entriesOf(sources: readonly Source[], kind: ListKind): readonly Entry[] {
  const { key } = KINDS[kind];
  return sources.flatMap((source) => {
    const entry = (item: JsonObject, quarantined?: Quarantined): Entry => ({
      location: {
        source,
        name: String(item[key]),
        isReadOnly: isReadOnly(item),
        ...(quarantined === undefined ? {} : { quarantined }),
      },
      item,
    });
    const quarantined = [...(source.quarantined?.values() ?? [])].filter(
      (one) => one.quarantined.kind === PIN_KINDS[kind],
    );
    return [
      ...source.catalog[kind].map((item: JsonObject) => entry(item)),
      ...quarantined.map((one) => entry(one.item, one.quarantined)),
    ];
  });
}

function plainTable(sources: readonly Source[], kind: ListKind): ReadonlyMap<string, Entry> {
  return new Map(entriesOf(sources, kind).map((entry) => [entry.location.name, entry] as const));
}

function prefixedTable(
  sources: readonly Source[],
  kind: ListKind,
  { style, merge = false, select = () => true }: ListsInit,
): ReadonlyMap<string, Entry> {
  const entries = entriesOf(sources, kind).filter(({ location: { source, name } }) =>
    select(source.peer?.alias, source.catalog.server, name),
  );
  if (kind === 'resources' || kind === 'templates') return uriTable(entries);
  const named =
    kind === 'tools' && merge !== false ? mergedEntries(entries, merge) : entries.map(alone);
  const reserved = kind === 'tools' ? RESERVED : undefined;
  return assignNames(named, reserved, style);
}

/** The names of the tools that search has: no other tool may hide them. */
const RESERVED: ReadonlySet<string> = new Set(META_TOOLS.map((tool) => tool.name));

function alone(entry: Entry): Named<Entry> {
  const { peer, catalog } = entry.location.source;
  return {
    ...(peer === undefined ? {} : { peer: peer.alias }),
    prefix: catalog.server,
    name: entry.location.name,
    target: entry,
  };
}

function mergedEntries(
  entries: readonly Entry[],
  rule: boolean | readonly string[],
): readonly Named<Entry>[] {
  const candidates = entries
    .filter(({ location }) => location.quarantined === undefined)
    .map((entry) => {
      const { peer, catalog } = entry.location.source;
      return {
        ...(peer === undefined ? {} : { peer: peer.alias }),
        server: catalog.server,
        tool: entry.item as ListedTool,
        target: entry,
      };
    });
  const merged = mergeTools(candidates, rule).map(({ peer, server, tool, targets }) => {
    const [first, ...others] = targets;
    const location =
      others.length === 0
        ? first.location
        : { ...first.location, others: others.map((other) => other.location) };
    return {
      ...(peer === undefined ? {} : { peer }),
      prefix: server,
      name: tool.name,
      target: { ...first, location },
    };
  });
  const quarantined = entries.filter(({ location }) => location.quarantined !== undefined);
  return [...merged, ...quarantined.map(alone)];
}

/** URIs stay as they are; where two servers use the same one, the later gets another. */
function uriTable(entries: readonly Entry[]): ReadonlyMap<string, Entry> {
  const table = new Map<string, Entry>();
  for (const entry of entries) {
    const { name: uri, source } = entry.location;
    const called = table.has(uri) ? aliasOf(prefixOf(source), uri) : uri;
    // Aliases meet where a server of ours is called like a peer with its server: the first one counts.
    if (!table.has(called)) table.set(called, entry);
  }
  return table;
}

/** `files` for a server of our own, `alice__files` for one of a peer. */
export function prefixOf({ peer, catalog }: Source): string {
  return peer === undefined ? catalog.server : `${peer.alias}${SEPARATOR}${catalog.server}`;
}

/**
 * The list of one kind. Who calls something asks where its name leads; the items themselves, of which the schemas are
 * made by then at the latest, are looked at when somebody lists them.
 */
class List {
  readonly table: ReadonlyMap<string, Entry>;
  readonly #kind: ListKind;
  readonly #naming: ListsInit['naming'];
  readonly #items = new Map<string, JsonObject>();
  #written: WrittenList | undefined;

  constructor(kind: ListKind, table: ReadonlyMap<string, Entry>, naming: ListsInit['naming']) {
    this.table = table;
    this.#kind = kind;
    this.#naming = naming;
  }

  get written(): WrittenList {
    this.#written ??= paginate(this.#kind, this.items());
    return this.#written;
  }

  names(): readonly string[] {
    return [...this.table].flatMap(([name, { location }]) =>
      location.quarantined === undefined ? [name] : [],
    );
  }

  items(): readonly JsonObject[] {
    return this.names().map((name) => this.item(name) ?? {});
  }

  item(name: string): JsonObject | undefined {
    const known = this.#items.get(name);
    if (known !== undefined) return known;
    const entry = this.table.get(name);
    if (entry === undefined || entry.location.quarantined !== undefined) return undefined;
    const { item, location } = entry;
    const listed =
      this.#naming === 'plain'
        ? item
        : { ...item, [KINDS[this.#kind].key]: name, ...labelOf(item, location.source) };
    this.#items.set(name, listed);
    return listed;
  }
}

/** Serialises items in pages, each within the bounds of a page. */
export function paginate(kind: ListKind, items: readonly JsonObject[]): WrittenList {
  const pages: string[][] = [[]];
  let pageBytes = 0;
  const hash = createHash('sha256');
  for (const item of items) {
    const text = JSON.stringify(item);
    hash.update(text);
    const page = pages.at(-1) ?? [];
    const sizeBytes = Buffer.byteLength(text);
    const isFull = page.length >= PAGE_ITEMS_MAX || pageBytes + sizeBytes > PAGE_BYTES_MAX;
    if (isFull && page.length > 0) {
      pages.push([text]);
      pageBytes = sizeBytes;
    } else {
      page.push(text);
      pageBytes += sizeBytes;
    }
  }
  const written = pages.map((page, index) => {
    const next = index + 1 < pages.length ? `,"nextCursor":"${index + 1}"` : '';
    return Buffer.from(`"${KINDS[kind].list}":[${page.join(',')}]${next}`);
  });
  return { digest: hash.digest('base64url'), pages: written };
}

/** Says where a peer's item is from. */
function labelOf(item: JsonObject, { peer, catalog }: Source): JsonObject {
  if (peer === undefined) return {};
  const label = { [PEER_META]: peer.peerId, [SERVER_META]: catalog.server };
  return { _meta: { ...objectOf(item['_meta']), ...label } };
}
