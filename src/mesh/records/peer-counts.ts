/** Counts by peer. */
import type { PeerId } from '../../core/index.ts';

/** Adds `by` to the count of `peer`; a count that comes to nothing is forgotten. */
export function changeCount(counts: Map<PeerId, number>, peer: PeerId, by: number): void {
  const count = (counts.get(peer) ?? 0) + by;
  if (count > 0) counts.set(peer, count);
  else counts.delete(peer);
}
