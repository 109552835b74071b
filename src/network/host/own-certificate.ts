/**
 * The certificate by which a host proves its key in a TLS handshake (libp2p specs, tls/tls.md): it is of a key of its own,
 * ECDSA on P-256, which the host's key has signed in an extension. It is written as DER (X.690), byte by byte: the
 * library that does so in JavaScript is twenty thousand lines, which each process would load for its first link.
 */
import { publicKeyToProtobuf } from '@libp2p/crypto/keys';
import type { PrivateKey } from '@libp2p/interface';
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import {
  BIT_STRING,
  BOOLEAN,
  EXTENSIONS,
  INTEGER,
  KEY_EXTENSION,
  OCTETS,
  SEQUENCE,
  SIGNED_PREFIX,
} from './certificate-form.ts';

/** The certificate holds from so long before it was made on, for peers whose clocks are behind; ms. */
const BEFORE_MS = 3_600_000;
/** It holds for so long: a host makes another one each day, see `one-certificate.ts`; ms. */
const AFTER_MS = 100 * 365 * 24 * 3_600_000;
/** The last moment that a date in a certificate can tell: 9999-12-31T23:59:59Z. */
const LAST_MS = 253_402_300_799_000;

const UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18;
const VERSION = 0xa0;
/** X.509 version 3. */
const VERSION_3 = 2;
/** 1.2.840.10045.4.3.2, ECDSA with SHA-256 (RFC 5758), as DER. */
const ECDSA_SHA256 = Buffer.from('06082a8648ce3d040302', 'hex');
const SERIAL_BYTES = 8;

/** A certificate and its key, both as PEM. */
export interface OwnCertificate {
  readonly cert: string;
  readonly key: string;
}

/** Makes a certificate that proves `privateKey`, and a new key for it. */
export async function makeCertificate(privateKey: PrivateKey): Promise<OwnCertificate> {
  const { publicKey, privateKey: ownKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const proof = await privateKey.sign(Buffer.concat([SIGNED_PREFIX, spki]));
  const nowMs = Date.now();
  const algorithm = item(SEQUENCE, ECDSA_SHA256);
  // Nobody is named: whose the certificate is, its extension says.
  const nobody = item(SEQUENCE);
  const certified = item(
    SEQUENCE,
    item(VERSION, item(INTEGER, Buffer.from([VERSION_3]))),
    item(INTEGER, serial()),
    algorithm,
    nobody,
    item(SEQUENCE, time(nowMs - BEFORE_MS), time(Math.min(LAST_MS, nowMs + AFTER_MS))),
    nobody,
    spki,
    item(EXTENSIONS, item(SEQUENCE, extension(privateKey, proof))),
  );
  const signature = sign('sha256', certified, ownKey);
  // The byte says that no bit of the last one is left over.
  const signatureBits = item(BIT_STRING, Buffer.from([0]), signature);
  const certificate = item(SEQUENCE, certified, algorithm, signatureBits);
  return {
    cert: pem('CERTIFICATE', certificate),
    key: ownKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

/** The extension with the host's key and its signature. */
function extension({ publicKey }: PrivateKey, proof: Uint8Array): Buffer {
  const pair = item(SEQUENCE, item(OCTETS, publicKeyToProtobuf(publicKey)), item(OCTETS, proof));
  const isCritical = item(BOOLEAN, Buffer.from([0xff]));
  return item(SEQUENCE, KEY_EXTENSION, isCritical, item(OCTETS, pair));
}

/** A number by chance, above nothing and in its shortest form. */
function serial(): Buffer {
  const bytes = randomBytes(SERIAL_BYTES);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes;
}

/** Years up to 2049 have two digits (RFC 5280, section 4.1.2.5). */
function time(ms: number): Buffer {
  const date = new Date(ms);
  const digits = `${date.toISOString().replaceAll(/\D/g, '').slice(0, 14)}Z`;
  const year = date.getUTCFullYear();
  return year >= 1950 && year < 2050
    ? item(UTC_TIME, Buffer.from(digits.slice(2), 'latin1'))
    : item(GENERALIZED_TIME, Buffer.from(digits, 'latin1'));
}

/** One item of DER. */
function item(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([tag]), lengthOf(content), content]);
}

function lengthOf({ length }: Buffer): Buffer {
  if (length < 0x80) return Buffer.from([length]);
  return length < 0x1_00
    ? Buffer.from([0x81, length])
    : Buffer.from([0x82, length >> 8, length & 0xff]);
}

/** Lines of 64 characters (RFC 7468). */
function pem(label: string, bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}
