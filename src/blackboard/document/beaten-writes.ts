/**
 * What a lane that is begun anew keeps of what other writers have beaten, on a board where rights can be taken back: what beat it may be
 * cut off later, on every node, and then the write that was acknowledged before it must be there.
 */
import type { Did } from '../../core/index.ts';
import { writesOf } from '../lanes/lane.ts';
import type { Lane } from '../lanes/lane.ts';
import type { BoardLimits } from '../limits.ts';
import { compareWrites, createWinner, endOf, isGoneAt, sizeOf } from './winner.ts';
import type { Winner } from './winner.ts';

/** What whoever begins lanes anew knows of the board. */
export interface BeatenInit {
  /** All lanes of the board. */
  readonly lanes: Iterable<Lane>;
  /** The newest write of each key. */
  readonly winners: ReadonlyMap<string, Winner>;
  /** Deletions and ends before this are forgotten, ms since the epoch. */
  readonly forgetBefore: number;
  /** Now, less what clocks may differ, ms since the epoch. */
  readonly now: number;
  readonly limits: BoardLimits;
  /** Rights can be taken back: what other writers have beaten may count again. */
  readonly isClosed: boolean;
}

/** Of what a board may hold in pieces, the share that all writers may keep of beaten writes together. */
const STRUCTS_SHARE = 0.5;

/**
 * Of the lanes that become one, the last write of each key that another writer's has beaten, as far as it is kept: none on an open board.
 * Beyond the bounds what was beaten first is left out, as is what was deleted or has ended as long ago as deletions are forgotten.
 */
export function beatenWrites(
  renewed: readonly Lane[],
  init: BeatenInit,
): ReadonlyMap<string, Winner> {
  const kept = new Map<string, Winner>();
  if (!init.isClosed) return kept;
  const writers = new Set<Did>();
  for (const { did } of init.lanes) writers.add(did);
  const share = Math.max(1, writers.size);
  let structs = (init.limits.structs * STRUCTS_SHARE) / share;
  let bytes = init.limits.boardBytes / share;
  let { tombstones } = init.limits;
  for (const { write, by } of latestBeaten(renewed, init)) {
    if (isGoneAt(by, init.now)) {
      if (tombstones <= 0) continue;
      tombstones -= 1;
    }
    structs -= 1;
    bytes -= sizeOf(write.key, JSON.stringify(write.value)?.length ?? 0);
    if (Math.min(structs, bytes) < 0) break;
    kept.set(write.key, write);
  }
  return kept;
}

/** The last write of each key that another writer's has beaten, and what has; what was beaten last comes first. */
function latestBeaten(
  renewed: readonly Lane[],
  { winners, forgetBefore, now }: BeatenInit,
): readonly { readonly write: Winner; readonly by: Winner }[] {
  const own = new Set(renewed);
  const latest = new Map<string, { readonly write: Winner; readonly by: Winner }>();
  for (const lane of renewed) {
    for (const found of writesOf(lane)) {
      const by = winners.get(found.write.key);
      // What its own writer has replaced is not missed, nor is what somebody else carries.
      if (by === undefined || own.has(by.lane)) continue;
      if (by.by === (found.write.by ?? lane.did)) continue;
      if (isGoneAt(by, now) && endOf(by) < forgetBefore) continue;
      const write = createWinner(lane, found, 0);
      const before = latest.get(write.key);
      if (before === undefined || compareWrites(write, before.write) > 0) {
        latest.set(write.key, { write, by });
      }
    }
  }
  return [...latest.values()].toSorted((a, b) => endOf(b.by) - endOf(a.by));
}
