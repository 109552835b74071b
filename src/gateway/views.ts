/**
 * What one kind of caller sees: lists of tools, resources, templates and prompts, serialised once and
 * cut into pages, and where each name and URI leads. Lists are asked for far more often than they
 * change, and the same ones serve every session that sees them.
 */
import { createHash } from 'node:crypto';
import type { JsonObject } from '../core/index.ts';
import type { ServerCatalog, ServerFacts, ServerItems } from '../directory/index.ts';
import type { PeerView } from '../membership/index.ts';
import { objectOf } from './era.ts';
import { SEPARATOR, assignNames } from './names.ts';
import type { ServerTarget } from './types.ts';

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
}

/** Where an item is. */
export interface Place {
  readonly source: Source;
  /** Its name or URI there. */
  readonly name: string;
}

/** Serialised lists of one caller. */
export interface Lists {
  /** Equal digests mean equal lists. */
  digest(kind: ListKind): string;
  /** The members of a list result without its braces; undefined past the last page. */
  page(kind: ListKind, index: number): Buffer | undefined;
  /** What the items are called here: names, URIs, URI templates. */
  names(kind: ListKind): readonly string[];
  /** Where what is called `name` here leads. */
  place(kind: ListKind, name: string): Place | undefined;
}

/** The member of an item that it is called by, and the member of a result that lists them. */
export const KINDS: Readonly<Record<ListKind, { readonly key: string; readonly list: string }>> = {
  tools: { key: 'name', list: 'tools' },
  resources: { key: 'uri', list: 'resources' },
  templates: { key: 'uriTemplate', list: 'resourceTemplates' },
  prompts: { key: 'name', list: 'prompts' },
};

/** How things are called towards a caller. */
export type Naming =
  /** As their server calls them: for one server alone. */
  | 'plain'
  /** With prefixes, by `names.ts`. */
  | 'prefixed';

/** Makes the lists of `sources`. Each kind is made when it is first asked for. */
export function createLists(sources: readonly Source[], naming: Naming): Lists {
  const made = new Map<ListKind, MadeList>();
  const listOf = (kind: ListKind): MadeList => {
    const known = made.get(kind);
    if (known !== undefined) return known;
    const table = naming === 'plain' ? plainTable(sources, kind) : prefixedTable(sources, kind);
    const list = makeList(kind, table, naming);
    made.set(kind, list);
    return list;
  };
  return {
    digest: (kind) => listOf(kind).digest,
    page: (kind, index) => listOf(kind).pages[index],
    names: (kind) => [...listOf(kind).table.keys()],
    place: (kind, name) => listOf(kind).table.get(name)?.place,
  };
}

interface Entry {
  readonly place: Place;
  readonly item: JsonObject;
}

interface MadeList {
  readonly table: ReadonlyMap<string, Entry>;
  readonly digest: string;
  readonly pages: readonly Buffer[];
}

function entriesOf(sources: readonly Source[], kind: ListKind): readonly Entry[] {
  const { key } = KINDS[kind];
  return sources.flatMap((source) =>
    source.catalog[kind].map((item: JsonObject) => ({
      place: { source, name: String(item[key]) },
      item,
    })),
  );
}

function plainTable(sources: readonly Source[], kind: ListKind): ReadonlyMap<string, Entry> {
  return new Map(entriesOf(sources, kind).map((entry) => [entry.place.name, entry] as const));
}

function prefixedTable(sources: readonly Source[], kind: ListKind): ReadonlyMap<string, Entry> {
  const entries = entriesOf(sources, kind);
  if (kind === 'resources' || kind === 'templates') return uriTable(entries);
  const named = (entry: Entry): { prefix: string; name: string; target: Entry } => ({
    prefix: prefixOf(entry.place.source),
    name: entry.place.name,
    target: entry,
  });
  // Own names first, so that no peer can change them.
  const own = assignNames(entries.filter(isOwn).map(named));
  const theirs = assignNames(
    entries.filter((entry) => !isOwn(entry)).map(named),
    new Set(own.keys()),
  );
  return new Map([...own, ...theirs]);
}

/** URIs stay as they are; where two servers use the same one, the later gets another. */
function uriTable(entries: readonly Entry[]): ReadonlyMap<string, Entry> {
  const table = new Map<string, Entry>();
  for (const entry of entries) {
    const uri = entry.place.name;
    table.set(table.has(uri) ? aliasOf(entry.place) : uri, entry);
  }
  return table;
}

function aliasOf({ source, name }: Place): string {
  // Braces stay, so that a template remains one.
  const encoded = encodeURIComponent(name).replaceAll(/%7B[^%]*(?:%2C[^%]*)*%7D/g, (expression) =>
    decodeURIComponent(expression),
  );
  return `starling://${prefixOf(source)}/${encoded}`;
}

function isOwn(entry: Entry): boolean {
  return entry.place.source.peer === undefined;
}

/** `files` for a server of our own, `alice__files` for one of a peer. */
export function prefixOf({ peer, catalog }: Source): string {
  return peer === undefined ? catalog.server : `${peer.alias}${SEPARATOR}${catalog.server}`;
}

function makeList(kind: ListKind, table: ReadonlyMap<string, Entry>, naming: Naming): MadeList {
  const { key, list } = KINDS[kind];
  const pages: string[][] = [[]];
  let pageBytes = 0;
  const hash = createHash('sha256');
  for (const [name, { item, place }] of table) {
    const text = JSON.stringify(
      naming === 'plain' ? item : { ...item, [key]: name, ...labelOf(item, place.source) },
    );
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
    return Buffer.from(`"${list}":[${page.join(',')}]${next}`);
  });
  return { table, digest: hash.digest('base64url'), pages: written };
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

/** The server of a source. */
export function targetOf({ peer, catalog }: Source): ServerTarget {
  return { server: catalog.server, ...(peer === undefined ? {} : { peer }) };
}

/**
 * True when `uri` may come from `template` (RFC 6570): its literal parts occur in order. Linear, because
 * templates come from anybody; what it lets through wrongly, the server itself refuses.
 */
export function fitsTemplate(template: string, uri: string): boolean {
  const literals = template.split(/\{[^}]*\}/u);
  const [first = ''] = literals;
  if (literals.length === 1) return uri === first;
  const last = literals.at(-1) ?? '';
  const end = uri.length - last.length;
  if (end < first.length || !uri.startsWith(first) || !uri.endsWith(last)) return false;
  let at = first.length;
  for (const literal of literals.slice(1, -1)) {
    const found = uri.indexOf(literal, at);
    if (found === -1 || found + literal.length > end) return false;
    at = found + literal.length;
  }
  return true;
}
