/** A replica in pieces, as they go to peers and to disk: whole, or what somebody lacks. */
import type { Did } from '../../core/index.ts';
import { clockOf, piecesOf } from '../lanes/lane.ts';
import type { Lane } from '../lanes/lane.ts';
import type { LaneSet } from './lane-set.ts';
import { encodeUpdate } from '../lanes/update.ts';

/** All of `lanes`. */
export function allPieces(lanes: readonly Lane[]): Iterable<Uint8Array> {
  return pieces(lanes, () => 0, true);
}

/** What is missing at whoever has seen the lanes up to the clocks in `known`; with `owner` of that writer's only. */
export function piecesAfter(
  set: LaneSet,
  known: ReadonlyMap<string, number>,
  owner: Did | undefined,
): Iterable<Uint8Array> {
  const places = [...set.places()];
  const all = [...set.all()];
  const isEqual =
    known.size === places.length && places.every(({ name, clock }) => known.get(name) === clock);
  const lanes = owner === undefined ? all : all.filter(({ did }) => did === owner);
  if (isEqual) return pieces(lanes, () => 0, true);
  const later = lanes.filter((lane) => clockOf(lane) > (known.get(lane.name) ?? 0));
  // Whoever has let go of a lane that others stand for needs all of it again where it goes further.
  const from = (lane: Lane): number => {
    const clock = known.get(lane.name) ?? 0;
    return set.adoptedClock(lane) >= clock ? 0 : clock;
  };
  return pieces(later, from, false);
}

function* pieces(
  lanes: readonly Lane[],
  from: (lane: Lane) => number,
  isWhole: boolean,
): Iterable<Uint8Array> {
  for (const lane of lanes) {
    const { did, client, gen } = lane;
    for (const update of piecesOf(lane, from(lane))) {
      yield encodeUpdate({ isWhole, parts: [{ did, client, gen, update }] });
    }
  }
}
