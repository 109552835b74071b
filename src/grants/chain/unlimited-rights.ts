/** Whether what somebody has already makes a new limit worthless: a grant is the sum of all its holder's. */
import { widenedCaveat } from './caveats.ts';
import { patternCovers } from './resource-match.ts';
import type { Capability } from '../types.ts';

/** What is granted, and until when. */
export interface Right {
  readonly capabilities: readonly Capability[];
  /** ms since the epoch; infinite for a grant that is renewed until somebody revokes it. */
  readonly endsAtMs: number;
}

/**
 * The capability of `before` by which its holder may do what `wanted` grants, or a part of it, without a
 * limit that `wanted` sets (a caveat, or a sooner end); undefined when each limit holds.
 * @throws STARLING_GRANT_MALFORMED
 */
export function withoutLimitOf(wanted: Right, before: Right): Capability | undefined {
  const outlives = before.endsAtMs > wanted.endsAtMs;
  return before.capabilities.find((had) =>
    wanted.capabilities.some((given) => {
      if (had.ability !== given.ability && had.ability !== '*') return false;
      const isAll = patternCovers(had.resource, given.resource);
      if (!isAll && !patternCovers(given.resource, had.resource)) return false;
      return outlives || widenedCaveat(given.caveats, had.caveats) !== undefined;
    }),
  );
}
