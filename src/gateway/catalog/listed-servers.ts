/**
 * What servers of this node list to all members of the mesh, because the configuration says so (`listed`): as it is
 * offered, so without what is quarantined, and with what a call costs. Nothing else of the node is in it.
 */
import { messageOf, settledWithin } from '../../core/index.ts';
import type { Clock, Logger } from '../../core/index.ts';
import type { ListedTool, ServerCatalog } from '../../directory/index.ts';
import type { Pins } from '../pins/pins.ts';
import type { Upstreams } from '../types.ts';
import { objectOf } from '../wire/era.ts';

/** Key in the `_meta` of a tool: what a call of it costs, as texts like `0.002usd`. */
const PRICE_META = 'starling/price';
/**
 * Nothing is listed before all servers are ready or have failed, or so much later: at a start each of them would make
 * another list, which every member fetches.
 */
const FIRST_MS = 3000;

/** Which servers are looked at, what of them is offered, and at which price. */
export interface ListedServersComponents {
  readonly upstreams: Pick<Upstreams, 'all' | 'events' | 'settled'>;
  readonly pins: Pick<Pins, 'events' | 'offered'>;
  /** What a call of a tool costs; default: nothing. */
  readonly pricesOf?: (server: string, tool: string) => readonly string[];
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What is listed to all members. */
export interface ListedServers {
  /** Undefined while servers are still starting. */
  current(): readonly ServerCatalog[] | undefined;
  /** Calls `listener` when that may be another; gives how to end that. */
  onChange(listener: () => void): () => void;
  /** To be called when the servers are started. */
  start(): void;
  stop(): void;
}

/** Follows `upstreams` from its start on. */
export function createListedServers(components: ListedServersComponents): ListedServers {
  const { clock, logger, pins, pricesOf, upstreams } = components;
  const listeners = new Set<() => void>();
  let isReady = false;
  let hasListed = false;
  /** Which start it is: what waits for the servers of an earlier one is over. */
  let run = 0;
  const tell = (): void => {
    for (const listener of listeners) listener();
  };
  const changed = (): void => {
    const isListing = upstreams.all().some(({ isListed }) => isListed === true);
    if (!isReady || (!isListing && !hasListed)) return;
    hasListed = isListing;
    tell();
  };
  const pinned = (owner: string): void => {
    if (owner === '') changed();
  };
  return {
    current() {
      if (!isReady) return undefined;
      return upstreams
        .all()
        .filter(({ isListed }) => isListed === true)
        .map((upstream) => pins.offered('', upstream.server, upstream.catalog()).allowed)
        .filter((catalog) => ITEMS.some((kind) => catalog[kind].length > 0))
        .map((catalog) => withPrices(catalog, pricesOf));
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    start() {
      upstreams.events.on('change', changed);
      pins.events.on('change', pinned);
      run += 1;
      const started = run;
      settledWithin(FIRST_MS, upstreams.settled(), clock)
        .then(() => {
          if (started !== run) return;
          isReady = true;
          hasListed = upstreams.all().some(({ isListed }) => isListed === true);
          // Also where no server lists anything: agents may be listed.
          tell();
        })
        .catch((error: unknown) =>
          logger.error({ error: messageOf(error) }, 'what servers list was not told'),
        );
    },
    stop() {
      run += 1;
      isReady = false;
      upstreams.events.off('change', changed);
      pins.events.off('change', pinned);
    },
  };
}

const ITEMS = ['tools', 'prompts', 'resources', 'templates'] as const;

function withPrices(
  catalog: ServerCatalog,
  pricesOf: ListedServersComponents['pricesOf'],
): ServerCatalog {
  if (pricesOf === undefined) return catalog;
  const priced = (tool: ListedTool): ListedTool => {
    const prices = pricesOf(catalog.server, tool.name);
    if (prices.length === 0) return tool;
    return { ...tool, _meta: { ...objectOf(tool['_meta']), [PRICE_META]: prices } };
  };
  return { ...catalog, tools: catalog.tools.map(priced) };
}
