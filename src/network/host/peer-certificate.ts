/**
 * Whose key a TLS certificate of libp2p proves (libp2p specs, tls/tls.md). It asks what `verifyPeerCertificate` of
 * `@libp2p/tls` asks, of Node's own X.509 in place of one in JavaScript: 0.7 ms of CPU in place of 3 to 5, at both ends of
 * each link.
 */
import { publicKeyFromProtobuf } from '@libp2p/crypto/keys';
import { InvalidCryptoExchangeError, UnexpectedPeerError } from '@libp2p/interface';
import type { PeerId } from '@libp2p/interface';
import { peerIdFromCID } from '@libp2p/peer-id';
import { X509Certificate } from 'node:crypto';
import {
  BOOLEAN,
  EXTENSIONS,
  KEY_EXTENSION,
  OCTETS,
  SEQUENCE,
  SIGNED_PREFIX,
} from './certificate-form.ts';

/**
 * Gives the peer whose key has signed the key of the certificate `raw`, DER. The TLS handshake has shown that the
 * other end holds the latter. @throws InvalidCryptoExchangeError when the certificate is not what libp2p's
 * specification asks for; UnexpectedPeerError when the peer is not `expected`
 */
export async function verifyPeerCertificate(raw: Buffer, expected?: PeerId): Promise<PeerId> {
  const certificate = new X509Certificate(raw);
  checkTime(certificate);
  if (certificate.issuer !== certificate.subject || !certificate.verify(certificate.publicKey)) {
    throw new InvalidCryptoExchangeError('The certificate is not signed by its own key');
  }
  const { key, signature } = signedKeyOf(raw);
  const hostKey = publicKeyFromProtobuf(key);
  const spki = certificate.publicKey.export({ type: 'spki', format: 'der' });
  if (!(await hostKey.verify(Buffer.concat([SIGNED_PREFIX, spki]), signature))) {
    throw new InvalidCryptoExchangeError('The certificate is not signed by the key that it names');
  }
  const peer = peerIdFromCID(hostKey.toCID());
  if (expected !== undefined && !expected.equals(peer)) throw new UnexpectedPeerError();
  return peer;
}

/** `encryption.ts` knows these messages. */
function checkTime({ validFrom, validTo }: X509Certificate): void {
  const now = Date.now();
  // A date that can't be read compares as false.
  if (!(Date.parse(validFrom) <= now)) {
    throw new InvalidCryptoExchangeError('The certificate is not valid yet');
  }
  if (!(Date.parse(validTo) >= now)) {
    throw new InvalidCryptoExchangeError('The certificate has expired');
  }
}

/** The first extension, which is `SEQUENCE { key OCTET STRING, signature OCTET STRING }`. */
function signedKeyOf(raw: Buffer): { readonly key: Buffer; readonly signature: Buffer } {
  const [certificate] = itemsOf(raw, SEQUENCE);
  const [signed] = itemsOf(certificate?.content ?? raw, SEQUENCE);
  const fields = signed === undefined ? [] : itemsOf(signed.content);
  const list = fields.find(({ tag }) => tag === EXTENSIONS);
  const [extensions] = list === undefined ? [] : itemsOf(list.content, SEQUENCE);
  const [first] = extensions === undefined ? [] : itemsOf(extensions.content, SEQUENCE);
  const parts = first === undefined ? [] : itemsOf(first.content);
  const [name, ...rest] = parts;
  const value = rest[0]?.tag === BOOLEAN ? rest[1] : rest[0];
  if (name === undefined || !name.whole.equals(KEY_EXTENSION) || value?.tag !== OCTETS) {
    throw new InvalidCryptoExchangeError('The certificate names no key of a libp2p host');
  }
  const [pair] = itemsOf(value.content, SEQUENCE);
  const [key, signature] = pair === undefined ? [] : itemsOf(pair.content, OCTETS);
  if (key === undefined || signature === undefined) {
    throw new InvalidCryptoExchangeError('The certificate names no key of a libp2p host');
  }
  return { key: key.content, signature: signature.content };
}

/** One item of DER. */
interface Item {
  readonly tag: number;
  /** Tag and length included. */
  readonly whole: Buffer;
  readonly content: Buffer;
}

/** The items that follow one another in `bytes`. @throws InvalidCryptoExchangeError when one is cut off, or not a `tag` */
function itemsOf(bytes: Buffer, tag?: number): readonly Item[] {
  const items: Item[] = [];
  for (let at = 0; at < bytes.length;) {
    const short = bytes[at + 1] ?? 0xff;
    // Of a long form the lower bits say how many bytes the length has; a certificate has at most three.
    const lengthBytes = short < 0x80 ? 0 : short & 0x7f;
    const from = at + 2 + lengthBytes;
    if (lengthBytes > 3 || from > bytes.length) throw malformed();
    const length = lengthBytes === 0 ? short : bytes.readUIntBE(at + 2, lengthBytes);
    const item = {
      tag: bytes[at] ?? 0,
      whole: bytes.subarray(at, from + length),
      content: bytes.subarray(from, from + length),
    };
    if (item.content.length < length || (tag !== undefined && item.tag !== tag)) {
      // The certificate's own items are of several kinds: only the first is asked for.
      if (items.length > 0 && item.content.length === length) return items;
      throw malformed();
    }
    items.push(item);
    at = from + length;
  }
  return items;
}

function malformed(): InvalidCryptoExchangeError {
  return new InvalidCryptoExchangeError('The certificate is malformed');
}
