/**
 * How connections are encrypted: TLS before Noise. The certificates of TLS hold from an hour
 * before they are made, and libp2p's TLS specification has a peer refuse one that does not hold at the time
 * when it is received; so two nodes whose clocks are over an hour apart can't connect by TLS. Noise knows
 * no time. After such a failure a node dials with Noise first for a while.
 */
import { noise } from '@libp2p/noise';
import { serviceCapabilities } from '@libp2p/interface';
import type { ConnectionEncrypter, Upgrader } from '@libp2p/interface';
import type { Libp2pOptions } from 'libp2p';
import type { CertificateComponents } from './one-certificate.ts';

/** What `connection.encryption` says of a connection by TLS. */
const TLS_PROTOCOL = '/tls/1.0.0';
/** What `peer-certificate.ts` says of a certificate outside of its time. */
const OUT_OF_TIME = /^The certificate (is not valid yet|has expired)/;

/** The encryption of one host. */
export interface Encryption {
  /** For `createLibp2p`. */
  readonly encrypters: NonNullable<Libp2pOptions['connectionEncrypters']>;
  /** Which of the two a dial proposes first, from now on. A dial under way is not changed. */
  prefer(first: 'tls' | 'noise'): void;
}

/** Makes the encryption of a host, TLS first. */
export function createEncryption(): Encryption {
  // libp2p makes the encrypters before the upgrader, which is asked for only later.
  let host: { readonly upgrader: Upgrader } | undefined;
  return {
    // The dialler's order is its preference.
    encrypters: [
      (components) => {
        host = components;
        return lateTls(components);
      },
      noise(),
    ],
    prefer(first) {
      const byProtocol = host?.upgrader.getConnectionEncrypters();
      const secure = byProtocol?.get(TLS_PROTOCOL);
      if (byProtocol === undefined || secure === undefined) return;
      const others = [...byProtocol].filter(([protocol]) => protocol !== TLS_PROTOCOL);
      byProtocol.clear();
      if (first === 'tls') byProtocol.set(TLS_PROTOCOL, secure);
      for (const [protocol, other] of others) byProtocol.set(protocol, other);
      if (first === 'noise') byProtocol.set(TLS_PROTOCOL, secure);
    },
  };
}

/** TLS whose code is loaded for the first connection: a node that starts has nobody to connect to yet. */
function lateTls(components: CertificateComponents): ConnectionEncrypter {
  let loading: Promise<ConnectionEncrypter> | undefined;
  const load = (): Promise<ConnectionEncrypter> => {
    loading ??= import('./one-certificate.ts').then(({ tlsOfOneCertificate }) =>
      tlsOfOneCertificate()(components),
    );
    return loading;
  };
  const late: ConnectionEncrypter & Record<typeof serviceCapabilities, readonly string[]> = {
    protocol: TLS_PROTOCOL,
    [serviceCapabilities]: ['@libp2p/connection-encryption'],
    secureInbound: async (connection, options) => (await load()).secureInbound(connection, options),
    secureOutbound: async (connection, options) =>
      (await load()).secureOutbound(connection, options),
  };
  return late;
}

/** True when a certificate did not hold by this machine's clock. */
export function isOutOfTime(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isOutOfTime);
  return error instanceof Error && OUT_OF_TIME.test(error.message);
}

/** By TLS, and not by Noise. */
export function isTls({ encryption }: { readonly encryption?: string }): boolean {
  return encryption === TLS_PROTOCOL;
}
