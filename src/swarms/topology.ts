/** What a topology means: which member may write to which, and give it tasks. Pure. */
import { FAN } from './limits.ts';
import type { Topology } from './types.ts';

/** One member may write to another; both by their places in the swarm. */
export interface Edge {
  readonly from: number;
  readonly to: number;
  /** It may give that one tasks, too. */
  readonly task: boolean;
}

/**
 * The edges among `count` members, in the order of their places: the first is the hub of a star and the root of a tree.
 *
 * - mesh: each to each, tasks too.
 * - star: the hub to each and each to the hub; tasks from the hub alone.
 * - hierarchical: a tree in which one member leads {@link FAN}; both ways along it, tasks downwards alone.
 * - ring: each to the next one, and the last to the first; tasks, too.
 */
export function edgesOf(topology: Topology, count: number): readonly Edge[] {
  const places = [...Array.from({ length: count }).keys()];
  if (topology === 'mesh') {
    return places.flatMap((from) =>
      places.filter((to) => to !== from).map((to) => ({ from, to, task: true })),
    );
  }
  if (topology === 'ring') {
    const next = (from: number): number => (from + 1) % count;
    return count < 2 ? [] : places.map((from) => ({ from, to: next(from), task: true }));
  }
  return places.slice(1).flatMap((place) => [
    { from: leaderOf(topology, place), to: place, task: true },
    { from: place, to: leaderOf(topology, place), task: false },
  ]);
}

/**
 * The edges of the topology, and those by which the others go on without members that are gone: in a ring to the next one
 * that is there, in a star and a tree from whoever leads in the place of the leader that is gone. What there was stays,
 * so that what waits for a member that comes back is still allowed. Pure.
 */
export function edgesAround(
  topology: Topology,
  count: number,
  isGone: (place: number) => boolean,
): readonly Edge[] {
  const edges = edgesOf(topology, count);
  const there = [...Array.from({ length: count }).keys()].filter((place) => !isGone(place));
  const added: Edge[] = [];
  if (topology === 'ring' && there.length > 1) {
    for (const [at, from] of there.entries()) {
      added.push({ from, to: there[(at + 1) % there.length] ?? from, task: true });
    }
  } else if (topology !== 'mesh' && topology !== 'ring') {
    const [first = 0] = there;
    for (const to of there) {
      const from = leaderAround({ topology, isGone, first }, to);
      if (from !== to) added.push({ from, to, task: true }, { from: to, to: from, task: false });
    }
  }
  const isThere = ({ from, to }: Edge): boolean =>
    edges.some((edge) => edge.from === from && edge.to === to);
  return [...edges, ...added.filter((edge) => !isThere(edge))];
}

/** The nearest leader above that is there; where all are gone, the first member that is there. */
function leaderAround(
  {
    first,
    isGone,
    topology,
  }: {
    readonly topology: Topology;
    readonly isGone: (place: number) => boolean;
    readonly first: number;
  },
  place: number,
): number {
  let at = place;
  while (at > 0) {
    at = leaderOf(topology, at);
    if (!isGone(at)) return at;
  }
  return first;
}

function leaderOf(topology: Topology, place: number): number {
  return topology === 'star' ? 0 : Math.floor((place - 1) / FAN);
}
