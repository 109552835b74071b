/** Votes against a model that counts by brute force, and against whoever would outvote the others. */
import { describe, expect, it } from 'vitest';
import { count, sharesOf } from '../../src/orchestration/vote.ts';
import type { Ballot } from '../../src/orchestration/vote.ts';

const SETS = 200;
const rules = { threshold: 0.7, resolution: 'expert_priority' } as const;

function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 16_807) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

function randomBallots(random: () => number): Ballot[] {
  const size = 1 + Math.floor(random() * 12);
  const nodes = 1 + Math.floor(random() * 6);
  return Array.from({ length: size }, (_, at) => {
    const runs = Math.floor(random() * 10);
    const ok = Math.floor(random() * (runs + 1));
    const choice = ['a', 'b', 'c', undefined][Math.floor(random() * 4)];
    return {
      agent: `agent-${at}`,
      node: `node-${Math.floor(random() * nodes)}`,
      weight: (ok + 1) / (runs + 2),
      signed: choice !== undefined,
      ...(choice === undefined ? {} : { choice }),
    };
  });
}

/** The weight of each node by bisection: the highest bound at which no node is over its share. */
function modelShares(ballots: readonly Ballot[]): number[] {
  const best: Record<string, number> = {};
  for (const { node, weight } of ballots) best[node] = Math.max(best[node] ?? 0, weight);
  const all = Object.values(best);
  let bound = Math.max(...all);
  if (all.length > 1) {
    const share = all.length >= 4 ? 1 / 3 : 1 / 2;
    let [low, high] = [0, bound];
    for (let step = 0; step < 200; step += 1) {
      const middle = (low + high) / 2;
      const total = all.reduce((sum, weight) => sum + Math.min(weight, middle), 0);
      if (middle <= share * total + 1e-12) low = middle;
      else high = middle;
    }
    bound = low;
  }
  const total = all.reduce((sum, weight) => sum + Math.min(weight, bound), 0);
  return ballots.map(({ node, weight }) => {
    const sum = ballots
      .filter((one) => one.node === node)
      .reduce((all_, one) => all_ + one.weight, 0);
    return ((weight / sum) * Math.min(best[node] ?? 0, bound)) / total;
  });
}

function modelChoice(ballots: readonly Ballot[]): string | undefined {
  const shares = modelShares(ballots);
  const choices = [...new Set(ballots.flatMap(({ choice }) => choice ?? []))];
  const shareOf = (wanted: string): number =>
    ballots.reduce((sum, { choice }, at) => sum + (choice === wanted ? (shares[at] ?? 0) : 0), 0);
  const majority = choices.find((choice) => shareOf(choice) >= rules.threshold - 1e-9);
  if (majority !== undefined) return majority;
  return choices.find((wanted) => {
    const heaviest = (isIt: boolean): number =>
      Math.max(
        0,
        ...ballots.flatMap(({ choice, weight }) =>
          choice !== undefined && (choice === wanted) === isIt ? weight : [],
        ),
      );
    return choices.length > 1 && heaviest(true) > 1.5 * heaviest(false);
  });
}

describe('a vote', () => {
  it.each(Array.from({ length: SETS }, (_, seed) => seed + 1))(
    'set %i counts as the model does',
    (seed) => {
      const ballots = randomBallots(seeded(seed * 7919));
      const shares = sharesOf(ballots);
      for (const [at, share] of modelShares(ballots).entries())
        expect(shares[at]).toBeCloseTo(share, 6);
      expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 6);
      const vote = count(ballots, rules);
      expect(vote.choice).toBe(modelChoice(ballots));
      expect(vote.by === 'no_consensus').toBe(vote.choice === undefined);
    },
  );

  const ballot = (agent: string, node: string, choice?: string, weight = 0.5): Ballot => ({
    agent,
    node,
    weight,
    signed: choice !== undefined,
    ...(choice === undefined ? {} : { choice }),
  });

  it('is not decided by one node, however many agents it has', () => {
    const many = Array.from({ length: 100 }, (_, at) => ballot(`evil-${at}`, 'evil', 'lie', 0.99));
    const others = ['b', 'c', 'd'].map((node) => ballot(node, node, 'truth'));
    for (const least of [1, 2, 3]) {
      const vote = count([...many, ...others.slice(0, least)], { ...rules, resolution: 'none' });
      expect(vote.choice).not.toBe('lie');
    }
    const vote = count([...many, ...others], { threshold: 0.6, resolution: 'none' });
    expect(vote).toMatchObject({ choice: 'truth', by: 'majority' });
    expect(vote.dissent).toHaveLength(100);
  });

  it('is lost to a majority of nodes that lies, which is told with who chose otherwise; to fewer it is not', () => {
    const lies = ['b', 'c', 'd'].map((node) => ballot(node, node, 'lie'));
    const honest = ['e', 'f'].map((node) => ballot(node, node, 'truth'));
    const strict = { threshold: 0.7, resolution: 'expert_priority' } as const;
    const vote = count([...lies, ...honest], { ...strict, threshold: 0.6 });
    expect(vote).toMatchObject({ choice: 'lie', by: 'majority', dissent: ['e', 'f'] });
    expect(vote.ballots.map(({ choice }) => choice)).toContain('truth');
    const fewer = count([...lies, ...honest], strict);
    expect(fewer).toMatchObject({ by: 'no_consensus', share: 0.6, dissent: [] });
    expect(fewer.choice).toBeUndefined();
  });

  it('counts silence against every choice', () => {
    const two = [ballot('a', 'a', 'yes'), ballot('b', 'b', 'yes')];
    expect(count(two, rules)).toMatchObject({ choice: 'yes', share: 1 });
    const silent = [ballot('c', 'c')];
    expect(count([...two, ...silent], rules)).toMatchObject({
      by: 'no_consensus',
      share: 0.666667,
    });
  });

  it('says that two choices are alike, and takes neither', () => {
    const vote = count([ballot('a', 'a', 'yes'), ballot('b', 'b', 'no')], rules);
    expect(vote).toMatchObject({ tie: true, by: 'no_consensus', share: 0.5 });
    expect(vote.choice).toBeUndefined();
  });

  it('lets the expert decide where nobody has a majority, if that one is by far the most an expert', () => {
    const far = [
      ballot('a', 'a', 'yes', 0.9),
      ballot('b', 'b', 'no', 0.5),
      ballot('c', 'c', 'maybe', 0.3),
    ];
    expect(count(far, rules)).toMatchObject({ choice: 'yes', by: 'expert_priority' });
    const near = [ballot('a', 'a', 'yes', 0.7), ballot('b', 'b', 'no', 0.5)];
    expect(count(near, rules).choice).toBeUndefined();
    expect(count(far, { ...rules, resolution: 'none' }).choice).toBeUndefined();
    // Who alone has answered is no expert by that.
    expect(
      count([ballot('a', 'a', 'yes', 0.9), ballot('b', 'b'), ballot('c', 'c')], rules).choice,
    ).toBeUndefined();
  });
});
