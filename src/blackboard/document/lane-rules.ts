/** What of a lane counts on a board: by the rights of its writer, and by signatures where the board has them. */
import type { LaneAccess } from '../access/board-access.ts';
import type { EntrySignatures } from '../access/entry-signatures.ts';
import type { NewestWrites, UpdateFacts } from '../lanes/inspect-update.ts';
import { writeOf } from '../lanes/lane-format.ts';
import type { Head } from '../lanes/lane-format.ts';
import { clockOf, laneHead, writesOf } from '../lanes/lane.ts';
import type { Lane, LaneId } from '../lanes/lane.ts';

/** The rules of one board. */
export class LaneRules {
  readonly #access: LaneAccess | undefined;
  readonly #signatures: EntrySignatures | undefined;

  constructor({
    access,
    signatures,
  }: {
    readonly access?: LaneAccess;
    readonly signatures?: EntrySignatures;
  }) {
    this.#access = access;
    this.#signatures = signatures;
  }

  /** Up to which clock a lane counts. */
  limitOf(lane: LaneId): number {
    return this.#access?.limitOf(lane) ?? Number.POSITIVE_INFINITY;
  }

  /** Whether there may be such a lane, whatever it says. */
  mayBegin(lane: LaneId): boolean {
    return this.#access?.mayBegin(lane) ?? true;
  }

  mayWriteAll(lane: LaneId, keys: Iterable<string>): boolean {
    if (this.#access === undefined) return true;
    if (!this.#access.mayBegin(lane)) return false;
    for (const key of keys) if (!this.#access.mayWriteIn(lane, key)) return false;
    return true;
  }

  /** Whether the owner of a lane has signed what an update says, where that must be. */
  isProven(lane: LaneId, { head }: UpdateFacts, newest: NewestWrites): boolean {
    const signatures = this.#signatures;
    if (signatures?.isSigned !== true) return true;
    if (head !== undefined && !signatures.isHeadOf(lane, head)) return false;
    return [...newest].every(
      ([key, facts]) =>
        facts === undefined || signatures.isEntryOf(lane.did, writeOf(key, facts.raw)),
    );
  }

  isHeadProven(lane: LaneId, head: Head): boolean {
    return this.#signatures?.isSigned !== true || this.#signatures.isHeadOf(lane, head);
  }

  isLaneProven(lane: Lane): boolean {
    const signatures = this.#signatures;
    if (signatures?.isSigned !== true) return true;
    const head = laneHead(lane);
    if (head === undefined || !signatures.isHeadOf(lane, head)) return false;
    return [...writesOf(lane)].every(({ write }) => signatures.isEntryOf(lane.did, write));
  }

  /** Whether all that a lane says counts. */
  isAllowed(lane: Lane): boolean {
    if (this.#access === undefined) return true;
    if (clockOf(lane) > this.limitOf(lane)) return false;
    return this.mayWriteAll(lane, lane.entries._map.keys());
  }
}
