/** Makes grants and revocations. What it signs has passed the same checks as what it would read. */
import { randomBytes as systemRandomBytes } from 'node:crypto';
import { idOf } from '../../core/index.ts';
import type { Did } from '../../core/index.ts';
import type { Signer } from '../../identity/index.ts';
import { GRANT, REVOCATION, assertGrantClaims, assertRevocationClaims } from './claims.ts';
import { hashJws } from './grant.ts';
import { GRANT_TYPE, REVOCATION_TYPE } from '../types.ts';
import type { Capability, Grant, GrantClaims, Revocation, RevocationClaims } from '../types.ts';
import { encodeJws } from '../../identity/index.ts';

/** What a new grant says. Times are seconds since the epoch. */
export interface GrantInit {
  /** Who receives it. */
  readonly aud: Did;
  /** The owner of the thing: the signer itself, or the `sub` of the parents. */
  readonly sub: Did;
  readonly cap: readonly Capability[];
  readonly expiresAt: number;
  /** Default: the latest `nbf` of the parents, else none. */
  readonly notBefore?: number;
  /** The grants that this one is derived from; none when the signer is `sub`. */
  readonly parents?: readonly Grant[];
  /** Further delegations that may hang below; default 0. */
  readonly maxDepth?: number;
  /** The id of the grant that this one renews; default: 128 random bits. */
  readonly id?: string;
}

/**
 * Signs a grant. It does not check that the parents allow it: `verifyChain` on the result does.
 * `nowMs` is in milliseconds (`Clock.now()`); it becomes `iat`.
 * @throws STARLING_GRANT_MALFORMED when the result would break the format
 */
export function issueGrant(
  signer: Signer,
  init: GrantInit,
  nowMs: number,
  randomBytes: (size: number) => Uint8Array = systemRandomBytes,
): Grant {
  const parents = init.parents ?? [];
  const starts = parents.flatMap((parent) => parent.claims.nbf ?? []);
  const nbf = init.notBefore ?? (starts.length > 0 ? Math.max(...starts) : undefined);
  const claims: GrantClaims = {
    iss: signer.did,
    aud: init.aud,
    sub: init.sub,
    cap: init.cap.map((capability) => ({ ...capability })),
    iat: Math.floor(nowMs / 1000),
    ...(nbf === undefined ? {} : { nbf }),
    exp: init.expiresAt,
    jti: init.id ?? idOf(randomBytes(16)),
    ...(parents.length === 0 ? {} : { prf: parents.map((parent) => parent.hash) }),
    max_depth: init.maxDepth ?? 0,
  };
  assertGrantClaims(claims);
  const jws = encodeJws(signer, GRANT_TYPE, claims, GRANT);
  return { jws, hash: hashJws(jws), claims };
}

/**
 * Signs a revocation of `grant`. It counts only when the signer issued the grant or an ancestor of
 * it. `nowMs` is in milliseconds. @throws STARLING_GRANT_MALFORMED for a reason over 500 characters
 */
export function issueRevocation(
  signer: Signer,
  grant: Grant,
  nowMs: number,
  reason?: string,
): Revocation {
  const claims: RevocationClaims = {
    iss: signer.did,
    jti: grant.claims.jti,
    iat: Math.floor(nowMs / 1000),
    exp: grant.claims.exp,
    ...(reason === undefined ? {} : { reason }),
  };
  assertRevocationClaims(claims);
  return { jws: encodeJws(signer, REVOCATION_TYPE, claims, REVOCATION), claims };
}
