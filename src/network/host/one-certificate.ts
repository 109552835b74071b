/**
 * libp2p's TLS (libp2p specs, tls/tls.md) with one certificate for all connections of a host, as go-libp2p has it.
 * `tls()` of `@libp2p/tls` makes a key and a certificate for each handshake, at both ends, in JavaScript: more CPU
 * than the handshake itself.
 */
import { serviceCapabilities } from '@libp2p/interface';
import type {
  ConnectionEncrypter,
  MessageStream,
  PrivateKey,
  SecureConnectionOptions,
  SecuredConnection,
  StreamMuxerFactory,
  Upgrader,
} from '@libp2p/interface';
import { TLSSocket, connect, createSecureContext } from 'node:tls';
import type { SecureContext } from 'node:tls';
import { joinWrites } from './joined-writes.ts';
import { makeCertificate } from './own-certificate.ts';
import { verifyPeerCertificate } from './peer-certificate.ts';
import { pipeOver, securedStream } from './secured-stream.ts';
import { takeSocket } from './taken-socket.ts';

const PROTOCOL = '/tls/1.0.0';
/**
 * How long a certificate is used, ms. It holds from an hour before it was made, for decades. Less = whoever broke a
 * certificate's key could pose as this node for less long.
 */
const CERTIFICATE_MS = 24 * 3_600_000;
/** What a peer offers that does not agree on a muxer in the handshake. */
const NO_MUXER = 'libp2p';

/** What libp2p makes the encryption from. */
export interface CertificateComponents {
  readonly privateKey: PrivateKey;
  readonly upgrader: Upgrader;
}

/** `tls()` with one certificate a host. */
export function tlsOfOneCertificate(): (components: CertificateComponents) => ConnectionEncrypter {
  return (components) => new HostTls(components);
}

interface Kept {
  readonly context: Promise<SecureContext>;
  readonly atMs: number;
}

class HostTls implements ConnectionEncrypter {
  readonly protocol = PROTOCOL;
  readonly [Symbol.toStringTag] = 'starling-tls';
  readonly [serviceCapabilities] = ['@libp2p/connection-encryption'];
  readonly #components: CertificateComponents;
  #kept: Kept | undefined;

  constructor(components: CertificateComponents) {
    this.#components = components;
  }

  secureInbound(
    connection: MessageStream,
    options?: SecureConnectionOptions,
  ): Promise<SecuredConnection> {
    return this.#secure(connection, true, options);
  }

  secureOutbound(
    connection: MessageStream,
    options?: SecureConnectionOptions,
  ): Promise<SecuredConnection> {
    return this.#secure(connection, false, options);
  }

  async #secure(
    connection: MessageStream,
    isServer: boolean,
    options: SecureConnectionOptions = {},
  ): Promise<SecuredConnection> {
    const secureContext = await this.#context();
    options.signal?.throwIfAborted();
    const muxers = this.#muxers(options);
    const pipe = (await takeSocket(connection, options.signal)) ?? pipeOver(connection);
    const common = { secureContext, rejectUnauthorized: false };
    const socket = isServer
      ? new TLSSocket(pipe, {
          ...common,
          isServer,
          requestCert: true,
          ALPNCallback: ({ protocols }) => protocols.find((one) => isAgreed(one, muxers)),
        })
      : connect({ ...common, socket: pipe, ALPNProtocols: [...muxers.keys(), NO_MUXER] });
    pipe.on('error', (error) => socket.destroy(error));
    try {
      await handshake(socket, options.signal);
      if (socket.destroyed) throw new Error(ENDED);
      const raw = socket.getPeerX509Certificate()?.raw;
      if (raw === undefined) throw new Error('the peer has shown no certificate');
      const remotePeer = await verifyPeerCertificate(raw, options.remotePeer);
      const streamMuxer = muxers.get(String(socket.alpnProtocol));
      joinWrites(socket);
      const secured = { remotePeer, connection: securedStream(connection, socket) };
      return streamMuxer === undefined ? secured : { ...secured, streamMuxer };
    } catch (error) {
      const reason = error instanceof Error ? error : new Error(String(error));
      socket.destroy();
      connection.abort(reason);
      throw reason;
    }
  }

  #muxers({ skipStreamMuxerNegotiation }: SecureConnectionOptions): Muxers {
    if (skipStreamMuxerNegotiation === true) return new Map();
    return this.#components.upgrader.getStreamMuxers();
  }

  /** A clock that was set back may be before the time from which the certificate holds. */
  #context(): Promise<SecureContext> {
    const now = Date.now();
    const kept = this.#kept;
    if (kept !== undefined && now >= kept.atMs && now - kept.atMs < CERTIFICATE_MS) {
      return kept.context;
    }
    const context = makeContext(this.#components.privateKey);
    this.#kept = { context, atMs: now };
    context.catch(() => (this.#kept = undefined));
    return context;
  }
}

type Muxers = ReadonlyMap<string, StreamMuxerFactory>;

async function makeContext(privateKey: PrivateKey): Promise<SecureContext> {
  const { cert, key } = await makeCertificate(privateKey);
  // No authority counts here, see `peer-certificate.ts`: where none is named, Node reads all that it brings along.
  const ca: string[] = [];
  return createSecureContext({ ca, cert, key, minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' });
}

function isAgreed(protocol: string, muxers: Muxers): boolean {
  return protocol === NO_MUXER || muxers.has(protocol);
}

const ENDED = 'the peer ended the TLS handshake';

/** Resolves when the handshake is done; the listener of errors stays, as what comes later is the connection's. */
function handshake(socket: TLSSocket, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const aborted = (): void => reject(new Error('the TLS handshake took too long'));
    const settle = (end: () => void): void => {
      signal?.removeEventListener('abort', aborted);
      end();
    };
    signal?.addEventListener('abort', aborted, { once: true });
    // Node tells of the end from within OpenSSL's handshake, and what a listener begins runs there too: a socket that was
    // ended by that (a peer that is blocked) was freed below OpenSSL's feet, which ended the process.
    socket.once('secure', () => settle(() => setImmediate(resolve)));
    socket.on('error', (error) => settle(() => reject(error)));
    socket.once('close', () => settle(() => reject(new Error(ENDED))));
  });
}
