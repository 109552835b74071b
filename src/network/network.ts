/**
 * The network of one mesh: admitted peers, streams and topics. What is asked for before the start
 * or between stop and start (handlers, subscriptions, kept peers) counts for every run.
 */
import type { Connection, Stream } from '@libp2p/interface';
import { EventEmitter } from 'node:events';
import { randomBytes } from 'node:crypto';
import { StarlingError, messageOf, toStarlingError } from '../core/index.ts';
import type { Logger, PeerId } from '../core/index.ts';
import { byUsefulness } from './addresses.ts';
import { closeConnection } from './admission.ts';
import {
  GOSSIP_MAX_BYTES,
  HELLO_PROTOCOL,
  PING_BYTES,
  PING_PROTOCOL,
  STREAMS_PER_PROTOCOL,
} from './constants.ts';
import { abortReason, raceAbort } from './gate.ts';
import type { TopicListener } from './gossip.ts';
import { peerOf } from './peer-id.ts';
import { startRun } from './run.ts';
import type { NetworkComponents, NetworkInit, NetworkRun } from './run.ts';
import { createPeerStream } from './stream.ts';
import type { Network, NetworkEvents, PeerStream, Route, Topic } from './types.ts';

export type { NetworkComponents, NetworkInit } from './run.ts';

/** Makes the network of a mesh, not started. */
export function createNetwork(components: NetworkComponents, init: NetworkInit): Network {
  return new MeshNetwork(components, init);
}

interface Subscription {
  readonly name: string;
  readonly listener: TopicListener;
  stop: () => void;
}

class MeshNetwork implements Network {
  readonly self: PeerId;
  readonly events = new EventEmitter<NetworkEvents>();
  readonly #components: NetworkComponents;
  readonly #init: NetworkInit;
  readonly #logger: Logger;
  readonly #handlers = new Map<string, (stream: PeerStream) => void>();
  /** Protocols that streams were opened with or are accepted for. */
  readonly #protocols = new Set<string>();
  readonly #subscriptions = new Set<Subscription>();
  readonly #kept = new Map<PeerId, readonly string[]>();
  readonly #denied = new Set<PeerId>();
  #session: NetworkRun | undefined;
  #lifecycle: Promise<void> = Promise.resolve();

  constructor(components: NetworkComponents, init: NetworkInit) {
    this.#components = components;
    this.#init = init;
    this.#logger = components.logger.child('network');
    this.self = components.identity.peerId;
  }

  start(): Promise<void> {
    return this.#inOrder(async () => {
      if (this.#session !== undefined) return;
      this.#session = await startRun(
        { ...this.#components, logger: this.#logger },
        this.#init,
        {
          onPeerConnect: (peer) => {
            this.#denied.delete(peer);
            this.#emit('peer:connect', peer);
          },
          onPeerLink: (peer) => this.#emit('peer:link', peer),
          onPeerDisconnect: (peer) => this.#emit('peer:disconnect', peer),
          onDialFailed: (address, error) => this.#emit('dial:failed', address, error),
          isInUse: (stream) => this.#isInUse(stream),
          isDenied: (peer) => this.#isDenied(peer),
        },
        (session) => this.#prepare(session),
      );
      for (const subscription of this.#subscriptions) {
        subscription.stop = this.#session.gossip.subscribe(
          subscription.name,
          subscription.listener,
        );
      }
      for (const [peer, addresses] of this.#kept) this.#keepNow(this.#session, peer, addresses);
    });
  }

  stop(): Promise<void> {
    return this.#inOrder(async () => {
      const session = this.#session;
      if (session === undefined) return;
      this.#session = undefined;
      for (const subscription of this.#subscriptions) subscription.stop = () => undefined;
      await session.stop();
    });
  }

  addresses(): readonly string[] {
    const node = this.#session?.host.node;
    return node === undefined ? [] : byUsefulness(node.getMultiaddrs()).map(String);
  }

  connected(): readonly PeerId[] {
    return this.#session?.links.peers() ?? [];
  }

  route(peer: PeerId): Route | undefined {
    const connection = this.#session?.links.best(peer);
    if (connection === undefined) return undefined;
    return {
      kind: connection.direct ? 'direct' : 'relayed',
      address: connection.remoteAddr.toString(),
    };
  }

  async dial(target: string, options: { readonly signal: AbortSignal }): Promise<PeerId> {
    return this.#running().dialer.dial(target, options);
  }

  keep(peer: PeerId, addresses: readonly string[]): void {
    if (peer === this.self) return;
    this.#kept.set(peer, addresses);
    if (this.#session !== undefined) this.#keepNow(this.#session, peer, addresses);
  }

  unkeep(peer: PeerId): void {
    this.#kept.delete(peer);
    this.#session?.redialer.unkeep(peer);
  }

  async disconnect(peer: PeerId, reason: string): Promise<void> {
    this.#denied.add(peer);
    this.unkeep(peer);
    const session = this.#session;
    if (session === undefined) return;
    const error = new StarlingError('STARLING_JOIN_REFUSED', reason, { data: { peer } });
    const connections = session.host.node
      .getConnections()
      .filter((connection) => peerOf(connection) === peer);
    this.#logger.info({ peer, reason }, 'a peer is disconnected');
    await Promise.all(
      connections.map((connection) => closeConnection(connection, error, this.#logger)),
    );
  }

  async ping(peer: PeerId, options: { readonly signal: AbortSignal }): Promise<number> {
    const connection = this.#running().links.best(peer);
    if (connection === undefined) throw notConnected(peer);
    const stream = await this.#openOn(connection, peer, PING_PROTOCOL, options.signal);
    try {
      return await raceAbort(roundTrip(stream), options.signal);
    } catch (error) {
      stream.abort(error instanceof Error ? error : abortReason(options.signal));
      throw error;
    }
  }

  handle(protocol: string, handler: (stream: PeerStream) => void): () => void {
    if (this.#handlers.has(protocol)) {
      throw new StarlingError('STARLING_USAGE', `Two handlers for the protocol ${protocol}`);
    }
    this.#handlers.set(protocol, handler);
    this.#protocols.add(protocol);
    const session = this.#session;
    if (session !== undefined) this.#report(this.#accept(session, protocol), protocol);
    return () => {
      if (this.#handlers.get(protocol) !== handler) return;
      this.#handlers.delete(protocol);
      const running = this.#session;
      if (running !== undefined) this.#report(running.host.node.unhandle(protocol), protocol);
    };
  }

  async open(
    peer: PeerId,
    protocol: string,
    options: { readonly signal: AbortSignal },
  ): Promise<PeerStream> {
    const session = this.#running();
    if (session.links.best(peer) === undefined) await session.dialer.dial(peer, options);
    const connection = session.links.best(peer);
    if (connection === undefined) throw notConnected(peer);
    this.#protocols.add(protocol);
    return this.#openOn(connection, peer, protocol, options.signal);
  }

  topic(name: string): Topic {
    return {
      publish: async (data) => {
        if (data.length <= GOSSIP_MAX_BYTES) return this.#running().gossip.publish(name, data);
        throw new StarlingError(
          'STARLING_LIMIT_EXCEEDED',
          `A gossip message of ${data.length} bytes is over the limit of ${GOSSIP_MAX_BYTES}`,
        );
      },
      subscribe: (listener) => {
        const subscription: Subscription = { name, listener, stop: () => undefined };
        this.#subscriptions.add(subscription);
        if (this.#session !== undefined) {
          subscription.stop = this.#session.gossip.subscribe(name, listener);
        }
        return () => {
          if (this.#subscriptions.delete(subscription)) subscription.stop();
        };
      },
    };
  }

  routingTableSize(): number {
    return this.#session?.host.node.services.dht.routingTable.size ?? 0;
  }

  /** Runs starts and stops one after the other. */
  #inOrder(task: () => Promise<void>): Promise<void> {
    const done = this.#lifecycle.then(task);
    // The caller gets the failure; the next start or stop only waits for the end.
    this.#lifecycle = done.catch(() => undefined);
    return done;
  }

  #running(): NetworkRun {
    if (this.#session !== undefined) return this.#session;
    throw new StarlingError('STARLING_STOPPED', 'The network of this node is not running');
  }

  /** Registers what was asked for before the host takes connections. */
  async #prepare(session: Omit<NetworkRun, 'stop'>): Promise<void> {
    for (const protocol of this.#handlers.keys()) await this.#accept(session, protocol);
  }

  async #accept(session: Omit<NetworkRun, 'stop'>, protocol: string): Promise<void> {
    const guarded = session.gate.guard((stream, connection) => {
      const handler = this.#handlers.get(protocol);
      const wrapped = this.#wrap(stream, connection);
      if (handler === undefined) {
        wrapped.abort(new StarlingError('STARLING_STOPPED', `${protocol} is not served any more`));
        return;
      }
      try {
        handler(wrapped);
      } catch (error) {
        this.#logger.error({ peer: wrapped.peer, protocol, error }, 'a stream handler threw');
        wrapped.abort(toStarlingError(error, 'STARLING_STOPPED', `${protocol} failed`));
      }
    });
    await session.host.node.handle(protocol, guarded, {
      maxInboundStreams: STREAMS_PER_PROTOCOL,
      maxOutboundStreams: STREAMS_PER_PROTOCOL,
      runOnLimitedConnection: true,
    });
  }

  async #openOn(
    connection: Connection,
    peer: PeerId,
    protocol: string,
    signal: AbortSignal,
  ): Promise<PeerStream> {
    try {
      const stream = await connection.newStream(protocol, {
        signal,
        maxOutboundStreams: STREAMS_PER_PROTOCOL,
        runOnLimitedConnection: true,
      });
      return this.#wrap(stream, connection);
    } catch (error) {
      if (signal.aborted) throw abortReason(signal);
      throw new StarlingError(
        'STARLING_PEER_UNREACHABLE',
        `No stream ${protocol} to ${peer}: ${messageOf(error)}`,
        { data: { peer, protocol }, cause: error },
      );
    }
  }

  #wrap(stream: Stream, connection: Connection): PeerStream {
    return createPeerStream(
      { clock: this.#components.clock, logger: this.#logger },
      { stream, peer: peerOf(connection) },
    );
  }

  #keepNow(session: NetworkRun, peer: PeerId, addresses: readonly string[]): void {
    session.dialer.learn(peer, addresses);
    session.redialer.keep(peer);
  }

  #isInUse({ protocol }: Stream): boolean {
    if (protocol === HELLO_PROTOCOL) return false;
    return this.#protocols.has(protocol) || protocol.startsWith('/libp2p/circuit/');
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

  #report(work: Promise<void>, protocol: string): void {
    work.catch((error: unknown) =>
      this.#logger.error(
        { protocol, error: messageOf(error) },
        'a protocol was not (un)registered',
      ),
    );
  }
}

function notConnected(peer: PeerId): StarlingError {
  return new StarlingError('STARLING_PEER_UNREACHABLE', `${peer} is not connected`, {
    hint: '`starling peers` shows who is',
    data: { peer },
  });
}

/** Sends 32 random bytes to libp2p's echo and waits for them. */
async function roundTrip(stream: PeerStream): Promise<number> {
  const sent = randomBytes(PING_BYTES);
  const startedAt = performance.now();
  const received = await new Promise<Buffer>((resolve, reject) => {
    let answer = Buffer.alloc(0);
    stream.onEnd((error) => reject(error ?? notConnected(stream.peer)));
    stream.onData((chunk) => {
      answer = Buffer.concat([answer, chunk]);
      if (answer.length >= PING_BYTES) resolve(answer);
    });
    stream.write(sent);
  });
  const elapsedMs = performance.now() - startedAt;
  void stream.close();
  if (received.equals(sent)) return elapsedMs;
  throw new StarlingError('STARLING_PROTOCOL_VIOLATION', `${stream.peer} answered a ping wrongly`);
}
