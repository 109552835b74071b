/**
 * A board on disk: an append-only log of Yjs updates, folded into one when it has grown. Rows are
 * `<board>/<number>`; folding writes the one and deletes the others in one batch, so that a crash
 * leaves either. Knows bytes only. Relies on the table to make writes durable in the order in which
 * they were asked for, or to reject them.
 */
import type { Table } from '../store/index.ts';

const DIGITS = 12;
/** Fold from this many rows on, when they hold half as much as the row that all began with. */
const FOLD_ROWS = 500;
/** Fold from this many bytes on, or from as many as the first row holds. */
const FOLD_BYTES = 1024 * 1024;
/** Fold in any case: more rows make a start slow. */
const FOLD_ROWS_MAX = 10_000;

/** One row of a board's log. */
export interface BoardRow {
  readonly key: string;
  readonly value: Uint8Array;
}

/** One board's log. */
export interface BoardLog {
  /** Encoded size of the board, at the most: what was folded and what came since. */
  readonly sizeBytes: number;
  /** What of it came since the last fold. */
  readonly unfoldedBytes: number;
  /**
   * Resolves once this update and all before it are durable. After a failed write the next one
   * writes the whole board, so that no gap is left behind it.
   */
  append(update: Uint8Array): Promise<void>;
  /** Replaces all rows by one with the whole board. */
  fold(): Promise<void>;
  /** Resolves once everything so far is durable. */
  flushed(): Promise<void>;
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

/** What a log works with. */
export interface BoardLogComponents {
  readonly table: Table;
  /** The whole board as one update, with everything that was appended. */
  snapshot(): Uint8Array;
  /** Hears every failed write, once. */
  failed(error: unknown): void;
}

/** The log of `board`, which holds `rows` now. */
export function createBoardLog(
  components: BoardLogComponents,
  init: { readonly board: string; readonly rows: readonly BoardRow[] },
): BoardLog {
  return new TableLog(components, init.board, init.rows);
}

class TableLog implements BoardLog {
  readonly #components: BoardLogComponents;
  readonly #prefix: string;
  #keys: string[];
  #next: number;
  #foldedBytes: number;
  #addedBytes = 0;
  #isDamaged = false;
  #durable: Promise<void> = Promise.resolve();

  constructor(components: BoardLogComponents, board: string, rows: readonly BoardRow[]) {
    this.#components = components;
    this.#prefix = `${board}/`;
    this.#keys = rows.map((row) => row.key);
    this.#foldedBytes = rows[0]?.value.length ?? 0;
    for (const row of rows.slice(1)) this.#addedBytes += row.value.length;
    const last = Number(rows.at(-1)?.key.slice(this.#prefix.length) ?? -1);
    this.#next = Number.isSafeInteger(last) ? last + 1 : rows.length;
  }

  get sizeBytes(): number {
    return this.#foldedBytes + this.#addedBytes;
  }

  get unfoldedBytes(): number {
    return this.#addedBytes;
  }

  append(update: Uint8Array): Promise<void> {
    if (this.#isDamaged) return this.fold();
    const key = this.#takeKey();
    this.#keys.push(key);
    this.#addedBytes += update.length;
    const before = this.#durable;
    const put = this.#components.table.put(key, update).catch((error: unknown) => {
      this.#isDamaged = true;
      this.#components.failed(error);
      throw error;
    });
    const durable = this.#keep(Promise.all([before, put]).then(() => undefined));
    if (this.#isLong()) void this.fold();
    return durable;
  }

  fold(): Promise<void> {
    const snapshot = this.#components.snapshot();
    const old = this.#keys;
    const oldBytes = { folded: this.#foldedBytes, added: this.#addedBytes };
    const key = this.#takeKey();
    this.#keys = [key];
    this.#foldedBytes = snapshot.length;
    this.#addedBytes = 0;
    this.#isDamaged = false;
    const writes = [{ key, value: snapshot }, ...old.map((gone) => ({ key: gone }))];
    const batch = this.#components.table.batch(writes).catch((error: unknown) => {
      this.#isDamaged = true;
      this.#components.failed(error);
      this.#keys = [...old, ...this.#keys];
      this.#foldedBytes = oldBytes.folded;
      this.#addedBytes += oldBytes.added;
      throw error;
    });
    return this.#keep(batch);
  }

  flushed(): Promise<void> {
    return this.#durable;
  }

  /** Makes `durable` what {@link flushed} waits for. */
  #keep(durable: Promise<void>): Promise<void> {
    this.#durable = durable;
    // `failed` has told of the rejection already, whether or not anybody waits for this promise.
    durable.catch(() => undefined);
    return durable;
  }

  #isLong(): boolean {
    const rows = this.#keys.length;
    if (rows > FOLD_ROWS_MAX || this.#addedBytes > Math.max(FOLD_BYTES, this.#foldedBytes)) {
      return rows > 1;
    }
    return rows > FOLD_ROWS && this.#addedBytes > this.#foldedBytes / 2;
  }

  #takeKey(): string {
    const key = `${this.#prefix}${String(this.#next).padStart(DIGITS, '0')}`;
    this.#next += 1;
    return key;
  }
}
