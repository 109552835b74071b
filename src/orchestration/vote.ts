/**
 * Votes: each ballot has a weight, and a choice counts against the weight of all who were asked, so that silence never
 * helps. The agents of one node together weigh as much as the best of them, and no node more than a share of all:
 * whoever runs a hundred agents has no more say than with one. Pure.
 */
import { EXPERT_LEAD, NODE_SHARE, NODE_SHARE_OF_MANY } from './limits.ts';
import type { CountedBallot, Resolution, VoteView } from './types.ts';

/** What one of those who were asked says. */
export interface Ballot {
  readonly agent: string;
  /** The key of the agent's node. */
  readonly node: string;
  /** 0 to 1: how far it is an expert. */
  readonly weight: number;
  /** Absent: no answer, or none that can be counted. */
  readonly choice?: string;
  readonly confidence?: number;
  readonly signed: boolean;
}

/** How a vote is decided. */
export interface VoteRules {
  readonly threshold: number;
  readonly resolution: Resolution;
}

const NEARLY = 1e-9;

/** The share of all weight that each ballot has; the shares are 1 together where anybody has a weight. */
export function sharesOf(ballots: readonly Pick<Ballot, 'node' | 'weight'>[]): readonly number[] {
  const nodes = new Map<string, { best: number; sum: number }>();
  for (const { node, weight } of ballots) {
    const known = nodes.get(node) ?? { best: 0, sum: 0 };
    nodes.set(node, { best: Math.max(known.best, weight), sum: known.sum + weight });
  }
  const capped = cap(new Map([...nodes].map(([node, { best }]) => [node, best])));
  const total = [...capped.values()].reduce((sum, weight) => sum + weight, 0);
  return ballots.map(({ node, weight }) => {
    const { sum = 0 } = nodes.get(node) ?? {};
    return sum === 0 || total === 0 ? 0 : ((weight / sum) * (capped.get(node) ?? 0)) / total;
  });
}

/** No node has more than its share of what all have after that; one alone has all. */
function cap(weights: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  const count = [...weights.values()].filter((weight) => weight > 0).length;
  if (count < 2) return weights;
  const share = count < 4 ? NODE_SHARE : NODE_SHARE_OF_MANY;
  const sorted = [...weights.values()].toSorted((one, other) => other - one);
  // With the k heaviest at the bound, the bound is share × (k × bound + the rest).
  for (let k = 0; k < sorted.length; k += 1) {
    const rest = sorted.slice(k).reduce((sum, weight) => sum + weight, 0);
    const left = 1 - k * share;
    if (left <= NEARLY) break;
    const bound = k === 0 ? share * rest : (share * rest) / left;
    if ((sorted[k] ?? 0) <= bound + NEARLY) {
      return new Map([...weights].map(([node, weight]) => [node, Math.min(weight, bound)]));
    }
  }
  // As many as fill all shares are heavier than the rest: they weigh alike.
  const level = sorted[Math.round(1 / share) - 1] ?? 0;
  return new Map([...weights].map(([node, weight]) => [node, Math.min(weight, level)]));
}

/** Counts the ballots of all who were asked. */
export function count(ballots: readonly Ballot[], { threshold, resolution }: VoteRules): VoteView {
  const shares = sharesOf(ballots);
  const byChoice = new Map<string, number>();
  for (const [at, { choice }] of ballots.entries()) {
    if (choice !== undefined) byChoice.set(choice, (byChoice.get(choice) ?? 0) + (shares[at] ?? 0));
  }
  const sorted = [...byChoice].toSorted(([a, one], [b, other]) =>
    Math.abs(other - one) < NEARLY ? (a < b ? -1 : 1) : other - one,
  );
  const [first, second] = sorted;
  const leads = first?.[1] ?? 0;
  const tie = second !== undefined && Math.abs(leads - second[1]) < NEARLY;
  const isMajority = first !== undefined && leads + NEARLY >= threshold;
  const expert = isMajority || resolution !== 'expert_priority' ? undefined : expertChoice(ballots);
  const choice = isMajority ? first[0] : expert;
  const counted = ballots.map(
    ({ agent, choice: said, confidence, signed, weight }, at): CountedBallot => ({
      agent,
      ...(said === undefined ? {} : { choice: said }),
      share: rounded(shares[at] ?? 0),
      weight: rounded(weight),
      ...(confidence === undefined ? {} : { confidence }),
      signed,
    }),
  );
  return {
    threshold,
    ...(choice === undefined ? {} : { choice }),
    share: rounded(choice === undefined ? leads : (byChoice.get(choice) ?? 0)),
    by: isMajority ? 'majority' : expert === undefined ? 'no_consensus' : 'expert_priority',
    tie,
    ballots: counted,
    dissent: ballots
      .filter((one) => choice !== undefined && one.choice !== undefined && one.choice !== choice)
      .map(({ agent }) => agent),
  };
}

/** The choice of who is by far the most an expert; undefined where nobody is. */
function expertChoice(ballots: readonly Ballot[]): string | undefined {
  const best = new Map<string, number>();
  for (const { choice, weight } of ballots) {
    if (choice !== undefined) best.set(choice, Math.max(best.get(choice) ?? 0, weight));
  }
  const sorted = [...best].toSorted(([, one], [, other]) => other - one);
  const [first, second] = sorted;
  if (first === undefined) return undefined;
  // Whoever alone has said anything is not the expert for that.
  if (second === undefined) return undefined;
  return first[1] > EXPERT_LEAD * second[1] ? first[0] : undefined;
}

function rounded(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}
