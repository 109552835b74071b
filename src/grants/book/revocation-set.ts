/**
 * The set of known revocations: grows only, forgets what has expired, bounded per issuer and in
 * all. Pure. A revocation by somebody who may not revoke is kept and changes nothing.
 */
import type { Did } from '../../core/index.ts';
import { isOverAt } from '../chain/verify.ts';
import type { Grant, Revocation, SuccessionView } from '../types.ts';

/**
 * How long what is over is remembered, ms. A clock that was wrong by less than this does not make a
 * revoked grant valid again when it goes back.
 */
export const KEEP_OVER_MS = 2 * 3_600_000;

/** Bounds of a revocation set. */
export interface RevocationSetInit {
  /** Revocations of one issuer; default 65536: a backstop, the mesh's records have less room. */
  readonly perIssuerMax?: number;
  /** Revocations of all issuers but `self`; default 262144. */
  readonly totalMax?: number;
  /** Our own key: no bound applies to it, because nobody else can fill it. */
  readonly self: Did;
}

/** A set of verified revocations. */
export interface RevocationSet {
  /** What {@link add} would say now. */
  admits(revocation: Revocation, nowMs: number): boolean;
  /** Adds a revocation; false when it is known, expired, or over a bound. */
  add(revocation: Revocation, nowMs: number): boolean;
  /** The revocation of the grant with this `jti` by one of `issuers`. */
  find(jti: string, issuers: readonly Did[]): Revocation | undefined;
  /** Whether this very text is known: a look-up without a signature check. */
  holds(jws: string): boolean;
  all(): readonly Revocation[];
  /** Forgets and returns those whose grant is over since {@link KEEP_OVER_MS}. */
  prune(nowMs: number): readonly Revocation[];
}

/** Makes an empty set. */
export function createRevocationSet(init: RevocationSetInit): RevocationSet {
  const { perIssuerMax = 65_536, totalMax = 262_144, self } = init;
  const byIssuer = new Map<Did, Map<string, Revocation>>();
  const texts = new Set<string>();
  let othersCount = 0;

  const admits = ({ claims }: Revocation, nowMs: number): boolean => {
    const own = byIssuer.get(claims.iss);
    if (isOverAt(claims.exp, nowMs) || own?.has(claims.jti) === true) return false;
    return claims.iss === self || ((own?.size ?? 0) < perIssuerMax && othersCount < totalMax);
  };

  return {
    admits,
    add(revocation, nowMs) {
      if (!admits(revocation, nowMs)) return false;
      const { iss, jti } = revocation.claims;
      const own = byIssuer.get(iss) ?? new Map<string, Revocation>();
      byIssuer.set(iss, own.set(jti, revocation));
      texts.add(revocation.jws);
      if (iss !== self) othersCount += 1;
      return true;
    },
    find(jti, issuers) {
      for (const issuer of issuers) {
        const revocation = byIssuer.get(issuer)?.get(jti);
        if (revocation !== undefined) return revocation;
      }
      return undefined;
    },
    holds: (jws) => texts.has(jws),
    all: () => [...byIssuer.values()].flatMap((own) => [...own.values()]),
    prune(nowMs) {
      const over = [...byIssuer.values()]
        .flatMap((own) => [...own.values()])
        .filter(({ claims }) => isOverAt(claims.exp, nowMs - KEEP_OVER_MS));
      for (const { claims, jws } of over) {
        texts.delete(jws);
        const own = byIssuer.get(claims.iss);
        own?.delete(claims.jti);
        if (own?.size === 0) byIssuer.delete(claims.iss);
        if (claims.iss !== self) othersCount -= 1;
      }
      return over;
    },
  };
}

/**
 * Whether one of `mayRevoke`, or an heir of one, has revoked `grant`. What a retired key revokes after
 * its retirement does not count, nor does its revocation of a grant that its succession keeps.
 */
export function isRevokedIn(
  revoked: Pick<RevocationSet, 'find'>,
  grant: Grant,
  mayRevoke: readonly Did[],
  successions: SuccessionView,
): boolean {
  return mayRevoke
    .flatMap((did) => successions.heirs(did))
    .some((did) => {
      const revocation = revoked.find(grant.claims.jti, [did]);
      const succession = successions.of(did);
      if (revocation === undefined || succession === undefined) return revocation !== undefined;
      return revocation.claims.iat <= succession.claims.iat && !succession.keeps(grant);
    });
}
