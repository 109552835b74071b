/**
 * Looks after admitted connections: tells libp2p's services of the peer behind each, and closes what
 * is double and unused.
 */
import type { Connection, Stream } from '@libp2p/interface';
import { StarlingError, messageOf, unawaited, withDeadline } from '../../core/index.ts';
import type { Clock, Logger, PeerId, Scope } from '../../core/index.ts';
import { closeConnection } from '../admission/close-connection.ts';
import {
  DUPLICATE_GRACE_MS,
  IDENTIFY_TIMEOUT_MS,
  REDIAL_BASE_MS,
  REDIAL_CAP_MS,
} from '../constants.ts';
import type { Gossip } from '../gossip/gossip.ts';
import type { Introduction } from '../admission/introduction.ts';
import type { Links } from './links.ts';
import { peerOf } from '../peer-id.ts';

/** What the upkeep needs. */
export interface LinkUpkeepComponents {
  readonly links: Links;
  /** Tells libp2p's services of a peer that has introduced itself. */
  introduce(connection: Connection, introduction: Introduction): Promise<void>;
  /** Owns the timers. */
  readonly scope: Scope;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** Looks after admitted connections. */
export interface LinkUpkeep {
  /**
   * The peer has said on its control stream what libp2p's services want to know: gossip, the DHT and the relay are
   * told, until that works or the link is gone. There is one try at a time, and one timer for the next.
   */
  introduced(connection: Connection, introduction: Introduction): void;
  /** The same again, of a connection whose peer has introduced itself; of others nothing. */
  tell(connection: Connection): void;
  /** Called when the connection is closed. */
  closed(connection: Connection): void;
  /**
   * Tells of peers again that gossip does not know, and closes connections of peers that have a
   * better one, unless one of their streams is in use. Meant to be called from time to time.
   */
  tidy(isInUse: (stream: Stream) => boolean, gossip: Pick<Gossip, 'peers'>, self: PeerId): void;
}

/** No connection has been admitted yet. */
export function createLinkUpkeep(components: LinkUpkeepComponents): LinkUpkeep {
  return new Upkeep(components);
}

class Upkeep implements LinkUpkeep {
  readonly #components: LinkUpkeepComponents;
  readonly #introductions = new WeakMap<Connection, Introduction>();
  /** Connections of which libp2p's services are being told. */
  readonly #telling = new Set<Connection>();
  /** The next try of those that failed: how many did, and what cancels the next. */
  readonly #retries = new Map<
    Connection,
    { readonly attempt: number; readonly cancel: () => void }
  >();

  constructor(components: LinkUpkeepComponents) {
    this.#components = components;
  }

  introduced(connection: Connection, introduction: Introduction): void {
    this.#introductions.set(connection, introduction);
    this.tell(connection);
  }

  closed(connection: Connection): void {
    this.#retries.get(connection)?.cancel();
    this.#retries.delete(connection);
  }

  tell(connection: Connection): void {
    if (this.#telling.has(connection)) return;
    const retry = this.#retries.get(connection);
    retry?.cancel();
    this.#retries.delete(connection);
    this.#tellNow(connection, retry?.attempt ?? 0);
  }

  tidy(isInUse: (stream: Stream) => boolean, gossip: Pick<Gossip, 'peers'>, self: PeerId): void {
    const { links } = this.#components;
    const known = gossip.peers();
    for (const peer of links.peers()) {
      const [best, ...others] = links.of(peer);
      if (best === undefined) continue;
      if (!known.has(peer)) this.tell(best);
      // Only one end closes, so that the two ends never close the last two connections at once.
      if (self > peer) continue;
      for (const other of others) {
        const youngestMs = Math.min(links.ageMs(best), links.ageMs(other));
        if (youngestMs < DUPLICATE_GRACE_MS || other.streams.some(isInUse)) continue;
        const text = 'another connection to this peer is better';
        const reason = new StarlingError('STARLING_LIMIT_EXCEEDED', text);
        const closed = closeConnection(this.#components, other, reason);
        unawaited(closed, this.#components.logger, 'a spare connection did not close', { peer });
      }
    }
  }

  #tellNow(connection: Connection, attempt: number): void {
    const told = this.#introduce(connection, attempt);
    const peer = peerOf(connection);
    unawaited(told, this.#components.logger, 'a peer was not told what is spoken here', { peer });
  }

  async #introduce(connection: Connection, attempt: number): Promise<void> {
    const { scope, clock, logger } = this.#components;
    const introduction = this.#introductions.get(connection);
    if (introduction === undefined || connection.status !== 'open' || scope.closed) return;
    this.#telling.add(connection);
    try {
      await withDeadline(
        clock,
        IDENTIFY_TIMEOUT_MS,
        () => this.#components.introduce(connection, introduction),
        scope.signal,
      );
    } catch (error) {
      if (connection.status !== 'open' || scope.closed) return;
      logger.debug({ peer: peerOf(connection), error: messageOf(error) }, 'services were not told');
      this.#retryLater(connection, attempt + 1);
    } finally {
      this.#telling.delete(connection);
    }
  }

  #retryLater(connection: Connection, attempt: number): void {
    const delayMs = Math.min(REDIAL_CAP_MS, REDIAL_BASE_MS * 2 ** Math.min(attempt - 1, 6));
    const cancel = this.#components.scope.after(delayMs, () => {
      this.#retries.delete(connection);
      this.#tellNow(connection, attempt);
    });
    this.#retries.set(connection, { attempt, cancel });
  }
}
