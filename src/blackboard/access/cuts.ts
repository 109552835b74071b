/** Up to where lanes count whose writer has lost a right. */
import type { Did } from '../../core/index.ts';
import type { Place } from '../lanes/lane-format.ts';
import type { Cuts } from './access-records.ts';

/** The earliest position in lanes of `client` that a cut names, or `known`. */
export function earliestIn(
  cuts: readonly Cuts[],
  did: Did,
  client: number,
  known: Place | undefined,
): Place | undefined {
  let earliest = known;
  for (const cut of cuts) {
    for (const place of cut.get(did) ?? []) {
      if (place.client !== client) continue;
      if (earliest === undefined || isBefore(place, earliest)) earliest = place;
    }
  }
  return earliest;
}

function isBefore(a: Place, b: Place): boolean {
  return a.gen === b.gen ? a.clock < b.clock : a.gen < b.gen;
}
