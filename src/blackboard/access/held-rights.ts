/** What one grant gives on a board, and what was revoked of that on which the grant stands. */
import { parseResource, patternCovers } from '../../grants/index.ts';
import type { Grant, ResourcePattern, Revocation } from '../../grants/index.ts';
import type { Cuts } from './access-records.ts';
import type { BoardRight } from '../types.ts';

/** A grant that holds, and what was revoked of that on which the grant stands. */
export interface Held {
  readonly grant: Grant;
  readonly reads: boolean;
  readonly administers: boolean;
  /** All keys may be written. */
  readonly writesAll: boolean;
  readonly writes: readonly ResourcePattern[];
  readonly revocations: readonly RevocationRecord[];
  readonly isLive: boolean;
}

/** The end of a grant, and what counts all the same. */
export interface RevocationRecord {
  readonly jws: string;
  readonly revocation: Revocation;
  readonly cuts: Cuts;
  readonly changes: ReadonlySet<string>;
}

/** What `grant` gives on the board whose keys are `whole`, with the revocations that end it. */
export function heldOf(
  grant: Grant,
  whole: string,
  revocations: readonly RevocationRecord[],
): Held {
  const of = (ability: string): readonly string[] =>
    grant.claims.cap.filter((one) => one.ability === ability).map(({ resource }) => resource);
  const isWhole = (resource: string): boolean => patternCovers(resource, whole);
  const writes = of('board/write');
  return {
    grant,
    reads: of('board/read').some(isWhole),
    administers: of('board/admin').some(isWhole),
    writesAll: writes.some(isWhole),
    writes: writes.map(parseResource),
    revocations,
    isLive: revocations.length === 0,
  };
}

/** The right that a grant gives, as people see it. */
export function rightOf({ grant, administers, isLive, writes, writesAll }: Held): BoardRight {
  const { jti, aud, iss, cap, iat, exp } = grant.claims;
  const ability = administers ? 'admin' : writesAll || writes.length > 0 ? 'write' : 'read';
  const on = cap.filter((one) => one.ability === `board/${ability}`);
  return {
    id: jti,
    to: aud,
    by: iss,
    ability,
    on: on.map(({ resource }) => resource),
    at: iat * 1000,
    expiresAt: exp * 1000,
    isRevoked: !isLive,
  };
}
