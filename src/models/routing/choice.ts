/** Which model of a route is asked first: by price, speed, load and distance, as far as they are known. Pure. */
import type { ModelStrategy, ModelTier } from '../../config/index.ts';

/** A model that a route may ask. */
export interface Candidate {
  readonly name: string;
  /** Tokens that fit into it, where that is known. */
  readonly fits?: number | undefined;
  /** What the request may cost there, micro-dollars. */
  readonly cost: number;
  readonly tier: ModelTier;
  /** Usual time to the first token, ms; undefined for one that was not measured, which is tried before it is believed slow. */
  readonly firstMs: number | undefined;
  /** Calls under way there. */
  readonly inFlight: number;
}

const FAR: Readonly<Record<ModelTier, number>> = { edge: 0, regional: 1, central: 2 };

/**
 * Those into which so many tokens fit, or may fit, before those into which they do not: some servers cut a longer prompt without a
 * word. Each part stays in its order.
 */
export function fittingFirst<One extends { readonly fits?: number | undefined }>(
  all: readonly One[],
  tokens: number,
): { readonly fitting: readonly One[]; readonly others: readonly One[] } {
  const isFitting = ({ fits = Infinity }: One): boolean => fits >= tokens;
  return { fitting: all.filter(isFitting), others: all.filter((one) => !isFitting(one)) };
}

/** The candidates, the one to ask first first. Where two are alike, the one with less to do; then as they are listed. */
export function inOrder(
  strategy: ModelStrategy,
  candidates: readonly Candidate[],
): readonly Candidate[] {
  const keys = keysOf(strategy, candidates);
  const ranked = candidates.map((candidate, at) => ({
    candidate,
    keys: [...keys(candidate), strategy === 'best' ? 0 : candidate.inFlight, at],
  }));
  ranked.sort((one, other) => compare(one.keys, other.keys));
  return ranked.map(({ candidate }) => candidate);
}

function keysOf(
  strategy: ModelStrategy,
  candidates: readonly Candidate[],
): (candidate: Candidate) => readonly number[] {
  switch (strategy) {
    case 'cheapest':
      return ({ cost }) => [cost];
    case 'fastest':
      return (candidate) => [waitOf(candidate)];
    case 'local-first':
      return ({ tier, cost }) => [FAR[tier], cost];
    case 'balanced': {
      const dearest = Math.max(1, ...candidates.map(({ cost }) => cost));
      const slowest = Math.max(1, ...candidates.map(waitOf));
      return (candidate) => [candidate.cost / dearest + waitOf(candidate) / slowest];
    }
    default:
      return () => [];
  }
}

/** What somebody who asks now waits: each call under way is in the way of the next. */
function waitOf({ firstMs = 0, inFlight }: Candidate): number {
  return firstMs * (1 + inFlight);
}

function compare(one: readonly number[], other: readonly number[]): number {
  const at = one.findIndex((key, index) => key !== other[index]);
  return at === -1 ? 0 : (one[at] ?? 0) - (other[at] ?? 0);
}
