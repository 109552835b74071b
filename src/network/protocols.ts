/** The protocols of this node, over all runs of the network: who serves each, and streams opened with one. */
import type { Connection, Stream } from '@libp2p/interface';
import { StarlingError, messageOf, toStarlingError } from '../core/index.ts';
import { abortReason } from './abort.ts';
import type { AdmissionStates } from './admission/admission-states.ts';
import { HELLO_PROTOCOL, LINK_PROTOCOL, PING_PROTOCOL, STREAMS_PER_PROTOCOL } from './constants.ts';
import type { Host } from './host/host.ts';
import { peerOf } from './peer-id.ts';
import { reasonText } from './failure-words.ts';
import { createPeerStream } from './streams/stream.ts';
import type { PeerStreamComponents } from './streams/stream.ts';
import type { PeerStream, StrangerStream } from './types.ts';
import type { Doorkeeper } from './limits/doorkeeper.ts';
import { isPrivate } from '@libp2p/utils';
import { isRelayed } from './addresses/addresses.ts';

/** Who is given the streams of a protocol, and whose they may be. */
/** Streams of these are there because the connection is. */
const IDLE_PROTOCOLS: ReadonlySet<string> = new Set([HELLO_PROTOCOL, LINK_PROTOCOL, PING_PROTOCOL]);

type Handler =
  | { readonly for: 'admitted'; readonly take: (stream: PeerStream) => void }
  | { readonly for: 'anybody'; readonly take: (visit: StrangerStream) => void };

/** What of a run the protocols need. */
interface Run {
  readonly gate: AdmissionStates;
  readonly host: Host;
  readonly doorkeeper: Pick<Doorkeeper, 'excused'>;
}

/** The protocols of a node. */
export interface Protocols {
  /** Serves `protocol` in this run and the next ones; returns what ends that. @throws STARLING_USAGE */
  handle(protocol: string, handler: (stream: PeerStream) => void): () => void;
  /** The same for streams of anybody, admitted or not. @throws STARLING_USAGE */
  handleStrangers(protocol: string, handler: (visit: StrangerStream) => void): () => void;
  /** Opens a stream. @throws STARLING_PEER_UNREACHABLE, or the reason of `signal` */
  open(connection: Connection, protocol: string, signal: AbortSignal): Promise<PeerStream>;
  /** A stream of libp2p as ours. */
  wrap(stream: Stream, connection: Connection): PeerStream;
  /** When one of our streams was last opened on the connection, by either end, ms since the epoch. */
  usedAtMs(connection: Connection): number | undefined;
  /** Whether a stream is in use by a protocol of ours or carries a relayed connection. */
  isInUse(stream: Stream): boolean;
  /** Serves everything in a run that begins. */
  attach(run: Run): Promise<void>;
  detach(): void;
}

type Visit = Omit<StrangerStream, 'stream'>;

/** Where a stranger is. */
function visitOf(run: Run, connection: Connection): Visit {
  const { remoteAddr } = connection;
  const host = remoteAddr.getComponents().find(({ name }) => name === 'ip4' || name === 'ip6');
  return {
    address: host?.value ?? remoteAddr.toString(),
    isLocal: !isRelayed(remoteAddr) && isPrivate(remoteAddr),
    excuse: () => run.doorkeeper.excused(connection),
  };
}

/** Makes the protocols, none served. */
export function createProtocols(components: PeerStreamComponents): Protocols {
  return new ProtocolTable(components);
}

class ProtocolTable implements Protocols {
  readonly #components: PeerStreamComponents;
  readonly #handlers = new Map<string, Handler>();
  /** Protocols that streams were opened with or are accepted for. */
  readonly #used = new Set<string>();
  readonly #usedAt = new WeakMap<Connection, number>();
  #run: Run | undefined;

  constructor(components: PeerStreamComponents) {
    this.#components = components;
  }

  handle(protocol: string, take: (stream: PeerStream) => void): () => void {
    return this.#add(protocol, { for: 'admitted', take });
  }

  handleStrangers(protocol: string, take: (visit: StrangerStream) => void): () => void {
    return this.#add(protocol, { for: 'anybody', take });
  }

  #add(protocol: string, handler: Handler): () => void {
    if (this.#handlers.has(protocol)) {
      throw new StarlingError('STARLING_USAGE', `two handlers for the protocol ${protocol}`);
    }
    this.#handlers.set(protocol, handler);
    this.#used.add(protocol);
    if (this.#run !== undefined) this.#report(this.#accept(this.#run, protocol), protocol);
    return () => {
      if (this.#handlers.get(protocol) !== handler) return;
      this.#handlers.delete(protocol);
      if (this.#run !== undefined) this.#report(this.#run.host.node.unhandle(protocol), protocol);
    };
  }

  async open(connection: Connection, protocol: string, signal: AbortSignal): Promise<PeerStream> {
    this.#used.add(protocol);
    try {
      const stream = await connection.newStream(protocol, {
        signal,
        maxOutboundStreams: STREAMS_PER_PROTOCOL,
        runOnLimitedConnection: true,
      });
      this.#note(protocol, connection);
      return this.wrap(stream, connection);
    } catch (error) {
      if (signal.aborted) throw abortReason(signal);
      const peer = peerOf(connection);
      throw new StarlingError(
        'STARLING_PEER_UNREACHABLE',
        `no stream ${protocol} to ${peer}: ${reasonText(error)}`,
        { data: { peer, protocol }, cause: error },
      );
    }
  }

  isInUse({ protocol }: Stream): boolean {
    if (IDLE_PROTOCOLS.has(protocol)) return false;
    return this.#used.has(protocol) || protocol.startsWith('/libp2p/circuit/');
  }

  async attach(run: Run): Promise<void> {
    this.#run = run;
    for (const protocol of this.#handlers.keys()) await this.#accept(run, protocol);
  }

  detach(): void {
    this.#run = undefined;
  }

  async #accept(run: Run, protocol: string): Promise<void> {
    const serve = (stream: Stream, connection: Connection): void => {
      this.#note(protocol, connection);
      this.#serve(protocol, this.wrap(stream, connection), () => visitOf(run, connection));
    };
    const isOpen = this.#handlers.get(protocol)?.for === 'anybody';
    await run.host.node.handle(protocol, isOpen ? serve : run.gate.guard(serve), {
      maxInboundStreams: STREAMS_PER_PROTOCOL,
      maxOutboundStreams: STREAMS_PER_PROTOCOL,
      runOnLimitedConnection: true,
      // Whoever asks while a run is starting may register a protocol twice.
      force: true,
    });
  }

  #serve(protocol: string, stream: PeerStream, visit: () => Visit): void {
    const handler = this.#handlers.get(protocol);
    if (handler === undefined) {
      stream.abort(new StarlingError('STARLING_STOPPED', `${protocol} is not served any more`));
      return;
    }
    try {
      if (handler.for === 'admitted') handler.take(stream);
      else handler.take({ stream, ...visit() });
    } catch (error) {
      this.#components.logger.error(
        { peer: stream.peer, protocol, error },
        'a stream handler threw',
      );
      stream.abort(toStarlingError(error, 'STARLING_STOPPED', `${protocol} failed`));
    }
  }

  usedAtMs(connection: Connection): number | undefined {
    return this.#usedAt.get(connection);
  }

  #note(protocol: string, connection: Connection): void {
    if (IDLE_PROTOCOLS.has(protocol)) return;
    this.#usedAt.set(connection, this.#components.clock.now());
  }

  wrap(stream: Stream, connection: Connection): PeerStream {
    return createPeerStream(this.#components, { stream, peer: peerOf(connection), connection });
  }

  #report(work: Promise<void>, protocol: string): void {
    work.catch((error: unknown) =>
      this.#components.logger.error(
        { protocol, error: messageOf(error) },
        'a protocol was not (un)registered',
      ),
    );
  }
}
