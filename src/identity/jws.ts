/**
 * Compact JWS (RFC 7515 §7.1) with EdDSA over Ed25519 (RFC 8037 §3.1), read strictly: one header,
 * one way to write it. Knows nothing of what the payload means.
 */
import { StarlingError, isObject, messageOf, parseStrictJson, printable } from '../core/index.ts';
import { verifySignature } from './sign.ts';
import type { Did } from '../core/index.ts';
import type { Signer } from './types.ts';

/** A JWS longer than this is refused unread, in bytes. */
const JWS_BYTES_MAX = 8 * 1024;
/** Levels of arrays and objects in a payload. */
const JSON_DEPTH_MAX = 12;
/** Characters of what a message tells about a foreign text. */
const MESSAGE_MAX = 300;
const SIGNATURE_BYTES = 64;
const BASE64URL = /^[A-Za-z0-9_-]+$/;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A JWS whose format is right; its signature is not checked yet. */
export interface DecodedJws {
  /** The payload's JSON value. */
  readonly payload: unknown;
  /** Checks the signature against the key of `did`. @throws STARLING_GRANT_INVALID */
  verify(did: Did): void;
}

/** Reads a compact JWS whose header is exactly `{alg: 'EdDSA', typ}`. @throws STARLING_GRANT_MALFORMED */
export function decodeJws(jws: string, typ: string): DecodedJws {
  if (typeof jws !== 'string') throw malformed('format', 'a grant must be a string');
  if (jws.length > JWS_BYTES_MAX)
    throw malformed('too-large', `it is longer than ${JWS_BYTES_MAX} bytes`);
  const parts = jws.split('.');
  const [header = '', payload = '', signature = ''] = parts;
  if (parts.length !== 3) throw malformed('format', `it has ${parts.length} parts instead of 3`);
  checkHeader(decodeJson(header, 'header'), typ);
  const signatureBytes = decodeBase64url(signature, 'signature');
  if (signatureBytes.length !== SIGNATURE_BYTES) {
    throw malformed('format', `its signature has ${signatureBytes.length} bytes instead of 64`);
  }
  return {
    payload: decodeJson(payload, 'payload'),
    verify(did) {
      const message = Buffer.from(`${header}.${payload}`, 'ascii');
      if (verifySignature(did, message, signatureBytes)) return;
      throw new StarlingError('STARLING_GRANT_INVALID', `the signature is not one of ${did}`, {
        data: { rule: 'signature', iss: did },
      });
    },
  };
}

/** Signs `claims` as a compact JWS. @throws STARLING_GRANT_MALFORMED when it gets too long */
export function encodeJws(signer: Signer, typ: string, claims: object): string {
  const header = toBase64url(JSON.stringify({ alg: 'EdDSA', typ }));
  const input = `${header}.${toBase64url(JSON.stringify(claims))}`;
  const signature = signer.sign(Buffer.from(input, 'ascii'));
  const jws = `${input}.${Buffer.from(signature).toString('base64url')}`;
  if (jws.length > JWS_BYTES_MAX) {
    throw malformed('too-large', `it would be longer than ${JWS_BYTES_MAX} bytes`);
  }
  return jws;
}

/** The error for a grant or revocation that breaks the format: by which rule, and how. */
export function malformed(rule: string, what: string, cause?: unknown): StarlingError {
  const message = `not a grant of ours: ${printable(what, MESSAGE_MAX)}`;
  return new StarlingError('STARLING_GRANT_MALFORMED', message, { data: { rule }, cause });
}

/** Bytes of a base64url text in its one canonical form (RFC 4648 §3.5, §5; no padding). */
export function decodeBase64url(text: string, what: string): Buffer {
  if (!BASE64URL.test(text)) throw malformed('encoding', `its ${what} is not base64url`);
  const bytes = Buffer.from(text, 'base64url');
  if (bytes.toString('base64url') !== text)
    throw malformed('encoding', `its ${what} is not canonical base64url`);
  return bytes;
}

function toBase64url(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64url');
}

function decodeJson(text: string, what: string): unknown {
  const bytes = decodeBase64url(text, what);
  try {
    return parseStrictJson(utf8.decode(bytes), JSON_DEPTH_MAX);
  } catch (error) {
    throw malformed('json', `its ${what} is not JSON that we accept: ${messageOf(error)}`, error);
  }
}

function checkHeader(header: unknown, typ: string): void {
  if (!isObject(header)) throw malformed('header', 'its header is not an object');
  const { alg, typ: actual, ...others } = header;
  if (alg !== 'EdDSA')
    throw malformed('alg', `its alg is ${JSON.stringify(alg)} instead of "EdDSA"`);
  if (actual !== typ)
    throw malformed('typ', `its typ is ${JSON.stringify(actual)} instead of "${typ}"`);
  const unknown = Object.keys(others);
  if (unknown.length > 0)
    throw malformed('header', `its header has more than alg and typ: ${unknown[0]}`);
}
