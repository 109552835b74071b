/**
 * One run of the network, from start to stop: the libp2p host and everything that watches its
 * connections. A restart makes a new one.
 */
import type { Connection, PeerInfo, Stream } from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';
import { StarlingError, createScope, messageOf } from '../core/index.ts';
import type { Clock, Logger, MeshId, PeerId, Random, Scope } from '../core/index.ts';
import type { Identity } from '../identity/types.ts';
import { parseAddress, peerIn, withPeer } from './addresses.ts';
import { createDoorman } from './admission.ts';
import type { Doorman } from './admission.ts';
import { HELLO_PROTOCOL, STOP_TIMEOUT_MS, TIDY_INTERVAL_MS } from './constants.ts';
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
import { isPeerId, peerIdOf, peerOf } from './peer-id.ts';
import { createRedialer } from './redial.ts';
import type { DialOutcome, Redialer } from './redial.ts';
import { announcedAddresses, memberRelayGater, reserveRelays } from './relay.ts';
import type { Admission, Transport } from './types.ts';
import { createWatcher } from './link-watcher.ts';
import type { Watcher } from './link-watcher.ts';

/** What a network is made from. */
export interface NetworkComponents {
  readonly identity: Identity;
  readonly admission: Admission;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** What carries the connections, in place of TCP and WebSocket. */
  readonly transports?: readonly Transport[] | undefined;
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
export interface NetworkRunEvents {
  readonly onPeerConnect: (peer: PeerId) => void;
  readonly onPeerLink: (peer: PeerId) => void;
  readonly onPeerDisconnect: (peer: PeerId) => void;
  readonly onDialFailed: (address: string, error: Error) => void;
  /** Protocols of ours whose streams must not be cut by tidying up. */
  readonly isInUse: (stream: Stream) => boolean;
  /** True when we closed the peer's connections and it has not been let in again since. */
  readonly isDenied: (peer: PeerId) => boolean;
}

/** A running network. */
export interface NetworkRun {
  readonly host: Host;
  readonly gate: Gate;
  readonly links: Links;
  readonly gossip: Gossip;
  readonly dialer: Dialer;
  readonly redialer: Redialer;
  stop(): Promise<void>;
}

/** A session before its start, and what its connections need. */
interface Built {
  readonly session: Omit<NetworkRun, 'stop'>;
  readonly scope: Scope;
  /** Ports of our own at the far end of connections that were dialled to us. */
  readonly ephemeral: Set<string>;
  /** Whom a bootstrap address without a PeerId has led to. */
  readonly bootstrapPeers: Map<string, PeerId>;
}

/**
 * Builds and starts a session; `prepare` runs before the first connection.
 * @throws STARLING_LISTEN_FAILED, STARLING_ID_MALFORMED
 */
export async function startRun(
  components: NetworkComponents,
  init: NetworkInit,
  events: NetworkRunEvents,
  prepare: (session: Omit<NetworkRun, 'stop'>) => Promise<void>,
): Promise<NetworkRun> {
  for (const address of [...init.listen, ...init.announce, ...init.bootstrap])
    parseAddress(address);
  const { clock, logger, identity } = components;
  const built = await build(components, init, events);
  const { session, scope } = built;
  const { node } = session.host;
  const watcher = createWatcher({ node, links: session.links, scope, logger, clock });
  const connections = watchConnections(components, built, watcher, events);

  const stop = async (): Promise<void> => {
    scope.close();
    session.redialer.stop();
    await stopNode(session.host, components);
    session.gossip.stop();
    connections.stop();
  };
  try {
    await node.handle(HELLO_PROTOCOL, connections.doorman.answer, {
      maxInboundStreams: 1,
      maxOutboundStreams: 1,
      runOnLimitedConnection: true,
    });
    await prepare(session);
    await node.start();
    for (const address of init.listen) await listenOn(session.host.transports, address);
    if (init.relay) await reserveRelays(session.host.transports);
  } catch (error) {
    await stop();
    throw error;
  }
  scope.every(TIDY_INTERVAL_MS, () =>
    watcher.tidy(events.isInUse, session.gossip, identity.peerId),
  );
  keepBootstrap(init.bootstrap, { ...session, self: identity.peerId });
  return { ...session, stop };
}

async function build(
  components: NetworkComponents,
  init: NetworkInit,
  events: NetworkRunEvents,
): Promise<Built> {
  const { clock, random, logger, admission, identity } = components;
  const self = identity.peerId;
  const scope = createScope(clock, (error) =>
    logger.error({ error: messageOf(error) }, 'a repeated task of the network failed'),
  );
  const gate = createGate();
  const links = createLinks(self);
  const ephemeral = new Set<string>();
  const bootstrapPeers = new Map<string, PeerId>();
  const host = await createHost({
    ...init,
    identity,
    gate,
    transports: components.transports,
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
  const service = node.services.pubsub;
  const gossip = createGossip({ service, admission, logger, self }, { meshId: init.meshId });
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
  const session = { host, gate, links, gossip, dialer, redialer };
  return { session, scope, ephemeral, bootstrapPeers };
}

/** Greets new connections and tells everybody of those that come and go. */
function watchConnections(
  components: NetworkComponents,
  { session, ephemeral, bootstrapPeers }: Built,
  watcher: Watcher,
  events: NetworkRunEvents,
): { readonly doorman: Doorman; readonly stop: () => void } {
  const { admission, clock, logger } = components;
  const { gate, links, redialer, host } = session;
  const doorman = createDoorman(
    { admission, gate, clock, logger },
    {
      onAdmitted(connection) {
        const peer = peerOf(connection);
        const isFirst = !links.has(peer);
        links.add(connection);
        watcher.onAdmitted(connection);
        logger.debug({ peer, address: String(connection.remoteAddr) }, 'a connection is admitted');
        events.onPeerLink(peer);
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
    const rest = links.best(peer);
    // Gossip and relay may have lived on the closed one: let them find the other.
    if (rest !== undefined) watcher.identify(rest);
    if (links.has(peer)) return;
    events.onPeerDisconnect(peer);
    const heldMs = clock.now() - connection.timeline.open;
    redialer.lost(peer, heldMs);
    for (const [address, known] of bootstrapPeers) {
      if (known === peer) redialer.lost(address, heldMs);
    }
  };
  host.node.addEventListener('connection:open', onOpen);
  host.node.addEventListener('connection:close', onClose);
  return {
    doorman,
    stop() {
      host.node.removeEventListener('connection:open', onOpen);
      host.node.removeEventListener('connection:close', onClose);
    },
  };
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

/** Stops libp2p, and does not wait for ever. */
async function stopNode(host: Host, components: NetworkComponents): Promise<void> {
  let cancel = (): void => undefined;
  const late = new Promise<void>((resolve) => {
    cancel = components.clock.schedule(STOP_TIMEOUT_MS, () => {
      components.logger.warn({}, 'libp2p did not stop in time');
      resolve();
    });
  });
  await Promise.race([host.node.stop(), late]);
  cancel();
}
