/** A replica in pieces, as they go to peers and to disk: whole, or what somebody lacks. */
import type { Did } from '../../core/index.ts';
import { clockOf, piecesOf } from '../lanes/lane.ts';
import type { Lane } from '../lanes/lane.ts';
import { encodeUpdate } from '../lanes/update.ts';

/** All of `lanes`. */
export function allPieces(lanes: readonly Lane[]): Iterable<Uint8Array> {
  return pieces(lanes, () => 0, true);
}

/** What is missing at whoever has seen the lanes up to the clocks in `known`; with `owner` of that writer's only. */
export function piecesAfter(
  all: readonly Lane[],
  known: ReadonlyMap<string, number>,
  owner: Did | undefined,
): Iterable<Uint8Array> {
  const isEqual =
    known.size === all.length && all.every((lane) => known.get(lane.name) === clockOf(lane));
  const lanes = owner === undefined ? all : all.filter(({ did }) => did === owner);
  if (isEqual) return pieces(lanes, () => 0, true);
  const later = lanes.filter((lane) => clockOf(lane) > (known.get(lane.name) ?? 0));
  return pieces(later, ({ name }) => known.get(name) ?? 0, false);
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
