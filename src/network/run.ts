/**
 * One run of the network, from start to stop: the libp2p host and everything that watches its
 * connections. A restart makes a new run.
 */
import { networkInterfaces } from 'node:os';
import type { Connection, ConnectionGater, PeerInfo, StreamHandler } from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';
import { createScope, lanInterfaces, messageOf, settledWithin } from '../core/index.ts';
import type { Clock, Logger, PeerId } from '../core/index.ts';
import { parseAddress, peerIn, withoutPeer } from './addresses/addresses.ts';
import { defaultSources } from './addresses/default-sources.ts';
import { isOwnListener, withReached } from './addresses/own-listeners.ts';
import { createAdmissionStates } from './admission/admission-states.ts';
import { watchConnections } from './connection-events.ts';
import {
  ACCEPT_BRAKE,
  ADDRESS_TURNS,
  CONNECTIONS_PER_PEER,
  CONNECTION_METERS,
  HELLO_PROTOCOL,
  IDLE_LOOK_MS,
  LAN_LINKS_MAX,
  LINK_PROTOCOL,
  SERVICE_BYTES,
  STOP_TIMEOUT_MS,
  TIDY_INTERVAL_MS,
} from './constants.ts';
import { createDialer } from './dialing/dialer.ts';
import { createGossip } from './gossip/gossip.ts';
import type { EarlyRefusal } from './host/early-refusal.ts';
import { createHost } from './host/host.ts';
import { lanNodeOf } from './host/lan.ts';
import type { Host } from './host/host.ts';
import { createControlStreams } from './links/control-streams.ts';
import type { ControlStreams } from './links/control-streams.ts';
import { encodeIntroduction } from './admission/introduction.ts';
import { createLinkUpkeep } from './links/link-upkeep.ts';
import type { LinkUpkeep } from './links/link-upkeep.ts';
import { createParting } from './links/parting.ts';
import type { Parting } from './links/parting.ts';
import { createLinks } from './links/links.ts';
import { createAcceptBrake } from './limits/accept-brake.ts';
import { createAddressTurns } from './limits/address-turns.ts';
import type { AddressTurns } from './limits/address-turns.ts';
import { createConnectionMeters } from './limits/connection-meter.ts';
import type { ConnectionMeters } from './limits/connection-meter.ts';
import { createStreamPace } from './limits/service-pace.ts';
import type { StreamPace } from './limits/service-pace.ts';
import { createDoorkeeper } from './limits/doorkeeper.ts';
import type { Doorkeeper } from './limits/doorkeeper.ts';
import { listenOnAll } from './addresses/listen.ts';
import { isPeerId, peerOf } from './peer-id.ts';
import { ipOf } from './reach/outside.ts';
import { createOpenPorts } from './reach/open-ports.ts';
import type { OpenPorts } from './reach/open-ports.ts';
import { createReach } from './reach/reach.ts';
import type { Reach } from './reach/reach.ts';
import { createRedialTargets, keepBootstrap } from './dialing/redial-targets.ts';
import { createRedialer } from './dialing/redialer.ts';
import { announcedAddresses, memberRelayGater, reserveRelays } from './host/relay.ts';
import type {
  RunComponents,
  NetworkInit,
  NetworkRun,
  NetworkRunEvents,
  RunParts,
} from './run-parts.ts';

/**
 * Builds and starts a run; `prepare` runs before the first connection. A run that could not start
 * leaves nothing running.
 * @throws STARLING_LISTEN_FAILED, STARLING_ID_MALFORMED
 */
export async function startRun(
  components: RunComponents,
  init: NetworkInit,
  events: NetworkRunEvents,
  prepare: (parts: RunParts) => Promise<void>,
): Promise<NetworkRun> {
  for (const address of [...init.listen, ...init.announce, ...init.bootstrap])
    parseAddress(address);
  const { clock, logger } = components;
  const self = components.identity.peerId;
  const parts = await buildRun(components, init, events);
  const { scope, links, host } = parts;
  const { node } = host;
  const upkeep = createLinkUpkeep({
    links,
    scope,
    logger,
    clock,
    introduce: (connection, introduction) => host.introduce(connection, introduction),
  });
  const parting: Parting = createParting({
    links,
    clock,
    logger,
    scope,
    ...events,
    send: (connection, kind) => control.sendOn(connection, kind),
  });
  const reach: Reach = reachOf(components, parts, () => control);
  const control = controlStreamsOf(components, parts, { upkeep, parting, reach }, events);
  const keepers = { upkeep, control, parting, reach };
  const connections = watchConnections(components, parts, keepers, events);

  const ports = init.upnp === true ? openPortsOf(components, parts) : undefined;
  const stop = async (): Promise<void> => {
    parts.turns.close();
    parts.redialer.stop();
    const closing = ports?.stop();
    // libp2p closes sockets on which something still is on its way: last words would be lost.
    await control.finish();
    scope.close();
    await Promise.all([closing, stopHost(host, components)]);
    parts.gossip.stop();
    connections.stop();
  };
  try {
    const acceptControl: StreamHandler = (stream, connection) =>
      control.accept(events.wrap(stream, connection), connection);
    await node.handle(HELLO_PROTOCOL, connections.answerHello, ONCE_A_CONNECTION);
    await node.handle(LINK_PROTOCOL, parts.gate.guard(acceptControl), ONCE_A_CONNECTION);
    await prepare(parts);
    await node.start();
    await listenOnAll(host.transports, init.listen, logger);
    if (init.relay) await reserveRelays(host.transports);
    ports?.start();
  } catch (error) {
    await stop();
    throw error;
  }
  // A memory transport has nothing to do with the machine's routes.
  if (components.transports === undefined) {
    await parts.lookAtRoutes();
    scope.every(TIDY_INTERVAL_MS, () => parts.lookAtRoutes());
  }
  scope.every(IDLE_LOOK_MS, () => parting.look());
  scope.every(TIDY_INTERVAL_MS, () => {
    upkeep.tidy(events.isInUse, parts.gossip, self);
    lookForDirectWays(parts);
    reach.look();
  });
  keepBootstrap(init.bootstrap, { ...parts, self });
  return { ...parts, control, parting, reach, ports, stop };
}

/** Whoever is reached through a relay is dialled directly now and then, by both ends: one of them may get through. */
function lookForDirectWays({ links, redialer }: RunParts): void {
  for (const peer of links.peers()) {
    if (links.best(peer)?.direct === false) redialer.suggest(peer);
  }
}

const ONCE_A_CONNECTION = {
  maxInboundStreams: 1,
  maxOutboundStreams: 1,
  runOnLimitedConnection: true,
} as const;

/** What looks after links. */
interface Keepers {
  readonly upkeep: LinkUpkeep;
  readonly parting: Parting;
  readonly reach: Reach;
}

function reachOf(
  components: RunComponents,
  parts: RunParts,
  control: () => Pick<ControlStreams, 'rttMs' | 'sendOn'>,
): Reach {
  return createReach({
    ...components,
    ...parts,
    self: components.identity.peerId,
    ownIps: () => ownIpsOf(components),
    send: (...frame) => control().sendOn(...frame),
    rttMs: (peer) => control().rttMs(peer),
  });
}

function openPortsOf(
  { clock, logger, interfaces = networkInterfaces }: RunComponents,
  { host, scope }: RunParts,
): OpenPorts {
  return createOpenPorts({
    listeners: () => host.transports.getAddrs(),
    lanIps: () => lanInterfaces(interfaces()).map(({ address }) => address),
    clock,
    logger,
    scope,
  });
}

/** From where the other end of a connection has dialled; undefined where this end has, or a relay is between. */
function whereSeen({ direct, direction, remoteAddr }: Connection): string | undefined {
  return direct && direction === 'inbound' ? ipOf(remoteAddr) : undefined;
}

/** The IP addresses of the interfaces of this machine. */
function ownIpsOf({ interfaces = networkInterfaces }: RunComponents): ReadonlySet<string> {
  const all = Object.values(interfaces()).flatMap((one) => one ?? []);
  return new Set(all.map(({ address }) => address));
}

/** The control streams of a run: what hosts say of themselves goes to libp2p, the rest to the rooms. */
function controlStreamsOf(
  components: RunComponents,
  parts: RunParts,
  { upkeep, parting, reach }: Keepers,
  events: NetworkRunEvents,
): ControlStreams {
  const { node } = parts.host;
  // What a memory transport tells is no address of a machine.
  const isReal = components.transports === undefined;
  return createControlStreams({
    ...components,
    ...parts,
    open: (connection, protocol, signal) => events.open(connection, protocol, signal),
    heard: (kind, payload, from) => events.onFrame(kind, payload, from),
    aboutLink: (connection, kind, payload) =>
      parting.heard(connection, kind) || reach.heard(connection, kind, payload),
    sign: (peer) => events.onSign(peer),
    introduction: (connection) =>
      encodeIntroduction({
        seen: isReal ? whereSeen(connection) : undefined,
        protocols: node.getProtocols(),
        addresses: node.getMultiaddrs().map((address) => withoutPeer(address).toString()),
      }),
    introduced(connection, introduction) {
      const { seen } = introduction;
      const mayTell = isReal && connection.direct && connection.direction === 'outbound';
      if (seen !== undefined && mayTell) reach.seen(peerOf(connection), seen);
      upkeep.introduced(connection, introduction);
    },
  });
}

async function buildRun(
  components: RunComponents,
  init: NetworkInit,
  events: NetworkRunEvents,
): Promise<RunParts & { readonly lookAtRoutes: () => Promise<void> }> {
  const { clock, random, logger, admission, identity, transports, conduct } = components;
  const self = identity.peerId;
  const scope = createScope(clock, (error) =>
    logger.error({ error: messageOf(error) }, 'a repeated task of the network failed'),
  );
  const gate = createAdmissionStates();
  const links = createLinks(self, clock);
  const [ephemeral, reached] = [new Set<string>(), new Set<string>()];
  const { turns, doorkeeper, refusal, meters, pace } = createLimits(components);
  const host = await createHost({
    ...init,
    identity,
    gate,
    meters,
    tally: components.tally,
    pace,
    transports,
    // Bootstrap addresses without a PeerId are ours alone to dial; libp2p's module wants a PeerId.
    bootstrap: init.bootstrap.filter((text) => peerIn(parseAddress(text)) !== undefined),
    refusal,
    isSpare: events.isSpare,
    now: () => clock.now(),
    gater: {
      ...memberRelayGater(admission),
      ...peerGater(doorkeeper, (peer) => conduct.isBlocked(peer) || events.isDenied(peer)),
      // libp2p's services dial too, and take what a peer says of itself as it is.
      denyDialMultiaddr: async (address) => isOwn(address),
    },
    announceFilter: (addresses) => toldOf(init, addresses, { ephemeral, reached }),
    onLanPeer: (found) => onLanPeer(found),
    onLanNode: (found) => {
      const node = lanNodeOf(found);
      if (node !== undefined && node.peer !== self) events.onLanNode(node);
    },
  });
  const isOwn = (address: Multiaddr): boolean => isOwnListener(address, host.transports.getAddrs());
  const gossip = createGossip(
    { service: host.node.services.pubsub, admission, conduct, clock, logger, self },
    { meshId: init.meshId },
  );
  const { isDenied, onDialFailed: onFailed } = events;
  const dialer = createDialer(
    { ...host, gate, links, clock, random, logger, scope },
    { ...init, self, signal: scope.signal, onFailed, isDenied, isOwn },
  );
  const targets = createRedialTargets({ dialer, links, isSpare: events.isSpare });
  const redialer = createRedialer({
    clock,
    random,
    logger,
    isSatisfied: (key) => targets.isSatisfied(key),
    isAnybodyComing: () => doorkeeper.isAnybodyComing(),
    dial: (key, signal) => targets.dial(key, signal),
  });
  const onLanPeer = (found: PeerInfo): void => {
    const peer = found.id.toString();
    if (!isPeerId(peer) || peer === self || links.has(peer) || isDenied(peer)) return;
    if (!redialer.isKept(peer)) dialer.learn(peer, found.multiaddrs.map(String));
    // Who is new is met while there are few links, and later by way of others.
    if (events.isSpare(peer)) return;
    if (redialer.isKept(peer) || links.peers().length < LAN_LINKS_MAX) redialer.suggest(peer);
  };
  const made = { host, gate, links, gossip, dialer, redialer, targets, scope, ephemeral, reached };
  return { ...made, ...sourcesOfRoutes(), turns, doorkeeper };
}

/** From which addresses this machine dials, as it was when that was looked at last. */
function sourcesOfRoutes(): {
  readonly defaultSources: () => ReadonlySet<string>;
  readonly lookAtRoutes: () => Promise<void>;
} {
  let sources: ReadonlySet<string> = new Set();
  return {
    defaultSources: () => sources,
    lookAtRoutes: async () => {
      sources = await defaultSources();
    },
  };
}

/** What is told of where this node is: where an operator has said that, just that. */
function toldOf(
  { announce }: NetworkInit,
  addresses: readonly Multiaddr[],
  { ephemeral, reached }: Pick<RunParts, 'ephemeral' | 'reached'>,
): Multiaddr[] {
  const told = announce.length > 0 ? addresses : withReached(addresses, reached);
  return announcedAddresses(told, ephemeral);
}

/** What one request that a service refuses counts: nobody good sends one, and each costs its stream. */
const REFUSED_COUNTS = 4;

/** What holds strangers and floods back. */
function createLimits({ clock, conduct }: RunComponents): {
  readonly turns: AddressTurns;
  readonly doorkeeper: Doorkeeper;
  readonly refusal: EarlyRefusal;
  readonly meters: ConnectionMeters;
  readonly pace: StreamPace;
} {
  const turns = createAddressTurns(clock, ADDRESS_TURNS);
  const init = { connections: CONNECTIONS_PER_PEER };
  const doorkeeper = createDoorkeeper({ clock, turns, conduct }, init);
  return {
    turns,
    doorkeeper,
    refusal: {
      refuses: (ip) => doorkeeper.deniesAtOnce(ip),
      brake: (apply) => createAcceptBrake(clock, ACCEPT_BRAKE, apply),
    },
    meters: createConnectionMeters({ clock, conduct }, CONNECTION_METERS),
    pace: createStreamPace(clock, SERVICE_BYTES, {
      over(peer) {
        if (isPeerId(peer)) conduct.report(peer, 'services');
      },
      refused(peer) {
        if (isPeerId(peer)) conduct.report(peer, 'malformed', REFUSED_COUNTS);
      },
    }),
  };
}

/**
 * Ends connections of peers whose key is of another kind, for whom nobody could sign here, and of those
 * that are kept out.
 */
function peerGater(doorkeeper: Doorkeeper, isKeptOut: (peer: PeerId) => boolean): ConnectionGater {
  return {
    denyInboundConnection: (connection) => doorkeeper.denies(connection),
    denyInboundEncryptedConnection(peer) {
      const id = peer.toString();
      return !isPeerId(id) || doorkeeper.deniesPeer(id);
    },
    denyOutboundEncryptedConnection: (peer) => !isPeerId(peer.toString()),
    denyDialPeer(peer) {
      const id = peer.toString();
      return !isPeerId(id) || isKeptOut(id);
    },
  };
}

/** Stops libp2p, and waits for that no longer than five seconds. */
async function stopHost(
  { node }: Host,
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
): Promise<void> {
  const stopped = Promise.resolve(node.stop()).catch((error: unknown) =>
    logger.error({ error: messageOf(error) }, 'libp2p failed to stop'),
  );
  if (await settledWithin(STOP_TIMEOUT_MS, stopped, clock)) return;
  logger.warn({}, 'libp2p did not stop in time');
}
