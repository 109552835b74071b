/** Up to where lanes count whose writer has lost a right. */
import type { Did } from '../../core/index.ts';
import type { LaneId } from '../lanes/lane.ts';
import type { Place } from '../lanes/lane-format.ts';
import type { Cuts } from './access-records.ts';

/**
 * Up to which clock a lane counts, by all cuts that name lanes of its client: the earliest of them counts. Where one cut
 * names a lane and the next of the same writer, which was begun anew and not taken for the first yet, each counts up to its
 * own place. A lane from before those that are named has ended; a later one came after the cut.
 */
export function limitIn(cuts: readonly Cuts[], { did, client, gen }: LaneId): number {
  let limit = Number.POSITIVE_INFINITY;
  for (const cut of cuts) limit = Math.min(limit, limitOf(placesIn(cut, did, client), gen));
  return limit;
}

/** Whether any of the cuts names a lane of the client. */
export function isNamed(cuts: readonly Cuts[], did: Did, client: number): boolean {
  return cuts.some((cut) => placesIn(cut, did, client).length > 0);
}

function placesIn(cut: Cuts, did: Did, client: number): readonly Place[] {
  return (cut.get(did) ?? []).filter((place) => place.client === client);
}

function limitOf(places: readonly Place[], gen: number): number {
  const own = places.filter((place) => place.gen === gen);
  if (own.length > 0) return Math.min(...own.map(({ clock }) => clock));
  const isLater = places.length > 0 && places.every((place) => place.gen < gen);
  return isLater ? 0 : Number.POSITIVE_INFINITY;
}
