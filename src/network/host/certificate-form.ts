/** What stands in a TLS certificate of libp2p's, for who writes one and who reads one (libp2p specs, tls/tls.md; X.690). */

/** What the host's key signs before the certificate's own key. */
export const SIGNED_PREFIX = Buffer.from('libp2p-tls-handshake:');
/** 1.3.6.1.4.1.53594.1.1, the extension that holds the host's key, as DER. */
export const KEY_EXTENSION = Buffer.from('060a2b0601040183a25a0101', 'hex');

/** Tags of DER. */
export const BOOLEAN = 0x01;
export const INTEGER = 0x02;
export const BIT_STRING = 0x03;
export const OCTETS = 0x04;
export const SEQUENCE = 0x30;
/** The list of extensions in a certificate. */
export const EXTENSIONS = 0xa3;
