/**
 * Keeps the directory true: one session of the node's own at every peer that is there, which lists
 * what the peer grants us and hears when that changes. A peer that goes takes its list along.
 */
import { backoffMs, createScope, messageOf } from '../../core/index.ts';
import type { Clock, Json, Logger, PeerId, Random, Scope } from '../../core/index.ts';
import type { Directory, ServerCatalog } from '../../directory/index.ts';
import type { Membership, PeerView } from '../../membership/index.ts';
import { objectOf } from '../wire/era.ts';
import { resultOf } from '../wire/client-handshake.ts';
import { CATALOG_METHOD } from '../wire/peer-protocol.ts';
import type { NotificationFrame, ServerChannel } from '../types.ts';

const BACKOFF = { baseMs: 500, capMs: 30_000 };
const LIST_TIMEOUT_MS = 15_000;
const REFRESH_DELAY_MS = 30;
const SERVERS_MAX = 1000;
const SERVER_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/;
const INSTRUCTIONS_LENGTH_MAX = 16_384;

/** What the catalogs are kept with. */
export interface PeerCatalogsComponents {
  readonly membership: Pick<Membership, 'peers' | 'peer' | 'events'>;
  readonly directory: Directory;
  /** Opens a session at a peer. */
  open(peer: PeerView, notification: (frame: NotificationFrame) => void): Promise<ServerChannel>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Keeps catalogs between start and stop. */
export interface PeerCatalogs {
  start(): void;
  stop(): void;
}

/** Makes the keeper. */
export function createPeerCatalogs(components: PeerCatalogsComponents): PeerCatalogs {
  const kept = new Map<PeerId, KeptCatalog>();
  const follow = (peer: PeerView): void => {
    const here = peer.state === 'alive' || peer.state === 'suspect';
    const catalog = kept.get(peer.peerId);
    if (here && catalog === undefined) {
      const started = new KeptCatalog(components, peer.peerId);
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
  readonly #components: PeerCatalogsComponents;
  readonly #peer: PeerId;
  readonly #scope: Scope;
  #channel: ServerChannel | undefined;
  #digest: string | undefined;
  #wake: (() => void) | undefined;
  #refreshing = false;

  constructor(components: PeerCatalogsComponents, peer: PeerId) {
    this.#components = components;
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
    this.#channel?.close();
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
        const channel = await this.#components.open(peer, (frame) => this.#notified(frame));
        if (this.#scope.closed) {
          channel.close();
          return;
        }
        this.#channel = channel;
        await this.#list(channel);
        attempt = 0;
        await channel.ended;
      } catch (error) {
        logger.debug({ peer: this.#peer, error: messageOf(error) }, 'tools of peer not listed');
      } finally {
        // It is open still when the peer's list was what failed.
        this.#channel?.close();
        this.#channel = undefined;
      }
      await this.#pause(backoffMs(attempt, BACKOFF, random));
    }
  }

  #notified(frame: NotificationFrame): void {
    if (frame.method.endsWith('/list_changed')) this.#refreshSoon();
  }

  #refreshSoon(): void {
    if (this.#refreshing) return;
    this.#refreshing = true;
    this.#scope.after(REFRESH_DELAY_MS, () => {
      this.#refreshing = false;
      const channel = this.#channel;
      if (channel === undefined) return;
      this.#list(channel).catch((error: unknown) =>
        this.#components.logger.debug({ error: messageOf(error) }, 'tools of peer not listed anew'),
      );
    });
  }

  async #list(channel: ServerChannel): Promise<void> {
    const response = await channel.request(CATALOG_METHOD, {}, { timeoutMs: LIST_TIMEOUT_MS });
    const { servers } = resultOf(response);
    // The directory keeps what is well-formed of it.
    if (!this.#scope.closed) this.#components.directory.set(this.#peer, catalogsOf(servers));
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

/** The servers of a peer's answer, as far as they have the shape of one. */
function catalogsOf(servers: Json | undefined): readonly ServerCatalog[] {
  if (!Array.isArray(servers)) return [];
  const known = new Set<string>();
  return (servers as readonly Json[]).slice(0, SERVERS_MAX).flatMap((value) => {
    const { server, instructions, ...facts } = objectOf(value);
    if (typeof server !== 'string' || !SERVER_NAME.test(server) || known.has(server)) return [];
    known.add(server);
    const list = (key: string): readonly never[] =>
      Array.isArray(facts[key]) ? (facts[key] as unknown as readonly never[]) : [];
    return [
      {
        server,
        capabilities: objectOf(facts['capabilities']),
        serverInfo: objectOf(facts['serverInfo']),
        ...(typeof instructions === 'string'
          ? { instructions: instructions.slice(0, INSTRUCTIONS_LENGTH_MAX) }
          : {}),
        tools: list('tools'),
        resources: list('resources'),
        templates: list('templates'),
        prompts: list('prompts'),
      },
    ];
  });
}
