/** The DHT of one mesh: it takes those who are linked, and has nobody dialled but while somebody is looked for. */
import { isPeerId } from '@libp2p/interface';
import { kadDHT, passthroughMapper } from '@libp2p/kad-dht';
import type { KadDHT, SingleKadDHT } from '@libp2p/kad-dht';
import type { MeshId } from '../../core/index.ts';
import type { AdmissionStates } from '../admission/admission-states.ts';
import { gateConnectionManager, overlay } from '../admission/gated-services.ts';
import { DHT_SELF_MS } from '../constants.ts';
import { createProviderRecords } from './provider-records.ts';

/** The longest that a timer takes. */
const NEVER_MS = 2 ** 31 - 1;

type Components = Parameters<ReturnType<typeof kadDHT>>[0];

/** Searches of this node in the DHT. */
export interface Walks {
  readonly isAnyUnderWay: boolean;
  /** Searches: meanwhile the DHT may have peers dialled. */
  during<Found>(search: () => Promise<Found>): Promise<Found>;
}

/** Makes it, with no search under way. */
export function createWalks(): Walks {
  let underWay = 0;
  return {
    get isAnyUnderWay() {
      return underWay > 0;
    },
    async during(search) {
      underWay += 1;
      try {
        return await search();
      } finally {
        underWay -= 1;
      }
    },
  };
}

/** The DHT of a mesh. The defaults would keep its table empty on private addresses. */
export function meshDht(meshId: MeshId): (components: Components) => SingleKadDHT {
  const factory = kadDHT({
    protocol: `/starling/${meshId}/kad/1.0.0`,
    clientMode: false,
    peerInfoMapper: passthroughMapper,
    // Nobody who looks for somebody waits for its first look for its own place.
    allowQueryWithZeroPeers: true,
    initialQuerySelfInterval: DHT_SELF_MS,
    querySelfInterval: DHT_SELF_MS,
    maxInboundStreams: 64,
    maxOutboundStreams: 64,
    // Who provides something says so again itself, and records end by themselves.
    reprovide: { interval: NEVER_MS },
  });
  return (components) => {
    const dht = factory(components);
    if (!isSingle(dht)) throw new Error('kad-dht has no routing table');
    return dht;
  };
}

/** What the DHT is made from, besides the registrar. */
export function dhtParts(
  components: Omit<Components, 'datastore' | 'ping'>,
  gate: AdmissionStates,
  walks: Pick<Walks, 'isAnyUnderWay'>,
  now: () => number,
): Omit<Components, 'registrar'> {
  return {
    peerId: components.peerId,
    privateKey: components.privateKey,
    connectionManager: linkedConnections(components.connectionManager, gate, walks),
    addressManager: components.addressManager,
    peerStore: components.peerStore,
    datastore: createProviderRecords(now),
    events: components.events,
    logger: components.logger,
    ping: pingOfLinks(components.connectionManager, gate),
  };
}

/**
 * The DHT pings whoever it takes into its table, and would dial for that: it takes those who are linked, whose
 * control streams say that they are there.
 */
function pingOfLinks(
  connections: Components['connectionManager'],
  gate: AdmissionStates,
): Components['ping'] {
  return {
    async ping(peer) {
      const known = isPeerId(peer) ? connections.getConnections(peer) : [];
      if (known.some((one) => one.status === 'open' && gate.isAdmitted(one))) return 0;
      throw new Error('no link');
    },
  };
}

/**
 * The DHT looks for its own place again and again, and would dial twenty peers for that: everybody, in a mesh of 25.
 * It asks those who are linked; others only while somebody is looked for.
 */
export function linkedConnections(
  manager: Components['connectionManager'],
  gate: AdmissionStates,
  walks: Pick<Walks, 'isAnyUnderWay'>,
): Components['connectionManager'] {
  const gated = gateConnectionManager(manager, gate);
  return overlay(gated, {
    async openStream(peer, protocol, options) {
      const known = isPeerId(peer) ? manager.getConnections(peer) : [];
      const link = known.find((one) => one.status === 'open' && gate.isAdmitted(one));
      if (link !== undefined) return link.newStream(protocol, options);
      if (walks.isAnyUnderWay) return gated.openStream(peer, protocol, options);
      throw new Error('no link, and nobody is looked for');
    },
  });
}

function isSingle(dht: KadDHT): dht is SingleKadDHT {
  return 'routingTable' in dht;
}
