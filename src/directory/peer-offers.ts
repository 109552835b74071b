/** What every peer offers, as it lists it to us: bounded, checked, and nothing more. */
import { EventEmitter } from 'node:events';
import type { Logger, PeerId } from '../core/index.ts';
import { soundItems } from './sound-items.ts';
import type { CatalogLimits, ItemRemark } from './sound-items.ts';
import type { Directory, DirectoryEvents, ServerCatalog } from './types.ts';

const KIND_NAMES = ['tools', 'resources', 'templates', 'prompts'] as const;

/** Makes an empty directory. */
export function createDirectory(
  components: { readonly logger: Logger },
  limits: CatalogLimits,
): Directory {
  const catalogs = new Map<PeerId, readonly ServerCatalog[]>();
  const events = new EventEmitter<DirectoryEvents>();
  return {
    events,
    servers: (peer) => catalogs.get(peer) ?? [],
    peers: () => [...catalogs.keys()],
    set(peer, servers) {
      const sound = soundCatalogs(servers, limits, components.logger.child(peer));
      if (JSON.stringify(catalogs.get(peer)) === JSON.stringify(sound)) return;
      catalogs.set(peer, sound);
      events.emit('change', peer);
    },
    clear(peer) {
      if (catalogs.delete(peer)) events.emit('change', peer);
    },
  };
}

/** {@link soundItems} of several servers under one limit. */
export function soundCatalogs(
  servers: readonly ServerCatalog[],
  limits: CatalogLimits,
  logger: Logger,
): readonly ServerCatalog[] {
  let left = limits;
  return servers.map((catalog) => {
    const { items, remarks } = soundItems(catalog, left);
    logRemarks(remarks, catalog.server, logger);
    const sizeBytes = KIND_NAMES.reduce(
      (sum, kind) => sum + Buffer.byteLength(JSON.stringify(items[kind])),
      0,
    );
    left = { tools: Math.max(0, left.tools - items.tools.length), bytes: left.bytes - sizeBytes };
    return { ...catalog, ...items };
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
