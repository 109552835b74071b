/** What every peer offers, as it lists it to us: bounded, checked, and nothing more. */
import { EventEmitter } from 'node:events';
import { BUILTIN_SERVER } from '../core/index.ts';
import type { Health, Logger, PeerId } from '../core/index.ts';
import { withListed } from './listed-items.ts';
import { soundItems } from './sound-items.ts';
import type { CatalogLimits, ItemRemark } from './sound-items.ts';
import type { Directory, DirectoryEvents, Listing, ServerCatalog } from './types.ts';

const KIND_NAMES = ['tools', 'resources', 'templates', 'prompts'] as const;

/** What the directory works with. */
export interface DirectoryComponents {
  readonly logger: Logger;
  /** Hears that what a peer offers is cut. */
  readonly health?: Pick<Health, 'raise' | 'clear'>;
  /** The name by which people know a peer. */
  readonly nameOf?: (peer: PeerId) => string;
}

/** Makes an empty directory. */
export function createDirectory(components: DirectoryComponents, limits: CatalogLimits): Directory {
  const granted = new Map<PeerId, readonly ServerCatalog[]>();
  const listed = new Map<PeerId, readonly ServerCatalog[]>();
  const catalogs = new Map<PeerId, readonly ServerCatalog[]>();
  const events = new EventEmitter<DirectoryEvents>();
  const put = (
    peer: PeerId,
    servers: readonly ServerCatalog[],
    into: Map<PeerId, readonly ServerCatalog[]>,
  ): void => {
    into.set(peer, servers);
    const all = withListed(granted.get(peer) ?? [], listed.get(peer) ?? []);
    const { catalogs: sound, cut } = cutCatalogs(all, limits, components.logger.child(peer));
    tellCut(components, peer, cut, limits);
    if (JSON.stringify(catalogs.get(peer)) === JSON.stringify(sound)) return;
    catalogs.set(peer, sound);
    events.emit('change', peer);
  };
  const forget = (peer: PeerId, from: Map<PeerId, readonly ServerCatalog[]>): void => {
    if (!from.delete(peer)) return;
    const rest = granted.get(peer) ?? listed.get(peer);
    if (rest !== undefined) return put(peer, rest, granted.has(peer) ? granted : listed);
    components.health?.clear(cutCode(peer));
    catalogs.delete(peer);
    events.emit('change', peer);
  };
  return {
    events,
    servers: (peer) => catalogs.get(peer) ?? [],
    peers: () => [...catalogs.keys()],
    set: (peer, servers) => put(peer, servers, granted),
    setListed(peer, servers) {
      if (servers.length === 0) forget(peer, listed);
      else put(peer, servers, listed);
    },
    clear: (peer) => forget(peer, granted),
  };
}

/** {@link soundItems} of several servers under one limit. */
export function soundCatalogs(
  servers: readonly ServerCatalog[],
  limits: CatalogLimits,
  logger: Logger,
): readonly ServerCatalog[] {
  return cutCatalogs(servers, limits, logger).catalogs;
}

/** A listing with what of its servers is sound, for whoever is shown it. */
export function soundListing<Shown extends Listing>(
  listing: Shown,
  limits: CatalogLimits,
  logger: Logger,
): Shown {
  return { ...listing, servers: soundCatalogs(listing.servers, limits, logger) };
}

/** The same, and how many items were over the limit. */
function cutCatalogs(
  servers: readonly ServerCatalog[],
  limits: CatalogLimits,
  logger: Logger,
): { readonly catalogs: readonly ServerCatalog[]; readonly cut: number } {
  let left = limits;
  let cut = 0;
  const sound = new Map<ServerCatalog, ServerCatalog>();
  // The peer's own tools come first: by them one asks for leave, whatever else there is too much of.
  const isOwn = ({ server }: ServerCatalog): number => (server === BUILTIN_SERVER ? 0 : 1);
  for (const catalog of servers.toSorted((a, b) => isOwn(a) - isOwn(b))) {
    const { items, remarks } = soundItems(catalog, left);
    logRemarks(remarks, catalog.server, logger);
    cut += remarks.reduce((sum, { overLimit = 0 }) => sum + overLimit, 0);
    const sizeBytes = KIND_NAMES.reduce(
      (sum, kind) => sum + Buffer.byteLength(JSON.stringify(items[kind])),
      0,
    );
    left = { tools: Math.max(0, left.tools - items.tools.length), bytes: left.bytes - sizeBytes };
    sound.set(catalog, { ...catalog, ...items });
  }
  return { catalogs: servers.map((catalog) => sound.get(catalog) ?? catalog), cut };
}

function cutCode(peer: PeerId): string {
  return `catalog-cut:${peer}`;
}

function tellCut(
  { health, nameOf }: DirectoryComponents,
  peer: PeerId,
  cut: number,
  limits: CatalogLimits,
): void {
  if (cut === 0) {
    health?.clear(cutCode(peer));
    return;
  }
  health?.raise({
    code: cutCode(peer),
    text: `peer ${nameOf?.(peer) ?? peer} offers more than is taken here: ${cut} of its tools, resources or prompts are left out`,
    hint: `raise limits.tools (now ${limits.tools}) in the configuration, or have that node offer fewer servers`,
  });
}

/** A peer may list what it likes: nothing of it goes to the log but how much is left out. */
function logRemarks(remarks: readonly ItemRemark[], server: string, logger: Logger): void {
  const leftOut = remarks.filter(({ isLeftOut }) => isLeftOut);
  const [first] = leftOut;
  if (first === undefined) return;
  const { kind, name, text } = first;
  logger.info(
    { server, leftOut: leftOut.length, first: `${kind} ${name}: ${text}` },
    'items of a peer left out',
  );
}
