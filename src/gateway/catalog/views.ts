/** Gives each principal its view of the mesh, kept until something changes that it may show. */
import { EventEmitter } from 'node:events';
import type { ServerCatalog } from '../../directory/index.ts';
import type { Directory } from '../../directory/index.ts';
import type { Membership, PeerView } from '../../membership/index.ts';
import { unawaited } from '../../core/index.ts';
import type { Logger, PeerId } from '../../core/index.ts';
import type { PinOwner } from '../pins/pin-rows.ts';
import type { Pins } from '../pins/pins.ts';
import type { Upstreams } from '../types.ts';
import { isHere } from './sources.ts';
import type { Views, ViewsConfig, ViewsEvents, View, ViewSpec } from './types.ts';
import { createView } from './view.ts';
import type { ViewComponents } from './view.ts';
import { createViewCache } from './view-cache.ts';

/** The rooms whose changes make a view out of date. */
export interface ViewsComponents extends ViewComponents {
  readonly upstreams: Pick<Upstreams, 'all' | 'get' | 'events'>;
  readonly directory: Pick<Directory, 'servers' | 'peers' | 'events'>;
  readonly membership: Pick<Membership, 'peer' | 'byAlias' | 'events'>;
  readonly pins: Pick<Pins, 'read' | 'review' | 'offered' | 'keeping' | 'events'>;
  /** Whether a list of a peer comes soon; default: none does. */
  readonly isAnyArriving?: () => boolean;
  readonly logger: Logger;
}

/** Makes the views of a node. */
export function createViews(components: ViewsComponents): Views {
  return new NodeViews(components);
}

class NodeViews implements Views {
  readonly events = new EventEmitter<ViewsEvents>();
  readonly #kept = createViewCache<View>();
  /** What servers of this node listed when their lists were last looked at. */
  readonly #catalogs = new Map<string, ServerCatalog>();
  /** Long lists that are being read. */
  readonly #reading = new Set<Promise<void>>();
  #components: ViewsComponents;
  #isStopped = false;

  constructor(components: ViewsComponents) {
    this.#components = components;
    this.events.setMaxListeners(0);
    components.pins.events.on('change', this.#changed);
    components.upstreams.events.on('change', this.#upstreamChanged);
    components.directory.events.on('change', this.#peerListed);
    components.membership.events.on('change', this.#peerChanged);
  }

  view(...[principal, spec]: Parameters<Views['view']>): View {
    return this.#kept.get(principal, spec, () => createView(this.#components, principal, spec));
  }

  awaitsLists(): boolean {
    const { isAnyArriving, pins } = this.#components;
    // What has come is offered once its pins are on disk.
    const isRead = this.#reading.size === 0 && pins.keeping() === undefined;
    return !isRead || isAnyArriving?.() === true;
  }

  exists(spec: ViewSpec): boolean {
    const { config, upstreams, membership } = this.#components;
    if (spec.kind === 'catalog') return true;
    if (spec.kind === 'all') {
      return spec.view === undefined || Object.hasOwn(config.views, spec.view);
    }
    const { peer: alias, server } = spec;
    if (alias === undefined) return upstreams.get(server) !== undefined;
    return membership.byAlias(alias) !== undefined;
  }

  configure(config: ViewsConfig): void {
    this.#components = { ...this.#components, config };
    this.#changed();
  }

  refresh(): void {
    this.#changed();
  }

  async settled(): Promise<void> {
    await Promise.all(this.#reading);
  }

  stop(): void {
    this.#isStopped = true;
    const { pins, upstreams, directory, membership } = this.#components;
    pins.events.off('change', this.#changed);
    upstreams.events.off('change', this.#upstreamChanged);
    directory.events.off('change', this.#peerListed);
    membership.events.off('change', this.#peerChanged);
    this.events.removeAllListeners();
  }

  readonly #changed = (): void => {
    this.#kept.clear();
    this.events.emit('change');
  };

  readonly #upstreamChanged = (server: string): void => {
    const catalog = this.#components.upstreams.get(server)?.catalog();
    // A server that only starts and ends again and again must not make everybody's lists anew.
    if (catalog !== undefined && this.#catalogs.get(server) === catalog) return;
    if (catalog === undefined) this.#catalogs.delete(server);
    else this.#catalogs.set(server, catalog);
    this.#listed('', () => {
      const now = this.#components.upstreams.get(server)?.catalog();
      return now === undefined ? [] : [now];
    });
  };

  readonly #peerListed = (peer: PeerId): void => {
    this.#listed(peer, () => this.#components.directory.servers(peer));
  };

  /** What is seen for the first time is told of once its pins are on disk: the pins say when. */
  #listed(owner: PinOwner, catalogs: () => readonly ServerCatalog[]): void {
    const { logger, pins } = this.#components;
    const reading = pins.read(catalogs());
    if (reading === undefined) return this.#review(owner, catalogs());
    const reviewing = this.#reviewAfter(reading, owner, catalogs);
    this.#reading.add(reviewing);
    const read = reviewing.finally(() => this.#reading.delete(reviewing));
    unawaited(read, logger, 'a long list was not read', { owner });
  }

  async #reviewAfter(
    reading: Promise<void>,
    owner: PinOwner,
    catalogs: () => readonly ServerCatalog[],
  ): Promise<void> {
    await reading;
    // They may be others by now.
    if (!this.#isStopped) this.#review(owner, catalogs());
  }

  #review(owner: PinOwner, catalogs: readonly ServerCatalog[]): void {
    const { pins } = this.#components;
    for (const catalog of catalogs) pins.review(owner, catalog.server, catalog);
    if (pins.keeping() === undefined) this.#changed();
  }

  /** Loads are looked at call by call, so that of a heartbeat only these two matter here. */
  readonly #peerChanged = (peer: PeerView, before: PeerView | undefined): void => {
    if (peer.alias !== before?.alias || isHere(peer) !== isHere(before)) this.#changed();
  };
}
