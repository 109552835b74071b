/** Whether a replica has room for what a peer sends: bounds of what peers may bring a board to. */
import type { Did } from '../../core/index.ts';
import type { UpdateFacts } from '../lanes/inspect-update.ts';
import { clockOf, laneName, structsOf } from '../lanes/lane.ts';
import type { LaneId } from '../lanes/lane.ts';
import { LANES_MAX } from '../lanes/update.ts';
import type { LanePart } from '../lanes/update.ts';
import { PEER_SLACK } from '../limits.ts';
import type { BoardLimits } from '../limits.ts';
import type { LaneSet } from './lane-set.ts';
import type { WinnerIndex } from './winner-index.ts';
import { sizeOf } from './winner.ts';

/** A part of an update, read and found fit by itself. */
export interface Checked {
  readonly part: LanePart;
  /** Of an update of Yjs. */
  readonly facts: UpdateFacts | undefined;
}

/** Lanes of one writer: each run begins one, and soon makes one of all. */
const LANES_PER_WRITER_MAX = 64;
/**
 * What one writer may fill of what peers may bring a board to: the rest is left to all others, whatever that one writes. More than
 * an honest writer, who is held to the bounds of a board alone, ever does.
 */
const WRITER_SHARE = 0.75;

/** What is held, or may be, or is added. */
interface Amount {
  keys: number;
  bytes: number;
  structs: number;
}

/** Whether an update fits into a replica that holds `lanes` and `winners`. */
export function hasRoomFor(
  checked: readonly Checked[],
  { lanes, winners }: { readonly lanes: LaneSet; readonly winners: WinnerIndex },
  { keys, boardBytes, structs }: BoardLimits,
): boolean {
  if (isFarWithin(checked, lanes, winners, { keys, boardBytes, structs })) return true;
  const addedLanes = new Map<string, LaneId>();
  const added = new Map<Did, Amount>();
  const named = new Set<string>();
  for (const { part, facts } of checked) {
    const lane = lanes.get(laneName(part));
    if (lane === undefined) addedLanes.set(laneName(part), part);
    if (facts === undefined || (lane !== undefined && facts.to <= clockOf(lane))) continue;
    const own = added.get(part.did) ?? { keys: 0, bytes: 0, structs: 0 };
    added.set(part.did, own);
    own.structs += facts.items.length;
    for (const { key, write } of facts.items) {
      if (write === undefined) continue;
      if (key === undefined) {
        own.bytes += write.sizeBytes;
        continue;
      }
      own.bytes += sizeOf(key, write.sizeBytes) - (winners.byKey.get(key)?.sizeBytes ?? 0);
      const winner = winners.entry(key);
      if (write.isGone) continue;
      if (winner === undefined) named.add(key);
      if (winner?.lane.did !== part.did) own.keys += 1;
    }
  }
  if (!hasRoomForLanes(lanes, addedLanes)) return false;
  if (added.size === 0) return true;
  const total = { keys: winners.size, bytes: winners.sizeBytes, structs: lanes.structs };
  const most = {
    keys: keys * PEER_SLACK,
    bytes: boardBytes * PEER_SLACK,
    structs: structs * PEER_SLACK,
  };
  const share = {
    keys: most.keys * WRITER_SHARE,
    bytes: most.bytes * WRITER_SHARE,
    structs: most.structs * WRITER_SHARE,
  };
  if (!isWithin(total, { ...sumOf(added.values()), keys: named.size }, most)) return false;
  // Where all together hold less than one may, nobody holds more.
  return [...added].every(
    ([did, own]) => isWithin(total, own, share) || isWithin(heldBy(lanes, did), own, share),
  );
}

/**
 * Whether there would be room even if all of an update were new and all of the board were its writer's, which nothing need be looked
 * up for.
 */
function isFarWithin(
  checked: readonly Checked[],
  lanes: LaneSet,
  winners: WinnerIndex,
  { keys, boardBytes, structs }: Pick<BoardLimits, 'boardBytes' | 'keys' | 'structs'>,
): boolean {
  const most: Amount = { keys: winners.size, bytes: winners.sizeBytes, structs: lanes.structs };
  for (const { part, facts } of checked) {
    // Lanes have bounds of their own.
    if (lanes.get(laneName(part)) === undefined) return false;
    for (const { key = '', write } of facts?.items ?? []) {
      most.structs += 1;
      if (write === undefined) continue;
      most.keys += 1;
      most.bytes += sizeOf(key, write.sizeBytes);
    }
  }
  const share = PEER_SLACK * WRITER_SHARE;
  return (
    most.keys <= keys * share && most.bytes <= boardBytes * share && most.structs <= structs * share
  );
}

/** Whether something can be added; what adds nothing of a kind may be over the bound of that. */
function isWithin(held: Amount, added: Amount, most: Amount): boolean {
  if (added.structs > 0 && held.structs + added.structs > most.structs) return false;
  if (added.keys > 0 && held.keys + added.keys > most.keys) return false;
  return added.bytes <= 0 || held.bytes + added.bytes <= most.bytes;
}

function sumOf(amounts: Iterable<Amount>): Amount {
  const sum = { keys: 0, bytes: 0, structs: 0 };
  for (const { keys, bytes, structs } of amounts) {
    sum.keys += keys;
    sum.bytes += bytes;
    sum.structs += structs;
  }
  return sum;
}

/** What a writer's lanes hold. */
function heldBy(lanes: LaneSet, did: Did): Amount {
  return sumOf(
    lanes.of(did).map((lane) => {
      return { keys: lane.live, bytes: lane.winningBytes, structs: structsOf(lane).length };
    }),
  );
}

function hasRoomForLanes(lanes: LaneSet, added: ReadonlyMap<string, LaneId>): boolean {
  if (added.size === 0) return true;
  if (lanes.size + added.size > LANES_MAX) return false;
  const counts = new Map<Did, number>();
  for (const { did } of added.values()) counts.set(did, (counts.get(did) ?? 0) + 1);
  return [...counts].every(([did, count]) => lanes.of(did).length + count <= LANES_PER_WRITER_MAX);
}
