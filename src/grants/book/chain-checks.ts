/** Verifies chains as this node sees them: by its clock, the grants that it has, and what is revoked. */
import type { Clock, Did } from '../../core/index.ts';
import { verifyChain } from '../chain/verify.ts';
import type { ChainVerdict } from '../chain/verify.ts';
import type { Grant, SuccessionView } from '../types.ts';
import { windowOf } from './holders.ts';
import type { HeldChain } from './holders.ts';
import { isRevokedIn } from './revocation-set.ts';
import type { RevocationSet } from './revocation-set.ts';

/** What chains are verified by. */
export interface ChainCheckComponents {
  readonly self: Did;
  readonly clock: Clock;
  readonly successions: SuccessionView;
  readonly revoked: Pick<RevocationSet, 'find'>;
  /** A grant that the node has, by its hash. */
  find(hash: string): Grant | undefined;
}

/** Verifies chains. */
export interface ChainChecks {
  /**
   * Verifies the chain above `leaf`. `known` are grants that came with it, by hash; with `owner` the
   * chain must end at the things of that key.
   */
  verify(leaf: Grant, known?: ReadonlyMap<string, Grant>, owner?: Did): ChainVerdict;
  /** True for the node's own key and those that it followed. */
  isOwn(did: Did): boolean;
  /** True when one of `mayRevoke`, or an heir of one, has revoked `grant`. */
  isRevoked(grant: Grant, mayRevoke: readonly Did[]): boolean;
  /** When a chain of `links` counts. */
  windowOf(links: readonly Grant[]): Pick<HeldChain, 'startsAtMs' | 'endsAtMs'>;
}

const NONE: ReadonlyMap<string, Grant> = new Map();

/** Makes the checks of the node `self`. */
export function createChainChecks(components: ChainCheckComponents): ChainChecks {
  const { self, clock, successions, revoked } = components;
  const isOwn = (did: Did): boolean => successions.follows(self, did);
  const isRevoked = (grant: Grant, mayRevoke: readonly Did[]): boolean =>
    isRevokedIn(revoked, grant, mayRevoke, successions);
  return {
    verify: (leaf, known = NONE, owner) =>
      verifyChain(leaf, {
        find: (hash) => known.get(hash) ?? components.find(hash),
        nowMs: clock.now(),
        isRevoked,
        successions,
        ...(owner === undefined ? {} : { owner }),
      }),
    isOwn,
    isRevoked,
    windowOf: (links) => windowOf(links, ({ claims }) => isOwn(claims.iss)),
  };
}
