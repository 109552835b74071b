/**
 * A board on disk: an append-only log of updates, folded into the pieces of the whole board when it has grown.
 * Rows are `<board>/<number>`; folding writes the pieces and deletes the others in one batch, so that a crash
 * leaves either. Knows bytes only. What a write needs is all in its one batch, so that a write that is
 * refused leaves nothing that a later one would build on.
 */
import type { Table } from '../../store/index.ts';
import { isWholeUpdate } from '../lanes/update.ts';

const DIGITS = 12;
/** Fold from this many rows on, when they hold half as much as the pieces that all began with. */
const FOLD_ROWS = 500;
/** Fold from this many bytes on, or from as many as the pieces hold. */
const FOLD_BYTES = 1024 * 1024;
/** Fold in any case: more rows make a start slow. */
const FOLD_ROWS_MAX = 10_000;
/**
 * A log of so many times what the board holds is worn: a fold makes it shorter. Lower: boards that only grow, as those of newcomers, are
 * written again and again for nothing; higher: what was overwritten stays on the disk for longer.
 */
const WORN_FACTOR = 1.5;
/** Rows of fewer bytes, on the average, become fewer by a fold, whatever they hold. */
const SMALL_ROW_BYTES = 8 * 1024;

/** One row of a board's log. */
export interface BoardRow {
  readonly key: string;
  readonly value: Uint8Array;
}

/** One board's log. One call at a time. */
export interface BoardLog {
  /** Whether it has grown so much, beside a board that holds `liveBytes`, that it should be folded. */
  isLong(liveBytes: number): boolean;
  /** The disk may hold rows of a write that failed: the next write takes them out. */
  readonly isDoubtful: boolean;
  /** Resolves once the updates are durable, all or none of them. */
  append(updates: readonly Uint8Array[]): Promise<void>;
  /** Replaces all rows by `pieces`, the whole board, and appends `updates` to them: all or nothing. */
  fold(pieces: readonly Uint8Array[], updates: readonly Uint8Array[]): Promise<void>;
}

/** Reads the rows of all boards, by board. */
export async function readBoards(table: Table): Promise<ReadonlyMap<string, readonly BoardRow[]>> {
  const boards = new Map<string, BoardRow[]>();
  for await (const [key, value] of table.entries()) {
    const board = key.slice(0, Math.max(0, key.lastIndexOf('/')));
    const rows = boards.get(board);
    if (rows === undefined) boards.set(board, [{ key, value }]);
    else rows.push({ key, value });
  }
  return boards;
}

/** The log of `board`, which holds `rows` now. */
export function createBoardLog(
  table: Table,
  init: { readonly board: string; readonly rows: readonly BoardRow[] },
): BoardLog {
  return new TableLog(table, init.board, init.rows);
}

class TableLog implements BoardLog {
  readonly #table: Table;
  readonly #prefix: string;
  readonly #keys: string[];
  /** Keys of a write that failed: the disk may have it all the same, until the next write takes them out. */
  #doubtful: string[] = [];
  #next: number;
  #foldedRows: number;
  #foldedBytes: number;
  #addedBytes: number;

  constructor(table: Table, board: string, rows: readonly BoardRow[]) {
    this.#table = table;
    this.#prefix = `${board}/`;
    this.#keys = rows.map((row) => row.key);
    const firstAdded = rows.findIndex(({ value }) => !isWholeUpdate(value));
    this.#foldedRows = firstAdded === -1 ? rows.length : firstAdded;
    const values = rows.map(({ value }) => value);
    this.#foldedBytes = bytesOf(values.slice(0, this.#foldedRows));
    this.#addedBytes = bytesOf(values.slice(this.#foldedRows));
    const last = Number(rows.at(-1)?.key.slice(this.#prefix.length) ?? -1);
    this.#next = Number.isSafeInteger(last) ? last + 1 : rows.length;
  }

  get isDoubtful(): boolean {
    return this.#doubtful.length > 0;
  }

  isLong(liveBytes: number): boolean {
    const rows = this.#keys.length - this.#foldedRows;
    if (rows > FOLD_ROWS_MAX) return true;
    const isWorn = this.#foldedBytes + this.#addedBytes > liveBytes * WORN_FACTOR;
    if (!isWorn && this.#addedBytes > rows * SMALL_ROW_BYTES) return false;
    if (this.#addedBytes > Math.max(FOLD_BYTES, this.#foldedBytes)) return rows > 0;
    return rows > FOLD_ROWS && this.#addedBytes > this.#foldedBytes / 2;
  }

  async append(updates: readonly Uint8Array[]): Promise<void> {
    const rows = this.#rowsOf(updates);
    await this.#batch(rows, []);
    for (const { key } of rows) this.#keys.push(key);
    this.#addedBytes += bytesOf(updates);
  }

  async fold(pieces: readonly Uint8Array[], updates: readonly Uint8Array[]): Promise<void> {
    const rows = this.#rowsOf([...pieces, ...updates]);
    await this.#batch(rows, this.#keys);
    this.#keys.splice(0, this.#keys.length, ...rows.map(({ key }) => key));
    this.#foldedRows = pieces.length;
    this.#foldedBytes = bytesOf(pieces);
    this.#addedBytes = bytesOf(updates);
  }

  async #batch(rows: readonly BoardRow[], removed: readonly string[]): Promise<void> {
    const gone = [...removed, ...this.#doubtful].map((key) => ({ key }));
    try {
      // Whoever writes a board has gathered what came in this moment.
      await this.#table.batch([...rows, ...gone], { isGathered: true });
      this.#doubtful = [];
    } catch (error) {
      this.#doubtful.push(...rows.map(({ key }) => key));
      throw error;
    }
  }

  /** Keys are never used twice: a write that was refused may be on the disk after all. */
  #rowsOf(updates: readonly Uint8Array[]): BoardRow[] {
    return updates.map((value) => {
      const key = `${this.#prefix}${String(this.#next).padStart(DIGITS, '0')}`;
      this.#next += 1;
      return { key, value };
    });
  }
}

function bytesOf(updates: readonly Uint8Array[]): number {
  return updates.reduce((sum, update) => sum + update.length, 0);
}
