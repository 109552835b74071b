/** Whether a replica has room for what a peer sends: bounds of what peers may bring a board to. */
import type { Did } from '../../core/index.ts';
import type { UpdateFacts } from '../lanes/inspect-update.ts';
import { clockOf, laneName } from '../lanes/lane.ts';
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

/** Whether an update fits into a replica that holds `lanes` and `winners`. */
export function hasRoomFor(
  checked: readonly Checked[],
  { lanes, winners }: { readonly lanes: LaneSet; readonly winners: WinnerIndex },
  { keys, boardBytes, structs }: BoardLimits,
): boolean {
  const addedLanes = new Map<string, LaneId>();
  const added = new Set<string>();
  let addedBytes = 0;
  let addedStructs = 0;
  for (const { part, facts } of checked) {
    const lane = lanes.get(laneName(part));
    if (lane === undefined) addedLanes.set(laneName(part), part);
    if (facts === undefined || (lane !== undefined && facts.to <= clockOf(lane))) continue;
    addedStructs += facts.items.length;
    for (const { key, write } of facts.items) {
      if (write === undefined) continue;
      if (key === undefined) {
        addedBytes += write.sizeBytes;
        continue;
      }
      addedBytes += sizeOf(key, write.sizeBytes) - (winners.byKey.get(key)?.sizeBytes ?? 0);
      if (!write.isGone && winners.entry(key) === undefined) added.add(key);
    }
  }
  if (!hasRoomForLanes(lanes, addedLanes)) return false;
  if (addedStructs > 0 && lanes.structs + addedStructs > structs * PEER_SLACK) return false;
  if (added.size > 0 && winners.size + added.size > keys * PEER_SLACK) return false;
  return addedBytes <= 0 || winners.sizeBytes + addedBytes <= boardBytes * PEER_SLACK;
}

function hasRoomForLanes(lanes: LaneSet, added: ReadonlyMap<string, LaneId>): boolean {
  if (added.size === 0) return true;
  if (lanes.size + added.size > LANES_MAX) return false;
  const counts = new Map<Did, number>();
  for (const { did } of added.values()) counts.set(did, (counts.get(did) ?? 0) + 1);
  return [...counts].every(([did, count]) => lanes.of(did).length + count <= LANES_PER_WRITER_MAX);
}
