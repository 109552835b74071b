/**
 * One open board: its document, its log, its bounds. A change is applied in
 * memory, appended to the log, and is done once it is durable. Knows no network.
 */
import { messageOf } from '../core/index.ts';
import type { Clock, Did, Logger } from '../core/index.ts';
import type { Table } from '../store/index.ts';
import { createDocument } from './document.ts';
import type { ApplyResult, BoardDocument } from './document.ts';
import { PEER_SLACK, checkKey, checkedValue, invalid } from './limits.ts';
import type { BoardLimits } from './limits.ts';
import { createBoardLog } from './persistence.ts';
import type { BoardLog, BoardRow } from './persistence.ts';
import type { BoardChange, BoardEntry } from './types.ts';

/** A board that is open. Reading goes by its document. */
export interface OpenBoard {
  readonly name: string;
  readonly document: BoardDocument;
  /** Resolves once the entry is durable. @throws STARLING_BOARD_INVALID, STARLING_STATE_UNUSABLE */
  set(key: string, value: unknown): Promise<BoardEntry>;
  /** Resolves to false when there was nothing to delete. */
  delete(key: string): Promise<boolean>;
  /** Applies an update from a peer and appends it to the log. Never throws. */
  take(update: Uint8Array): ApplyResult;
  /** Resolves once everything so far is durable; rejects when it could not be written. */
  flushed(): Promise<void>;
  close(): void;
}

/** What a board works with. */
export interface OpenBoardComponents {
  readonly table: Table;
  /** Who writes here. */
  readonly self: Did;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Hears our own updates once they are durable: tell the others. */
  publish(update: Uint8Array): void;
  /** Hears what changed, at once. */
  changed(changes: readonly BoardChange[]): void;
}

/** Which board, and what of it is on disk. */
export interface OpenBoardInit {
  readonly name: string;
  readonly rows: readonly BoardRow[];
  readonly limits: BoardLimits;
}

/** Below this much news, and without a deletion, to encode a board anew for its size does not pay. */
const FOLD_TO_FIT_BYTES = 256 * 1024;
/** Of the bound of structs: from here on the log warns. */
const WORN = 0.5;

/** Opens a board from its rows. */
export function createOpenBoard(components: OpenBoardComponents, init: OpenBoardInit): OpenBoard {
  return new DurableBoard(components, init);
}

class DurableBoard implements OpenBoard {
  readonly name: string;
  readonly document: BoardDocument;
  readonly #components: OpenBoardComponents;
  readonly #limits: BoardLimits;
  readonly #log: BoardLog;
  #hasWarned = false;
  /** Something was deleted since a fold showed the true size. */
  #mayHaveShrunk = false;
  /** Durability of the last update; set before a change in the document returns. */
  #appended: Promise<void> = Promise.resolve();

  constructor(components: OpenBoardComponents, init: OpenBoardInit) {
    const { table, logger } = components;
    this.name = init.name;
    this.#limits = init.limits;
    this.#components = components;
    this.document = createDocument(
      { limits: init.limits },
      init.rows.map((row) => row.value),
    );
    if (this.document.unreadable > 0) {
      const fields = { board: init.name, rows: this.document.unreadable };
      logger.error(fields, 'rows of a board are damaged; peers will send what they held');
    }
    // Rows that refer to a damaged one can't be read either, and never will be.
    this.document.dropWaiting();
    this.#log = createBoardLog(
      {
        table,
        snapshot: () => this.document.snapshot(),
        failed: (error) =>
          logger.error({ board: init.name, error: messageOf(error) }, 'board not written to disk'),
      },
      { board: init.name, rows: init.rows },
    );
    this.document.onUpdate((update, origin, changes) => this.#updated(update, origin, changes));
  }

  async set(key: string, value: unknown): Promise<BoardEntry> {
    checkKey(key, this.#limits);
    const checked = checkedValue(value, this.#limits);
    this.#checkRoom(key, checked.sizeBytes);
    const { self, clock } = this.#components;
    const entry = { key, value: checked.value, by: self, at: clock.now() };
    this.document.set(entry);
    await this.#appended;
    return entry;
  }

  async delete(key: string): Promise<boolean> {
    checkKey(key, this.#limits);
    if (!this.document.delete(key)) return false;
    await this.#appended;
    return true;
  }

  take(update: Uint8Array): ApplyResult {
    const bytesMax = this.#limits.boardBytes * PEER_SLACK;
    return this.#fits(update.length, bytesMax) ? this.document.apply(update) : 'full';
  }

  flushed(): Promise<void> {
    return this.#log.flushed();
  }

  close(): void {
    this.document.destroy();
  }

  #updated(update: Uint8Array, origin: 'local' | 'remote', changes: readonly BoardChange[]): void {
    const durable = this.#log.append(update);
    this.#appended = durable;
    if (changes.some((change) => change.entry === undefined)) this.#mayHaveShrunk = true;
    if (origin === 'local') {
      durable.then(
        () => this.#components.publish(update),
        // The writer hears of it by its own promise; peers get the entry once it is on disk.
        () => undefined,
      );
    }
    if (changes.length > 0) this.#components.changed(changes);
  }

  #checkRoom(key: string, sizeBytes: number): void {
    const { keys, structs, boardBytes } = this.#limits;
    const board = `board '${this.name}'`;
    if (this.document.size >= keys && !this.document.has(key)) {
      throw invalid(`${board} holds ${keys} keys, which is the limit`, 'delete some first');
    }
    const used = this.document.structs;
    if (used >= structs) {
      throw invalid(
        `${board} has been written ${structs} times, which is the limit`,
        'go on with a board of another name',
      );
    }
    if (used > structs * WORN && !this.#hasWarned) {
      this.#hasWarned = true;
      this.#components.logger.warn(
        { board: this.name, writes: used, limit: structs },
        'a board nears the number of writes that it can hold',
      );
    }
    if (!this.#fits(sizeBytes, boardBytes)) {
      throw invalid(`${board} holds ${boardBytes} bytes, which is the limit`, 'delete some first');
    }
  }

  #fits(sizeBytes: number, bytesMax: number): boolean {
    const log = this.#log;
    if (log.sizeBytes + sizeBytes <= bytesMax) return true;
    if (log.unfoldedBytes < FOLD_TO_FIT_BYTES && !this.#mayHaveShrunk) return false;
    this.#mayHaveShrunk = false;
    void log.fold();
    return log.sizeBytes + sizeBytes <= bytesMax;
  }
}
