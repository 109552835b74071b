/**
 * One run of the network, from start to stop: the libp2p host and everything that watches its
 * connections. A restart makes a new one.
 */
import type { Connection, PeerInfo, Stream } from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';
import { StarlingError, createScope, messageOf } from '../core/index.ts';
import type { Clock, Logger, MeshId, PeerId, Random } from '../core/index.ts';
import type { Identity } from '../identity/types.ts';
import { parseAddress, peerIn, withPeer } from './addresses.ts';
import { closeConnection, createDoorman } from './admission.ts';
import {
  DUPLICATE_GRACE_MS,
  HELLO_PROTOCOL,
  IDENTIFY_TIMEOUT_MS,
  REDIAL_BASE_MS,
  REDIAL_CAP_MS,
  STOP_TIMEOUT_MS,
  TIDY_INTERVAL_MS,
} from './constants.ts';
import { createDialer, isRefusal } from './dialer.ts';
import type { Dialer } from './dialer.ts';
import { createGate } from './gate.ts';
import type { Gate } from './gate.ts';
import { createGossip } from './gossip.ts';
import type { Gossip } from './gossip.ts';
import { createHost } from './host.ts';
import type { Host } from './host.ts';
import { createLinks } from './links.ts';
import type { Links } from './links.ts';
import { listenOn } from './listen.ts';
import { isPeerId, peerIdOf, peerOf } from './peers.ts';
import { createRedialer } from './redial.ts';
import type { DialOutcome, Redialer } from './redial.ts';
import { announcedAddresses, memberRelayGater, reserveRelays } from './relay.ts';
import type { Admission } from './types.ts';

/** What a network is made from. */
export interface NetworkComponents {
  readonly identity: Identity;
  readonly admission: Admission;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** The settings of a network; the fields of the same names in `Config` say more. */
export interface NetworkInit {
  readonly meshId: MeshId;
  /** Our name, for logs. */
  readonly name: string;
  readonly listen: readonly string[];
  readonly announce: readonly string[];
  readonly bootstrap: readonly string[];
  readonly mdns: boolean;
  readonly relay: boolean;
  /** Connections in all, strangers' included. */
  readonly connections: number;
}

/** What a session tells the network. */
export interface SessionEvents {
  readonly onPeerConnect: (peer: PeerId) => void;
  readonly onPeerDisconnect: (peer: PeerId) => void;
  readonly onDialFailed: (address: string, error: Error) => void;
  /** Protocols of ours whose streams must not be cut by tidying up. */
  readonly isInUse: (stream: Stream) => boolean;
  /** True when we closed the peer's connections and it has not been let in again since. */
  readonly isDenied: (peer: PeerId) => boolean;
}

/** A running network. */
export interface Session {
  readonly host: Host;
  readonly gate: Gate;
  readonly links: Links;
  readonly gossip: Gossip;
  readonly dialer: Dialer;
  readonly redialer: Redialer;
  stop(): Promise<void>;
}

/** Builds and starts a session. @throws STARLING_LISTEN_FAILED */
export async function startSession(
  components: NetworkComponents,
  init: NetworkInit,
  events: SessionEvents,
  prepare: (session: Session) => Promise<void>,
): Promise<Session> {
  const { clock, random, logger, admission, identity } = components;
  const self = identity.peerId;
  const scope = createScope(clock, (error) =>
    logger.error({ error: messageOf(error) }, 'a repeated task of the network failed'),
  );
  const gate = createGate();
  const links = createLinks(self);
  const ephemeral = new Set<string>();
  const host = await createHost({
    ...init,
    identity,
    gate,
    // Bootstrap addresses without a PeerId are ours alone to dial; libp2p's module wants one.
    bootstrap: init.bootstrap.filter((text) => peerIn(parseAddress(text)) !== undefined),
    gater: {
      ...memberRelayGater(admission),
      ...ed25519Gater,
      denyDialPeer: (peer) => !isPeerId(peer.toString()) || events.isDenied(peerIdOf(peer)),
    },
    announceFilter: (addresses) => announcedAddresses(addresses, ephemeral),
    onLanPeer: (found) => onLanPeer(found),
  });
  const { node } = host;
  const gossip = createGossip(
    { service: node.services.pubsub, admission, logger, self },
    { meshId: init.meshId },
  );
  const dialer = createDialer(
    { node, gate, links, random, logger },
    {
      ...init,
      self,
      signal: scope.signal,
      onFailed: events.onDialFailed,
      isDenied: events.isDenied,
    },
  );
  const bootstrapPeers = new Map<string, PeerId>();
  const redialer = createRedialer({
    clock,
    random,
    logger,
    isSatisfied(key) {
      const peer = isPeerId(key) ? key : bootstrapPeers.get(key);
      const link = peer === undefined ? undefined : links.best(peer);
      if (link === undefined || peer === undefined) return false;
      return link.direct || !dialer.hasDirectAddress(peer);
    },
    dial: (key, signal) => redial(dialer, links, bootstrapPeers, key, signal),
  });
  const onLanPeer = (found: PeerInfo): void => {
    const peer = found.id.toString();
    if (!isPeerId(peer) || peer === self || links.has(peer) || events.isDenied(peer)) return;
    if (!redialer.isKept(peer)) dialer.learn(peer, found.multiaddrs.map(String));
    redialer.suggest(peer);
  };

  const watcher = createWatcher({ node, gate, links, redialer, scope, logger, clock, random });
  const doorman = createDoorman(
    { admission, gate, clock, logger },
    {
      onAdmitted(connection) {
        const peer = peerOf(connection);
        const isFirst = !links.has(peer);
        links.add(connection);
        watcher.onAdmitted(connection);
        logger.debug({ peer, address: String(connection.remoteAddr) }, 'a connection is admitted');
        if (isFirst) events.onPeerConnect(peer);
      },
    },
  );
  const onOpen = (event: CustomEvent<Connection>): void => {
    const connection = event.detail;
    if (connection.direction === 'inbound') ephemeral.add(String(connection.remoteAddr));
    doorman.onConnection(connection);
  };
  const onClose = (event: CustomEvent<Connection>): void => {
    const connection = event.detail;
    const peer = peerOf(connection);
    ephemeral.delete(String(connection.remoteAddr));
    gate.refuse(
      connection,
      new StarlingError('STARLING_PEER_UNREACHABLE', `The connection to ${peer} was closed`),
    );
    if (!links.remove(connection)) return;
    if (links.has(peer)) {
      // Gossip and relay may have lived on the closed one: let them find the other.
      const rest = links.best(peer);
      if (rest !== undefined) watcher.identify(rest);
      return;
    }
    events.onPeerDisconnect(peer);
    const heldMs = clock.now() - connection.timeline.open;
    redialer.lost(peer, heldMs);
    for (const [address, known] of bootstrapPeers) {
      if (known === peer) redialer.lost(address, heldMs);
    }
  };
  node.addEventListener('connection:open', onOpen);
  node.addEventListener('connection:close', onClose);

  const session: Session = {
    host,
    gate,
    links,
    gossip,
    dialer,
    redialer,
    async stop() {
      scope.close();
      redialer.stop();
      await stopNode(host, logger);
      gossip.stop();
      node.removeEventListener('connection:open', onOpen);
      node.removeEventListener('connection:close', onClose);
    },
  };
  try {
    await node.handle(HELLO_PROTOCOL, doorman.answer, {
      maxInboundStreams: 1,
      maxOutboundStreams: 1,
      runOnLimitedConnection: true,
    });
    await prepare(session);
    await node.start();
    for (const address of init.listen) await listenOn(host.transports, address);
    if (init.relay) await reserveRelays(host.transports);
  } catch (error) {
    await session.stop();
    throw error;
  }
  scope.every(TIDY_INTERVAL_MS, () => watcher.tidy(events.isInUse, gossip, self));
  keepBootstrap(init.bootstrap, { dialer, redialer, self });
  return session;
}

/** Ends connections of peers whose key is of another kind: nobody could sign for them here. */
const ed25519Gater = {
  denyInboundEncryptedConnection: (peer: { toString(): string }) => !isPeerId(peer.toString()),
  denyOutboundEncryptedConnection: (peer: { toString(): string }) => !isPeerId(peer.toString()),
};

/** Keeps the bootstrap addresses connected: by peer where the address names it. */
function keepBootstrap(
  addresses: readonly string[],
  parts: { readonly dialer: Dialer; readonly redialer: Redialer; readonly self: PeerId },
): void {
  const byPeer = new Map<PeerId, Multiaddr[]>();
  for (const text of addresses) {
    const address = parseAddress(text);
    const peer = peerIn(address);
    if (peer === parts.self) continue;
    if (peer === undefined) parts.redialer.keep(text);
    else byPeer.set(peer, [...(byPeer.get(peer) ?? []), withPeer(address, peer)]);
  }
  for (const [peer, known] of byPeer) {
    parts.dialer.learn(peer, known.map(String));
    parts.redialer.keep(peer);
  }
}

/** One dial of the redial loop. */
async function redial(
  dialer: Dialer,
  links: Links,
  bootstrapPeers: Map<string, PeerId>,
  key: string,
  signal: AbortSignal,
): Promise<DialOutcome> {
  try {
    const upgrade = isPeerId(key) && links.has(key);
    const peer = await dialer.dial(key, { signal, upgrade });
    if (!isPeerId(key)) bootstrapPeers.set(key, peer);
    return 'connected';
  } catch (error) {
    // The dialer has told of it by `dial:failed`.
    return isRefusal(error) ? 'refused' : 'failed';
  }
}

interface WatcherParts {
  readonly node: Host['node'];
  readonly gate: Gate;
  readonly links: Links;
  readonly redialer: Redialer;
  readonly scope: ReturnType<typeof createScope>;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
}

/** Looks after admitted connections. */
interface Watcher {
  onAdmitted(connection: Connection): void;
  /** Lets gossip, the DHT and the relay know of the peer; tries until it works. */
  identify(connection: Connection): void;
  /** Closes what is double and unused, and repairs gossip. */
  tidy(isInUse: (stream: Stream) => boolean, gossip: Gossip, self: PeerId): void;
}

function createWatcher(parts: WatcherParts): Watcher {
  const { node, links, scope, logger, clock } = parts;
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

/** Stops libp2p, and does not wait for ever. */
async function stopNode(host: Host, logger: Logger): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(() => {
      logger.warn({}, 'libp2p did not stop in time');
      resolve();
    }, STOP_TIMEOUT_MS);
  });
  await Promise.race([host.node.stop(), late]);
  clearTimeout(timer);
}
