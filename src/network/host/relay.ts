/**
 * Relaying (libp2p circuit relay v2): every node serves members as a relay and keeps a reservation
 * on two of its own, so that members that can't reach each other meet through a third. Data is not
 * limited, because only members are relayed.
 */
import { circuitRelayServer, circuitRelayTransport } from '@libp2p/circuit-relay-v2';
import type {
  CircuitRelayServerComponents,
  CircuitRelayService,
  CircuitRelayTransportComponents,
} from '@libp2p/circuit-relay-v2';
import type { Connection, ConnectionGater, Transport } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import type { Multiaddr } from '@multiformats/multiaddr';
import type { PeerId } from '../../core/index.ts';
import { isRelayed } from '../addresses/addresses.ts';
import {
  RELAY_ADDRESSES_MAX,
  RELAY_CLIENTS_MAX,
  RELAY_RESERVATIONS,
  RELAY_STREAMS_MAX,
} from '../constants.ts';
import type { AdmissionStates } from '../admission/admission-states.ts';
import { gateConnectionManager, gateRegistrar, overlay } from '../admission/gated-services.ts';
import { isPeerId } from '../peer-id.ts';
import type { Admission } from '../types.ts';

type TransportManager = CircuitRelayTransportComponents['transportManager'];

/**
 * The transport that dials and listens through relays, for admitted connections only. Relays are looked for among those
 * who are linked: first those whose link stays, of whom `isSpare` is not true.
 */
export function memberRelayTransport(
  gate: AdmissionStates,
  isSpare: (peer: PeerId) => boolean,
): (components: CircuitRelayTransportComponents) => Transport {
  const factory = circuitRelayTransport({
    // Forgets nobody: a peer whose reservation went with one of two connections may serve again.
    discoveryFilter: { has: () => false, add: () => undefined, remove: () => undefined },
    maxInboundStopStreams: RELAY_STREAMS_MAX,
    maxOutboundStopStreams: RELAY_STREAMS_MAX,
  });
  return (components) =>
    forgettingLate(
      factory(
        overlay(components, {
          registrar: gateRegistrar(components.registrar, gate),
          connectionManager: gateConnectionManager(components.connectionManager, gate, {
            // Relays are the members we are connected to: no dialling around to find more.
            isDialable: () => Promise.resolve(false),
          }),
          peerStore: linkedPeers(components, gate, isSpare),
          randomWalk: { walk: waitForAbort },
        }),
      ),
    );
}

/** Where libp2p's transport keeps the reservations of this node, each with a timer that renews it. */
interface Reservations {
  isStarted(): boolean;
  cancelReservations(): void;
  addEventListener(type: 'relay:created-reservation', heard: () => void): void;
}

/**
 * A relay that was asked before a stop may answer after it, when libp2p has forgotten all reservations: the timer of that one would hold
 * the process for two hours.
 */
function forgettingLate(transport: Transport): Transport {
  const { reservationStore: store } = transport as Transport & {
    readonly reservationStore: Reservations;
  };
  store.addEventListener('relay:created-reservation', () => {
    if (!store.isStarted()) store.cancelReservations();
  });
  return transport;
}

/**
 * A peer store that knows of those who are linked only. Whoever lacks a reservation asks all in it, and dialled them for
 * that: a link that nobody needs closes after a while, the reservation with it, and another was dialled, for ever.
 */
export function linkedPeers(
  {
    connectionManager,
    peerStore,
  }: Pick<CircuitRelayTransportComponents, 'connectionManager' | 'peerStore'>,
  gate: AdmissionStates,
  isSpare: (peer: PeerId) => boolean,
): CircuitRelayTransportComponents['peerStore'] {
  const staysOf = (peer: { readonly id: { toString(): string } }): boolean => {
    const id = peer.id.toString();
    return isPeerId(id) && !isSpare(id);
  };
  return overlay(peerStore, {
    async all(query) {
      const linked = (await peerStore.all(query)).filter(({ id }) =>
        connectionManager
          .getConnections(id)
          .some((one) => one.status === 'open' && gate.isAdmitted(one)),
      );
      return [...linked.filter(staysOf), ...linked.filter((peer) => !staysOf(peer))];
    },
  });
}

/** The relay that members may use. */
export function memberRelayServer(
  gate: AdmissionStates,
): (components: CircuitRelayServerComponents) => CircuitRelayService {
  const factory = circuitRelayServer({
    maxInboundHopStreams: RELAY_STREAMS_MAX,
    maxOutboundHopStreams: RELAY_STREAMS_MAX,
    maxOutboundStopStreams: RELAY_STREAMS_MAX,
    reservations: { maxReservations: RELAY_CLIENTS_MAX, applyDefaultLimit: false },
  });
  return (components) =>
    factory(overlay(components, { registrar: gateRegistrar(components.registrar, gate) }));
}

/** Lets only members reserve, be dialled and dial through a relay. */
export function memberRelayGater(admission: Admission): ConnectionGater {
  const isStranger = (peer: { toString(): string }): boolean => {
    const id = peer.toString();
    return !isPeerId(id) || !admission.isMember(id);
  };
  return {
    denyInboundRelayReservation: isStranger,
    denyOutboundRelayedConnection: (source, target) => isStranger(source) || isStranger(target),
    denyInboundRelayedConnection: (relay, remote) => isStranger(relay) || isStranger(remote),
  };
}

/** Asks for reservations on relays as members with one appear, and again when one goes. */
export async function reserveRelays(transports: TransportManager): Promise<void> {
  for (let wanted = 0; wanted < RELAY_RESERVATIONS; wanted += 1) {
    await transports.listen([multiaddr('/p2p-circuit')]);
  }
}

/** The address of `target` through the relay at the other end of `connection`. */
export function addressThrough(connection: Connection, target: PeerId): Multiaddr {
  return connection.remoteAddr.encapsulate(`/p2p-circuit/p2p/${target}`);
}

/**
 * Which of our addresses to tell others: all direct ones, and a few relayed ones. The relay's end of
 * a connection that it dialled itself has a port that nobody listens on, so addresses over
 * `ephemeral` ones are left out.
 */
export function announcedAddresses(
  addresses: readonly Multiaddr[],
  ephemeral: ReadonlySet<string>,
): Multiaddr[] {
  const relayed = addresses
    .filter((address) => isRelayed(address))
    .filter((address) => !ephemeral.has(address.toString().split('/p2p-circuit')[0] ?? ''));
  return [
    ...addresses.filter((address) => !isRelayed(address)),
    ...relayed.slice(0, RELAY_ADDRESSES_MAX),
  ];
}

/** A random walk that finds nobody. */
async function* waitForAbort(options?: {
  readonly signal?: AbortSignal;
}): AsyncGenerator<never, void, undefined> {
  const signal = options?.signal;
  if (signal === undefined || signal.aborted) return;
  await new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  yield* [];
}
