/** Looks after admitted connections: makes services know their peers, and closes duplicates. */
import type { Connection, Stream } from '@libp2p/interface';
import { StarlingError, messageOf } from '../core/index.ts';
import type { Clock, Logger, PeerId, Scope } from '../core/index.ts';
import { closeConnection } from './admission.ts';
import {
  DUPLICATE_GRACE_MS,
  IDENTIFY_TIMEOUT_MS,
  REDIAL_BASE_MS,
  REDIAL_CAP_MS,
} from './constants.ts';
import type { Gossip } from './gossip.ts';
import type { Host } from './host.ts';
import type { Links } from './links.ts';
import { peerOf } from './peer-id.ts';

/** What a watcher needs. */
export interface WatcherComponents {
  readonly node: Host['node'];
  readonly links: Links;
  readonly scope: Scope;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** Looks after admitted connections. */
export interface Watcher {
  onAdmitted(connection: Connection): void;
  /** Lets gossip, the DHT and the relay know of the peer; tries until it works. */
  identify(connection: Connection): void;
  /** Closes what is double and unused, and repairs gossip. */
  tidy(isInUse: (stream: Stream) => boolean, gossip: Gossip, self: PeerId): void;
}

/** Makes a watcher; its timers belong to the scope. */
export function createWatcher(components: WatcherComponents): Watcher {
  const { node, links, scope, logger, clock } = components;
  const identifying = new Set<Connection>();

  const identify = (connection: Connection, attempt = 0): void => {
    if (connection.status !== 'open' || scope.closed || identifying.has(connection)) return;
    identifying.add(connection);
    const signal = AbortSignal.any([scope.signal, AbortSignal.timeout(IDENTIFY_TIMEOUT_MS)]);
    node.services.identify
      .identify(connection, { signal })
      .then(
        () => undefined,
        (error: unknown) => {
          if (connection.status !== 'open' || scope.closed) return;
          logger.debug({ peer: peerOf(connection), error: messageOf(error) }, 'identify failed');
          const delayMs = Math.min(REDIAL_CAP_MS, REDIAL_BASE_MS * 2 ** Math.min(attempt, 6));
          scope.after(delayMs, () => identify(connection, attempt + 1));
        },
      )
      .finally(() => identifying.delete(connection));
  };

  const tag = (connection: Connection): void => {
    node.peerStore
      .merge(connection.remotePeer, { tags: { 'starling-member': { value: 100 } } })
      .catch((error: unknown) =>
        logger.warn({ peer: peerOf(connection), error: messageOf(error) }, 'a tag was not stored'),
      );
  };

  return {
    onAdmitted(connection) {
      tag(connection);
      identify(connection);
    },
    identify,
    tidy(isInUse, gossip, self) {
      for (const peer of links.peers()) {
        const [best, ...others] = links.of(peer);
        if (best === undefined) continue;
        if (!gossip.isKnown(peer)) identify(best);
        // One end alone closes, so that both never close the last two at once.
        if (self > peer) continue;
        for (const other of others) {
          const newestMs = Math.max(best.timeline.open, other.timeline.open);
          if (clock.now() - newestMs < DUPLICATE_GRACE_MS || other.streams.some(isInUse)) continue;
          const reason = new StarlingError('STARLING_LIMIT_EXCEEDED', 'One connection is enough');
          void closeConnection(other, reason, logger);
        }
      }
    },
  };
}
