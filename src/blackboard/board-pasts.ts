/** The histories of all boards of this node, and what is written down in them. */
import { messageOf } from '../core/index.ts';
import type { Clock, Logger } from '../core/index.ts';
import type { Table } from '../store/index.ts';
import { createBoardHistory } from './disk/history.ts';
import type { BoardHistory, LateChange } from './disk/history.ts';
import { isWithoutPast } from './board-id.ts';
import type { BoardChange, HistoryBounds, PastLine } from './types.ts';

/** What histories work with. */
export interface BoardPastsComponents {
  /** Where boards are kept: there is no row of a history in it. */
  readonly table: Table;
  /** Where histories are kept; without it none is. */
  readonly history?: Table;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Histories by the ids of boards. */
export class BoardPasts {
  readonly #components: BoardPastsComponents;
  readonly #bounds: HistoryBounds;
  readonly #histories = new Map<string, BoardHistory>();

  constructor(components: BoardPastsComponents, bounds: HistoryBounds) {
    this.#components = components;
    this.#bounds = bounds;
  }

  /** The history of a board, which is empty where none is kept. */
  of(id: string): BoardHistory {
    const known = this.#histories.get(id);
    if (known !== undefined) return known;
    const { table, clock, history: kept } = this.#components;
    const bounds = kept === undefined || isWithoutPast(id) ? { days: 0, bytes: 0 } : this.#bounds;
    const history = createBoardHistory({ table: kept ?? table, clock }, { board: id, bounds });
    this.#histories.set(id, history);
    return history;
  }

  /** Hears at a start what may have been written down no more before the last end, see {@link BoardHistory.recovered}. */
  recovered(id: string, changes: readonly LateChange[]): void {
    if (this.#components.history !== undefined) this.of(id).recovered(changes);
  }

  /** Writes down a moment later what changed, see {@link BoardHistory.note}. A disk that refuses is told of in the log. */
  note(id: string, changes: readonly BoardChange[], bulk?: Uint8Array): void {
    if (this.#components.history === undefined) return;
    this.of(id)
      .note(changes, bulk)
      .catch((error: unknown) => this.#failed(id, error));
  }

  /**
   * Writes down what this node writes in this very turn, with all that waits: one sync of the disk serves both. What is
   * returned hears whether what the lines tell of was refused: then they do not stay.
   */
  noteWriting(id: string, lines: readonly PastLine[]): (isRefused: boolean) => void {
    if (this.#components.history === undefined) return () => undefined;
    const end = this.of(id).noteWriting(lines);
    return (isRefused) => {
      end(isRefused).catch((error: unknown) => this.#failed(id, error));
    };
  }

  /** Forgets the history of a board that is let go of: it comes again with its entries. */
  async forget(id: string): Promise<void> {
    const kept = this.#components.history;
    if (kept === undefined) return;
    await this.of(id).flushed();
    this.#histories.delete(id);
    const rows: { readonly key: string }[] = [];
    for await (const [key] of kept.entries(`${id}/`)) rows.push({ key });
    if (rows.length > 0) await kept.batch(rows);
  }

  /** Resolves once all that was noted is on disk, or refused. */
  async flushed(): Promise<void> {
    await Promise.all(
      [...this.#histories].map(([id, history]) =>
        history.flushed().catch((error: unknown) => this.#failed(id, error)),
      ),
    );
  }

  #failed(board: string, error: unknown): void {
    this.#components.logger.warn({ board, error: messageOf(error) }, 'history not kept');
  }
}
