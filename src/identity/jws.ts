/**
 * Compact JWS (RFC 7515 §7.1) with EdDSA over Ed25519 (RFC 8037 §3.1), read strictly: one header,
 * one way to write it. Knows nothing of what the payload means: callers say what they expected, for messages.
 */
import { StarlingError, isObject, messageOf, parseStrictJson, printable } from '../core/index.ts';
import { verifySignature } from './sign.ts';
import type { Did } from '../core/index.ts';
import type { Signer } from './types.ts';

/** A JWS longer than this is refused unread, in bytes. */
export const JWS_BYTES_MAX = 8 * 1024;
/** Levels of arrays and objects in a payload. */
const JSON_DEPTH_MAX = 12;
/** Characters of what a message tells about a foreign text. */
const MESSAGE_MAX = 300;
const SIGNATURE_BYTES = 64;
/** What messages call a text when the caller does not say. */
const SIGNED_TEXT = 'a signed text';
const BASE64URL = /^[A-Za-z0-9_-]+$/;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A JWS whose format is right; its signature is not checked yet. */
export interface DecodedJws {
  /** The payload's JSON value. */
  readonly payload: unknown;
  /** Checks the signature against the key of `did`. @throws STARLING_GRANT_INVALID */
  verify(did: Did): void;
}

/**
 * Reads a compact JWS whose header is exactly `{alg: 'EdDSA', typ}`. `what` is what messages call the text
 * that was expected, with its article: `a grant`.
 * @throws STARLING_GRANT_MALFORMED
 */
export function decodeJws(jws: string, typ: string, what = SIGNED_TEXT): DecodedJws {
  const malformed = malformedAs(what);
  if (typeof jws !== 'string') throw malformed('format', 'it is not a string');
  if (jws.length > JWS_BYTES_MAX)
    throw malformed('too-large', `it is longer than ${JWS_BYTES_MAX} bytes`);
  const parts = jws.split('.');
  const [header = '', payload = '', signature = ''] = parts;
  if (parts.length !== 3) throw malformed('format', `it has ${parts.length} parts instead of 3`);
  checkHeader(decodeJsonPart(header, 'header', what), typ, malformed);
  const signatureBytes = decodeBase64url(signature, 'signature', what);
  if (signatureBytes.length !== SIGNATURE_BYTES) {
    throw malformed('format', `its signature has ${signatureBytes.length} bytes instead of 64`);
  }
  return {
    payload: decodeJsonPart(payload, 'payload', what),
    verify(did) {
      const message = Buffer.from(`${header}.${payload}`, 'ascii');
      if (verifySignature(did, message, signatureBytes)) return;
      throw new StarlingError('STARLING_GRANT_INVALID', `the signature is not one of ${did}`, {
        data: { rule: 'signature', iss: did },
      });
    },
  };
}

/**
 * Signs `claims` as a compact JWS; `what` as for {@link decodeJws}.
 * @throws STARLING_GRANT_MALFORMED when the text gets longer than 8 KiB
 */
export function encodeJws(signer: Signer, typ: string, claims: object, what = SIGNED_TEXT): string {
  const header = toBase64url(JSON.stringify({ alg: 'EdDSA', typ }));
  const input = `${header}.${toBase64url(JSON.stringify(claims))}`;
  const signature = signer.sign(Buffer.from(input, 'ascii'));
  const jws = `${input}.${Buffer.from(signature).toString('base64url')}`;
  if (jws.length > JWS_BYTES_MAX) {
    throw malformedAs(what)('too-large', `it would be longer than ${JWS_BYTES_MAX} bytes`);
  }
  return jws;
}

/** Makes the error of a text that breaks the format: `rule` is stable, `problem` is for people. */
export type MalformedError = (rule: string, problem: string, cause?: unknown) => StarlingError;

/** The errors of texts that were expected to be `what` (with its article), by STARLING_GRANT_MALFORMED. */
export function malformedAs(what: string): MalformedError {
  return (rule, problem, cause) =>
    new StarlingError(
      'STARLING_GRANT_MALFORMED',
      `not ${what} of ours: ${printable(problem, MESSAGE_MAX)}`,
      { data: { rule }, cause },
    );
}

/**
 * Bytes of a base64url text in its one canonical form (RFC 4648 §3.5, §5; no padding). `member` says where
 * the text stands in `what`. @throws STARLING_GRANT_MALFORMED
 */
export function decodeBase64url(text: string, member: string, what = SIGNED_TEXT): Buffer {
  const malformed = malformedAs(what);
  if (!BASE64URL.test(text)) throw malformed('encoding', `its ${member} is not base64url`);
  const bytes = Buffer.from(text, 'base64url');
  if (bytes.toString('base64url') !== text)
    throw malformed('encoding', `its ${member} is not canonical base64url`);
  return bytes;
}

function toBase64url(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64url');
}

/** The JSON value of a part of a text, as `decodeBase64url` reads it. @throws STARLING_GRANT_MALFORMED */
export function decodeJsonPart(text: string, member: string, what: string): unknown {
  const bytes = decodeBase64url(text, member, what);
  try {
    return parseStrictJson(utf8.decode(bytes), JSON_DEPTH_MAX);
  } catch (error) {
    const problem = `its ${member} is not JSON that we accept: ${messageOf(error)}`;
    throw malformedAs(what)('json', problem, error);
  }
}

function checkHeader(header: unknown, typ: string, malformed: MalformedError): void {
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
