/**
 * Chains that callers present: verified when they come in, kept in memory, bounded per holder and by the
 * number of holders.
 */
import type { Clock, Did } from '../../core/index.ts';
import type { Grant, Refusal, SuccessionView } from '../types.ts';
import type { ChainChecks } from './chain-checks.ts';
import type { HolderIndex } from './holders.ts';
import type { Issued } from './issued.ts';
import type { BatchReader } from './read-grants.ts';
import { forgedIn, retiredBy } from './reissue.ts';

/** What presented chains are checked by and kept in. */
export interface PresentedComponents {
  readonly self: Did;
  readonly clock: Clock;
  readonly successions: SuccessionView;
  readonly checks: ChainChecks;
  readonly holders: HolderIndex;
  readonly issued: Pick<Issued, 'all' | 'get'>;
  readonly reader: Pick<BatchReader, 'read'>;
}

/** Bounds of what is presented. */
export interface PresentedInit {
  /** Chains kept per holder. */
  readonly perHolderMax: number;
  /** Holders whose chains are kept. */
  readonly holdersMax: number;
}

/** Presented chains. */
export interface Presented {
  /**
   * Verifies what `holder` presents and keeps the good ones. `added` is true when there is a new one;
   * `refusals` say why the rest is refused.
   */
  present(
    holder: Did,
    jws: readonly string[],
  ): { readonly added: boolean; readonly refusals: readonly Refusal[] };
  /** Grants of `holder` that count now, by all its keys; none for a retired key. */
  held(holder: Did): readonly Grant[];
  /** Forgets what `holder` presented, by whichever of its keys. */
  forget(holder: Did): void;
}

/** Makes the set; nothing is presented yet. */
export function createPresented(components: PresentedComponents, init: PresentedInit): Presented {
  const { clock, successions, holders, reader } = components;
  return {
    present(holder, jws) {
      holders.dropEnded(clock.now());
      const retired = retiredBy(holder, successions);
      if (retired !== undefined) return { added: false, refusals: [retired] };
      const batch = reader.read(jws, successions.lineage(holder));
      const refusals = [...batch.refusals];
      let added = false;
      for (const leaf of batch.leaves) {
        const outcome = presentOne(components, init, { holder, leaf, batch: batch.byHash });
        if (outcome === 'added') added = true;
        else if (outcome !== 'known') refusals.push(outcome);
      }
      return { added, refusals };
    },
    held(holder) {
      const keys = successions.of(holder) === undefined ? successions.lineage(holder) : [];
      return holders.held(keys, clock.now());
    },
    forget(holder) {
      for (const did of successions.lineage(holder)) holders.forget(did);
    },
  };
}

/** One leaf, with all that came together with it. */
interface Presentation {
  readonly holder: Did;
  readonly leaf: Grant;
  readonly batch: ReadonlyMap<string, Grant>;
}

function presentOne(
  { self, clock, successions, checks, holders, issued }: PresentedComponents,
  { perHolderMax, holdersMax }: PresentedInit,
  { holder, leaf, batch }: Presentation,
): 'added' | 'known' | Refusal {
  const presented = holders.chains('presented', holder);
  if (presented.has(leaf.hash) || issued.get(leaf.hash) !== undefined) return 'known';
  const verdict = checks.verify(leaf, batch, self);
  if (!verdict.ok) return verdict.refusal;
  const forged = forgedIn(verdict.links, self, issued.all(), successions);
  if (forged !== undefined) return forged;
  // What we gave with an earlier key counts by what was issued in its place.
  if (leaf.claims.prf === undefined && leaf.claims.iss !== self) return 'known';
  const window = checks.windowOf(verdict.links);
  if (clock.now() >= window.endsAtMs) {
    return { rule: 'expired', text: 'a link of it has expired' };
  }
  const isFull =
    presented.size >= perHolderMax || (presented.size === 0 && holders.presenters() >= holdersMax);
  if (isFull) return { rule: 'limit', text: `no more than ${perHolderMax} grants are kept` };
  holders.add('presented', { leaf, links: verdict.links, ...window });
  return 'added';
}
