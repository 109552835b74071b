/**
 * Keeps the directory true of what is only for this node: one session of the node's own at every neighbour that has granted
 * it anything, which lists that. The list is asked for again when the peer tells of a change, when another
 * digest comes with its heartbeat, and when it could not be had. A peer that is no neighbour is asked in a session that is
 * over then. A peer that goes takes its list along. Where nothing is granted nobody is asked: what is listed to
 * all members comes from hand to hand (`directory/documents`).
 */
import {
  StarlingError,
  backoffMs,
  createBuckets,
  createScope,
  messageOf,
  unawaited,
} from '../../core/index.ts';
import type { Buckets, Clock, Logger, PeerId, Random, Scope } from '../../core/index.ts';
import { readCatalogs } from '../../directory/index.ts';
import type { Directory, ServerCatalog } from '../../directory/index.ts';
import type { Membership, PeerView } from '../../membership/index.ts';
import { resultOf } from '../wire/client-handshake.ts';
import { CATALOG_METHOD } from '../wire/peers/peer-protocol.ts';
import type { ServerChannel } from '../channel-types.ts';
import type { NotificationFrame } from '../frame-types.ts';

/** Between attempts to open the session, and between lists that fail: at most two a minute of each. */
const BACKOFF = { baseMs: 500, capMs: 30_000 };
const LIST_TIMEOUT_MS = 15_000;
/** How often it is looked whether there is a link, should nobody have told. */
const UNLINKED_LOOK_MS = 30_000;
/** Changes that come close together are listed together. */
const REFRESH_DELAY_MS = 30;
/**
 * How much of its lists a peer may have us read: each costs {@link LIST_COST} and one for each item, or one for
 * each KiB where that is more. So twenty short lists at once and one a second, or one of ten thousand tools in
 * forty seconds. That holds over all its sessions: a new one is no way around it.
 */
const ALLOWANCE = { burst: 5000, everyMs: 4 } as const;
const LIST_COST = 250;
/** What a list costs that is over the longest message: as much as one of that length. */
const TOO_LONG_COST = 10_000;
/** A session that is opened anew for a list counts as so many changes that were told. */
const SESSION_COST = 10;
/**
 * For how long a list that is on its way is one that comes soon: calls wait for that. Longer waits for a peer that is slow;
 * shorter spares the callers of names that nobody has, where a peer never gives its list.
 */
const SOON_MS = 10_000;
/** For how long a list may still change after something was granted: the peer tells of that by itself. */
const GRANTED_MS = 2000;

/** What peers' catalogs are followed with. */
export interface PeerCatalogsComponents {
  readonly membership: Pick<Membership, 'peers' | 'peer' | 'events'>;
  readonly directory: Pick<Directory, 'set' | 'clear'>;
  /** Hears how often a peer would have a list read while it is over its allowance. */
  readonly changesTooOften: (peer: PeerId, times: number) => void;
  /** Whether there is a link to the peer: no neighbour is dialled for its catalog alone. */
  isConnected(peer: PeerId): boolean;
  /** Whether the peer is no neighbour: it is connected only to be used. */
  isSpare(peer: PeerId): boolean;
  /** Whether this node holds grants of the peer, or the peer says that it has something for this node. */
  isWanted(peer: PeerView): boolean;
  /** A session at the peer has listed what there is. */
  listed(peer: PeerId): void;
  /** Opens a session at a peer. */
  open(peer: PeerView, notification: (frame: NotificationFrame) => void): Promise<ServerChannel>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Follows the catalogs of all peers between start and stop. */
export interface PeerCatalogs {
  start(): void;
  stop(): void;
  /** Peers that were asked for their first list, and have not answered yet. */
  coming(): readonly PeerId[];
  /** Whether a list is on its way since a short time, the first of a peer or a later one: names that are in none may be in that. */
  isAnyArriving(): boolean;
  /** Something that is wanted of `peer`, or of all, may be another now. */
  look(peer?: PeerId): void;
}

/** Makes the follower of all peers' catalogs. */
export function createPeerCatalogs(components: PeerCatalogsComponents): PeerCatalogs {
  const followed = new Map<PeerId, PeerCatalog>();
  const allowance = createBuckets(components.clock, ALLOWANCE);
  const follow = (peer: PeerView): void => {
    const isHere = peer.state === 'alive' || peer.state === 'suspect';
    const catalog = followed.get(peer.peerId);
    if (isHere && catalog === undefined) {
      const started = new PeerCatalog(components, allowance, peer.peerId);
      followed.set(peer.peerId, started);
      started.start();
    } else if (isHere) catalog?.heard(peer);
    else if (catalog !== undefined) {
      followed.delete(peer.peerId);
      catalog.stop();
    }
  };
  return {
    start() {
      components.membership.events.on('change', follow);
      for (const peer of components.membership.peers()) follow(peer);
    },
    coming: () => [...followed].filter(([, catalog]) => catalog.isComing).map(([peer]) => peer),
    isAnyArriving: () => [...followed.values()].some((catalog) => catalog.isArriving),
    look(peer) {
      if (peer !== undefined) followed.get(peer)?.look();
      else for (const catalog of followed.values()) catalog.look();
    },
    stop() {
      components.membership.events.off('change', follow);
      for (const catalog of followed.values()) catalog.stop();
      followed.clear();
    },
  };
}

/** Follows the catalog of one peer. */
class PeerCatalog {
  readonly #components: PeerCatalogsComponents;
  readonly #allowance: Buckets;
  readonly #peer: PeerId;
  readonly #scope: Scope;
  #channel: ServerChannel | undefined;
  /** The digest that the peer had when the directory's list was asked for; noted once the list is there. */
  #listedDigest: string | undefined;
  /** The digest that the peer had when the list was asked for that is on its way. */
  #askedDigest: string | undefined;
  #isListing = false;
  /** A list of it is in the directory. */
  #isListed = false;
  /** The peer told of a change after it was asked. */
  #isStale = false;
  #isDue = false;
  /** A list was to be asked for, and none has come since. */
  #isOwed = false;
  /** A session was to be had when that was looked at last: to look costs a walk through all grants. */
  #isSought = false;
  /** Something was granted since the last list. */
  #isWantedAgain = false;
  /** Lists that failed, one after the other, on the channel of now. */
  #failures = 0;
  #wake: (() => void) | undefined;
  /** Since when a list is to come, and when something was granted last, ms since the epoch. */
  #dueAt: number;
  #grantedAt = Number.NEGATIVE_INFINITY;

  constructor(components: PeerCatalogsComponents, allowance: Buckets, peer: PeerId) {
    this.#components = components;
    this.#allowance = allowance;
    this.#peer = peer;
    this.#dueAt = components.clock.now();
    this.#scope = createScope(components.clock);
  }

  /** True while the first list is to be had, and is not there. */
  get isComing(): boolean {
    const peer = this.#components.membership.peer(this.#peer);
    return this.#isSought && !this.#isListed && peer !== undefined && this.#isDueAt(peer);
  }

  /** True for a short time while a list is to be had, or right after something was granted. */
  get isArriving(): boolean {
    const { clock } = this.#components;
    const isSoon = Math.abs(clock.now() - this.#dueAt) < SOON_MS;
    if (isSoon && (this.#isListing || this.#isDue || this.isComing)) return true;
    return this.#isWantedAgain && Math.abs(clock.now() - this.#grantedAt) < GRANTED_MS;
  }

  start(): void {
    this.#run().catch((error: unknown) =>
      this.#components.logger.error({ error: messageOf(error) }, 'catalog of a peer not followed'),
    );
  }

  stop(): void {
    this.#scope.close();
    this.#channel?.close();
    this.#components.directory.clear(this.#peer);
  }

  /** What is wanted may be another: a peer that is no neighbour is asked anew. */
  look(): void {
    const peer = this.#components.membership.peer(this.#peer);
    if (peer === undefined || !this.#components.isWanted(peer)) return;
    this.#isWantedAgain = true;
    this.#grantedAt = this.#components.clock.now();
    if (!this.#isListed) this.#dueAt = this.#grantedAt;
    this.#wake?.();
  }

  /** A heartbeat came: another digest than that of the list we have says that the tools have changed. */
  heard(peer: PeerView): void {
    if (peer.state === 'alive') this.#wake?.();
    const digest = peer.presence?.catalog;
    const known = this.#isListing ? this.#askedDigest : this.#listedDigest;
    if (digest !== undefined && digest !== known) this.#listSoon(REFRESH_DELAY_MS);
  }

  async #run(): Promise<void> {
    const { membership, random, logger } = this.#components;
    for (let attempt = 0; !this.#scope.closed; attempt += 1) {
      const peer = membership.peer(this.#peer);
      if (peer === undefined) return;
      this.#isSought = this.#isDueAt(peer);
      if (!this.#isSought) {
        attempt = 0;
        // Its link is a change of its route, which wakes, as do its heartbeats that say something new.
        await this.#pause(UNLINKED_LOOK_MS);
        this.#dueAt = this.#components.clock.now();
        continue;
      }
      // Its session would be over before its list may be read: another one after the other would be opened.
      const waitMs = this.#components.isSpare(this.#peer) ? this.#allowance.waitMs(this.#peer) : 0;
      if (waitMs > 0) {
        await this.#pause(waitMs);
        continue;
      }
      try {
        const channel = await this.#components.open(peer, (frame) => this.#notified(frame));
        if (this.#scope.closed) {
          channel.close();
          return;
        }
        this.#channel = channel;
        if (this.#allowance.waitMs(this.#peer) === 0) await this.#list(channel);
        else {
          this.#components.changesTooOften(this.#peer, SESSION_COST);
          this.#listSoon(REFRESH_DELAY_MS);
        }
        attempt = 0;
        this.#components.listed(this.#peer);
        if (this.#components.isSpare(this.#peer)) continue;
        await channel.ended;
      } catch (error) {
        logger.debug({ peer: this.#peer, error: messageOf(error) }, 'tools of peer not listed');
      } finally {
        // It is open still when the peer's list was what failed.
        this.#channel?.close();
        this.#channel = undefined;
        this.#failures = 0;
      }
      await this.#pause(backoffMs(attempt, BACKOFF, random));
    }
  }

  /**
   * Whether a session is to be had: where this node may hold anything that is listed to nobody else, with a neighbour as
   * long as there is a link, with others when that is another list.
   */
  #isDueAt(peer: PeerView): boolean {
    const components = this.#components;
    if (!components.isWanted(peer)) return false;
    if (!components.isSpare(this.#peer)) return components.isConnected(this.#peer);
    return peer.presence?.catalog !== this.#listedDigest || this.#isWantedAgain;
  }

  #notified(frame: NotificationFrame): void {
    if (!frame.method.endsWith('/list_changed')) return;
    if (this.#allowance.waitMs(this.#peer) > 0) this.#components.changesTooOften(this.#peer, 1);
    this.#listSoon(REFRESH_DELAY_MS);
  }

  /** Asks for the list after `delayMs`, once, however many ask for that meanwhile. */
  #listSoon(delayMs: number): void {
    if (this.#isListing) this.#isStale = true;
    if (this.#isListing || this.#isDue) return;
    this.#isDue = true;
    const waitMs = this.#allowance.waitMs(this.#peer);
    // What was not given before, or is put off, comes no sooner for being due once more: nobody waits for it again.
    if (!this.#isOwed && waitMs === 0) this.#dueAt = this.#components.clock.now();
    this.#isOwed = true;
    this.#scope.after(Math.max(delayMs, waitMs), () => {
      this.#isDue = false;
      const channel = this.#channel;
      if (channel === undefined || this.#isListing) return;
      const { logger } = this.#components;
      unawaited(this.#listAgain(channel), logger, 'tools of peer not listed', { peer: this.#peer });
    });
  }

  /** Asks for the list anew, and once more later when that fails, for as long as the channel is open. */
  async #listAgain(channel: ServerChannel): Promise<void> {
    const { random, logger } = this.#components;
    try {
      await this.#list(channel);
      this.#failures = 0;
    } catch (error) {
      logger.debug({ peer: this.#peer, error: messageOf(error) }, 'tools of peer not listed anew');
      if (this.#channel !== channel) return;
      this.#listSoon(backoffMs(this.#failures, BACKOFF, random));
      this.#failures += 1;
    }
  }

  async #list(channel: ServerChannel): Promise<void> {
    const { membership, directory } = this.#components;
    const digest = membership.peer(this.#peer)?.presence?.catalog;
    this.#askedDigest = digest;
    this.#isWantedAgain = false;
    this.#isStale = false;
    this.#isListing = true;
    try {
      const response = await channel.request(CATALOG_METHOD, {}, { timeoutMs: LIST_TIMEOUT_MS });
      const { servers } = resultOf(response);
      if (this.#scope.closed) return;
      // The directory keeps what is well-formed of it.
      const catalogs = readCatalogs(servers);
      const sizeKib = response.bytes.length / 1024;
      this.#allowance.charge(this.#peer, LIST_COST + Math.max(itemsOf(catalogs), sizeKib));
      directory.set(this.#peer, catalogs);
      this.#isListed = true;
      this.#isOwed = false;
      this.#listedDigest = digest;
    } catch (error) {
      // Of a peer that is no neighbour nothing else says that what it has granted was never seen.
      this.#isWantedAgain = true;
      // A list that is too long to be read was on its way all the same.
      const isTooLong = error instanceof StarlingError && error.code === 'STARLING_LIMIT_EXCEEDED';
      if (isTooLong) this.#allowance.charge(this.#peer, TOO_LONG_COST);
      throw error;
    } finally {
      this.#isListing = false;
    }
    if (this.#isStale) this.#listSoon(REFRESH_DELAY_MS);
  }

  /** Waits, or less when the peer is heard or the catalog is followed no more. */
  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#wake = undefined;
        cancel();
        this.#scope.signal.removeEventListener('abort', done);
        resolve();
      };
      const cancel = this.#scope.after(delayMs, done);
      this.#wake = done;
      this.#scope.signal.addEventListener('abort', done, { once: true });
      if (this.#scope.closed) done();
    });
  }
}

function itemsOf(catalogs: readonly ServerCatalog[]): number {
  const count = ({ tools, resources, templates, prompts }: ServerCatalog): number =>
    tools.length + resources.length + templates.length + prompts.length;
  return catalogs.reduce((sum, catalog) => sum + count(catalog), 0);
}
