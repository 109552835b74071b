/**
 * A board on disk: an append-only log of Yjs updates, folded into one when it has grown. Rows are
 * `<board>/<number>`; folding writes the one and deletes the others in one batch, so that a crash
 * leaves either.
 */
import type { Table } from '../store/index.ts';

const DIGITS = 12;
const FOLD_ROWS = 500;
const FOLD_BYTES = 4 * 1024 * 1024;

/** One board's log. */
export interface BoardLog {
  /** What was kept, oldest first. */
  readonly kept: readonly Uint8Array[];
  /** Resolves once the update is durable. */
  append(update: Uint8Array): Promise<void>;
  /** True when it pays to fold. */
  readonly isLong: boolean;
  /** Replaces everything before by `snapshot`, which must hold all of it. */
  fold(snapshot: Uint8Array): Promise<void>;
}

/** Opens the log of `board`. */
export async function openBoardLog(table: Table, board: string): Promise<BoardLog> {
  const prefix = `${board}/`;
  const rows: { readonly key: string; readonly value: Uint8Array }[] = [];
  for await (const [key, value] of table.entries(prefix)) rows.push({ key, value });
  return new TableLog(table, prefix, rows);
}

/** Names of all boards that have a log. */
export async function keptBoards(table: Table): Promise<readonly string[]> {
  const names = new Set<string>();
  for await (const [key] of table.entries()) names.add(key.slice(0, key.lastIndexOf('/')));
  return [...names];
}

class TableLog implements BoardLog {
  readonly kept: readonly Uint8Array[];
  readonly #table: Table;
  readonly #prefix: string;
  #keys: string[];
  #sizeBytes: number;
  #next: number;

  constructor(
    table: Table,
    prefix: string,
    rows: readonly { readonly key: string; readonly value: Uint8Array }[],
  ) {
    this.#table = table;
    this.#prefix = prefix;
    this.kept = rows.map((row) => row.value);
    this.#keys = rows.map((row) => row.key);
    this.#sizeBytes = sizeOf(this.kept);
    this.#next = Number(rows.at(-1)?.key.slice(prefix.length) ?? -1) + 1;
  }

  get isLong(): boolean {
    return (
      this.#keys.length > FOLD_ROWS || (this.#sizeBytes > FOLD_BYTES && this.#keys.length > 20)
    );
  }

  async append(update: Uint8Array): Promise<void> {
    const key = this.#takeKey();
    this.#keys.push(key);
    this.#sizeBytes += update.length;
    await this.#table.put(key, update);
  }

  async fold(snapshot: Uint8Array): Promise<void> {
    const old = this.#keys;
    const key = this.#takeKey();
    this.#keys = [key];
    this.#sizeBytes = 0;
    await this.#table.batch([{ key, value: snapshot }, ...old.map((gone) => ({ key: gone }))]);
  }

  #takeKey(): string {
    const key = `${this.#prefix}${String(this.#next).padStart(DIGITS, '0')}`;
    this.#next += 1;
    return key;
  }
}

function sizeOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}
