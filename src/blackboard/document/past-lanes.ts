/**
 * Lanes that count no more, or not as far as they go, while a log is read. A row of it that made a lane from others names
 * these, and the right to one of them may be gone by now, or a cut name it: such lanes are kept beside the board as far as
 * the log has them, for what was made from them alone.
 */
import * as Y from 'yjs';
import type { Did } from '../../core/index.ts';
import { newestWrites } from '../lanes/inspect-update.ts';
import type { NewestWrites, UpdateFacts } from '../lanes/inspect-update.ts';
import { clockOf, createLane, laneName, wholeOf } from '../lanes/lane.ts';
import type { Lane, LaneId } from '../lanes/lane.ts';
import type { Making } from '../lanes/update.ts';
import { hasSources } from './lane-renewal.ts';

/** What of an update comes after a clock; undefined where that can't be told. */
type After = (sent: UpdateFacts, client: number, clock: number) => UpdateFacts | undefined;

/** What past lanes need of the board. */
interface PastLanesInit {
  readonly after: After;
  /** Whether the owner of a lane has signed what an update says, where that must be: a log has what peers sent as it came. */
  readonly isProven: (lane: LaneId, facts: UpdateFacts, newest: NewestWrites) => boolean;
}

/** Lanes beside a board. */
export class PastLanes {
  readonly #init: PastLanesInit;
  /** By their names; undefined where no log is read. */
  #lanes: Map<string, Lane> | undefined;

  constructor(init: PastLanesInit) {
    this.#init = init;
  }

  /** Runs `read`, which brings in the rows of a log. */
  reading<T>(read: () => T): T {
    this.#lanes = new Map();
    try {
      return read();
    } finally {
      this.#lanes = undefined;
    }
  }

  /** Whether there is more of a lane than `clock`. */
  goesBeyond(lane: LaneId, clock: number): boolean {
    const past = this.#lanes?.get(laneName(lane));
    return past !== undefined && clockOf(past) > clock;
  }

  /** Keeps what an update says of a lane, of which as much as `known` is on the board. */
  keep(id: LaneId, known: Lane | undefined, sent: UpdateFacts): void {
    if (this.#lanes === undefined) return;
    const lane = this.#lanes.get(laneName(id)) ?? copyOf(id, known);
    const clock = clockOf(lane);
    if (sent.to <= clock || sent.from > clock) return;
    const facts = sent.from === clock ? sent : this.#init.after(sent, lane.client, clock);
    const newest = facts && newestWrites(lane, facts);
    if (facts === undefined || newest === undefined) return;
    if (!this.#init.isProven(id, facts, newest)) return;
    Y.applyUpdateV2(lane.doc, facts.update);
    this.#lanes.set(lane.name, lane);
  }

  /** What a lane may be made from: the lanes of the board where these are enough. */
  sourcesFor(
    lanes: ReadonlyMap<string, Lane>,
    did: Did,
    making: Making,
  ): ReadonlyMap<string, Lane> {
    if (this.#lanes === undefined || this.#lanes.size === 0 || hasSources(lanes, did, making))
      return lanes;
    return new Map([...lanes, ...this.#lanes]);
  }
}

function copyOf(id: LaneId, known: Lane | undefined): Lane {
  const lane = createLane(id);
  if (known !== undefined) Y.applyUpdateV2(lane.doc, wholeOf(known));
  return lane;
}
