/** What was written to the boards of a world and what became of that, as whoever wrote was told: what must be there in the end follows. */
import type { BoardEntry, Tombstone } from '../../src/blackboard/index.ts';
import { SKEW_MS } from './board-events.ts';

/** Where a write stands. */
export interface Place {
  readonly board: string;
  readonly key: string;
}

/** One write or deletion. */
export interface Op extends Place {
  readonly id: number;
  /** Who wrote it. */
  readonly by: string;
  readonly isDeletion: boolean;
  /** When it ends by itself, by a clock that may be off. */
  readonly until?: number | undefined;
  /** The writer's stamp, and how many writes of that writer there were with it, once that is known. */
  at?: number;
  count?: number;
  /**
   * `sure`: acknowledged, and by a right that holds; `open`: it may count or not; `refused`: nobody may ever see it;
   * `beyond`: it lies beyond a cut, so that nobody may see it in the end.
   */
  state: 'beyond' | 'open' | 'refused' | 'sure';
}

/** What a node shows of a key. */
export interface Shown {
  readonly entry: BoardEntry | undefined;
  readonly gone: Tombstone | undefined;
}

/** All writes of a world. */
export class Ledger {
  readonly ops: Op[] = [];

  /** A write begins; nobody knows what becomes of it. */
  begin(init: Place & Pick<Op, 'by' | 'isDeletion' | 'until'>): Op {
    const op: Op = { ...init, id: this.ops.length, state: 'open' };
    this.ops.push(op);
    return op;
  }

  /** The write that an entry shows. */
  opOf(entry: BoardEntry): Op | undefined {
    return this.ops[Number.parseInt(String(entry.value), 10)];
  }

  /** Writes of one writer to one board. */
  of(by: string, board: string): readonly Op[] {
    return this.ops.filter((op) => op.by === by && op.board === board);
  }

  /** What is wrong with what a node shows of a key at any time. */
  seen({ entry }: Shown): readonly string[] {
    if (entry === undefined) return [];
    const op = this.opOf(entry);
    if (op === undefined) return [`${entry.key} shows what nobody wrote`];
    return op.state === 'refused' ? [`${entry.key} shows the refused write ${op.id}`] : [];
  }

  /** Whether something that was written at `since` or later has deleted a key, or has ended by itself. */
  mayBeGone(place: Place, since: number, now: number): boolean {
    return this.ops.some(
      ({
        board,
        key,
        state,
        at = Number.POSITIVE_INFINITY,
        isDeletion,
        until = Number.POSITIVE_INFINITY,
      }) =>
        board === place.board &&
        key === place.key &&
        state !== 'refused' &&
        at >= since &&
        (isDeletion || until - 2 * SKEW_MS <= now),
    );
  }

  /** What is wrong with what all show of a key in the end. */
  judge(place: Place, shown: Shown, now: number): readonly string[] {
    const ops = this.ops.filter(
      ({ board, key, state }) =>
        board === place.board && key === place.key && state !== 'refused' && state !== 'beyond',
    );
    const sure = ops.filter(({ state }) => state === 'sure');
    const floor = Math.max(0, ...sure.map(({ at = 0 }) => at));
    const faults = [...this.seen(shown)];
    const { entry, gone } = shown;
    const at = entry?.at ?? gone?.at;
    const last = sure.find((op) => op.at === floor);
    const name = `${place.board}/${place.key}`;
    if (at !== undefined && at < floor) {
      faults.push(
        `${name} shows something from before ${last?.isDeletion ? 'deletion' : 'write'} ${last?.id}`,
      );
    }
    if (entry !== undefined) {
      const op = this.opOf(entry);
      if (op?.state === 'beyond')
        faults.push(`${name} shows write ${op.id}, which lies beyond a cut`);
      if (op?.until !== undefined && op.until + 2 * SKEW_MS < now)
        faults.push(`${name} shows write ${op.id}, which has ended`);
    } else if (gone === undefined && last !== undefined) {
      if (!this.mayBeGone(place, floor, now)) faults.push(`${name} has lost write ${last.id}`);
    }
    return faults;
  }
}
