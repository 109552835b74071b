/**
 * What the head of a lane says of other lanes, to be asked for one place at a time. A head may name thousands of places, as its owner
 * wants, and is asked for every part that comes: it is read once.
 */
import type { Head, Place } from '../lanes/lane-format.ts';

/** What one head says of places of other lanes, without a look at all that it names. */
export interface HeadPlaces {
  /** Whether the head replaces what a lane of the same writer says up to a clock. */
  replaces(place: Place): boolean;
  /** Whether the head adopts what a lane says up to a clock. */
  adopts(place: Place): boolean;
}

/** Of heads as lanes hold them, which never change. */
const known = new WeakMap<Head, HeadPlaces>();

/** What a head says of places. */
export function headPlaces(head: Head): HeadPlaces {
  const before = known.get(head);
  if (before !== undefined) return before;
  const made = placesIn(head);
  known.set(head, made);
  return made;
}

function placesIn({ replaces, adopts }: Head): HeadPlaces {
  /** Of each run the last place: what it covers holds all that the others of that run cover. */
  const replaced = new Map<number, Place>();
  for (const place of replaces) {
    const last = replaced.get(place.client);
    if (last === undefined || isWithin(last, place)) replaced.set(place.client, place);
  }
  const adopted = new Map<string, number>();
  for (const { client, gen, clock } of adopts) {
    const name = `${client} ${gen}`;
    adopted.set(name, Math.max(clock, adopted.get(name) ?? 0));
  }
  return {
    replaces: (place) => {
      const last = replaced.get(place.client);
      return last !== undefined && isWithin(place, last);
    },
    adopts: ({ client, gen, clock }) => {
      const last = adopted.size === 0 ? undefined : adopted.get(`${client} ${gen}`);
      return last !== undefined && clock <= last;
    },
  };
}

/** Whether a place is not after another one of the same run. */
function isWithin({ gen, clock }: Place, last: Place): boolean {
  return gen < last.gen || (gen === last.gen && clock <= last.clock);
}
