/**
 * What one kind of caller sees: lists of tools, resources, templates and prompts, serialised once and
 * cut into pages, and where each name and URI leads. Lists are asked for far more often than they
 * change, and the same ones serve every session that sees them.
 */
import { createHash } from 'node:crypto';
import type { JsonObject } from '../../core/index.ts';
import type { ListedTool, ServerCatalog, ServerFacts, ServerItems } from '../../directory/index.ts';
import type { PeerView } from '../../membership/index.ts';
import { objectOf } from '../wire/era.ts';
import { META_TOOLS } from './search-tools.ts';
import { SEPARATOR, assignNames } from './tool-names.ts';
import type { NameStyle, Named } from './tool-names.ts';
import type { Quarantined } from '../pins/quarantine.ts';
import { mergeTools } from './tool-selection.ts';
import type { ToolSelection } from './tool-selection.ts';
import type { ServerTarget } from '../types.ts';
import { aliasOf } from './resource-uris.ts';

/** Items on one page: most clients ask for no second one. */
const PAGE_ITEMS_MAX = 1000;
/** Bytes on one page, so that it stays far below anybody's limit for a message. */
const PAGE_BYTES_MAX = 4 * 1024 * 1024;
/** Keys in an item's `_meta`: PeerId of its owner, and the owner's server that it is of. */
const PEER_META = 'starling/peer';
const SERVER_META = 'starling/server';

/** The lists of MCP. */
export type ListKind = keyof ServerItems;

/** One server that a caller sees, with what it may see of it. */
export interface Source {
  readonly peer?: PeerView;
  readonly catalog: ServerCatalog;
  /** What it lists besides and we do not offer, by {@link heldKey}: it has a name all the same. */
  readonly held?: ReadonlyMap<string, Held>;
}

/** Something that is quarantined, and the item that its server lists. */
export interface Held {
  readonly quarantined: Quarantined;
  readonly item: JsonObject;
}

/** Where an item is. */
export interface Place {
  readonly source: Source;
  /** Its name or URI there. */
  readonly name: string;
  /** Set when it is quarantined. */
  readonly held?: Quarantined;
  /** True for a tool whose pinned definition says that it only reads. */
  readonly isReadOnly?: boolean;
  /** Other places that offer the very same tool. */
  readonly others?: readonly Place[];
}

/** Serialised lists of one caller. */
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
  /** Where what is called `name` here leads. */
  place(kind: ListKind, name: string): Place | undefined;
}

/** How things are called towards a caller, and which are shown. */
export interface ListsInit {
  /** `plain`: as their server calls them, for one server alone; else with prefixes, by `names.ts`. */
  readonly naming: 'plain' | 'prefixed';
  readonly style?: NameStyle;
  readonly merge?: boolean | readonly string[];
  readonly select?: ToolSelection;
}

/** The member of an item that it is called by, and the member of a result that lists them. */
export const KINDS: Readonly<Record<ListKind, { readonly key: string; readonly list: string }>> = {
  tools: { key: 'name', list: 'tools' },
  resources: { key: 'uri', list: 'resources' },
  templates: { key: 'uriTemplate', list: 'resourceTemplates' },
  prompts: { key: 'name', list: 'prompts' },
};

/** By what {@link Source.held} knows a thing. */
export function heldKey(kind: string, name: string): string {
  return `${kind} ${name}`;
}

/** Makes the lists of `sources`. Each kind is made when it is first asked for. */
export function createLists(sources: readonly Source[], init: ListsInit): Lists {
  const made = new Map<ListKind, MadeList>();
  const listOf = (kind: ListKind): MadeList => {
    const known = made.get(kind);
    if (known !== undefined) return known;
    const table =
      init.naming === 'plain' ? plainTable(sources, kind) : prefixedTable(sources, kind, init);
    const list = makeList(kind, table, init.naming);
    made.set(kind, list);
    return list;
  };
  return {
    digest: (kind) => listOf(kind).digest,
    page: (kind, index) => listOf(kind).pages[index],
    items: (kind) => [...listOf(kind).items.values()],
    item: (kind, name) => listOf(kind).items.get(name),
    names: (kind) => [...listOf(kind).items.keys()],
    place: (kind, name) => listOf(kind).table.get(name)?.place,
  };
}

interface Entry {
  readonly place: Place;
  readonly item: JsonObject;
}

interface MadeList {
  readonly table: ReadonlyMap<string, Entry>;
  readonly items: ReadonlyMap<string, JsonObject>;
  readonly digest: string;
  readonly pages: readonly Buffer[];
}

const HELD_KINDS: Readonly<Partial<Record<ListKind, string>>> = {
  tools: 'tool',
  prompts: 'prompt',
};

function entriesOf(sources: readonly Source[], kind: ListKind): readonly Entry[] {
  const { key } = KINDS[kind];
  return sources.flatMap((source) => {
    const entry = (item: JsonObject, held?: Quarantined): Entry => ({
      place: {
        source,
        name: String(item[key]),
        isReadOnly: objectOf(item['annotations'])['readOnlyHint'] === true,
        ...(held === undefined ? {} : { held }),
      },
      item,
    });
    const heldKind = HELD_KINDS[kind];
    const held = [...(source.held ?? [])].filter(
      ([, { quarantined }]) => quarantined.kind === heldKind,
    );
    return [
      ...source.catalog[kind].map((item: JsonObject) => entry(item)),
      ...held.map(([, { item, quarantined }]) => entry(item, quarantined)),
    ];
  });
}

function plainTable(sources: readonly Source[], kind: ListKind): ReadonlyMap<string, Entry> {
  return new Map(entriesOf(sources, kind).map((entry) => [entry.place.name, entry] as const));
}

function prefixedTable(
  sources: readonly Source[],
  kind: ListKind,
  { style, merge = false, select = () => true }: ListsInit,
): ReadonlyMap<string, Entry> {
  const entries = entriesOf(sources, kind).filter(({ place: { source, name } }) =>
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
  const { peer, catalog } = entry.place.source;
  return {
    ...(peer === undefined ? {} : { peer: peer.alias }),
    prefix: catalog.server,
    name: entry.place.name,
    target: entry,
  };
}

function mergedEntries(
  entries: readonly Entry[],
  rule: boolean | readonly string[],
): readonly Named<Entry>[] {
  const offered = entries
    .filter(({ place }) => place.held === undefined)
    .map((entry) => ({
      ...(entry.place.source.peer === undefined ? {} : { peer: entry.place.source.peer.alias }),
      server: entry.place.source.catalog.server,
      tool: entry.item as ListedTool,
      target: entry,
    }));
  const merged = mergeTools(offered, rule).map(({ peer, server, tool, targets }) => {
    const [first, ...others] = targets;
    const place =
      others.length === 0
        ? first.place
        : { ...first.place, others: others.map((other) => other.place) };
    return {
      ...(peer === undefined ? {} : { peer }),
      prefix: server,
      name: tool.name,
      target: { ...first, place },
    };
  });
  return [...merged, ...entries.filter(({ place }) => place.held !== undefined).map(alone)];
}

/** URIs stay as they are; where two servers use the same one, the later gets another. */
function uriTable(entries: readonly Entry[]): ReadonlyMap<string, Entry> {
  const table = new Map<string, Entry>();
  for (const entry of entries) {
    const { name: uri, source } = entry.place;
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

function makeList(
  kind: ListKind,
  table: ReadonlyMap<string, Entry>,
  naming: ListsInit['naming'],
): MadeList {
  const { key } = KINDS[kind];
  const items = new Map<string, JsonObject>();
  for (const [name, { item, place }] of table) {
    if (place.held !== undefined) continue;
    const listed =
      naming === 'plain' ? item : { ...item, [key]: name, ...labelOf(item, place.source) };
    items.set(name, listed);
  }
  return { table, items, ...paginate(kind, [...items.values()]) };
}

/** Serialises items, in pages that are no burden to anybody. */
export function paginate(
  kind: ListKind,
  items: readonly JsonObject[],
): { readonly digest: string; readonly pages: readonly Buffer[] } {
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

/** What the whole of `sources` can do. Lists may always come to be, so that they are always declared. */
export function jointFacts(
  sources: readonly Source[],
  own: Pick<ServerFacts, 'serverInfo' | 'instructions'>,
): ServerFacts {
  const capabilities = sources.map(({ catalog }) => catalog.capabilities);
  const tasks = capabilities.find((one) => one['tasks'] !== undefined)?.['tasks'];
  const extensions = Object.assign({}, ...capabilities.map((one) => objectOf(one['extensions'])));
  return {
    ...own,
    capabilities: {
      tools: { listChanged: true },
      resources: { subscribe: true, listChanged: true },
      prompts: { listChanged: true },
      completions: {},
      logging: {},
      ...(tasks === undefined ? {} : { tasks }),
      ...(Object.keys(extensions as JsonObject).length === 0 ? {} : { extensions }),
    },
  };
}

/** The facts of one server, as it says them: we tell of changes, whether or not it does. */
export function factsOf({ catalog }: Source): ServerFacts {
  const { capabilities, serverInfo, instructions } = catalog;
  const telling = ['tools', 'resources', 'prompts'].filter(
    (name) => capabilities[name] !== undefined,
  );
  return {
    serverInfo,
    ...(instructions === undefined ? {} : { instructions }),
    capabilities: {
      ...capabilities,
      ...Object.fromEntries(
        telling.map((name) => [name, { ...objectOf(capabilities[name]), listChanged: true }]),
      ),
    },
  };
}

/** Several templates of one server may lead to the same resource. */
export function distinct(places: readonly Place[]): readonly Place[] {
  return places.filter(
    ({ source, name }, index) =>
      places.findIndex((other) => other.source === source && other.name === name) === index,
  );
}

/** The server of a source. */
export function targetOf({ peer, catalog }: Source): ServerTarget {
  return { server: catalog.server, ...(peer === undefined ? {} : { peer }) };
}
