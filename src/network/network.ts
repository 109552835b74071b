/**
 * The network of one mesh: admitted peers, streams and topics. What is asked for before the start
 * or between stop and start (handlers, subscriptions, kept peers) counts for every run.
 */
import type { Connection } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import { EventEmitter } from 'node:events';
import { networkInterfaces } from 'node:os';
import { StarlingError } from '../core/index.ts';
import type { BucketSize, Logger, PeerId } from '../core/index.ts';
import { inOrderOfUse } from './addresses/address-order.ts';
import type { LocalPlaces } from './addresses/address-order.ts';
import { parseAddress } from './addresses/addresses.ts';
import { closeConnection } from './admission/close-connection.ts';
import {
  ADDRESSES_MS,
  CONDUCT,
  HELD_BYTES,
  UNREAD_BYTES,
  OTHER_VERSIONS_MAX,
  PING_PROTOCOL,
  SECOND_DIALS_AFTER_MS,
} from './constants.ts';
import { isPeerId } from './peer-id.ts';
import { createConduct } from './limits/conduct.ts';
import type { Conduct } from './limits/conduct.ts';
import { createEarlyFrames } from './links/early-frames.ts';
import type { EarlyFrames } from './links/early-frames.ts';
import { ping } from './links/ping.ts';
import { createHalfMessages } from './streams/half-messages.ts';
import { createUnreadBytes } from './streams/unread-bytes.ts';
import { createProtocols } from './protocols.ts';
import type { Protocols } from './protocols.ts';
import { startRun } from './run.ts';
import type { NetworkComponents, NetworkInit, NetworkRun } from './run-parts.ts';
import { createTopics } from './gossip/topics.ts';
import type { Topics } from './gossip/topics.ts';
import type {
  ConductReport,
  FrameListener,
  KnockingAddress,
  Misconduct,
  Network,
  NetworkEvents,
  OpenPortsView,
  OutsideView,
  PeerStream,
  Route,
  SpokenVersion,
  StrangerStream,
  Topic,
  TopicOptions,
} from './types.ts';

/** What libp2p tells when this node can be reached elsewhere. */
const ADDRESS_EVENTS = ['self:peer:update', 'transport:listening', 'transport:close'] as const;

/** Makes the network of a mesh, not started. */
export function createNetwork(components: NetworkComponents, init: NetworkInit): Network {
  return new MeshNetwork(components, init);
}

class MeshNetwork implements Network {
  readonly self: PeerId;
  readonly events = new EventEmitter<NetworkEvents>();
  readonly #components: NetworkComponents;
  readonly #init: NetworkInit;
  readonly #logger: Logger;
  readonly #protocols: Protocols;
  readonly #topics: Topics;
  readonly #kept = new Map<PeerId, readonly string[]>();
  /** Where peers are that need no link. */
  readonly #spare = new Map<PeerId, readonly string[]>();
  readonly #denied = new Set<PeerId>();
  readonly #frames = new Map<string, FrameListener>();
  readonly #early: EarlyFrames;
  readonly #conduct: Conduct;
  readonly #otherVersions = new Map<PeerId, SpokenVersion>();
  readonly #bootstrapPeers: ReadonlySet<string | undefined>;
  #run: NetworkRun | undefined;
  /** The addresses as they were told last, until they change. */
  #told: { readonly addresses: readonly string[]; readonly atMs: number } | undefined;
  #lifecycle: Promise<void> = Promise.resolve();

  constructor(components: NetworkComponents, init: NetworkInit) {
    this.#components = components;
    this.#init = init;
    this.#logger = components.logger.child('network');
    this.#early = createEarlyFrames(components.clock);
    this.#protocols = createProtocols({
      clock: components.clock,
      logger: this.#logger,
      violated: (peer) => this.#conduct.report(peer, 'malformed'),
      kept: createHalfMessages(
        {
          clock: components.clock,
          unfinished: (peer, times) => this.#conduct.report(peer, 'unfinished', times),
        },
        HELD_BYTES,
      ),
      unread: createUnreadBytes(
        { clock: components.clock, unread: (peer) => this.#conduct.report(peer, 'unread') },
        UNREAD_BYTES,
      ),
    });
    this.#conduct = createConduct(components.clock, CONDUCT);
    this.#conduct.onChange((peer, report) => this.#behaves(peer, report));
    this.#topics = createTopics(init.meshId, () => this.#running().gossip);
    this.self = components.identity.peerId;
    // An address that is none is told of at the start.
    const peers = init.bootstrap.map((text) => /\/p2p\/([^/]+)$/.exec(text)?.[1]);
    this.#bootstrapPeers = new Set(peers);
  }

  start(): Promise<void> {
    return this.#inOrder(async () => {
      if (this.#run !== undefined) return;
      try {
        await this.#begin();
      } catch (error) {
        await this.#end();
        throw error;
      }
    });
  }

  stop(): Promise<void> {
    return this.#inOrder(() => this.#end());
  }

  addresses(): readonly string[] {
    const run = this.#run;
    if (run === undefined) return [];
    const now = this.#components.clock.now();
    const told = this.#told;
    // Each heartbeat asks, and so does whoever shows them.
    if (told !== undefined && Math.abs(now - told.atMs) < ADDRESSES_MS) return told.addresses;
    const addresses = this.#addressesOf(run);
    this.#told = { addresses, atMs: now };
    return addresses;
  }

  #addressesOf(run: NetworkRun): readonly string[] {
    const { transports } = this.#components;
    // A memory transport has nothing to do with the machine's interfaces.
    const nowhere = (): LocalPlaces['interfaces'] => ({});
    const places = transports === undefined ? networkInterfaces : nowhere;
    const { interfaces = places } = this.#components;
    return inOrderOfUse(run.host.node.getMultiaddrs(), {
      interfaces: interfaces(),
      defaultSources: run.defaultSources(),
      announced: hostsOf(this.#init.announce),
    }).map(String);
  }

  connected(): readonly PeerId[] {
    return this.#run?.links.peers() ?? [];
  }

  isConnected(peer: PeerId): boolean {
    return this.#run?.links.has(peer) ?? false;
  }

  route(peer: PeerId): Route | undefined {
    const run = this.#run;
    const connection = run?.links.best(peer);
    if (run === undefined || connection === undefined) return undefined;
    const address = connection.remoteAddr.toString();
    if (connection.direct) return { kind: 'direct', address };
    const noHole = run.reach.whyNoHole(peer);
    const why = run.dialer.whyRelayed(peer);
    return {
      kind: 'relayed',
      address,
      why: noHole === undefined ? why : `${why}; and a hole through both routers failed: ${noHole}`,
    };
  }

  outside(): OutsideView | undefined {
    return this.#run?.reach.view();
  }

  openPorts(): readonly OpenPortsView[] | undefined {
    return this.#run?.ports?.view();
  }

  async dial(target: string, options: { readonly signal: AbortSignal }): Promise<PeerId> {
    return this.#running().dialer.dial(target, options);
  }

  keep(peer: PeerId, addresses: readonly string[]): void {
    if (peer === this.self) return;
    const wasSpare = this.#spare.delete(peer);
    this.#kept.set(peer, addresses);
    if (this.#run === undefined) return;
    keepIn(this.#run, this.self, peer, addresses);
    if (wasSpare) this.#lookAt(this.#run, peer);
  }

  know(peer: PeerId, addresses: readonly string[]): void {
    if (peer === this.self) return;
    const isNew = this.#spare.get(peer) !== addresses;
    this.#spare.set(peer, addresses);
    if (isNew) this.#run?.dialer.learn(peer, addresses);
    if (this.#kept.delete(peer)) this.#release(peer);
  }

  isSpare(peer: PeerId): boolean {
    return this.#spare.has(peer);
  }

  unkeep(peer: PeerId): void {
    if (this.#kept.delete(peer)) this.#release(peer);
    if (!this.#spare.delete(peer) || this.#run === undefined) return;
    this.#lookAt(this.#run, peer);
  }

  async disconnect(peer: PeerId, reason: string): Promise<void> {
    this.#denied.add(peer);
    this.unkeep(peer);
    this.#run?.redialer.unkeep(peer);
    this.#logger.info({ peer, reason }, 'a peer is disconnected');
    const components = { clock: this.#components.clock, logger: this.#logger };
    const error = new StarlingError('STARLING_JOIN_REFUSED', reason, { data: { peer } });
    await Promise.all(
      this.#connectionsOf(peer).map((connection) => closeConnection(components, connection, error)),
    );
  }

  report(peer: PeerId, what: Misconduct, times?: number): void {
    this.#conduct.report(peer, what, times);
  }

  conduct(peer: PeerId): ConductReport | undefined {
    return this.#conduct.of(peer);
  }

  otherVersion(peer: PeerId): SpokenVersion | undefined {
    return this.#otherVersions.get(peer);
  }

  misbehaving(): readonly PeerId[] {
    return this.#conduct.peers();
  }

  forgive(peer: PeerId): boolean {
    return this.#conduct.forgive(peer);
  }

  strangers(): readonly KnockingAddress[] {
    return this.#run?.turns.knocking() ?? [];
  }

  async ping(peer: PeerId, { signal }: { readonly signal: AbortSignal }): Promise<number> {
    const connection = this.#linkTo(peer);
    const stream = await this.#protocols.open(connection, PING_PROTOCOL, signal);
    return ping(stream, { logger: this.#logger, signal });
  }

  handle(protocol: string, handler: (stream: PeerStream) => void): () => void {
    return this.#protocols.handle(protocol, handler);
  }

  handleStrangers(protocol: string, handler: (visit: StrangerStream) => void): () => void {
    return this.#protocols.handleStrangers(protocol, handler);
  }

  async open(
    peer: PeerId,
    protocol: string,
    options: { readonly signal: AbortSignal },
  ): Promise<PeerStream> {
    const { links, dialer, parting } = this.#running();
    await parting.settled(peer);
    if (links.best(peer) === undefined) await dialer.dial(peer, options);
    return this.#protocols.open(this.#linkTo(peer), protocol, options.signal);
  }

  onFrame(kind: string, hear: FrameListener): () => void {
    if (this.#frames.has(kind)) {
      throw new StarlingError('STARLING_USAGE', `two listeners for frames '${kind}'`);
    }
    this.#frames.set(kind, hear);
    const early = this.#early.take(kind);
    // Once whoever begins to hear has begun.
    if (early.length > 0) {
      queueMicrotask(() => {
        for (const { payload, from } of early) this.#heardFrame(kind, payload, from);
      });
    }
    return () => {
      if (this.#frames.get(kind) === hear) this.#frames.delete(kind);
    };
  }

  async sendFrame(peer: PeerId, kind: string, payload: Uint8Array): Promise<boolean> {
    return (await this.#run?.control.send(peer, kind, payload)) ?? false;
  }

  rttMs(peer: PeerId): number | undefined {
    return this.#run?.control.rttMs(peer);
  }

  topic(name: string, allowance?: BucketSize, options?: TopicOptions): Topic {
    return this.#topics.named(name, allowance, options);
  }

  async provide(name: string, options: { readonly signal: AbortSignal }): Promise<void> {
    await this.#running().host.provide(name, options);
  }

  async findProviders(
    name: string,
    found: (peer: PeerId) => void,
    options: { readonly signal: AbortSignal },
  ): Promise<void> {
    const told = new Set<string>();
    const take = (peer: string): void => {
      if (!isPeerId(peer) || peer === this.self || told.has(peer)) return;
      told.add(peer);
      found(peer);
    };
    await this.#running().host.findProviders(name, take, options);
  }

  routingTableSize(): number {
    return this.#run?.host.node.services.dht.routingTable.size ?? 0;
  }

  async #begin(): Promise<void> {
    const run = await startRun(
      { ...this.#components, logger: this.#logger, conduct: this.#conduct },
      this.#init,
      {
        onPeerConnect: (peer) => {
          this.#denied.delete(peer);
          this.#emit('peer:connect', peer);
        },
        onPeerLink: (peer) => this.#emit('peer:link', peer),
        onPeerDisconnect: (peer, isMeant) => {
          this.#early.forget(peer);
          this.#emit('peer:disconnect', peer, isMeant);
        },
        onSign: (peer) => this.#emit('peer:sign', peer),
        isSpare: (peer) => this.#spare.has(peer),
        usedAtMs: (connection) => this.#protocols.usedAtMs(connection),
        open: (connection, protocol, signal) => this.#protocols.open(connection, protocol, signal),
        wrap: (stream, connection) => this.#protocols.wrap(stream, connection),
        onFrame: (kind, payload, from) => this.#heardFrame(kind, payload, from),
        onVersion: (peer, theirs) => this.#speaks(peer, theirs),
        onDialFailed: (address, error) => this.#emit('dial:failed', address, error),
        onLanNode: (found) => this.#emit('lan:node', found),
        isInUse: (stream) => this.#protocols.isInUse(stream),
        isDenied: (peer) => this.#isDenied(peer),
      },
      (parts) => this.#protocols.attach(parts),
    );
    this.#run = run;
    const changed = (): void => {
      this.#told = undefined;
    };
    for (const event of ADDRESS_EVENTS) run.host.node.addEventListener(event, changed);
    changed();
    this.#topics.attach(run.gossip);
    for (const [peer, addresses] of this.#kept) keepIn(run, this.self, peer, addresses);
    for (const [peer, addresses] of this.#spare) run.dialer.learn(peer, addresses);
  }

  async #end(): Promise<void> {
    const run = this.#run;
    this.#run = undefined;
    this.#topics.detach();
    this.#protocols.detach();
    this.#conduct.stop();
    await run?.stop();
  }

  /** Runs starts and stops one after the other. */
  #inOrder(task: () => Promise<void>): Promise<void> {
    const done = this.#lifecycle.then(task);
    // The caller gets the failure; the next start or stop only waits for the end.
    this.#lifecycle = done.catch(() => undefined);
    return done;
  }

  /** A bootstrap address may lead to a peer that was spare: it is kept, and was not dialled. */
  #lookAt({ redialer, targets }: NetworkRun, peer: PeerId): void {
    for (const key of targets.keysOf(peer)) redialer.look(key);
  }

  /** Bootstrap addresses are kept whatever becomes of the peer there. */
  #release(peer: PeerId): void {
    if (!this.#bootstrapPeers.has(peer)) this.#run?.redialer.unkeep(peer);
  }

  #running(): NetworkRun {
    if (this.#run !== undefined) return this.#run;
    throw new StarlingError('STARLING_STOPPED', 'the network of this node is not running');
  }

  #linkTo(peer: PeerId): Connection {
    const connection = this.#running().links.best(peer);
    if (connection !== undefined) return connection;
    throw new StarlingError('STARLING_PEER_UNREACHABLE', `${peer} is not connected`, {
      hint: '`starling peers` shows who is',
      data: { peer },
    });
  }

  #heardFrame(kind: string, payload: Uint8Array, from: PeerId): void {
    const hear = this.#frames.get(kind);
    if (hear === undefined) {
      // Of a room that is starting still, or of a newer node.
      this.#early.keep({ kind, payload, from });
      return;
    }
    try {
      hear(payload, from);
    } catch (error) {
      this.#logger.error({ peer: from, kind, error }, 'a listener of frames threw');
    }
  }

  /** Who is kept out is cut off at once: what it has sent is not read any more. */
  #behaves(peer: PeerId, report: ConductReport | undefined): void {
    if (report?.state === 'blocked') {
      this.#logger.warn({ peer, counts: report.counts }, 'a peer does too much and is kept out');
      const error = new StarlingError('STARLING_LIMIT_EXCEEDED', `${peer} does too much`);
      for (const connection of this.#connectionsOf(peer)) connection.abort(error);
    }
    this.#emit('peer:conduct', peer, report);
  }

  /** Only of members: anybody can say a hello of another version. */
  #speaks(peer: PeerId, theirs: SpokenVersion | undefined): void {
    const known = this.#otherVersions.get(peer);
    if (theirs === undefined) {
      if (this.#otherVersions.delete(peer)) this.#emit('peer:version', peer, undefined);
      return;
    }
    if (!this.#components.admission.isMember(peer)) return;
    const isNews = known?.version !== theirs.version || known.release !== theirs.release;
    if (known === undefined && this.#otherVersions.size >= OTHER_VERSIONS_MAX) return;
    this.#otherVersions.set(peer, theirs);
    if (isNews) this.#emit('peer:version', peer, theirs);
  }

  #connectionsOf(peer: PeerId): readonly Connection[] {
    return this.#run?.host.node.getConnections(peerIdFromString(peer)) ?? [];
  }

  #isDenied(peer: PeerId): boolean {
    return this.#denied.has(peer) && !this.#components.admission.isMember(peer);
  }

  #emit<Name extends keyof NetworkEvents>(name: Name, ...args: NetworkEvents[Name]): void {
    try {
      // The emitter's own type can't see that `args` belongs to `name`.
      (this.events as EventEmitter).emit(name, ...args);
    } catch (error) {
      this.#logger.error({ event: name, error }, 'a listener of the network threw');
    }
  }
}

function hostsOf(addresses: readonly string[]): ReadonlySet<string> {
  return new Set(addresses.map((text) => parseAddress(text).getComponents()[0]?.value ?? text));
}

/** Of a pair that keeps each other, the one with the lower PeerId dials, so that they meet once. */
function keepIn(run: NetworkRun, self: PeerId, peer: PeerId, addresses: readonly string[]): void {
  run.dialer.learn(peer, addresses);
  run.redialer.keep(peer, self < peer ? 0 : SECOND_DIALS_AFTER_MS);
}
