/**
 * Puts an update into its lane that only sets keys which the lane does not have, as most of what a newcomer is sent does: by what was
 * read of it already, and not by having Yjs read it once more, which takes two thirds of the time. What is in the lane then is what Yjs
 * would have put there (`test/blackboard/lanes/new-keys.test.ts` compares).
 */
import * as Y from 'yjs';
import type { UpdateFacts } from './inspect-update.ts';
import { clockOf, structsOf } from './lane.ts';
import type { Lane } from './lane.ts';

/**
 * Adds `facts` to a lane where they follow on it, if `newestWrites` has found them fit and nothing of them replaces anything; false, and nothing is
 * added, of all others.
 */
export function addNewKeys(lane: Lane, { client, from, head, items }: UpdateFacts): boolean {
  if (client !== lane.client || head !== undefined || from === 0 || from !== clockOf(lane)) {
    return false;
  }
  if (items.some(({ key, write }) => key === undefined || write === undefined)) return false;
  const { entries } = lane;
  const structs = structsOf(lane) as (Y.Item | Y.GC)[];
  for (const { key, clock, write } of items) {
    if (key === undefined || write === undefined) continue;
    const id = Y.createID(client, clock);
    const content = new Y.ContentAny([write.raw]);
    const item = new Y.Item(id, null, null, null, null, entries, key, content);
    structs.push(item);
    entries._map.set(key, item);
  }
  return true;
}
