/**
 * A {@link Transport} of ours as libp2p's: whoever makes one (a test, the simulator) hands over plain
 * Node streams and knows nothing of libp2p, which encrypts and multiplexes on top of the streams. Where the transport
 * vouches for who is at the other end ({@link VouchingTransport}), nothing is encrypted.
 */
import { TypedEventEmitter, serviceCapabilities, transportSymbol } from '@libp2p/interface';
import type {
  AbortOptions,
  ComponentLogger,
  Connection,
  CreateListenerOptions,
  DialTransportOptions,
  Listener,
  ListenerEvents,
  MultiaddrConnection,
  Transport as LibP2PTransport,
  PeerId as LibP2PPeerId,
  Upgrader,
  UpgraderWithoutEncryptionOptions,
} from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import { AbstractMultiaddrConnection } from '@libp2p/utils';
import type { SendResult } from '@libp2p/utils';
import type { Multiaddr } from '@multiformats/multiaddr';
import { once, setMaxListeners } from 'node:events';
import type { Duplex } from 'node:stream';
import { isRelayed, parseAddress, withoutPeer } from '../addresses/addresses.ts';
import { peerIdOf } from '../peer-id.ts';
import type {
  Transport,
  TransportListener,
  VouchedTransport,
  VouchingTransport,
} from '../types.ts';
import { joinWrites } from './joined-writes.ts';

type TransportFactory = (components: {
  readonly logger: ComponentLogger;
  readonly peerId: LibP2PPeerId;
}) => LibP2PTransport;

/** What libp2p makes the transport from. */
export function adaptTransport(transport: Transport | VouchingTransport): TransportFactory {
  return ({ logger, peerId }) =>
    new AdaptedTransport('as' in transport ? transport.as(peerIdOf(peerId)) : transport, logger);
}

/**
 * Makes a connection of a stream that leads to the peer in `address`. With `isDialler` false this end waits for what the
 * other proposes, as one that was dialled does. The stream is destroyed where that fails.
 */
export async function upgradePipe(
  { upgrader, logger }: { readonly upgrader: Upgrader; readonly logger: ComponentLogger },
  pipe: Duplex,
  { address, isDialler }: { readonly address: Multiaddr; readonly isDialler: boolean },
  signal: AbortSignal,
): Promise<Connection> {
  const connection = wrapPipe(pipe, address, isDialler ? 'outbound' : 'inbound', logger);
  try {
    return await upgrader.upgradeOutbound(connection, { signal, initiator: isDialler });
  } catch (error) {
    connection.abort(error instanceof Error ? error : new Error(String(error)));
    throw error;
  }
}

class AdaptedTransport implements LibP2PTransport {
  readonly [transportSymbol] = true;
  readonly [Symbol.toStringTag] = 'starling-transport';
  readonly [serviceCapabilities] = ['@libp2p/transport'];
  readonly #transport: Transport | VouchedTransport;
  readonly #logger: ComponentLogger;

  constructor(transport: Transport | VouchedTransport, logger: ComponentLogger) {
    this.#transport = transport;
    this.#logger = logger;
  }

  async dial(address: Multiaddr, options: DialTransportOptions): Promise<Connection> {
    const remote = withoutPeer(address);
    const pipe = await this.#transport.dial(remote.toString(), {
      signal: options.signal ?? new AbortController().signal,
    });
    const connection = wrapPipe(pipe, remote, 'outbound', this.#logger);
    try {
      const vouched = vouchedFor(this.#transport, pipe, options.upgrader);
      return await options.upgrader.upgradeOutbound(connection, { ...options, ...vouched });
    } catch (error) {
      connection.abort(error instanceof Error ? error : new Error(String(error)));
      throw error;
    }
  }

  createListener(options: CreateListenerOptions): Listener {
    return new AdaptedListener(this.#transport, this.#logger, options);
  }

  listenFilter(addresses: Multiaddr[]): Multiaddr[] {
    return addresses.filter(
      (address) => !isRelayed(address) && this.#transport.handles(withoutPeer(address).toString()),
    );
  }

  dialFilter(addresses: Multiaddr[]): Multiaddr[] {
    return this.listenFilter(addresses);
  }
}

class AdaptedListener extends TypedEventEmitter<ListenerEvents> implements Listener {
  readonly #transport: Transport | VouchedTransport;
  readonly #logger: ComponentLogger;
  readonly #options: CreateListenerOptions;
  readonly #abort = new AbortController();
  readonly #connections = new Set<MultiaddrConnection>();
  #listener: TransportListener | undefined;

  constructor(
    transport: Transport | VouchedTransport,
    logger: ComponentLogger,
    options: CreateListenerOptions,
  ) {
    super();
    this.#transport = transport;
    this.#logger = logger;
    this.#options = options;
    // Each handshake listens while it lasts; Node warns of leaks from the eleventh on.
    setMaxListeners(0, this.#abort.signal);
  }

  async listen(address: Multiaddr): Promise<void> {
    this.#listener = await this.#transport.listen(address.toString(), (pipe, from) =>
      this.#accept(pipe, from),
    );
    this.safeDispatchEvent('listening');
  }

  getAddrs(): Multiaddr[] {
    return (this.#listener?.addresses() ?? []).map(parseAddress);
  }

  updateAnnounceAddrs(): void {
    // The addresses of such a transport are what it says they are.
  }

  async close(): Promise<void> {
    this.#abort.abort();
    await this.#listener?.close();
    for (const connection of this.#connections) {
      connection.abort(new Error('The listener was closed'));
    }
    this.safeDispatchEvent('close');
  }

  #accept(pipe: Duplex, from: string): void {
    const connection = wrapPipe(pipe, parseAddress(from), 'inbound', this.#logger);
    this.#connections.add(connection);
    connection.addEventListener('close', () => this.#connections.delete(connection), {
      once: true,
    });
    const { upgrader } = this.#options;
    const vouched = vouchedFor(this.#transport, pipe, upgrader);
    upgrader
      .upgradeInbound(connection, { signal: this.#abort.signal, ...vouched })
      .catch((error: unknown) => {
        connection.abort(error instanceof Error ? error : new Error(String(error)));
      });
  }
}

/**
 * What the upgrader is told of a stream whose other end the transport vouches for: it is not encrypted, and the muxer is
 * agreed, as TLS would have it by ALPN. Nothing of any other stream.
 */
function vouchedFor(
  transport: Transport | VouchedTransport,
  pipe: Duplex,
  upgrader: Upgrader,
): Partial<UpgraderWithoutEncryptionOptions> {
  const peer = 'peerAt' in transport ? transport.peerAt(pipe) : undefined;
  if (peer === undefined) return {};
  joinWrites(pipe);
  const [muxerFactory] = upgrader.getStreamMuxers().values();
  const agreed = muxerFactory === undefined ? {} : { muxerFactory };
  return { ...agreed, skipEncryption: true, remotePeer: peerIdFromString(peer) };
}

function wrapPipe(
  pipe: Duplex,
  remoteAddr: Multiaddr,
  direction: 'inbound' | 'outbound',
  logger: ComponentLogger,
): MultiaddrConnection {
  const log = logger.forComponent('starling:transport');
  return new PipeConnection(pipe, { remoteAddr, direction, log });
}

/** A Node stream as libp2p's connection before encryption. */
class PipeConnection extends AbstractMultiaddrConnection {
  readonly #pipe: Duplex;

  constructor(pipe: Duplex, init: ConstructorParameters<typeof AbstractMultiaddrConnection>[0]) {
    super(init);
    this.#pipe = pipe;
    pipe.on('data', (bytes: Uint8Array) => this.onData(bytes));
    pipe.on('drain', () => this.safeDispatchEvent('drain'));
    pipe.on('error', (error) => this.abort(error));
    pipe.once('end', () => this.onTransportClosed());
    pipe.once('close', () => this.onTransportClosed());
  }

  sendData(data: Iterable<Uint8Array>): SendResult {
    let sentBytes = 0;
    for (const bytes of data) {
      sentBytes += bytes.byteLength;
      if (!this.#pipe.write(bytes)) return { sentBytes, canSendMore: false };
    }
    return { sentBytes, canSendMore: true };
  }

  async sendClose(options?: AbortOptions): Promise<void> {
    if (this.#pipe.destroyed) return;
    const finished = once(this.#pipe, 'finish', { signal: options?.signal });
    this.#pipe.end();
    await finished;
    this.#pipe.destroy();
  }

  sendReset(): void {
    this.#pipe.destroy();
  }

  sendPause(): void {
    this.#pipe.pause();
  }

  sendResume(): void {
    this.#pipe.resume();
  }
}
