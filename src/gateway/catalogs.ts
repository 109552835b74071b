/**
 * Keeps the directory true: one session of the node's own at every peer that is there, which lists
 * what the peer grants us and hears when that changes. A peer that goes takes its list along.
 */
import { backoffMs, createScope, messageOf } from '../core/index.ts';
import type { Clock, Logger, PeerId, Random, Scope } from '../core/index.ts';
import type { Directory, ListedTool } from '../directory/index.ts';
import type { Membership, PeerView } from '../membership/index.ts';
import { listTools } from './handshake.ts';
import type { PeerLink } from './upstreams/peer.ts';
import type { NotificationFrame } from './types.ts';

const BACKOFF = { baseMs: 500, capMs: 30_000 };
const LIST_TIMEOUT_MS = 15_000;
const REFRESH_DELAY_MS = 30;
/** What one peer may send as its list; the directory keeps as much of it as its own limit allows. */
const LIST_BYTES_MAX = 16 * 1024 * 1024;

/** What the catalogs are kept with. */
export interface CatalogComponents {
  readonly membership: Pick<Membership, 'peers' | 'peer' | 'events'>;
  readonly directory: Directory;
  /** Opens a session at a peer. */
  open(peer: PeerView, notification: (frame: NotificationFrame) => void): Promise<PeerLink>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Keeps catalogs between start and stop. */
export interface Catalogs {
  start(): void;
  stop(): void;
}

/** Makes the keeper. `toolsMax` bounds each peer's list. */
export function createCatalogs(
  components: CatalogComponents,
  init: { readonly toolsMax: number },
): Catalogs {
  const kept = new Map<PeerId, KeptCatalog>();
  const follow = (peer: PeerView): void => {
    const here = peer.state === 'alive' || peer.state === 'suspect';
    const catalog = kept.get(peer.peerId);
    if (here && catalog === undefined) {
      const started = new KeptCatalog(components, init.toolsMax, peer.peerId);
      kept.set(peer.peerId, started);
      started.start();
    } else if (here) catalog?.seen(peer);
    else if (catalog !== undefined) {
      kept.delete(peer.peerId);
      catalog.stop();
    }
  };
  return {
    start() {
      components.membership.events.on('change', follow);
      for (const peer of components.membership.peers()) follow(peer);
    },
    stop() {
      components.membership.events.off('change', follow);
      for (const catalog of kept.values()) catalog.stop();
      kept.clear();
    },
  };
}

class KeptCatalog {
  readonly #components: CatalogComponents;
  readonly #toolsMax: number;
  readonly #peer: PeerId;
  readonly #scope: Scope;
  #link: PeerLink | undefined;
  #digest: string | undefined;
  #wake: (() => void) | undefined;
  #refreshing = false;

  constructor(components: CatalogComponents, toolsMax: number, peer: PeerId) {
    this.#components = components;
    this.#toolsMax = toolsMax;
    this.#peer = peer;
    this.#scope = createScope(components.clock);
  }

  start(): void {
    this.#run().catch((error: unknown) =>
      this.#components.logger.error({ error: messageOf(error) }, 'catalog keeper failed'),
    );
  }

  stop(): void {
    this.#scope.close();
    this.#link?.close();
    this.#components.directory.clear(this.#peer);
  }

  /** A heartbeat came: a new digest says that the peer's tools have changed. */
  seen(peer: PeerView): void {
    if (peer.state === 'alive') this.#wake?.();
    const digest = peer.presence?.catalog;
    if (digest === undefined || digest === this.#digest) return;
    this.#digest = digest;
    this.#refreshSoon();
  }

  async #run(): Promise<void> {
    const { membership, random, logger } = this.#components;
    for (let attempt = 0; !this.#scope.closed; attempt += 1) {
      const peer = membership.peer(this.#peer);
      if (peer === undefined) return;
      this.#digest = peer.presence?.catalog;
      try {
        const link = await this.#components.open(peer, (frame) => this.#notified(frame));
        if (this.#scope.closed) {
          link.close();
          return;
        }
        this.#link = link;
        await this.#list(link);
        attempt = 0;
        await link.ended;
      } catch (error) {
        logger.debug({ peer: this.#peer, error: messageOf(error) }, 'tools of peer not listed');
      } finally {
        // It is open still when the peer's list was what failed.
        this.#link?.close();
        this.#link = undefined;
      }
      await this.#pause(backoffMs(attempt, BACKOFF, random));
    }
  }

  #notified(frame: NotificationFrame): void {
    if (frame.method === 'notifications/tools/list_changed') this.#refreshSoon();
  }

  #refreshSoon(): void {
    if (this.#refreshing) return;
    this.#refreshing = true;
    this.#scope.after(REFRESH_DELAY_MS, () => {
      this.#refreshing = false;
      const link = this.#link;
      if (link === undefined) return;
      this.#list(link).catch((error: unknown) =>
        this.#components.logger.debug({ error: messageOf(error) }, 'tools of peer not listed anew'),
      );
    });
  }

  async #list(link: PeerLink): Promise<void> {
    const listed = await listTools(link.link, `peer ${this.#peer}`, {
      timeoutMs: LIST_TIMEOUT_MS,
      toolsMax: this.#toolsMax,
      bytesMax: LIST_BYTES_MAX,
    });
    // The directory keeps what is well-formed of it.
    if (!this.#scope.closed)
      this.#components.directory.set(this.#peer, listed as readonly ListedTool[]);
  }

  /** Waits, or less when the peer is heard meanwhile; for ever once stopped. */
  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#wake = undefined;
        cancel();
        resolve();
      };
      const cancel = this.#scope.after(delayMs, done);
      this.#wake = done;
    });
  }
}
