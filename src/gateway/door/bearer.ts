/** Bearer tokens (RFC 6750 §2.1): only from the Authorization header, and compared as SHA-256. */
import { hash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

const BEARER = /^Bearer +([\w.~+/=-]{1,8192})$/i;

/** The bearer token of a request; undefined when it brings none, or none of this form. */
export function bearerOf(request: IncomingMessage): string | undefined {
  return BEARER.exec(request.headers.authorization ?? '')?.[1];
}

/**
 * What a token is compared by: of equal length whatever the token's, and what somebody learns of it
 * from the time of a comparison helps with no token.
 */
export function digestOf(token: string): Uint8Array {
  return hash('sha256', token, 'buffer');
}
