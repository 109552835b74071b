/** One grant or revocation as text: parsing with its own signature, and the hash that names it. */
import { createHash } from 'node:crypto';
import { StarlingError } from '../../core/index.ts';
import { GRANT, REVOCATION, assertGrantClaims, assertRevocationClaims } from './claims.ts';
import { GRANT_TYPE, REVOCATION_TYPE } from '../types.ts';
import type { Grant, Refusal, Revocation, Unverified } from '../types.ts';
import { decodeJws } from '../../identity/index.ts';

/**
 * Reads a grant, without its signature.
 * @throws STARLING_GRANT_MALFORMED
 */
export function readGrant(jws: string): Unverified<Grant> {
  const decoded = decodeJws(jws, GRANT_TYPE, GRANT);
  const claims = decoded.payload;
  assertGrantClaims(claims);
  return {
    claims,
    verify() {
      decoded.verify(claims.iss);
      return { jws, hash: hashJws(jws), claims };
    },
  };
}

/**
 * Parses a grant and checks its own signature; its times and its chain are for `verifyChain`.
 * @throws STARLING_GRANT_MALFORMED for the format, STARLING_GRANT_INVALID for the signature
 */
export function parseGrant(jws: string): Grant {
  return readGrant(jws).verify();
}

/**
 * Reads a revocation, without its signature.
 * @throws STARLING_GRANT_MALFORMED
 */
export function readRevocation(jws: string): Unverified<Revocation> {
  const decoded = decodeJws(jws, REVOCATION_TYPE, REVOCATION);
  const claims = decoded.payload;
  assertRevocationClaims(claims);
  return {
    claims,
    verify() {
      decoded.verify(claims.iss);
      return { jws, claims };
    },
  };
}

/**
 * Parses a revocation and checks its signature; whether its issuer may revoke the grant shows only
 * when the grant's chain is verified.
 * @throws STARLING_GRANT_MALFORMED for the format, STARLING_GRANT_INVALID for the signature
 */
export function parseRevocation(jws: string): Revocation {
  return readRevocation(jws).verify();
}

/** Why a text was not taken for a grant, as a refusal; anything but our own errors is rethrown. */
export function refusalOf(error: unknown): Refusal {
  if (!(error instanceof StarlingError)) throw error;
  const { rule } = error.data;
  return { rule: typeof rule === 'string' ? rule : 'malformed', text: error.message };
}

/** base64url sha-256 of a compact JWS: what `prf` names. */
export function hashJws(jws: string): string {
  return createHash('sha256').update(jws, 'utf8').digest('base64url');
}
