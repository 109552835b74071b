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
  const leaderOf = topology === 'star' ? () => 0 : (place: number) => Math.floor((place - 1) / FAN);
  return places.slice(1).flatMap((place) => [
    { from: leaderOf(place), to: place, task: true },
    { from: place, to: leaderOf(place), task: false },
  ]);
}
