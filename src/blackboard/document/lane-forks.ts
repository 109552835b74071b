/**
 * Two replicas have seen as much of a lane and hold different things: its owner told them different things, or
 * somebody passed on what the owner never wrote. Yjs keeps whatever came first, so that they would differ for good.
 * Whoever is sent the whole lane builds it beside the own one, and keeps that of both which holds more writes, or else
 * whose contents hash higher.
 */
import { createHash } from 'node:crypto';
import * as Y from 'yjs';
import { newestWrites } from '../lanes/inspect-update.ts';
import type { UpdateFacts } from '../lanes/inspect-update.ts';
import { clockOf, createLane, rawIn, writesOf } from '../lanes/lane.ts';
import type { Lane } from '../lanes/lane.ts';

/** Lanes that are built at once, at the most, of which the oldest goes: pieces of one follow each other, and some never end. */
const BUILT_MAX = 4;

/** Lanes of peers that are built beside the own ones. */
export class LaneForks {
  readonly #built = new Map<string, Lane>();

  /**
   * Hears of a piece of the whole of a lane that is here already, as `known`. Gives the lane that should be in its
   * place, once all of it has come and if that is another.
   */
  offer(known: Lane, facts: UpdateFacts): Lane | undefined {
    const lane = facts.from === 0 ? createLane(known) : this.#built.get(known.name);
    this.#built.delete(known.name);
    if (lane === undefined || clockOf(lane) !== facts.from) return undefined;
    if (newestWrites(lane, facts) === undefined) return undefined;
    Y.applyUpdateV2(lane.doc, facts.update);
    if (clockOf(lane) < clockOf(known)) {
      const [oldest] = this.#built.size >= BUILT_MAX ? this.#built.keys() : [];
      if (oldest !== undefined) this.#built.delete(oldest);
      this.#built.set(known.name, lane);
      return undefined;
    }
    return compare(lane, known) > 0 ? lane : undefined;
  }
}

/**
 * Above zero when `a` is kept. Where a lane was cut off, one replica has a write that another has as replaced, by what
 * lies beyond the cut: what still has its contents is kept.
 */
function compare(a: Lane, b: Lane): number {
  const more = countOf(a) - countOf(b);
  if (more !== 0) return more;
  const [ours, theirs] = [hashOf(a), hashOf(b)];
  if (ours === theirs) return 0;
  return ours > theirs ? 1 : -1;
}

function countOf(lane: Lane): number {
  let count = 0;
  for (const _write of writesOf(lane)) count += 1;
  return count;
}

function hashOf(lane: Lane): string {
  const hash = createHash('sha256');
  for (const { write, clock } of writesOf(lane)) {
    hash.update(
      `${clock} ${write.key.length} ${write.key} ${JSON.stringify(rawIn(lane, write.key))}`,
    );
  }
  return hash.digest('hex');
}
