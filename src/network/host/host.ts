/** The libp2p host: transports, encryption, services and limits of one node. Nothing runs yet. */
import { bootstrap } from '@libp2p/bootstrap';
import { privateKeyFromRaw } from '@libp2p/crypto/keys';
import type { CircuitRelayTransportComponents } from '@libp2p/circuit-relay-v2';
import type { GossipSub } from '@chainsafe/libp2p-gossipsub';
import { serviceCapabilities } from '@libp2p/interface';
import type {
  ComponentLogger,
  Connection,
  ConnectionGater,
  Libp2p,
  PeerInfo,
  PrivateKey,
  Upgrader,
} from '@libp2p/interface';
import type { KadDHTComponents, SingleKadDHT } from '@libp2p/kad-dht';
import { ping } from '@libp2p/ping';
import type { Ping } from '@libp2p/ping';
import { tcp } from '@libp2p/tcp';
import { webSockets } from '@libp2p/websockets';
import type { Multiaddr } from '@multiformats/multiaddr';
import type { Duplex } from 'node:stream';
import { createLibp2p } from 'libp2p';
import type { Libp2pOptions } from 'libp2p';
import { withPublicListeners } from '../addresses/own-listeners.ts';
import type { MeshId, PeerId } from '../../core/index.ts';
import type { Identity } from '../../identity/types.ts';
import { createWalks, dhtParts, meshDht } from './dht.ts';
import { createDhtSearches } from './dht-searches.ts';
import type { DhtSearches } from './dht-searches.ts';
import { createEncryption } from './encryption.ts';
import type { Encryption } from './encryption.ts';
import { meshOnLan, nodesOnLan } from './lan.ts';
import { steadyYamux } from './muxer.ts';
import {
  ADDRESS_DIAL_TIMEOUT_MS,
  DIAL_TIMEOUT_MS,
  HANDSHAKES_MAX,
  HANDSHAKE_TIMEOUT_MS,
  INBOUND_PER_SECOND_MAX,
  MEMBER_TAG,
  STREAM_WINDOW_BYTES,
} from '../constants.ts';
import type { AdmissionStates } from '../admission/admission-states.ts';
import { gateRegistrar, overlay, paceRegistrar } from '../admission/gated-services.ts';
import { meshGossip } from '../gossip/gossip.ts';
import { refusingEarly } from './early-refusal.ts';
import type { EarlyRefusal } from './early-refusal.ts';
import { memberRelayServer, memberRelayTransport } from './relay.ts';
import { sparePeerStore } from './spare-store.ts';
import { steadyWebSockets } from './steady-websockets.ts';
import { adaptTransport, upgradePipe } from './transport.ts';
import { tallyHost } from './network-counts.ts';
import type { NetworkTally } from './network-counts.ts';
import type { Introduction } from '../admission/introduction.ts';
import type { StreamPace } from '../limits/service-pace.ts';
import type { ConnectionMeters } from '../limits/connection-meter.ts';
import type { Transport } from '../types.ts';

/** In the place of libp2p's identify: what that asks for is told on control streams, see {@link introduce}. */
interface Introductions {
  readonly [serviceCapabilities]: readonly string[];
}

interface HostServices extends Record<string, unknown> {
  readonly identify: Introductions;
  readonly ping: Ping;
  readonly dht: SingleKadDHT;
  readonly pubsub: GossipSub;
}

/** A host, not started. */
export interface Host extends DhtSearches {
  readonly node: Libp2p<HostServices>;
  readonly transports: CircuitRelayTransportComponents['transportManager'];
  readonly encryption: Encryption;
  /** Tells libp2p's services of a peer, as libp2p's identify would. */
  introduce(connection: Connection, introduction: Introduction): Promise<void>;
  /**
   * Makes a connection of a stream that leads to the peer in `address`; with `isDialler` false as if that one had
   * dialled. Rejects with libp2p's error, or the reason of `signal`; the stream is destroyed then.
   */
  upgrade(
    pipe: Duplex,
    init: { readonly address: Multiaddr; readonly isDialler: boolean },
    signal: AbortSignal,
  ): Promise<Connection>;
}

/** Its key, what it tells of itself, and which ways to other nodes it takes part in. */
export interface HostInit {
  readonly identity: Identity;
  readonly meshId: MeshId;
  readonly announce: readonly string[];
  readonly bootstrap: readonly string[];
  readonly mdns: boolean;
  readonly relay: boolean;
  readonly connections: number;
  /** In place of TCP and WebSocket. */
  readonly transports?: readonly Transport[] | undefined;
  readonly gate: AdmissionStates;
  readonly meters: ConnectionMeters;
  /** Hears what the host does, for a benchmark. */
  readonly tally?: NetworkTally | undefined;
  /** Of the streams of libp2p's own services. */
  readonly pace: StreamPace;
  readonly gater: ConnectionGater;
  /** Whether this node needs no link to `peer`, because others are connected to it. */
  readonly isSpare: (peer: PeerId) => boolean;
  /** Which new sockets are dropped before anything is made of them. */
  readonly refusal: EarlyRefusal;
  readonly announceFilter: (addresses: Multiaddr[]) => Multiaddr[];
  /** By which records of providers end. */
  readonly now: () => number;
  /** Hears of each peer of our mesh that multicast DNS finds, again and again. */
  readonly onLanPeer: (peer: PeerInfo) => void;
  /** The same of nodes of whatever mesh. */
  readonly onLanNode: (peer: PeerInfo) => void;
}

/** What every Starling host has in common, the temporary one that probes a mesh included. */
export function baseOptions(
  privateKey: PrivateKey,
  encryption: Encryption,
  meters?: ConnectionMeters,
  tally?: NetworkTally,
): Required<
  Pick<Libp2pOptions, 'privateKey' | 'connectionEncrypters' | 'streamMuxers' | 'nodeInfo'>
> {
  return {
    privateKey,
    connectionEncrypters: encryption.encrypters,
    streamMuxers: [
      steadyYamux({ streamOptions: { maxStreamWindowSize: STREAM_WINDOW_BYTES } }, meters, tally),
    ],
    nodeInfo: { name: 'starling', version: '1', userAgent: 'starling/1' },
  };
}

/** Both halves are given: libp2p would compute the public one again, which is a tenth of a start. */
export function keyOf({ seed, publicKey }: Pick<Identity, 'seed' | 'publicKey'>): PrivateKey {
  return privateKeyFromRaw(Buffer.concat([seed, publicKey]));
}

/**
 * The given transports as libp2p takes them; TCP and WebSocket when none are given. Those two drop sockets
 * that `refusal` refuses.
 */
export function transportsOf(
  given?: readonly Transport[],
  refusal?: EarlyRefusal,
): NonNullable<Libp2pOptions['transports']> {
  if (given !== undefined) return given.map(adaptTransport);
  if (refusal === undefined) return [tcp(), steadyWebSockets(webSockets())];
  return [refusingEarly(tcp(), refusal), refusingEarly(steadyWebSockets(webSockets()), refusal)];
}

/** Makes the host of a node. It listens on nothing by itself. */
export async function createHost(init: HostInit): Promise<Host> {
  const { gate, meshId } = init;
  const encryption = createEncryption();
  const walks = createWalks();
  let parts: HostParts | undefined;
  const paced = (registrar: Registrar): Registrar => paceRegistrar(registrar, init.pace);

  const node = await createLibp2p<HostServices>({
    ...baseOptions(keyOf(init.identity), encryption, init.meters, init.tally),
    start: false,
    addresses: {
      listen: [],
      announce: [...init.announce],
      announceFilter: (told) =>
        init.announceFilter(
          parts === undefined || init.announce.length > 0
            ? told
            : withPublicListeners(told, parts.transportManager.getAddrs(), init.identity.peerId),
        ),
    },
    transports: [
      ...transportsOf(init.transports, init.refusal),
      ...(init.relay ? [memberRelayTransport(gate, init.isSpare)] : []),
    ],
    peerDiscovery: [
      ...(init.bootstrap.length > 0 ? [bootstrap({ list: [...init.bootstrap] })] : []),
      ...(init.mdns
        ? [meshOnLan(meshId, init.onLanPeer), nodesOnLan({ tells: true }, init.onLanNode)]
        : []),
    ],
    connectionGater: init.gater,
    ...connectionOptions(init.connections),
    services: {
      identify: (components) => {
        parts = components;
        return { [serviceCapabilities]: ['@libp2p/identify'] };
      },
      ping: (components) =>
        ping({ maxInboundStreams: 16, maxOutboundStreams: 16 })(
          overlay(components, { registrar: paced(components.registrar) }),
        ),
      dht: (components) =>
        meshDht(meshId)({
          ...dhtParts(components, gate, walks, init.now),
          registrar: paced(gateRegistrar(components.registrar, gate)),
        }),
      pubsub: (components) =>
        meshGossip({ meshId })(
          overlay(components, { registrar: gateRegistrar(components.registrar, gate) }),
        ),
      ...(init.relay ? { relay: memberRelayServer(gate) } : {}),
    },
  });
  tallyHost(node, init.tally);
  sparePeerStore(node.peerStore, node.peerId);
  if (parts === undefined) throw new Error('libp2p did not build its services');
  const { events, transportManager: transports, upgrader, logger } = parts;
  return {
    node,
    transports,
    encryption,
    introduce: (connection, introduction) => introduce(node, events, connection, introduction),
    upgrade: (pipe, ends, signal) => upgradePipe({ upgrader, logger }, pipe, ends, signal),
    ...createDhtSearches(node, walks, meshId),
  };
}

async function introduce(
  { peerStore }: Libp2p,
  events: HostParts['events'],
  connection: Connection,
  { protocols, addresses }: Introduction,
): Promise<void> {
  const peerId = connection.remotePeer;
  const known = addresses.map((multiaddr) => ({ multiaddr, isCertified: false }));
  const tags = MEMBER_TAG;
  await peerStore.patch(peerId, { addresses: known, protocols: [...protocols], tags });
  const detail = { peerId, protocols: [...protocols], listenAddrs: [...addresses], connection };
  events.safeDispatchEvent('peer:identify', { detail });
}

/** What libp2p is told of connections. */
function connectionOptions(
  connections: number,
): Pick<Libp2pOptions, 'connectionManager' | 'connectionMonitor'> {
  return {
    connectionManager: {
      maxConnections: connections,
      inboundConnectionThreshold: INBOUND_PER_SECOND_MAX,
      maxIncomingPendingConnections: HANDSHAKES_MAX,
      inboundUpgradeTimeout: HANDSHAKE_TIMEOUT_MS,
      dialTimeout: DIAL_TIMEOUT_MS,
      addressDialTimeout: ADDRESS_DIAL_TIMEOUT_MS,
    },
    // Control streams notice the silence of a connection, without a stream for each ping.
    connectionMonitor: { enabled: false },
  };
}

/** What of the parts of libp2p is needed once it is made. */
type HostParts = Pick<KadDHTComponents, 'events'> & {
  readonly transportManager: Host['transports'];
  readonly upgrader: Upgrader;
  readonly logger: ComponentLogger;
};
type Registrar = Parameters<typeof gateRegistrar>[0];
