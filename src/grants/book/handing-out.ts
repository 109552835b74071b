/** Which texts go to others: what we present to an owner, and what we issued to a holder. */
import type { Clock, Did } from '../../core/index.ts';
import type { Grant, SuccessionView } from '../types.ts';
import type { ChainChecks } from './chain-checks.ts';
import type { HolderIndex } from './holders.ts';
import type { Issued } from './issued.ts';
import type { Received } from './received.ts';

/** Where the texts are found. */
export interface HandingOutComponents {
  readonly clock: Clock;
  readonly successions: SuccessionView;
  readonly checks: ChainChecks;
  readonly holders: Pick<HolderIndex, 'chains'>;
  readonly issued: Pick<Issued, 'delegatedTo'>;
  readonly received: Pick<Received, 'all'>;
}

/** Our grants on things of `owner` that are valid now, with all that they stand on. */
export function textsToPresent(components: HandingOutComponents, owner: Did): readonly string[] {
  const { successions, checks, received } = components;
  const texts = new Set<string>();
  for (const grant of received.all()) {
    if (!successions.follows(owner, grant.claims.sub)) continue;
    const verdict = checks.verify(grant);
    if (verdict.ok) for (const link of verdict.links) texts.add(link.jws);
  }
  return [...texts];
}

/**
 * What we issued to `holder` and is valid now, but not what is in `told`, to which it is added; for
 * delegations with all that they stand on.
 */
export function textsIssuedTo(
  components: HandingOutComponents,
  holder: Did,
  told: WeakSet<Grant>,
): readonly string[] {
  const { clock, successions, checks, holders, issued } = components;
  const nowMs = clock.now();
  const texts = new Set<string>();
  for (const did of successions.lineage(holder)) {
    for (const { leaf, startsAtMs, endsAtMs } of holders.chains('issued', did).values()) {
      if (told.has(leaf) || nowMs < startsAtMs || nowMs >= endsAtMs) continue;
      told.add(leaf);
      texts.add(leaf.jws);
    }
    for (const grant of issued.delegatedTo(did).values()) {
      const verdict = told.has(grant) ? undefined : checks.verify(grant);
      if (verdict?.ok !== true) continue;
      told.add(grant);
      for (const link of verdict.links) texts.add(link.jws);
    }
  }
  return [...texts];
}
